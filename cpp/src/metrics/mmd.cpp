#include "scorefield/metrics/mmd.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/metrics/pairs.hpp"

namespace scorefield::metrics {
namespace {

/// Sum of the five kernels. One exponential serves all: u = exp(-d2 / (2 (4 h)^2)) belongs to the widest, and halving
/// the width raises it to the fourth power.
double kernel(double d2, double bandwidth) {
  double u = std::exp(-d2 / (32 * bandwidth * bandwidth));
  double sum = u;
  for (int width = 0; width < 4; ++width) {
    u *= u;
    u *= u;
    sum += u;
  }
  return sum / 5;
}

double mean_kernel(In<float> a, In<float> b, double bandwidth, const Poll& poll) {
  const double sum = sum_pairs(
      a, b,
      [bandwidth](const Tile& d2, Index count) {
        double kernels = 0;
        for (Index k = 0; k < count; ++k) kernels += kernel(d2[static_cast<std::size_t>(k)], bandwidth);
        return kernels;
      },
      poll);
  return sum / (static_cast<double>(a.rows()) * static_cast<double>(b.rows()));
}

RowVector<double> sum_of_rows(In<float> x) {
  RowVector<double> sum = RowVector<double>::Zero(x.cols());
  for (Index i = 0; i < x.rows(); ++i) sum += x.row(i).cast<double>();
  return sum;
}

double sum_of_squares(In<float> x, const RowVector<double>& mean) {
  double sum = 0;
  for (Index i = 0; i < x.rows(); ++i) sum += (x.row(i).cast<double>() - mean).squaredNorm();
  return sum;
}

}  // namespace

double pooled_bandwidth(In<float> a, In<float> b) {
  const double rows = static_cast<double>(a.rows() + b.rows());
  const RowVector<double> mean = (sum_of_rows(a) + sum_of_rows(b)) / rows;
  const double variance = (sum_of_squares(a, mean) + sum_of_squares(b, mean)) / rows;
  return variance > 0 ? std::sqrt(variance) : 1;
}

double mmd(In<float> a, In<float> b, double bandwidth, const Poll& poll) {
  check_samples(a, b);
  require(bandwidth >= 0 && std::isfinite(bandwidth), "bandwidth must be >= 0 and finite, got ", bandwidth);
  const double h = bandwidth > 0 ? bandwidth : pooled_bandwidth(a, b);
  const double square = mean_kernel(a, a, h, poll) + mean_kernel(b, b, h, poll) - 2 * mean_kernel(a, b, h, poll);
  return std::sqrt(std::max(0.0, square));
}

}  // namespace scorefield::metrics
