#pragma once
#include <memory>
#include <vector>

#include "scorefield/process/variance_bound.hpp"
#include "scorefield/train/denoising.hpp"

namespace scorefield {

/// The hybrid loss of a network that learns its variance, Nichol & Dhariwal 2021, eq. 16; theory 2, (16):
///   L = mean (y - target)^2 + vlb T L_{t-1} / D
/// with y the first half of the output channels and the bound's term of the second half, in nats per number. The bound
/// does not reach the mean: its derivative is taken in the second half alone.
class Hybrid final : public Objective {
 public:
  /// channels: of x, the last axis of a sample. The network puts out twice as many.
  Hybrid(DenoisingTarget target, double vlb, Index channels, Times times);
  const std::shared_ptr<const Schedule>& schedule() const override { return target_.schedule(); }
  Times times() const override { return times_; }
  void check(const TrainingData& data, Index in, Index out) const override;
  void prepare(Batch& batch) const override;
  void target(Batch& batch, Index r, In<double> x0, In<double> eps) const override { target_.write(batch, r, x0, eps); }
  double value(const Batch& batch, Index r, In<float> y, Out<float> dy) const override;

 private:
  DenoisingTarget target_;
  VarianceBound bound_;
  std::vector<double> slopes_;  // d x0_hat / dy at t = 1..T
  double vlb_;
  Index channels_;
  Times times_;
};

}  // namespace scorefield
