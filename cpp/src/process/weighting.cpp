#include "scorefield/process/weighting.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/process/precondition.hpp"

namespace scorefield {
namespace {

constexpr std::array<std::string_view, 7> names{"simple", "vlb", "snr", "min_snr", "p2", "likelihood", "edm"};

/// snr g^2 / sigma^2, with g^2 = 2 sigma (alpha sigma' - alpha' sigma) / alpha: finite at alpha = 0 if the rates are.
double likelihood(const Schedule& schedule, const Level& t) {
  if (t.alpha > 0) return t.alpha * t.alpha * schedule.g2(t.t) / std::pow(t.sigma, 4);
  const Rates rates = schedule.rates(t.t);
  return 2 * t.alpha * (t.alpha * rates.sigma - rates.alpha * t.sigma) / std::pow(t.sigma, 3);
}

/// Discrete: snr v / (2 r^2 sigma_t^2) = alpha_s^2 v / (2 sigma_t^4), finite at alpha_t = 0.
double vlb(const Schedule& schedule, const Level& t) {
  if (schedule.steps() == 0) return likelihood(schedule, t) / 2;
  const Level s = schedule.at(std::max(t.t - 1, 0.0));
  return s.alpha * s.alpha * step_variance(s, t) / (2 * std::pow(t.sigma, 4));
}

/// w in w r^2, r the error of x0_hat.
double on_x0(Weight weight, const Schedule& schedule, const Level& t) {
  const double snr = t.alpha * t.alpha / (t.sigma * t.sigma), s_d = schedule.sigma_data();
  switch (weight) {
    case Weight::simple: return 1;
    case Weight::vlb: return vlb(schedule, t);
    case Weight::snr: return std::max(snr, 1.0);
    case Weight::min_snr: return std::min(snr, 5.0);
    case Weight::p2: return snr / (1 + snr);
    case Weight::likelihood: return likelihood(schedule, t);
    case Weight::edm: return snr + 1 / (s_d * s_d);
  }
  return 1;
}

}  // namespace

Weight parse_weight(std::string_view word) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == word) return static_cast<Weight>(i);
  }
  require(false, "unknown weight '", word, "'; known: simple, vlb, snr, min_snr, p2, likelihood, edm");
  return Weight::simple;
}

double loss_weight(Weight weight, Prediction kind, const Schedule& schedule, double t) {
  if (weight == Weight::simple) return 1;
  const Level p = schedule.at(t);
  require(p.sigma > 0, "weight '", names[static_cast<std::size_t>(weight)], "' needs noise, but sigma is 0 at t = ", t,
          "; use weight \"simple\"");
  const double slope = network_to_x0(kind, p, schedule).y, w = on_x0(weight, schedule, p) * slope * slope;
  require(std::isfinite(w), "weight '", names[static_cast<std::size_t>(weight)], "' is infinite at t = ", t,
          " on this schedule; use weight \"simple\" or \"min_snr\"");
  return w;
}

}  // namespace scorefield
