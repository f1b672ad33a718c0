#pragma once
#include <cstdint>
#include <vector>

#include "scorefield/optim/lr_schedule.hpp"
#include "scorefield/optim/optimizer.hpp"

namespace scorefield {

/// Stochastic gradient descent with momentum (Polyak 1964, in the form of Sutskever et al. 2013 that starts at m = 0):
///   m <- momentum m + g,   theta <- (1 - lr_k weight_decay) theta - lr_k m
class Sgd final : public Optimizer {
 public:
  struct Settings {
    LearningRate rate{};
    double momentum = 0.9, weight_decay = 0;
  };
  Sgd(Settings settings, Index size);

  void begin(double squared_norm) override;
  void update(std::span<float> theta, std::span<const float> dtheta, Index begin, Index end, float scale) override;
  std::vector<NamedState> state() override;

 private:
  Settings settings_;
  std::vector<float> m_;
  std::uint64_t step_ = 0;
  float keep_ = 1, rate_ = 0;  // of the step under way
};

}  // namespace scorefield
