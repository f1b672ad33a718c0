#pragma once
#include <cstdint>
#include <vector>

#include "scorefield/optim/lr_schedule.hpp"
#include "scorefield/optim/optimizer.hpp"

namespace scorefield {

/// Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2); k = 1,
/// 2, ...
///   m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2,   lr_k = rate.at(k - 1)
///   theta <- (1 - lr_k weight_decay) theta - lr_k (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + eps)
class Adam final : public Optimizer {
 public:
  struct Settings {
    LearningRate rate{};
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  };
  Adam(Settings settings, Index size);

  void begin(double squared_norm) override;
  void update(std::span<float> theta, std::span<const float> dtheta, Index begin, Index end, float scale) override;
  std::vector<NamedState> state() override;

 private:
  Settings settings_;
  std::vector<float> m_, v_;  // moments
  std::uint64_t step_ = 0;    // steps begun
  float keep_ = 1, rate_ = 0,
        root_ = 1;  // of the step under way: 1 - lr_k weight_decay, lr_k / (1 - beta1^k), sqrt(1 - beta2^k)
};

}  // namespace scorefield
