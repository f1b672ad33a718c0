#include "scorefield/metrics/energy_distance.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/metrics/pairs.hpp"

namespace scorefield::metrics {
namespace {

double mean_distance(In<float> a, In<float> b, const Poll& poll) {
  const double sum = sum_pairs(
      a, b,
      [](const Tile& d2, Index count) {
        double distances = 0;
        for (Index k = 0; k < count; ++k) distances += std::sqrt(d2[static_cast<std::size_t>(k)]);
        return distances;
      },
      poll);
  return sum / (static_cast<double>(a.rows()) * static_cast<double>(b.rows()));
}

}  // namespace

double energy_distance(In<float> a, In<float> b, const Poll& poll) {
  check_samples(a, b);
  const double square = 2 * mean_distance(a, b, poll) - mean_distance(a, a, poll) - mean_distance(b, b, poll);
  return std::sqrt(std::max(0.0, square));
}

}  // namespace scorefield::metrics
