#include "scorefield/schedule/betas.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "scorefield/base/check.hpp"

namespace scorefield::betas {
namespace {

void require_range(double beta_min, double beta_max) {
  require(0 < beta_min && beta_min <= beta_max && beta_max < 1,
          "beta_min and beta_max must satisfy 0 < beta_min <= beta_max < 1, got ", beta_min, " and ", beta_max);
}

template <class F>
std::vector<double> table(Index T, const F& beta) {
  require(T >= 1, "T, the number of steps, must be >= 1, got ", T);
  std::vector<double> out(static_cast<std::size_t>(T));
  for (Index t = 1; t <= T; ++t) out[static_cast<std::size_t>(t) - 1] = beta(t);
  return out;
}

/// Value i of n equal steps from a to b, exact at both ends.
double spaced(double a, double b, Index i, Index n) {
  return i == n ? b : a + (b - a) * static_cast<double>(i) / static_cast<double>(std::max<Index>(n, 1));
}

}  // namespace

std::vector<double> linear(Index T, double beta_min, double beta_max) {
  require_range(beta_min, beta_max);
  return table(T, [&](Index t) { return t == 1 ? beta_min : spaced(beta_min, beta_max, t - 1, T - 1); });
}

std::vector<double> scaled_linear(Index T, double beta_min, double beta_max) {
  require_range(beta_min, beta_max);
  return table(T, [&](Index t) {
    const double root = t == 1 ? std::sqrt(beta_min) : spaced(std::sqrt(beta_min), std::sqrt(beta_max), t - 1, T - 1);
    return root * root;
  });
}

std::vector<double> cosine(Index T, double s, double beta_clip) {
  require(s >= 0 && std::isfinite(s), "s must be >= 0, got ", s);
  require(0 < beta_clip && beta_clip < 1, "beta_clip must lie between 0 and 1, got ", beta_clip);
  const auto u = [&](Index t) {
    return (static_cast<double>(t) / static_cast<double>(T) + s) / (1 + s) * std::numbers::pi / 2;
  };
  return table(T, [&](Index t) {  // 1 - cos^2 b / cos^2 a = sin(b - a) sin(b + a) / cos^2 a: no cancellation
    const double a = u(t - 1), b = u(t);
    return std::min(std::sin(b - a) * std::sin(b + a) / (std::cos(a) * std::cos(a)), beta_clip);
  });
}

std::vector<double> sigmoid(Index T, double start, double end, double tau) {
  require(start < end && std::isfinite(end - start), "start must be less than end, got ", start, " and ", end);
  require(tau > 0 && std::isfinite(tau), "tau must be > 0, got ", tau);
  const auto h = [&](Index t) { return 1 / (1 + std::exp(-spaced(start, end, t, T) / tau)); };
  const double last = h(T);
  return table(T, [&](Index t) { return std::min((h(t) - h(t - 1)) / (last - h(t - 1)), 0.999); });
}

}  // namespace scorefield::betas
