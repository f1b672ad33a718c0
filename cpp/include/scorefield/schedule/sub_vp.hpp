#pragma once
#include "scorefield/schedule/vp.hpp"

namespace scorefield {

/// Sub-VP SDE. Song et al. 2021, eqs. 12 and 33; theory 5:
///   f = -beta(t) / 2,  g^2 = beta(t) (1 - alpha_bar^2),  alpha = sqrt(alpha_bar),  sigma = 1 - alpha_bar,  alpha_bar =
///   exp(-int beta)
class SubVp final : public Schedule {
 public:
  explicit SubVp(double beta_min = 0.1, double beta_max = 20) : beta_(beta_min, beta_max) {}

  double t_min() const override { return 1e-3; }
  double t_max() const override { return 1; }
  Level at(double t) const override {
    const double log_alpha_bar = -beta_.integral(require_time(*this, t));
    return {t, std::exp(log_alpha_bar / 2), -std::expm1(log_alpha_bar)};
  }
  Rates rates(double t) const override {
    const Level p = at(t);
    return {-beta_.rate(t) / 2 * p.alpha, beta_.rate(t) * p.alpha * p.alpha};
  }
  double f(double t) const override { return -beta_.rate(require_time(*this, t)) / 2; }
  double g2(double t) const override {
    return -beta_.rate(t) * std::expm1(-2 * beta_.integral(require_time(*this, t)));
  }
  /// q = alpha / (1 - alpha^2) is a quadratic in alpha; in terms of sigma = alpha / q its root is 2 / (1 + sqrt(1 + 4
  /// q^2)).
  double time_of_half_log_snr(double l) const override {
    const double q = std::exp(require_half_log_snr(*this, l)), sigma = 2 / (1 + std::hypot(1, 2 * q));
    return std::fmin(1, beta_.time(-std::log1p(-sigma)));
  }

 private:
  BetaLine beta_;
};

}  // namespace scorefield
