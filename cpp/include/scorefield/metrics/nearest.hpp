#pragma once
#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// The k nearest rows of `to` for every row of x, nearest first, by Euclidean distance; of equals the lower index
/// first.
struct Neighbours {
  Matrix<Index> index;      // (n, k)
  Matrix<double> distance;  // (n, k)
};

/// Exact: every distance is formed, in double. `same`: x and `to` are one sample, and a row is not its own neighbour.
Neighbours nearest(In<float> x, In<float> to, Index k = 1, bool same = false, const Poll& poll = {});

/// Share of the rows of x that lie in the manifold of `reference`: nearer to some row of it than, or as near as, that
/// row's own k-th neighbour in it (Kynkaanniemi et al. 2019, eqs. 1 and 2). Of (samples, real) it is the precision, of
/// (real, samples) the recall.
double precision(In<float> x, In<float> reference, Index k = 3, const Poll& poll = {});

}  // namespace scorefield::metrics
