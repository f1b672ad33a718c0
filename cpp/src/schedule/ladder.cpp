#include "scorefield/schedule/ladder.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "scorefield/base/check.hpp"

namespace scorefield::ladder {
namespace {

double normal_cdf(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

}  // namespace

double ratio(Index D, double most) {
  require(D >= 1, "samples must have at least one number, got ", D);
  const double root = std::sqrt(2.0 * static_cast<double>(D));
  const auto overlap = [root](double g) {
    return normal_cdf(root * (g - 1) + 3 * g) - normal_cdf(root * (g - 1) - 3 * g);
  };
  if (overlap(most) >= 0.5) return most;
  double low = 1, high = most;  // the overlap falls from 0.997 at 1
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (overlap(middle) > 0.5 ? low : high) = middle;
  }
  return low;
}

Index levels(double sigma_min, double sigma_max, double g) {
  require(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max),
          "sigma_min and sigma_max must satisfy 0 < sigma_min < sigma_max, got ", sigma_min, " and ", sigma_max);
  require(g > 1, "the ratio of neighbouring levels must be > 1, got ", g);
  return 1 + std::max<Index>(1, static_cast<Index>(std::ceil(std::log(sigma_max / sigma_min) / std::log(g) - 1e-9)));
}

double step_size(double g, Index inner) {
  require(g >= 1 && std::isfinite(g), "the ratio of neighbouring levels must be >= 1, got ", g);
  require(inner >= 1, "inner, the Langevin steps at each noise level, must be >= 1, got ", inner);
  const auto variance = [&](double e) {
    const double q = std::pow(1 - e / 2, 2 * static_cast<double>(inner));
    return q * g * g + (1 - q) / (1 - e / 4);
  };
  double low = 0, high = 2;  // golden section: falls, then rises
  const double share = std::numbers::phi - 1;
  for (int i = 0; i < 100; ++i) {
    const double a = high - share * (high - low), b = low + share * (high - low);
    if (variance(a) < variance(b)) {
      high = b;
    } else {
      low = a;
    }
  }
  return (low + high) / 2;
}

}  // namespace scorefield::ladder
