#pragma once
#include <algorithm>
#include <array>
#include <tuple>

#include "scorefield/base/matrix.hpp"

/// Rows worked on sixteen numbers at a time, the last piece filled up with zeros. An expression over a whole row of
/// Eigen's takes single numbers before the first aligned one and after the last full vector, and sums in that order;
/// an exponential in a vector and one by itself differ in the last bit. So results would depend on where in memory a
/// sample lies, and with it on how a batch was split.
namespace scorefield::nn {

template <class S>
using Piece = Eigen::Array<S, 1, 16>;

/// out... := f(u), by f(piece of u, piece of out...). Any of `out` may be u.
template <class S, class U, class F, class... Out>
void in_pieces(const U& u, const F& f, Out... out) {
  constexpr Index width = Piece<S>::SizeAtCompileTime;
  std::array<Piece<S>, sizeof...(Out)> found;
  for (Index c = 0; c < u.size(); c += width) {
    const Index n = std::min(width, u.size() - c);
    Piece<S> in = Piece<S>::Zero();
    in.head(n) = u.segment(c, n);
    std::apply([&](auto&... piece) { f(in, piece...); }, found);
    const Piece<S>* next = found.data();
    ((out.segment(c, n) = (next++)->head(n)), ...);
  }
}

/// The sum of a row, by sixteen lanes.
template <class S, class U>
S sum_in_lanes(const U& u) {
  constexpr Index width = Piece<S>::SizeAtCompileTime;
  Piece<S> lanes = Piece<S>::Zero();
  for (Index c = 0; c < u.size(); c += width) {
    const Index n = std::min(width, u.size() - c);
    lanes.head(n) += u.segment(c, n);
  }
  return lanes.sum();
}

}  // namespace scorefield::nn
