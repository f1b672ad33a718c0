#pragma once
#include "simd.hpp"

/// 16 x 16 transposes in registers: square tiles of the native width, each by log2(width) rounds of two-register
/// shuffles.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

template <int... I>
struct Lanes {};
template <int n, int... I>
struct CountLanes : CountLanes<n - 1, n - 1, I...> {};
template <int... I>
struct CountLanes<0, I...> {
  using Type = Lanes<I...>;
};

/// One round swaps bit `step` of the row number with that of the lane number: rows a and b = a + step.
template <int step, int... I>
KERNEL_INLINE void exchange(NativeF32& a, NativeF32& b, Lanes<I...>) {
  const NativeF32 x = a, y = b;
  a = __builtin_shufflevector(x, y, ((I & step) != 0 ? native_lanes + I - step : I)...);
  b = __builtin_shufflevector(x, y, ((I & step) != 0 ? native_lanes + I : I + step)...);
}

template <int step>
KERNEL_INLINE void transpose_rounds(NativeF32* tile) {
  if constexpr (step < native_lanes) {
    unroll<native_lanes>([&](auto i) {
      if constexpr ((i.value & step) == 0)
        exchange<step>(tile[i], tile[i + step], typename CountLanes<native_lanes>::Type{});
    });
    transpose_rounds<2 * step>(tile);
  }
}

/// y[c][r] = x[r][c] for r, c < 16; rows are x_row and y_row floats apart.
KERNEL_INLINE void transpose_square(const float* x, std::size_t x_row, float* y, std::size_t y_row) {
  for (int i = 0; i < parts; ++i) {
    for (int j = 0; j < parts; ++j) {
      NativeF32 tile[native_lanes];
      const float* from = x + static_cast<std::size_t>(i * native_lanes) * x_row + j * native_lanes;
      float* to = y + static_cast<std::size_t>(j * native_lanes) * y_row + i * native_lanes;
      unroll<native_lanes>([&](auto r) {
        tile[r] = *reinterpret_cast<const UnalignedF32*>(from + static_cast<std::size_t>(r.value) * x_row);
      });
      transpose_rounds<1>(tile);
      unroll<native_lanes>(
          [&](auto r) { *reinterpret_cast<UnalignedF32*>(to + static_cast<std::size_t>(r.value) * y_row) = tile[r]; });
    }
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
