#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/base/dual.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::nn {

/// The row that an id names: a whole number below `rows`, or -1 for every id below 0 (a dropped label, a padding
/// token).
template <class S>
Index row_of(const S& id, Index rows) {
  const double v = value(id);
  require(std::isfinite(v) && v == std::floor(v) && v < static_cast<double>(rows),
          "labels, token ids and times of a table must be whole numbers below ", rows, " (or negative for none), got ",
          v);
  return v < 0 ? -1 : static_cast<Index>(v);
}

/// y_p := table[ids_p] + position_{p mod L}.   ids: (P, 1), table: (rows, C), position: (L, C) or empty, y: (P, C).
/// Bengio et al. 2003, section 2; a class vector dropped for guidance (Ho & Salimans 2022) is an id below 0.
template <class S>
void embedding(In<S> ids, In<S> table, In<S> position, Out<S> y) {
  for (Index p = 0; p < y.rows(); ++p) {
    const Index row = row_of(ids(p, 0), table.rows());
    y.row(p).setZero();
    if (row >= 0) y.row(p) = table.row(row);
    if (position.size() > 0) y.row(p) += position.row(p % position.rows());
  }
}

/// dtable[ids_p] += dy_p,   dposition_{p mod L} += dy_p
template <class S>
void embedding_backward(In<S> ids, In<S> dy, Out<S> dtable, Out<S> dposition) {
  for (Index p = 0; p < dy.rows(); ++p) {
    const Index row = row_of(ids(p, 0), dtable.rows());
    if (row >= 0) dtable.row(row) += dy.row(p);
    if (dposition.size() > 0) dposition.row(p % dposition.rows()) += dy.row(p);
  }
}

}  // namespace scorefield::nn
