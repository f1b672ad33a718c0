#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Variance exploding SDE. Song et al. 2021, eqs. 9 and 31, shifted so that t = 0 is exactly the data; theory 5, r =
/// sigma_max / sigma_min:
///   alpha = 1,  sigma^2 = sigma_min^2 (r^{2t} - 1),  f = 0,  g^2 = sigma_min^2 r^{2t} 2 log r
/// t_min is where sigma = sigma_min. The formula holds beyond t_max, and samplers that add noise at the start may ask
/// there.
class Ve final : public Schedule {
 public:
  explicit Ve(double sigma_min = 0.01, double sigma_max = 50)
      : sigma_min_(sigma_min), log_r_(std::log(sigma_max / sigma_min)) {
    require(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max),
            "sigma_min and sigma_max must satisfy 0 < sigma_min < sigma_max, got ", sigma_min, " and ", sigma_max);
    require(2 * log_r_ > std::log(2.0),
            "sigma_max must be more than sqrt(2) sigma_min, so that sigma = sigma_min is reached before t = 1, got ",
            sigma_max, " and ", sigma_min);
  }

  double t_min() const override { return std::log(2.0) / (2 * log_r_); }
  double t_max() const override { return 1; }
  Level at(double t) const override {
    require(t >= 0, "t must be >= 0 (0 is the data), got ", t);
    return {t, 1, sigma_min_ * std::sqrt(std::expm1(2 * log_r_ * t))};
  }
  Rates rates(double t) const override { return {0, g2(t) / (2 * at(t).sigma)}; }
  double f(double) const override { return 0; }
  double g2(double t) const override { return sigma_min_ * sigma_min_ * 2 * log_r_ * std::exp(2 * log_r_ * t); }
  double time_of_half_log_snr(double l) const override {
    const double ratio = std::exp(-l) / sigma_min_;
    return std::log1p(ratio * ratio) / (2 * log_r_);
  }
  bool exploding() const override { return true; }

 private:
  double sigma_min_, log_r_;
};

}  // namespace scorefield
