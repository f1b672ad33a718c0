#include "scorefield/sample/restart.hpp"

#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

double noise_level(const Schedule& schedule, double t) {
  const Level p = schedule.at(t);
  return p.sigma / p.alpha;
}

double time_of(const Schedule& schedule, double noise_level) {
  return schedule.time_of_half_log_snr(-std::log(noise_level));
}

void check(const Schedule& schedule, std::span<const double> times, const Restart& restart) {
  require(restart.K >= 1, "K, the number of restarts, must be >= 1, got ", restart.K);
  require(restart.steps >= 1, "steps from t_max to t_min must be >= 1, got ", restart.steps);
  require(0 < restart.t_min && restart.t_min < restart.t_max && std::isfinite(restart.t_max),
          "t_min and t_max must satisfy 0 < t_min < t_max, got ", restart.t_min, " and ", restart.t_max);
  require(times.size() >= 2, "a time grid needs at least 2 entries, got ", times.size());
  const double first = noise_level(schedule, times.front()), last = noise_level(schedule, times.back());
  require(last <= restart.t_min && restart.t_max <= first, "the grid goes from sigma / alpha = ", first, " to ", last,
          ", which does not span Restart's interval ", restart.t_min, "..", restart.t_max,
          "; choose t_min and t_max within");
  const double least = noise_level(schedule, schedule.t_min());
  require(least <= restart.t_min, "Restart's t_min = ", restart.t_min, " lies below the least noise of the schedule, ",
          "sigma / alpha = ", least);
}

/// From t_max down to t_min, both as times of the schedule.
std::vector<double> inner_times(const Schedule& schedule, const Restart& restart) {
  const double a = std::pow(restart.t_max, 1.0 / 7), b = std::pow(restart.t_min, 1.0 / 7);
  std::vector<double> times;
  for (Index i = 0; i <= restart.steps; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(restart.steps);
    times.push_back(time_of(schedule, std::pow(a + share * (b - a), 7)));
  }
  return times;
}

}  // namespace

std::vector<double> restarted(const Schedule& schedule, std::span<const double> times, const Restart& restart) {
  check(schedule, times, restart);
  const std::vector<double> inner = inner_times(schedule, restart);
  const double low = inner.back();
  std::vector<double> out;
  std::size_t i = 0;
  for (; i < times.size() && times[i] > low; ++i) out.push_back(times[i]);
  out.push_back(low);
  for (Index k = 0; k < restart.K; ++k) out.insert(out.end(), inner.begin(), inner.end());
  for (; i < times.size(); ++i) {
    if (times[i] < low) out.push_back(times[i]);
  }
  return out;
}

}  // namespace scorefield
