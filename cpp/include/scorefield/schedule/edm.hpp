#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// sigma = t, alpha = 1, f = 0, g^2 = 2 t. Karras et al. 2022, table 1 (last column); theory 1.
/// Times are trained in sigma_min..sigma_max; larger ones exist, and samplers that add noise at the start may ask
/// there.
class Edm final : public Schedule {
 public:
  explicit Edm(double sigma_min = 0.002, double sigma_max = 80, double sigma_data = 0.5)
      : sigma_min_(sigma_min), sigma_max_(sigma_max), sigma_data_(sigma_data) {
    require(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max),
            "sigma_min and sigma_max must satisfy 0 < sigma_min < sigma_max, got ", sigma_min, " and ", sigma_max);
    require(0 < sigma_data && std::isfinite(sigma_data), "sigma_data, the deviation of the data, must be > 0, got ",
            sigma_data);
  }

  double t_min() const override { return sigma_min_; }
  double t_max() const override { return sigma_max_; }
  Level at(double t) const override {
    require(t >= 0, "t must be >= 0 (0 is the data), got ", t);
    return {t, 1, t};
  }
  Rates rates(double) const override { return {0, 1}; }
  double f(double) const override { return 0; }
  double g2(double t) const override { return 2 * t; }
  double time_of_half_log_snr(double l) const override { return std::exp(-l); }
  bool exploding() const override { return true; }
  double sigma_data() const override { return sigma_data_; }

 private:
  double sigma_min_, sigma_max_, sigma_data_;
};

}  // namespace scorefield
