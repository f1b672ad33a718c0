#include "scorefield/schedule/time_grid.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/base/incomplete_beta.hpp"

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

/// The share of n steps that is left after i.
double left(Index i, Index n) { return static_cast<double>(n - i) / static_cast<double>(n); }

/// Where the steps end that the formula of a grid spreads: t_end, or t_min before a last step to 0.
double last_time(const Schedule& schedule, double t_end) { return t_end > 0 ? t_end : schedule.t_min(); }

/// Whole times of a discrete schedule, halves to the even one of t - zero: each step must reach a new one.
std::vector<double> rounded(const Schedule& schedule, std::vector<double> times, double zero) {
  const auto steps = static_cast<Index>(times.size()) - 1;
  require(steps <= schedule.steps(), "this schedule has ", schedule.steps(),
          " steps, so a grid of whole times can have no more, got steps = ", steps);
  for (std::size_t i = 0; i + 1 < times.size(); ++i)
    times[i] = std::nearbyint(times[i] - zero) + zero;  // t_end stays what was asked for
  return require_falling(schedule, times);
}

/// t_max, then time(i, n) for the i-th of n steps down to t_min (after which comes 0) or to t_end > 0. Both ends are
/// exact.
template <class Time>
std::vector<double> curved(const Schedule& schedule, Index steps, double t_end, const Time& time) {
  const double first = schedule.t_max(), last = last_time(schedule, t_end);
  const Index n = t_end > 0 ? steps : steps - 1;
  std::vector<double> times;
  for (Index i = 0; i <= n; ++i) times.push_back(i == 0 ? first : i == n ? last : time(i, n));
  if (t_end == 0) times.push_back(0);
  return require_falling(schedule, times);
}

/// The levels between which a grid of noise levels is spread, where log(alpha / sigma) is finite.
struct Ends {
  Level first, last;

  Ends(const Schedule& schedule, double t_end)
      : first(schedule.at(schedule.t_max())), last(schedule.at(last_time(schedule, t_end))) {
    require(first.alpha > least_signal * first.sigma, "alpha is ", first.alpha,
            " at t_max, so log_snr is infinite there, or as good as that; use Linspace, Trailing, Quadratic or Beta");
  }
};

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
  require_request(schedule, steps, t_end);
  const double a = std::sqrt(schedule.t_max()), b = std::sqrt(last_time(schedule, t_end));
  return curved(schedule, steps, t_end, [&](Index i, Index n) {
    const double root = spaced(a, b, i, n);
    return root * root;
  });
}

std::vector<double> log_snr(const Schedule& schedule, Index steps, double t_end) {
  require_request(schedule, steps, t_end);
  const Ends ends(schedule, t_end);
  const double a = ends.first.half_log_snr(), b = ends.last.half_log_snr();
  return curved(schedule, steps, t_end,
                [&](Index i, Index n) { return schedule.time_of_half_log_snr(spaced(a, b, i, n)); });
}

std::vector<double> poly_exponential(const Schedule& schedule, Index steps, double rho, double t_end) {
  require_request(schedule, steps, t_end);
  require(rho > 0 && std::isfinite(rho), "rho must be > 0, got ", rho);
  const Ends ends(schedule, t_end);
  const double a = ends.first.half_log_snr(), b = ends.last.half_log_snr();
  return curved(schedule, steps, t_end, [&](Index i, Index n) {
    return schedule.time_of_half_log_snr(b + (a - b) * std::pow(left(i, n), rho));
  });
}

std::vector<double> karras(const Schedule& schedule, Index steps, double rho, double t_end) {
  require_request(schedule, steps, t_end);
  require(rho > 0 && std::isfinite(rho), "rho must be > 0, got ", rho);
  const Ends ends(schedule, t_end);
  const auto root = [&](const Level& p) { return std::pow(p.sigma / p.alpha, 1 / rho); };
  const double a = root(ends.first), b = root(ends.last);
  return curved(schedule, steps, t_end,
                [&](Index i, Index n) { return schedule.time_of_half_log_snr(-rho * std::log(spaced(a, b, i, n))); });
}

std::vector<double> beta(const Schedule& schedule, Index steps, double alpha, double beta, double t_end) {
  require_request(schedule, steps, t_end);
  const double first = schedule.t_max(), last = last_time(schedule, t_end);
  return curved(schedule, steps, t_end, [&](Index i, Index n) {
    return last + (first - last) * incomplete_beta_inverse(alpha, beta, left(i, n));
  });
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
