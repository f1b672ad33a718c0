#include "scorefield/metrics/nearest.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/metrics/pairs.hpp"

namespace scorefield::metrics {
namespace {

/// Puts (d2, j) into its place among the k nearest so far, which rise. Rows come in rising order, so an equal one stays
/// behind.
void insert(double d2, Index j, Eigen::Ref<RowVector<double>> distance, Eigen::Ref<RowVector<Index>> index) {
  Index place = distance.size() - 1;
  if (d2 >= distance[place]) return;
  for (; place > 0 && d2 < distance[place - 1]; --place) {
    distance[place] = distance[place - 1];
    index[place] = index[place - 1];
  }
  distance[place] = d2;
  index[place] = j;
}

}  // namespace

Neighbours nearest(In<float> x, In<float> to, Index k, bool same, const Poll& poll) {
  check_samples(x, to);
  const Index choices = to.rows() - (same ? 1 : 0);
  require(1 <= k && k <= choices, "k must be in 1..", choices, ", the rows to choose from, got ", k);
  Neighbours found{Matrix<Index>::Zero(x.rows(), k),
                   Matrix<double>::Constant(x.rows(), k, std::numeric_limits<double>::infinity())};
  const Interrupt interrupt(poll);
  parallel_for(blocks(x.rows()), [&](Index block, Index) {
    interrupt.check();
    visit_pairs(x, to, block, [&](Index i, Index first, const Tile& d2, Index count) {
      for (Index c = 0; c < count; ++c) {
        if (same && first + c == i) continue;
        insert(d2[static_cast<std::size_t>(c)], first + c, found.distance.row(i), found.index.row(i));
      }
    });
  });
  found.distance = found.distance.cwiseSqrt().eval();
  return found;
}

double precision(In<float> x, In<float> reference, Index k, const Poll& poll) {
  const Matrix<double> radius = nearest(reference, reference, k, true, poll).distance.col(k - 1);
  check_samples(x, reference);
  std::vector<char> inside(static_cast<std::size_t>(x.rows()), 0);
  const Interrupt interrupt(poll);
  parallel_for(blocks(x.rows()), [&](Index block, Index) {
    interrupt.check();
    visit_pairs(x, reference, block, [&](Index i, Index first, const Tile& d2, Index count) {
      for (Index c = 0; c < count; ++c) {
        if (std::sqrt(d2[static_cast<std::size_t>(c)]) <= radius(first + c, 0)) inside[static_cast<std::size_t>(i)] = 1;
      }
    });
  });
  return static_cast<double>(std::count(inside.begin(), inside.end(), 1)) / static_cast<double>(x.rows());
}

}  // namespace scorefield::metrics
