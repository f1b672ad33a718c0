#include "scorefield/process/variance_bound.hpp"

#include <cmath>
#include <numbers>

#include "scorefield/base/check.hpp"

namespace scorefield {

VarianceRange VarianceRange::between(const Level& s, const Level& t) {
  const double v = step_variance(s, t), kept = s.sigma / t.sigma;
  return {std::log(v * kept * kept), std::log(v)};
}

ReverseStep::Term ReverseStep::term(double gap, double share) const {
  const double log_var = variance.log_variance(share), slope = variance.log_beta - variance.log_beta_tilde;
  const double square = A * gap * A * gap * std::exp(-log_var);
  if (to_data) return {(std::log(2 * std::numbers::pi) + log_var + square) / 2, slope * (1 - square) / 2};
  const double ratio = std::exp(variance.log_beta_tilde - log_var);
  return {(log_var - variance.log_beta_tilde - 1 + ratio + square) / 2, slope * (1 - ratio - square) / 2};
}

std::vector<ReverseStep> reverse_steps(std::span<const Level> levels) {
  require(levels.size() >= 2 && levels[0].sigma == 0, "the reverse steps lead to the data, and there is at least one");
  std::vector<ReverseStep> steps;
  for (std::size_t i = 1; i < levels.size(); ++i) {
    const Level &s = levels[i - 1], &t = levels[i];
    const double v = step_variance(s, t);
    const VarianceRange variance = i > 1 ? VarianceRange::between(s, t) : VarianceRange{std::log(v), std::log(v)};
    steps.push_back({variance, s.alpha * v / (t.sigma * t.sigma), i == 1});
  }
  if (steps.size() > 1) steps[0].variance.log_beta_tilde = steps[1].variance.log_beta_tilde;
  return steps;
}

VarianceBound::VarianceBound(const Schedule& schedule) {
  require(schedule.steps() >= 1, "a learned variance needs a discrete schedule, whose steps from t to t - 1 are known");
  std::vector<Level> levels;
  for (Index t = 0; t <= schedule.steps(); ++t) levels.push_back(schedule.at(static_cast<double>(t)));
  steps_ = reverse_steps(levels);
}

}  // namespace scorefield
