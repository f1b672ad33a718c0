#pragma once
#include <algorithm>

#include "scorefield/nn/plan.hpp"

namespace scorefield::nn {

/// Calls f(p, q, weight) for every pair of position p of the small image and position q of the large one that it stands
/// for: (i, j) and (2i + a, 2j + b), a, b in {0, 1}, inside the image. weight = 1 / the number of partners of p.
template <class F>
void for_each_pair(const Shape& small, const Shape& large, F f) {
  for (Index i = 0; i < small.height; ++i) {
    for (Index j = 0; j < small.width; ++j) {
      const Index rows = std::min<Index>(2, large.height - 2 * i), cols = std::min<Index>(2, large.width - 2 * j);
      for (Index a = 0; a < rows; ++a) {
        for (Index b = 0; b < cols; ++b) {
          f(i * small.width + j, (2 * i + a) * large.width + 2 * j + b, 1 / static_cast<double>(rows * cols));
        }
      }
    }
  }
}

/// y := resample(x) of one sample. x: (positions of `from`, C), y: (positions of `to`, C).
///   up    nearest neighbour: y_q = x_p            (Odena, Dumoulin & Olah 2016)
///   down  the mean of those of 2 x 2 that exist: y_p = sum_q weight_p x_q
template <class S>
void resample(Resample kind, const Shape& from, const Shape& to, In<S> x, Out<S> y) {
  if (kind == Resample::none) y = x;
  if (kind == Resample::up) for_each_pair(from, to, [&](Index p, Index q, double) { y.row(q) = x.row(p); });
  if (kind != Resample::down) return;
  y.setZero();
  for_each_pair(to, from, [&](Index p, Index q, double weight) { y.row(p) += S(weight) * x.row(q); });
}

/// The adjoint: dx += resample^T dy.
template <class S>
void resample_backward(Resample kind, const Shape& from, const Shape& to, In<S> dy, Out<S> dx) {
  if (kind == Resample::none) dx += dy;
  if (kind == Resample::up) for_each_pair(from, to, [&](Index p, Index q, double) { dx.row(p) += dy.row(q); });
  if (kind == Resample::down) {
    for_each_pair(to, from, [&](Index p, Index q, double weight) { dx.row(q) += S(weight) * dy.row(p); });
  }
}

/// y := (factor y + offset) / divisor
template <class S>
void rescale(const Resize& r, const S& divisor, Out<S> y) {
  y = ((S(r.factor) * y.array() + S(r.offset)) / divisor).matrix();
}

/// dy := factor dy / divisor, the gradient before it; returns ddivisor = -<dy, y> / divisor.
template <class S>
S rescale_backward(const Resize& r, const S& divisor, In<S> y, Out<S> dy) {
  const S ddivisor = -(dy.array() * y.array()).sum() / divisor;
  dy = (S(r.factor) * dy.array() / divisor).matrix();
  return ddivisor;
}

}  // namespace scorefield::nn
