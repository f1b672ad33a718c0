#pragma once
#include <functional>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "scorefield/process/weighting.hpp"
#include "scorefield/train/objective.hpp"

namespace scorefield {

/// What the network of a diffusion model should put out at (x0, eps, t): the target of its prediction kind without the
/// scale that turns outputs into predictions (score: -eps instead of -eps / sigma).
class DenoisingTarget {
 public:
  DenoisingTarget(std::shared_ptr<const Schedule> schedule, Prediction prediction);
  const std::shared_ptr<const Schedule>& schedule() const { return schedule_; }
  Prediction prediction() const { return prediction_; }
  void check(const TrainingData& data, Index in, Index out) const;
  /// The factors of x0 and eps at the batch's times, after its levels are known.
  void prepare(Batch& batch) const;
  void write(Batch& batch, Index r, In<double> x0, In<double> eps) const;

 private:
  std::shared_ptr<const Schedule> schedule_;
  Prediction prediction_;
};

/// A user's weight on the eps-loss: t (n,) -> w (n,).
using WeightFunction = std::function<std::vector<double>(std::span<const double> t)>;

/// The denoising loss, theory (15), as a mean over the elements of a sample:  w(t) mean (y - target)^2.
class Denoising final : public Objective {
 public:
  Denoising(DenoisingTarget target, std::variant<Weight, WeightFunction> weight, Times times);
  const std::shared_ptr<const Schedule>& schedule() const override { return target_.schedule(); }
  Times times() const override { return times_; }
  void check(const TrainingData& data, Index in, Index out) const override { target_.check(data, in, out); }
  void prepare(Batch& batch) const override;
  void target(Batch& batch, Index r, In<double> x0, In<double> eps) const override { target_.write(batch, r, x0, eps); }
  double value(const Batch& batch, Index r, In<float> y, Out<float> dy) const override;

 private:
  DenoisingTarget target_;
  std::variant<Weight, WeightFunction> weight_;
  Times times_;
};

/// A user's loss: value (n,) of each row, and row r of dy := d value_r / d y_r.
using LossFunction = std::function<void(In<float> y, In<float> target, std::span<const double> t,
                                        std::span<double> value, Out<float> dy)>;

/// The same targets under a user's loss, which is called on the calling thread with the whole batch.
class CustomLoss final : public Objective {
 public:
  CustomLoss(DenoisingTarget target, LossFunction loss, Times times);
  const std::shared_ptr<const Schedule>& schedule() const override { return target_.schedule(); }
  Times times() const override { return times_; }
  void check(const TrainingData& data, Index in, Index out) const override { target_.check(data, in, out); }
  void prepare(Batch& batch) const override;
  void target(Batch& batch, Index r, In<double> x0, In<double> eps) const override { target_.write(batch, r, x0, eps); }
  double value(const Batch& batch, Index r, In<float> y, Out<float> dy) const override;
  bool whole() const override { return true; }
  void together(Batch& batch, In<float> y, Out<float> dy) const override;

 private:
  DenoisingTarget target_;
  LossFunction loss_;
  Times times_;
};

}  // namespace scorefield
