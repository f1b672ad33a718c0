#include "scorefield/schedule/time_grid.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield::grids {
namespace {

void require_request(const Schedule& schedule, Index steps, double t_end) {
  require(!schedule.single(), "Single has one noise level and no way from noise to data; sample it with Langevin");
  require(steps >= 1 && steps <= 10'000'000, "steps must be >= 1 and at most 10 million, got ", steps);
  require(t_end >= 0 && t_end < schedule.t_max(), "t_end must lie in 0..", schedule.t_max(), " (below it), got ",
          t_end);
}

/// Entry i of n equal steps from a to b, exact at both ends.
double spaced(double a, double b, Index i, Index n) {
  return i == 0 ? a : i == n ? b : a + (b - a) * static_cast<double>(i) / static_cast<double>(n);
}

/// Whole times of a discrete schedule, halves to the even one of t - zero: each step must reach a new one.
std::vector<double> rounded(const Schedule& schedule, std::vector<double> times, double zero) {
  const auto steps = static_cast<Index>(times.size()) - 1;
  require(steps <= schedule.steps(), "this schedule has ", schedule.steps(),
          " steps, so a grid of whole times can have no more, got steps = ", steps);
  for (std::size_t i = 0; i + 1 < times.size(); ++i)
    times[i] = std::nearbyint(times[i] - zero) + zero;  // t_end stays what was asked for
  return require_falling(schedule, times);
}

/// Equal steps of value(t) between t_max and t_min (then 0), or t_end > 0. time() inverts value().
template <class Value, class Time>
std::vector<double> curved(const Schedule& schedule, Index steps, double t_end, const Value& value, const Time& time) {
  require_request(schedule, steps, t_end);
  const double first = schedule.t_max(), last = t_end > 0 ? t_end : schedule.t_min();
  const Index pieces = t_end > 0 ? steps : steps - 1;
  const double a = value(first), b = value(last);
  require(std::isfinite(a), "alpha is 0 at t_max, so log_snr is infinite there; use Linspace, Trailing or Quadratic");
  std::vector<double> times;
  for (Index i = 0; i <= pieces; ++i)
    times.push_back(i == 0 ? first : i == pieces ? last : time(spaced(a, b, i, pieces)));
  if (t_end == 0) times.push_back(0);
  return require_falling(schedule, times);
}

}  // namespace

std::vector<double> trailing(const Schedule& schedule, Index steps, double t_end) {
  require_request(schedule, steps, t_end);
  std::vector<double> times;
  for (Index i = 0; i <= steps; ++i) times.push_back(spaced(schedule.t_max(), t_end, i, steps));
  return schedule.steps() > 0 ? rounded(schedule, std::move(times), 0) : require_falling(schedule, times);
}

std::vector<double> leading(const Schedule& schedule, Index steps, Index offset, double t_end) {
  require_request(schedule, steps, t_end);
  const Index T = schedule.steps();
  require(T > 0, "Leading counts the entries of a discrete schedule; for continuous time use Linspace");
  require(offset >= 0, "offset must be >= 0, got ", offset);
  require(steps <= T, "this schedule has ", T, " steps, so Leading can have no more, got steps = ", steps);
  require(1 + offset + (steps - 1) * (T / steps) <= T, "offset = ", offset, " moves the first time beyond T = ", T,
          "; use a smaller one");
  std::vector<double> times;
  for (Index i = 0; i < steps; ++i) times.push_back(static_cast<double>(1 + offset + (steps - 1 - i) * (T / steps)));
  times.push_back(t_end);
  return require_falling(schedule, times);
}

std::vector<double> linspace(const Schedule& schedule, Index steps, double t_end) {
  if (schedule.steps() == 0 || t_end > 0) return trailing(schedule, steps, t_end);
  require_request(schedule, steps, t_end);
  std::vector<double> times;
  for (Index i = 0; i < steps; ++i)
    times.push_back(i == 0 ? schedule.t_max() : spaced(schedule.t_max(), 1, i, steps - 1));
  times.push_back(0);
  return rounded(schedule, std::move(times), 1);
}

std::vector<double> quadratic(const Schedule& schedule, Index steps, double t_end) {
  return curved(schedule, steps, t_end, [](double t) { return std::sqrt(t); }, [](double root) { return root * root; });
}

std::vector<double> log_snr(const Schedule& schedule, Index steps, double t_end) {
  return curved(
      schedule, steps, t_end, [&](double t) { return schedule.at(t).half_log_snr(); },
      [&](double l) { return schedule.time_of_half_log_snr(l); });
}

std::vector<double> karras(const Schedule& schedule, Index steps, double rho, double t_end) {
  require(rho > 0 && std::isfinite(rho), "rho must be > 0, got ", rho);
  const auto root = [&](double t) {
    const Level p = schedule.at(t);
    return std::pow(p.sigma / p.alpha, 1 / rho);
  };
  return curved(schedule, steps, t_end, root,
                [&](double r) { return schedule.time_of_half_log_snr(-rho * std::log(r)); });
}

const std::vector<double>& require_falling(const Schedule& schedule, const std::vector<double>& times) {
  require(times.size() >= 2, "a time grid needs at least 2 entries, got ", times.size());
  require(times.front() <= schedule.t_max() && times.back() >= 0, "a time grid must lie in 0..", schedule.t_max(),
          ", got ", times.front(), " to ", times.back());
  for (std::size_t i = 1; i < times.size(); ++i) {
    require(times[i] < times[i - 1], "a time grid must fall, but entry ", i, " is ", times[i], " after ", times[i - 1],
            "; ask for fewer steps or another grid");
  }
  return times;
}

}  // namespace scorefield::grids
