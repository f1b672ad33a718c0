#include "scorefield/process/variance_bound.hpp"

#include <cmath>
#include <numbers>

#include "scorefield/base/check.hpp"

namespace scorefield {

VarianceRange VarianceRange::between(const Level& s, const Level& t) {
  const double v = step_variance(s, t), kept = s.sigma / t.sigma;
  return {std::log(v * kept * kept), std::log(v)};
}

VarianceBound::VarianceBound(const Schedule& schedule) {
  require(schedule.steps() >= 1, "a learned variance needs a discrete schedule, whose steps from t to t - 1 are known");
  for (Index k = 1; k <= schedule.steps(); ++k) {
    const Level s = schedule.at(static_cast<double>(k - 1)), t = schedule.at(static_cast<double>(k));
    const double v = step_variance(s, t);
    const VarianceRange variance = k > 1 ? VarianceRange::between(s, t) : VarianceRange{std::log(v), std::log(v)};
    steps_.push_back({variance, s.alpha * v / (t.sigma * t.sigma)});
  }
  if (steps_.size() > 1) steps_[0].variance.log_beta_tilde = steps_[1].variance.log_beta_tilde;
}

VarianceBound::Term VarianceBound::term(Index t, double gap, double share) const {
  const Entry& at = steps_[static_cast<std::size_t>(t - 1)];
  const double log_var = at.variance.log_variance(share), slope = at.variance.log_beta - at.variance.log_beta_tilde;
  const double square = at.A * gap * at.A * gap * std::exp(-log_var);
  if (t == 1) return {(std::log(2 * std::numbers::pi) + log_var + square) / 2, slope * (1 - square) / 2};
  const double ratio = std::exp(at.variance.log_beta_tilde - log_var);
  return {(log_var - at.variance.log_beta_tilde - 1 + ratio + square) / 2, slope * (1 - ratio - square) / 2};
}

}  // namespace scorefield
