#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// One noise level at every time: x = x0 + sigma eps. For score matching and energies of the data themselves, theory
/// (17)-(19), and Langevin sampling.
class Single final : public Schedule {
 public:
  explicit Single(double sigma = 0) : sigma_(sigma) {
    require(0 <= sigma && std::isfinite(sigma), "sigma must be >= 0, got ", sigma);
  }

  double t_min() const override { return 0; }
  double t_max() const override { return 1; }
  Level at(double t) const override { return {require_time(*this, t), 1, sigma_}; }
  Rates rates(double) const override { return {0, 0}; }
  double f(double) const override { return 0; }
  double g2(double) const override { return 0; }
  double time_of_half_log_snr(double) const override {
    require(false,
            "Single has the same noise level at every time, so no time follows from log_snr; use another schedule");
    return 0;
  }
  bool exploding() const override { return true; }
  bool single() const override { return true; }

 private:
  double sigma_;
};

}  // namespace scorefield
