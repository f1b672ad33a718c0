#include "scorefield/schedule/discrete_ve.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {

DiscreteVe::DiscreteVe(const std::vector<double>& sigmas) : variance_{0} {
  require(!sigmas.empty(), "sigmas must have at least one entry");
  double before = 0;
  for (std::size_t i = 0; i < sigmas.size(); ++i) {
    require(before < sigmas[i] && std::isfinite(sigmas[i]), "sigmas must rise from above 0, but the one of t = ", i + 1,
            " is ", sigmas[i], " after ", before);
    variance_.push_back(sigmas[i] * sigmas[i]);
    before = sigmas[i];
  }
}

Level DiscreteVe::at(double t) const {
  const std::size_t k = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(require_time(*this, t))));
  const double u = t - static_cast<double>(k - 1);
  return {t, 1, std::sqrt(u == 1 ? variance_[k] : variance_[k - 1] + u * (variance_[k] - variance_[k - 1]))};
}

double DiscreteVe::g2(double t) const {
  const std::size_t k = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(require_time(*this, t))));
  return variance_[k] - variance_[k - 1];
}

double DiscreteVe::time_of_half_log_snr(double l) const {
  const double value = std::exp(-2 * require_half_log_snr(*this, l));
  const auto entry = std::lower_bound(variance_.begin() + 1, variance_.end() - 1, value);
  const double high = *entry, low = *(entry - 1), t = static_cast<double>(entry - variance_.begin()) - 1;
  return t + std::clamp((value - low) / (high - low), 0.0, 1.0);
}

std::vector<double> geometric_sigmas(Index T, double sigma_min, double sigma_max) {
  require(T >= 2, "a geometric ladder needs T >= 2 levels, got ", T);
  require(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max),
          "sigma_min and sigma_max must satisfy 0 < sigma_min < sigma_max, got ", sigma_min, " and ", sigma_max);
  std::vector<double> out(static_cast<std::size_t>(T));
  const double log_r = std::log(sigma_max / sigma_min);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = sigma_min * std::exp(log_r * static_cast<double>(i) / static_cast<double>(T - 1));
  out.back() = sigma_max;
  return out;
}

}  // namespace scorefield
