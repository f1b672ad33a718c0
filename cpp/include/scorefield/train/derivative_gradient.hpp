#pragma once
#include <memory>
#include <span>
#include <vector>

#include "scorefield/engine/shard_rows.hpp"
#include "scorefield/train/derivative_objective.hpp"

namespace scorefield {

/// The gradient of a loss of derivatives, shard by shard as gradient() forms that of other losses: same bits for any
/// number of threads.
class DerivativeGradient {
 public:
  DerivativeGradient(const nn::Plan& plan, std::shared_ptr<const DerivativeObjective> objective);

  void load(std::span<const float> theta) { engine_->load(theta.data(), *weights_); }
  /// batch.value := the losses; dtheta := the gradient of sum_r scale_r value_r, unless null.
  void run(Batch& batch, const Inputs<float>& inputs, Shards shards, std::span<const double> scale, const Noise& probes,
           float* dtheta);

 private:
  std::shared_ptr<const TangentEngine<float>> engine_;
  std::shared_ptr<const DerivativeObjective> objective_;
  std::unique_ptr<Weights> weights_;
  std::vector<std::unique_ptr<Tape>> tapes_;  // per thread
  Index part_, directions_;                   // samples in one pass; directions of each
  ShardRows<float> rows_;
};

}  // namespace scorefield
