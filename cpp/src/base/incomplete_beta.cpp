#include "scorefield/base/incomplete_beta.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

/// log of x^a (1 - x)^b / B(a, b); of this a I_x(a, b) is a fraction.
double log_front(double a, double b, double x) { return a * std::log(x) + b * std::log1p(-x) - log_beta(a, b); }

/// The number d_k of DLMF 8.17.23.
double partial(double a, double b, double x, int k) {
  const double m = k / 2;  // NOLINT(bugprone-integer-division): whole
  if (k % 2 == 0) return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
  return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
}

/// 1 + d_1 / (1 + d_2 / (1 + ...)), DLMF 8.17.22, by Lentz's method: a product of ratios of neighbouring numerators and
/// of neighbouring denominators. Takes O(sqrt(max(a, b))) terms on the side of the mean where it is asked.
double continued_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  constexpr int most = 20'000;
  double numerators = 1, denominators = 0, value = 1;
  for (int k = 1; k < most; ++k) {
    const double d = partial(a, b, x, k);
    denominators = 1 / std::max(1 + d * denominators, tiny);
    numerators = std::max(1 + d / numerators, tiny);
    value *= numerators * denominators;
    if (std::abs(numerators * denominators - 1) < 1e-16) break;
  }
  return value;
}

/// log I_x(a, b) for 0 < x < 1.
double log_incomplete_beta(double a, double b, double x) {
  const auto fraction = [](double p, double q, double u) {
    return log_front(p, q, u) - std::log(p) - std::log(continued_fraction(p, q, u));
  };
  if (x <= (a + 1) / (a + b + 2)) return fraction(a, b, x);
  return std::log1p(-std::exp(fraction(b, a, 1 - x)));  // I_x(a, b) = 1 - I_{1-x}(b, a)
}

void require_shape(double a, double b) {
  require(0 < a && a <= 1000 && 0 < b && b <= 1000, "the shape of a Beta distribution must lie in (0, 1000], got ", a,
          " and ", b);
}

/// The quantile for p <= 1/2 by Newton's method on log I as a function of log x, within a bracket: I_x is x^a / (a B)
/// times a factor, between 1 and 2^(1-b) where x <= 1/2. So x keeps its relative precision however small it is.
double lower_quantile(double a, double b, double p) {
  const double goal = std::log(p), centre = (goal + std::log(a) + log_beta(a, b)) / a;
  double low = std::min(centre - std::abs(b - 1) * std::numbers::ln2 / a, -std::numbers::ln2), high = 0;
  double y = std::min(centre, -std::numbers::ln2);
  for (int i = 0; i < 200 && low < high; ++i) {
    const double x = std::exp(y), before = y;
    const double log_i = x > 0 ? log_incomplete_beta(a, b, x) : -std::numeric_limits<double>::infinity();
    const double slope = std::exp(log_front(a, b, x) - std::log1p(-x) - log_i);  // d log I / d log x
    (log_i < goal ? low : high) = y;
    const double next = y - (log_i - goal) / slope;
    y = low < next && next < high ? next : (low + high) / 2;
    if (std::abs(y - before) <= 1e-15 * std::max(1.0, std::abs(y))) break;
  }
  return std::exp(y);
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
  require_shape(a, b);
  require(0 <= x && x <= 1, "x must lie in [0, 1], got ", x);
  return x == 0 ? 0 : x == 1 ? 1 : std::exp(log_incomplete_beta(a, b, x));
}

double incomplete_beta_inverse(double a, double b, double p) {
  require_shape(a, b);
  require(0 <= p && p <= 1, "p must lie in [0, 1], got ", p);
  if (p == 0 || p == 1) return p;
  return p <= 0.5 ? lower_quantile(a, b, p) : 1 - lower_quantile(b, a, 1 - p);
}

}  // namespace scorefield
