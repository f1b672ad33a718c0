#include "scorefield/metrics/diameter.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/metrics/pairs.hpp"

namespace scorefield::metrics {

double diameter(In<float> x, Index most, const Poll& poll) {
  require(x.rows() >= 2, "the largest distance needs at least 2 samples, got ", x.rows());
  require(most >= 2, "at least 2 rows must be compared, got ", most);
  const Index rows = std::min(x.rows(), most);
  Matrix<float> chosen(rows, x.cols());
  for (Index i = 0; i < rows; ++i) chosen.row(i) = x.row(i * (x.rows() - 1) / (rows - 1));
  std::vector<double> largest(static_cast<std::size_t>(blocks(rows)), 0.0);
  const Interrupt interrupt(poll);
  parallel_for(blocks(rows), [&](Index block, Index) {
    interrupt.check();
    visit_pairs(chosen, chosen, block, [&](Index, Index, const Tile& d2, Index count) {
      double& top = largest[static_cast<std::size_t>(block)];
      top = std::max(top, *std::max_element(d2.begin(), d2.begin() + count));
    });
  });
  return std::sqrt(*std::ranges::max_element(largest));
}

}  // namespace scorefield::metrics
