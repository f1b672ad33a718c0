#pragma once
#include <memory>
#include <span>

#include "scorefield/train/derivative_objective.hpp"

namespace scorefield {

/// Samples of an energy by `steps` steps of Metropolis-adjusted Langevin dynamics with step size a, as `Langevin` says:
///   y = x - a/2 dE/dx + sqrt(a) z,     x := y with probability min(1, p(y) q(x | y) / (p(x) q(y | x))),  p ~ exp(-E)
struct ShortChain {
  Index steps;
  double step_size;
};

/// Contrastive divergence for an energy at one noise level (Single), E = F(x). Hinton 2002, eq. 7; Langevin dynamics:
/// Du & Mordatch 2019 (arXiv:1903.08689), algorithm 1. The gradient of the likelihood is
///   d/dtheta mean -log p(x) = mean of dE/dtheta over the data - its mean under the model,
/// and for samples of the model stand the ends of short chains that start from the data; the way there is not
/// differentiated. The chains keep p for every step size, so at the true energy the gradient vanishes in the mean.
///   value = E(x) - E(end of the chain)
class ContrastiveDivergence final : public DerivativeObjective {
 public:
  ContrastiveDivergence(std::shared_ptr<const Schedule> schedule, ShortChain chain);
  const std::shared_ptr<const Schedule>& schedule() const override { return schedule_; }
  void check(const TrainingData& data, Index in, Index out) const override;
  void prepare(Batch& batch) const override { noise_levels(batch); }
  void target(Batch& batch, Index r, In<double> x0, In<double> eps) const override;
  Index directions(Index) const override { return 0; }
  void differentiate(const DerivativePass<float>& pass, const Noise& noise, Batch& batch, Index first) const override;

 private:
  std::shared_ptr<const Schedule> schedule_;
  ShortChain chain_;
};

/// x := the ends of the chains that start there; row r draws from sample r of `noise`.
template <class S>
void run_chains(const DerivativePass<S>& pass, const ShortChain& chain, const Noise& noise, Out<S> x);

/// value_r := F(x_r) - F(end_r), x that of pass.in, and its gradient in theta at fixed ends.
template <class S>
void contrast(const DerivativePass<S>& pass, In<S> end, std::span<double> value);

}  // namespace scorefield
