#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Straight paths x_t = (1 - u) x0 + u eps. Liu et al. 2023, eq. 1; theory 1. `shift` moves the times towards the noise
/// (Esser et al. 2024, eq. 23):
///   u = shift t / (1 + (shift - 1) t),   f = -u' / (1 - u),   g^2 = 2 u u' / (1 - u)
class RectifiedFlow final : public Schedule {
 public:
  explicit RectifiedFlow(double shift = 1) : shift_(shift) {
    require(0 < shift && std::isfinite(shift), "shift must be > 0, got ", shift);
  }

  double t_min() const override { return 1e-3; }
  double t_max() const override { return 1; }
  Level at(double t) const override {
    const double scale = 1 + (shift_ - 1) * require_time(*this, t);
    return {t, (1 - t) / scale, shift_ * t / scale};
  }
  Rates rates(double t) const override {
    const double scale = 1 + (shift_ - 1) * require_time(*this, t), slope = shift_ / (scale * scale);
    return {-slope, slope};
  }
  double g2(double t) const override { return 2 * at(t).sigma * rates(t).sigma / at(t).alpha; }
  double time_of_half_log_snr(double l) const override {
    return 1 / (1 + shift_ * std::exp(l));
  }  // alpha / sigma = (1 - t) / (shift t)

 private:
  double shift_;
};

}  // namespace scorefield
