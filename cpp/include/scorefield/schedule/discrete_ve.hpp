#pragma once
#include <vector>

#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Variance exploding in T steps: x_t = x0 + sigma_t eps with a rising ladder of sigmas. Song & Ermon 2019, section 4;
/// theory 2. sigma_0 = 0; between entries sigma^2 is linear in t, so g^2 is constant there.
class DiscreteVe final : public Schedule {
 public:
  /// sigmas: sigma_1 .. sigma_T, rising.
  explicit DiscreteVe(const std::vector<double>& sigmas);

  double t_min() const override { return 1; }
  double t_max() const override { return static_cast<double>(steps()); }
  Level at(double t) const override;
  Rates rates(double t) const override { return {0, g2(t) / (2 * at(t).sigma)}; }
  double f(double) const override { return 0; }
  double g2(double t) const override;
  double time_of_half_log_snr(double l) const override;
  Index steps() const override { return static_cast<Index>(variance_.size()) - 1; }
  bool exploding() const override { return true; }

 private:
  std::vector<double> variance_;  // sigma^2 for t = 0..T
};

/// sigma_t = sigma_min (sigma_max / sigma_min)^((t - 1) / (T - 1)), t = 1..T, T >= 2. Song & Ermon 2019, section 4.1.
std::vector<double> geometric_sigmas(Index T, double sigma_min, double sigma_max);

}  // namespace scorefield
