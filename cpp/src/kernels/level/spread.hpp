#pragma once
#include "simd.hpp"

namespace scorefield::kernels::SCOREFIELD_LEVEL {

/// What a norm will need to know of the values of one block: sums of v - c and (v - c)^2 around a centre c, one of the
/// values or near it, so that a large mean does not drown the variance.
struct Spread {
  f32x16 centre, sum = zero(), squares = zero();

  explicit KERNEL_INLINE Spread(f32x16 c) : centre(c) {}
  KERNEL_INLINE void add(f32x16 v) {
    const f32x16 d = v - centre;
    sum += d, squares = fma(d, d, squares);
  }
  KERNEL_INLINE void write(float* sums) const { store(sums, centre), store(sums + 16, sum), store(sums + 32, squares); }
};

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
