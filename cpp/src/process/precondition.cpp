#include "scorefield/process/precondition.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

/// Only the flow is made of rates; of a schedule known by its functions alone they cost several calls.
Rates rates_for(Prediction kind, const Schedule& schedule, double t) {
  return kind == Prediction::flow ? schedule.rates(t) : Rates{};
}

bool divided_by_sigma(Prediction kind) { return kind == Prediction::score || kind == Prediction::energy; }

}  // namespace

double c_in(const Schedule& schedule, const Level& t) {
  return schedule.exploding() && !schedule.single() ? 1 / std::hypot(t.sigma, schedule.sigma_data()) : 1;
}

double c_noise(const Schedule& schedule, double t) {
  if (schedule.single()) return 0;
  const double heard = std::max(t, schedule.t_min());
  if (schedule.exploding()) return std::log(schedule.at(heard).sigma) / 4;
  return schedule.steps() > 0 ? heard - 1 : 1000 * heard;
}

double output_scale(Prediction kind, const Level& t, const Schedule& schedule) {
  if (!divided_by_sigma(kind) || schedule.single()) return 1;
  require(t.sigma > 0, "sigma is 0 at t = ", t.t, ", where the ", name(kind),
          " of noised data does not exist; ask at a time t > 0");
  return 1 / t.sigma;
}

ToX0 network_to_x0(Prediction kind, const Level& t, const Schedule& schedule) {
  if (!divided_by_sigma(kind) || schedule.single())
    return to_x0(kind, t, rates_for(kind, schedule, t.t), schedule.sigma_data());
  const ToX0 noise = to_x0(Prediction::eps, t, {}, 1);  // -sigma score is the noise
  return {noise.x, kind == Prediction::score ? -noise.y : noise.y};
}

Target network_target(Prediction kind, const Level& t, const Schedule& schedule) {
  if (!divided_by_sigma(kind) || schedule.single())
    return target(kind, t, rates_for(kind, schedule, t.t), schedule.sigma_data());
  return {0, kind == Prediction::score ? -1.0 : 1.0};
}

void require_serves(Prediction kind, const Schedule& schedule) {
  const Level end = schedule.at(schedule.t_max());
  if (kind == Prediction::edm) target(kind, end, {}, schedule.sigma_data());
  if (kind == Prediction::eps || divided_by_sigma(kind)) to_x0(kind, end, {}, 1);
  if (kind == Prediction::flow) target(kind, end, schedule.rates(end.t), 1);
}

}  // namespace scorefield
