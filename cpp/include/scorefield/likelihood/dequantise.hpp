#pragma once
#include "scorefield/base/rng.hpp"

namespace scorefield {

/// x += half (2 u - 1), u uniform in (0, 1): values on equal levels spread over their intervals, so that they have a
/// density. Theis, van den Oord & Bethge 2016 (arXiv:1511.01844), section 3.1; theory (25).  x: (N, D); half: half the
/// distance of two levels.
inline void dequantise(double half, const Noise& noise, Out<double> x) {
  Matrix<double> u(x.rows(), x.cols());
  noise.uniform(u);
  x += half * (2 * u - Matrix<double>::Ones(x.rows(), x.cols()));
}

}  // namespace scorefield
