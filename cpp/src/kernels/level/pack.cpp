#include "level.hpp"
#include "transpose.hpp"

/// Between rows of numbers (filters in theta, keys) and vectors of sixteen: transposes, whole tiles in registers, edges
/// by hand.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

void pack(const float* x, std::size_t row, int rows, int columns, float* y) {
  int done = 0;
  for (; rows == 16 && done + 16 <= columns; done += 16) transpose_square(x + done, row, y + 16 * done, 16);
  for (int c = done; c < columns; ++c) {
    for (int r = 0; r < 16; ++r)
      y[16 * c + r] = r < rows ? x[static_cast<std::size_t>(r) * row + static_cast<std::size_t>(c)] : 0;
  }
}

void unpack(const float* y, std::size_t row, int rows, int columns, float* x) {
  int done = 0;
  for (; rows == 16 && done + 16 <= columns; done += 16) transpose_square(y + 16 * done, 16, x + done, row);
  for (int r = 0; r < rows; ++r) {
    for (int c = done; c < columns; ++c)
      x[static_cast<std::size_t>(r) * row + static_cast<std::size_t>(c)] = y[16 * c + r];
  }
}

void transpose_pairs(const float* x, int taps, float* y) {
  const std::size_t row = static_cast<std::size_t>(taps) * 16;
  for (int t = 0; t < taps; ++t) transpose_square(x + 16 * t, row, y + 16 * t, row);
}

void transpose(const float* const* x, int blocks, int rows, float* y) {
  for (int i = 0; i < rows; i += 16) {
    for (int b = 0; b < blocks; ++b, y += 256) pack(x[b] + 16 * i, 16, rows - i < 16 ? rows - i : 16, 16, y);
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
