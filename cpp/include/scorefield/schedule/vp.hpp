#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// The integral of beta(t) = b0 + t (b1 - b0) from 0 to t, which VP and sub-VP share, and its inverse.
struct BetaLine {
  double b0, b1;

  BetaLine(double beta_min, double beta_max) : b0(beta_min), b1(beta_max) {
    require(0 < b0 && b0 <= b1 && std::isfinite(b1),
            "beta_min and beta_max must satisfy 0 < beta_min <= beta_max, got ", b0, " and ", b1);
  }
  double rate(double t) const { return b0 + t * (b1 - b0); }
  double integral(double t) const { return t * (b0 + t * (b1 - b0) / 2); }
  /// The root of a quadratic in the form without cancellation.
  double time(double i) const { return i == 0 ? 0 : 2 * i / (b0 + std::sqrt(b0 * b0 + 2 * (b1 - b0) * i)); }
};

/// Variance preserving SDE. Song et al. 2021, eqs. 11 and 33; theory 5:
///   f = -beta(t) / 2,  g^2 = beta(t),  alpha_bar = exp(-int beta),  alpha = sqrt(alpha_bar),  sigma = sqrt(1 -
///   alpha_bar)
class Vp final : public Schedule {
 public:
  explicit Vp(double beta_min = 0.1, double beta_max = 20) : beta_(beta_min, beta_max) {}

  double t_min() const override { return 1e-3; }
  double t_max() const override { return 1; }
  Level at(double t) const override {
    const double log_alpha_bar = -beta_.integral(require_time(*this, t));
    return {t, std::exp(log_alpha_bar / 2),
            std::sqrt(-std::expm1(log_alpha_bar))};  // expm1: 1 - alpha_bar keeps its digits near 0
  }
  Rates rates(double t) const override {
    const Level p = at(t);
    return {-beta_.rate(t) / 2 * p.alpha, beta_.rate(t) / 2 * p.alpha * p.alpha / p.sigma};
  }
  double f(double t) const override { return -beta_.rate(require_time(*this, t)) / 2; }
  double g2(double t) const override { return beta_.rate(require_time(*this, t)); }
  double time_of_half_log_snr(double l) const override {
    return std::fmin(
        1, beta_.time(std::log1p(std::exp(-2 * require_half_log_snr(*this, l)))));  // -log alpha_bar = log(1 + 1/snr)
  }

 private:
  BetaLine beta_;
};

}  // namespace scorefield
