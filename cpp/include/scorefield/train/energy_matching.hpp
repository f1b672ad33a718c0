#pragma once
#include <memory>
#include <span>

#include "scorefield/train/denoising.hpp"
#include "scorefield/train/derivative_objective.hpp"

namespace scorefield {

/// The denoising loss for an energy: a scalar network F with E = F(c_in x_t) / sigma (Single: F), s = -dE/dx, theory
/// (15), (19); Salimans & Ho 2021. What is compared with the noise is sigma dE/dx = c_in dF/dx:
///   value = w(t) mean (c_in dF/dx - eps)^2
/// Its gradient is that of <c, dF/dx> with c = d value / d(dF/dx): the tangent of F along c, differentiated in theta.
class EnergyMatching final : public DerivativeObjective {
 public:
  EnergyMatching(std::shared_ptr<const Schedule> schedule, Weight weight, Times times);
  const std::shared_ptr<const Schedule>& schedule() const override { return schedule_; }
  Times times() const override { return times_; }
  void check(const TrainingData& data, Index in, Index out) const override;
  void prepare(Batch& batch) const override;
  void target(Batch& batch, Index r, In<double> x0, In<double> eps) const override;
  Index directions(Index) const override { return 1; }
  void differentiate(const DerivativePass<float>& pass, const Noise& probes, Batch& batch, Index first) const override;

 private:
  std::shared_ptr<const Schedule> schedule_;
  Weight weight_;
  Times times_;
};

/// value_r := weight_r mean (c_in_r dF/dx_r - target_r)^2, and its gradient.
template <class S>
void energy_matching(const DerivativePass<S>& pass, std::span<const double> c_in, std::span<const double> weight,
                     In<S> target, std::span<double> value);

}  // namespace scorefield
