#pragma once
#include <algorithm>
#include <cmath>
#include <span>

#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// What a solver takes for slowly varying along the ODE, theory (9): x0_hat, or eps_hat = (x_t - alpha_t x0_hat) /
/// sigma_t.
enum class Predicts { data, noise };

/// The order that a step of a multistep method of `order` can have: one, and one more for each earlier evaluation whose
/// l = log(alpha / sigma) is finite (alpha = 0 has none) and grows towards now. Of the last `lower_order_final` steps
/// the j-th from the end has order at most j, the habit of Lu et al. 2022b for few steps.
inline int order_now(const Step& k, int order, int lower_order_final = 0) {
  if (k.steps_left < lower_order_final) order = std::min(order, k.steps_left + 1);
  double l = k.t.half_log_snr();
  int now = 1;
  while (now < order && static_cast<std::size_t>(now) <= k.past.size() && std::isfinite(l)) {
    const double before = k.past[static_cast<std::size_t>(now) - 1].at.half_log_snr();
    if (!std::isfinite(before) || !(before < l)) break;
    l = before;
    ++now;
  }
  return now;
}

/// x := keep x + sum_j w_j y_j over this step's answer (j = 0) and earlier ones, y being data or noise.
inline void combine(const Step& k, double keep, std::span<const double> w, In<double> x0, Predicts y, Out<double> x) {
  const double noise = y == Predicts::noise ? w[0] / k.t.sigma : 0;
  x = (keep + noise) * x + (y == Predicts::noise ? -noise * k.t.alpha : w[0]) * x0;
  for (std::size_t j = 1; j < w.size(); ++j) {
    const Evaluation& e = k.past[j - 1];
    if (y == Predicts::data) {
      x += w[j] * e.x0;
    } else {
      x += w[j] / e.at.sigma * e.x - w[j] * e.at.alpha / e.at.sigma * e.x0;
    }
  }
}

/// The step of order 1 in the form that is finite from alpha_t = 0 to sigma_s = 0: DDIM, Song et al. 2021, eq. 12.
///   x_s = alpha_s x0_hat + sigma_s eps_hat
inline void first_order(const Step& k, In<double> x0, Out<double> x) {
  const double ratio = k.s.sigma / k.t.sigma;
  x = ratio * x + (k.s.alpha - ratio * k.t.alpha) * x0;
}

}  // namespace scorefield
