#pragma once
#include <cstdint>
#include <vector>

#include "scorefield/optim/optimizer.hpp"

namespace scorefield {

/// Exponential moving average of theta behind the optimiser inside, starting from the theta it is made with:
///   average <- average + (1 - d_k) (theta - average),   d_k = min(decay, (1 + k) / (10 + k)) after k = 0, 1, ...
///   earlier steps
/// The second term lets short runs forget their start (the warm-up of TensorFlow's ExponentialMovingAverage).
class Ema final : public Optimizer {
 public:
  Ema(double decay, std::span<const float> theta, std::unique_ptr<Optimizer> inner);

  void begin(double squared_norm) override;
  void update(std::span<float> theta, std::span<const float> dtheta, Index begin, Index end, float scale) override;
  std::vector<NamedState> state() override;
  std::span<const float> average() const override { return average_; }

 private:
  double decay_;
  std::vector<float> average_;
  std::uint64_t step_ = 0;
  float gain_ = 0;  // 1 - d_k of the step under way
  std::unique_ptr<Optimizer> inner_;
};

}  // namespace scorefield
