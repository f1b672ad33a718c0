#pragma once
#include <algorithm>

#include "scorefield/nn/linear.hpp"

namespace scorefield::nn {

/// The geometry of a convolution: output (i, j) sees inputs (i stride + ky - pad, j stride + kx - pad_across); outside
/// is 0.
struct Window {
  Index height, width, out_height, out_width;
  Index kernel = 3, across = 3, stride = 1, pad = 1, pad_across = 1;
  Index taps() const { return kernel * across; }
  Index positions() const { return height * width; }
  Index out_positions() const { return out_height * out_width; }
};

/// Calls f(r, tap, p) for every pair of output row r in [0, rows) and tap whose input position p lies in the image, and
/// f(r, tap, -1) where it lies outside. Rows first .. first + rows - 1 are counted over all samples, one after another.
template <class F>
void for_each_tap(const Window& w, Index first, Index rows, F f) {
  for (Index r = 0; r < rows; ++r) {
    const Index n = (first + r) / w.out_positions(), o = (first + r) % w.out_positions();
    const Index top = o / w.out_width * w.stride - w.pad, left = o % w.out_width * w.stride - w.pad_across;
    for (Index ky = 0; ky < w.kernel; ++ky) {
      for (Index kx = 0; kx < w.across; ++kx) {
        const Index i = top + ky, j = left + kx;
        const bool inside = i >= 0 && i < w.height && j >= 0 && j < w.width;
        f(r, ky * w.across + kx, inside ? n * w.positions() + i * w.width + j : -1);
      }
    }
  }
}

/// Convolution as a linear layer on columns (Chellapilla, Puri & Simard 2006):  y_p = sum_tap W_tap x_{p + tap} + b.
/// cols: (rows, taps C) := the windows of output rows first, first + 1, ...;  x: (samples positions, C), channels
/// innermost.
template <class S>
void columns(In<S> x, const Window& w, Index first, Out<S> cols) {
  const Index channels = x.cols();
  for_each_tap(w, first, cols.rows(), [&](Index r, Index tap, Index p) {
    S* const to = cols.data() + r * cols.outerStride() + tap * channels;
    if (p < 0) {
      std::fill_n(to, channels, S(0));
    } else {
      std::copy_n(x.data() + p * x.outerStride(), channels, to);
    }
  });
}

/// The adjoint: dx_{p + tap} += dcols_{p, tap}.
template <class S>
void columns_adjoint(In<S> dcols, const Window& w, Index first, Out<S> dx) {
  const Index channels = dx.cols();
  for_each_tap(w, first, dcols.rows(), [&](Index r, Index tap, Index p) {
    if (p < 0) return;
    const S* const from = dcols.data() + r * dcols.outerStride() + tap * channels;
    S* const to = dx.data() + p * dx.outerStride();
    for (Index c = 0; c < channels; ++c) to[c] += from[c];
  });
}

}  // namespace scorefield::nn
