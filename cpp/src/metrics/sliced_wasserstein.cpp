#include "scorefield/metrics/sliced_wasserstein.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/metrics/pairs.hpp"

namespace scorefield::metrics {
namespace {

constexpr Index kGroup = 16;  // directions projected on at once

Matrix<double> unit_directions(Index count, Index dims, std::uint64_t seed) {
  Matrix<double> u(count, dims);
  Noise(seed, Stream::projection).normal(u);
  u.rowwise().normalize();
  return u;
}

/// Sorted projections, one vector per direction.
std::vector<std::vector<double>> sorted_projections(In<float> x, In<double> directions) {
  const auto groups = static_cast<std::size_t>(directions.rows());
  std::vector<std::vector<double>> lines(groups, std::vector<double>(static_cast<std::size_t>(x.rows())));
  for (Index first = 0; first < x.rows(); first += kBlock) {
    const Index rows = std::min(kBlock, x.rows() - first);
    const Matrix<double> projected = x.middleRows(first, rows).cast<double>() * directions.transpose();
    for (std::size_t g = 0; g < groups; ++g) {
      for (Index i = 0; i < rows; ++i)
        lines[g][static_cast<std::size_t>(first + i)] = projected(i, static_cast<Index>(g));
    }
  }
  for (auto& line : lines) std::sort(line.begin(), line.end());
  return lines;
}

}  // namespace

double wasserstein_line(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<std::int64_t>(a.size()), m = static_cast<std::int64_t>(b.size());
  require(n > 0 && m > 0, "both samples need at least one entry, got ", n, " and ", m);
  double sum = 0;
  for (std::int64_t i = 0, j = 0, reached = 0; i < n && j < m;) {  // q = reached / (n m), exact in integers
    const std::int64_t next = std::min((i + 1) * m, (j + 1) * n);
    const double difference = a[static_cast<std::size_t>(i)] - b[static_cast<std::size_t>(j)];
    sum += static_cast<double>(next - reached) * difference * difference;
    i += next == (i + 1) * m;
    j += next == (j + 1) * n;
    reached = next;
  }
  return sum / (static_cast<double>(n) * static_cast<double>(m));
}

double sliced_wasserstein(In<float> a, In<float> b, Index projections, std::uint64_t seed, const Poll& poll) {
  check_samples(a, b);
  require(projections >= 1, "projections must be >= 1, got ", projections);
  const Matrix<double> directions = unit_directions(projections, a.cols(), seed);
  std::vector<double> squares(static_cast<std::size_t>(projections));
  const Interrupt interrupt(poll);
  parallel_for((projections + kGroup - 1) / kGroup, [&](Index group, Index) {
    interrupt.check();
    const Index first = group * kGroup, count = std::min(kGroup, projections - first);
    const auto lines_a = sorted_projections(a, directions.middleRows(first, count));
    const auto lines_b = sorted_projections(b, directions.middleRows(first, count));
    for (Index g = 0; g < count; ++g) {
      const auto k = static_cast<std::size_t>(g);
      squares[static_cast<std::size_t>(first + g)] = wasserstein_line(lines_a[k], lines_b[k]);
    }
  });
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0) / static_cast<double>(projections));
}

}  // namespace scorefield::metrics
