#include "scorefield/schedule/schedule.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {

double Schedule::g2(double t) const {
  const Level p = at(t);
  const Rates r = rates(t);
  return 2 * p.sigma * (r.sigma - r.alpha / p.alpha * p.sigma);
}

double require_time(const Schedule& schedule, double t) {
  require(t >= 0 && t <= schedule.t_max(), "t must lie in 0..", schedule.t_max(), " (0 is the data), got ", t);
  return t;
}

double require_half_log_snr(const Schedule& schedule, double l) {
  const double end = schedule.at(schedule.t_max()).half_log_snr();
  require(l >= end - 1e-9 * std::max(1.0, std::abs(end)), "this schedule ends at log_snr = ", 2 * end,
          ", so no time has log_snr = ", 2 * l, "; ask for a larger log_snr");
  return std::max(l, end);
}

double beta(const Schedule& schedule, double t) {
  if (schedule.steps() == 0) return -2 * schedule.f(t);
  return step_variance(schedule.at(std::max(t - 1, 0.0)), schedule.at(t));
}

}  // namespace scorefield
