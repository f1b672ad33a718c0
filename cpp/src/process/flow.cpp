#include "scorefield/process/flow.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "scorefield/base/check.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {

FlowPoint TimeFlow::at(double tau) const {
  const double t = std::clamp(tau, 0.0, schedule_.t_max());  // the last step may end a rounding beyond
  const Level p = schedule_.at(t);
  const Rates r = schedule_.rates(t);
  return {p, 1, r.sigma / p.sigma, r.alpha - r.sigma / p.sigma * p.alpha};
}

double AngleFlow::tau(const Level& t) const { return std::atan2(t.sigma, t.alpha); }

double AngleFlow::scale(const Level& t) const { return std::hypot(t.alpha, t.sigma); }

FlowPoint AngleFlow::at(double tau) const {
  const Level p =
      tau >= last_ ? end_ : schedule_.at(schedule_.time_of_half_log_snr(-std::log(std::tan(std::max(tau, 0.0)))));
  const double c = scale(p), cosine = p.alpha / c, sine = p.sigma / c;
  return {p, c, cosine / sine, -1 / sine};
}

std::unique_ptr<const Flow> make_flow(FlowForm form, const Schedule& schedule) {
  require(!schedule.single(), "a schedule of one noise level has no probability-flow ODE; use one that ends in noise");
  if (form == FlowForm::time) return std::make_unique<TimeFlow>(schedule);
  return std::make_unique<AngleFlow>(schedule);
}

void FlowRows::set(std::span<const double> tau, In<double> y) {
  constexpr Index block = 64;  // rows: some 10 us of logarithms
  const Index m = y.rows();
  points_.resize(static_cast<std::size_t>(m));
  levels_.resize(static_cast<std::size_t>(m));
  x_.resize(m, y.cols());
  x0_.resize(m, y.cols());
  parallel_blocks(m, flow_.serial() ? m : block, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const auto k = static_cast<std::size_t>(i);
      points_[k] = flow_.at(tau[k]);
      levels_[k] = points_[k].level;
      x_.row(i) = points_[k].scale * y.row(i);
    }
  });
}

void FlowRows::slopes(In<double> y, Out<double> dy) const {
  for (Index i = 0; i < y.rows(); ++i) dy.row(i) = point(i).y * y.row(i) + point(i).x0 * x0_.row(i);
}

void for_askable(const Denoiser& denoiser, Index first, std::span<const Index> rows,
                 const std::function<void(Index begin, Index count, Index first)>& f) {
  const auto count = static_cast<Index>(rows.size());
  if (count == 0) return;
  if (!denoiser.knows_samples()) return f(0, count, first + rows[0]);
  Index begin = 0;
  for (Index i = 1; i <= count; ++i) {
    const auto at = [&](Index k) { return rows[static_cast<std::size_t>(k)]; };
    if (i < count && at(i) == at(i - 1) + 1) continue;
    f(begin, i - begin, first + at(begin));
    begin = i;
  }
}

void denoise_rows(const Denoiser& denoiser, Index first, std::span<const Index> rows, In<double> x, Levels t,
                  Out<double> x0) {
  for_askable(denoiser, first, rows, [&](Index begin, Index count, Index sample) {
    const Levels part = t.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
    denoiser.denoise(x.middleRows(begin, count), part, sample, x0.middleRows(begin, count));
  });
}

OdeWork follow_flow(const Flow& flow, const Denoiser& denoiser, Levels from, const Level& to,
                    const OdeTolerance& tolerance, Index first, Out<double> x, const Interrupt* interrupt) {
  std::vector<double> starts;
  Matrix<double> y(x.rows(), x.cols());
  for (Index i = 0; i < x.rows(); ++i) {
    starts.push_back(flow.tau(level(from, i)));
    y.row(i) = x.row(i) / flow.scale(level(from, i));
  }
  FlowRows at(flow);
  const OdeField field = [&](std::span<const Index> rows, std::span<const double> tau, In<double> now,
                             Out<double> slope) {
    at.set(tau, now);
    denoise_rows(denoiser, first, rows, at.x(), at.levels(), at.x0());
    at.slopes(now, slope);
  };
  OdeWork work;
  try {
    work = integrate(field, starts, flow.tau(to), tolerance, y, interrupt);
  } catch (const OdeFailure& failure) {
    rethrow(failure, flow, first);
  }
  x = flow.scale(to) * y;
  return work;
}

void rethrow(const OdeFailure& failure, const Flow& flow, Index first) {
  std::ostringstream message;
  const double t = flow.at(failure.time).level.t;
  if (!failure.finite) {
    message << "the denoiser's answer is not finite at t = " << t << " in sample " << first + failure.row;
    throw NonFiniteError(message.str());
  }
  message << "no step of the probability-flow ODE is short enough for the tolerance at t = " << t << " in sample "
          << first + failure.row << ": the denoiser's answer jumps there, or is noisier than rtol and atol allow; "
          << "raise them";
  throw std::runtime_error(message.str());
}

}  // namespace scorefield
