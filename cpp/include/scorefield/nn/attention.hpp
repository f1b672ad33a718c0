#pragma once
#include <cmath>

#include "scorefield/nn/pieces.hpp"
#include "scorefield/nn/product.hpp"

namespace scorefield::nn {

/// row := exp(row - top)
template <class S, class Row>
void exp_below(const S& top, Row row) {
  in_pieces<S>(row, [top](const auto& in, auto& out) { out = (in - top).exp(); }, row);
}

/// row := exp(row - max) / sum of the same: subtracting the largest logit changes nothing but overflow. NaN makes all
/// NaN.
template <class S, class Row>
void softmax_row(Row row) {
  const S top = row.maxCoeff();
  exp_below<S>(top, row);
  row /= sum_in_lanes<S>(row);
}

/// The same over the columns j with ids[j] >= 0; the others become 0, and so does everything where none is left.
template <class S, class Row>
void masked_softmax_row(In<S> ids, Row row) {
  const auto padding = [&](Index j) { return ids.data()[j * ids.outerStride()] < S(0); };
  bool any = false;
  S top(0);
  for (Index j = 0; j < row.size(); ++j) {
    if (padding(j) || (any && !(row[j] > top))) continue;
    top = row[j], any = true;
  }
  exp_below<S>(top, row);
  for (Index j = 0; j < row.size(); ++j) {
    if (padding(j)) row[j] = S(0);
  }
  if (any) row /= sum_in_lanes<S>(row);
}

/// Rows of s := softmax(scale s), over the columns that ids allow: (J, 1), or empty (Bridle 1990).
template <class S>
void softmax(double scale, In<S> ids, Out<S> s) {
  for (Index i = 0; i < s.rows(); ++i) {
    auto row = s.row(i).array();
    row *= static_cast<S>(scale);
    if (ids.size() == 0) {
      softmax_row<S>(row);
    } else {
      masked_softmax_row<S>(ids, row);
    }
  }
}

/// One head of scaled dot-product attention. Vaswani et al. 2017, eq. 1.   q, y: (P, d), k, v: (J, d), weights: (P, J)
///   weights := softmax(q k^T / sqrt(d)),    y := weights v
template <class S>
void attention(In<S> q, In<S> k, In<S> v, In<S> ids, Out<S> weights, Out<S> y) {
  product<S>(q, Transpose::no, k, Transpose::yes, weights);
  softmax<S>(1 / std::sqrt(static_cast<double>(q.cols())), ids, weights);
  product<S>(weights, Transpose::no, v, Transpose::no, y);
}

/// dv += weights^T dy,   ds = weights (dweights - sum_j weights_j dweights_j) / sqrt(d) with dweights = dy v^T,
/// dq += ds k,   dk += ds^T q.   ds: (P, J), scratch.
template <class S>
void attention_backward(In<S> q, In<S> k, In<S> v, In<S> weights, In<S> dy, Out<S> dq, Out<S> dk, Out<S> dv,
                        Out<S> ds) {
  product<S>(weights, Transpose::yes, dy, Transpose::no, dv, Write::add);
  product<S>(dy, Transpose::no, v, Transpose::yes, ds);
  const S scale = static_cast<S>(1 / std::sqrt(static_cast<double>(q.cols())));
  for (Index i = 0; i < ds.rows(); ++i) {
    auto row = ds.row(i).array();
    const auto w = weights.row(i).array();
    const S mean = sum_in_lanes<S>(row * w);
    row = w * (row - mean) * scale;
  }
  product<S>(ds, Transpose::no, k, Transpose::no, dq, Write::add);
  product<S>(ds, Transpose::yes, q, Transpose::no, dk, Write::add);
}

}  // namespace scorefield::nn
