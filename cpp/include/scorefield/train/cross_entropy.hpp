#pragma once
#include <memory>

#include "scorefield/train/objective.hpp"

namespace scorefield {

/// Classifiers: -log softmax(y)_label. With a schedule they learn p(label | x_t), theory (27); without one, p(label |
/// x0).
class CrossEntropy final : public Objective {
 public:
  explicit CrossEntropy(std::shared_ptr<const Schedule> schedule = nullptr, Times times = Times::uniform);
  const std::shared_ptr<const Schedule>& schedule() const override { return schedule_; }
  Times times() const override { return times_; }
  void check(const TrainingData& data, Index in, Index out) const override;
  bool classifies() const override { return true; }
  void prepare(Batch& batch) const override { noise_levels(batch); }
  void target(Batch&, Index, In<double>, In<double>) const override {}
  double value(const Batch& batch, Index r, In<float> y, Out<float> dy) const override;

 private:
  std::shared_ptr<const Schedule> schedule_;
  Times times_;
};

}  // namespace scorefield
