#include "scorefield/schedule/custom.hpp"

#include <cmath>

namespace scorefield {

double derivative(const std::function<double(double)>& y, double t, double t_max) {
  const double h = t > 0 ? 1e-3 * t : 1e-4 * t_max;
  if (t - 2 * h >= 0 && t + 2 * h <= t_max)
    return (8 * (y(t + h) - y(t - h)) - (y(t + 2 * h) - y(t - 2 * h))) / (12 * h);
  const double d = t > 0 ? -h : h;  // one-sided, also of order 4
  return (-25 * y(t) + 48 * y(t + d) - 36 * y(t + 2 * d) + 16 * y(t + 3 * d) - 3 * y(t + 4 * d)) / (12 * d);
}

Rates CustomSchedule::rates(double t) const {
  require_time(*this, t);
  return {derivative([this](double u) { return alpha(u); }, t, t_max()),
          derivative([this](double u) { return sigma(u); }, t, t_max())};
}

double CustomSchedule::f(double t) const {
  return derivative([this](double u) { return alpha(u); }, require_time(*this, t), t_max()) / alpha(t);
}

double CustomSchedule::g2(double t) const {
  const auto variance = [this](double u) { return sigma(u) * sigma(u); };
  return derivative(variance, require_time(*this, t), t_max()) - 2 * f(t) * variance(t);
}

double CustomSchedule::time_of_half_log_snr(double l) const {
  require_half_log_snr(*this, l);
  if (l >= at(0).half_log_snr()) return 0;
  double low = 0, high = t_max();
  while (true) {  // at(low) is above l, at(high) is not
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high || high - low <= 1e-16 * high) return high;
    (at(middle).half_log_snr() > l ? low : high) = middle;
  }
}

}  // namespace scorefield
