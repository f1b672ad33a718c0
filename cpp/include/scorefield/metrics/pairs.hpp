#pragma once
#include <array>
#include <functional>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// Rows of `a` are worked on in blocks of this many: the unit of parallel work, and of the fixed order of sums.
inline constexpr Index kBlock = 64;
/// Distances come in tiles of this many rows of `b`.
inline constexpr Index kTile = 16;
using Tile = std::array<double, kTile>;

inline Index blocks(Index rows) { return (rows + kBlock - 1) / kBlock; }

/// visit(i, first, d2, count): d2[k] = |a_i - b_(first + k)|^2 for k < count <= kTile. Every row of block `block` of
/// `a` meets every row of `b` once, rows of `b` in rising order. Differences are formed before they are squared and
/// summed in double, so equal rows have distance 0 and near ones keep their digits. Nothing of size n x m is held.
void visit_pairs(In<float> a, In<float> b, Index block,
                 const std::function<void(Index i, Index first, const Tile& d2, Index count)>& visit);

/// sum_i sum_j f(|a_i - b_j|^2): blocks in parallel, their sums added in order. `poll` may throw (Ctrl-C).
/// `f` turns a tile of squared distances into the sum of its first `count` terms.
double sum_pairs(In<float> a, In<float> b, const std::function<double(const Tile& d2, Index count)>& f,
                 const Poll& poll);

/// Throws unless both samples have rows, the same number of columns, and at least one column.
void check_samples(In<float> a, In<float> b);

}  // namespace scorefield::metrics
