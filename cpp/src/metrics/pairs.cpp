#include "scorefield/metrics/pairs.hpp"

#include <algorithm>
#include <numeric>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield::metrics {
namespace {

/// columns(d, k) := b(first + k, d), so that one row of `columns` serves kTile distances at once; unused places are 0.
void transpose_tile(In<float> b, Index first, Index count, Matrix<double>& columns) {
  columns.setZero();
  columns.leftCols(count) = b.middleRows(first, count).transpose().cast<double>();
}

Tile squared_distances(const float* x, const Matrix<double>& columns) {
  Tile d2{};
  for (Index d = 0; d < columns.rows(); ++d) {
    const double value = x[d];
    const double* column = columns.data() + d * kTile;
    for (Index k = 0; k < kTile; ++k) {
      const double difference = value - column[k];
      d2[static_cast<std::size_t>(k)] += difference * difference;
    }
  }
  return d2;
}

}  // namespace

void visit_pairs(In<float> a, In<float> b, Index block,
                 const std::function<void(Index, Index, const Tile&, Index)>& visit) {
  const Index begin = block * kBlock, end = std::min(begin + kBlock, a.rows());
  Matrix<double> columns(a.cols(), kTile);
  for (Index first = 0; first < b.rows(); first += kTile) {
    const Index count = std::min(kTile, b.rows() - first);
    transpose_tile(b, first, count, columns);
    for (Index i = begin; i < end; ++i) visit(i, first, squared_distances(a.row(i).data(), columns), count);
  }
}

double sum_pairs(In<float> a, In<float> b, const std::function<double(const Tile&, Index)>& f, const Poll& poll) {
  std::vector<double> partial(static_cast<std::size_t>(blocks(a.rows())), 0.0);
  const Interrupt interrupt(poll);
  parallel_for(blocks(a.rows()), [&](Index block, Index) {
    interrupt.check();
    double sum = 0;
    visit_pairs(a, b, block, [&](Index, Index, const Tile& d2, Index count) { sum += f(d2, count); });
    partial[static_cast<std::size_t>(block)] = sum;
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

void check_samples(In<float> a, In<float> b) {
  require(a.rows() > 0 && b.rows() > 0, "both samples need at least one row, got ", a.rows(), " and ", b.rows());
  require(a.cols() == b.cols() && a.cols() > 0, "both samples must have the same number of columns, got ", a.cols(),
          " and ", b.cols());
}

}  // namespace scorefield::metrics
