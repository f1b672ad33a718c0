#pragma once
#include <algorithm>
#include <array>

#include "pass.hpp"

namespace scorefield::fast {

/// Memory that will be wanted soon, brought near while a product keeps the arithmetic busy. Images come from the third
/// level or from memory, and a transform that asks for them piece by piece waits for every piece.
class Ahead {
 public:
  void add(const float* begin, Index floats) { ranges_[count(size_++)] = {begin, floats / lanes}; }

  /// f(first, n) for points first .. first + n - 1 of a product, a few at a time, each time with its share of the
  /// memory.
  template <class F>
  void during(Index points, F f) const {
    constexpr Index together = 4;
    for (Index first = 0; first < points; first += together) {
      const Index n = std::min(together, points - first);
      fetch(first, n, points);
      f(first, n);
    }
  }

 private:
  void fetch(Index first, Index n, Index points) const {
    for (Index r = 0; r < size_; ++r) {
      const Range& range = ranges_[count(r)];
      const Index end = range.lines * (first + n) / points;
      for (Index i = range.lines * first / points; i < end; ++i) __builtin_prefetch(range.begin + i * lanes, 0, 2);
    }
  }

  struct Range {
    const float* begin;
    Index lines;  // of 64 bytes
  };
  std::array<Range, 4> ranges_{};
  Index size_ = 0;
};

/// What the operands of samples n .. n + samples - 1 are made from.
inline void add_sources(const Pass& pass, const ConvLayout& f, Index n, Index samples, Ahead& ahead) {
  if (samples <= 0) return;
  for (const Tensor t : {f.op.x, f.op.x2}) {
    if (t != none) ahead.add(pass.tape.value(t, n), samples * padded(pass.shape(t).channels) * f.x.positions());
  }
}

}  // namespace scorefield::fast
