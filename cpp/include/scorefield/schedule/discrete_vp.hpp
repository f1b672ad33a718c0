#pragma once
#include <vector>

#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Variance preserving in T steps: q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I). Ho et al. 2020, eqs. 2 and
/// 4; theory (3), (4). Between entries log alpha_bar is linear in t, so f and g^2 = -2 f are constant there; where
/// alpha_bar_T = 0, alpha_bar itself is linear in the last interval. alpha_bar is kept as its logarithm, a sum of
/// log1p(-beta), so that it keeps its digits at both ends.
class DiscreteVp final : public Schedule {
 public:
  /// betas: beta_1 .. beta_T, each in (0, 1).
  static DiscreteVp of_betas(const std::vector<double>& betas);
  /// alpha_bars: alpha_bar_1 .. alpha_bar_T, falling within (0, 1); the last may be 0.
  static DiscreteVp of_alpha_bars(const std::vector<double>& alpha_bars);

  double t_min() const override { return 1; }
  double t_max() const override { return static_cast<double>(steps()); }
  Level at(double t) const override;
  Rates rates(double t) const override;
  double f(double t) const override;
  double g2(double t) const override { return -2 * f(t); }
  double time_of_half_log_snr(double l) const override;
  Index steps() const override { return static_cast<Index>(log_alpha_bar_.size()) - 1; }

 private:
  explicit DiscreteVp(std::vector<double> log_alpha_bar) : log_alpha_bar_(std::move(log_alpha_bar)) {}
  double log_alpha_bar(double t) const;

  std::vector<double> log_alpha_bar_;  // t = 0..T; the last may be -infinity
};

/// Lin et al. 2023, algorithm 1: shift and scale sqrt(alpha_bar) so that its last value is 0 and its first stays.
/// alpha_bars for t = 1..T in and out.
std::vector<double> zero_terminal_snr(const std::vector<double>& alpha_bars);

}  // namespace scorefield
