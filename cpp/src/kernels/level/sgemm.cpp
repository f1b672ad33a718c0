#include "level.hpp"
#include "simd.hpp"
#include "transpose.hpp"

/// Row-major C (+)= op(A) op(B) for the reference engine: register tiles of `tile_rows` x 16 `tile_blocks`, B packed
/// into panels of a tile's width, A read in place (or packed, if it is transposed and wide). Every c_ij is one chain of
/// fma in k order that starts at 0 or at c_ij, whatever the tile, the blocking or the level.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

constexpr int tile_rows = native_lanes == 16 ? 8 : 6,
              tile_blocks = native_lanes == 16 ? 2 : 1;  // of 32 or 16 registers
constexpr long tile_width = 16 * tile_blocks;
constexpr long block_k = 192, block_m = 12 * tile_rows, block_n = 128;

long at_most(long a, long b) { return a < b ? a : b; }

/// A stretch of op(A): element (i, p) is at p0[i * row + p * depth].
struct Left {
  const float* p0;
  long row, depth;
};

/// c (rows x 16 blocks) (+)= a b over `depth` steps; b is packed.
template <int rows, int blocks>
void multiply_tile(long depth, Left a, const float* b, float* c, long ldc, bool add) {
  f32x16 sum[rows][blocks];
  unroll<rows>([&](auto i) { unroll<blocks>([&](auto j) { sum[i][j] = add ? load(c + i * ldc + 16 * j) : zero(); }); });
  for (long p = 0; p < depth; ++p, b += tile_width) {
    f32x16 right[blocks];
    unroll<blocks>([&](auto j) { right[j] = load(b + 16 * j); });
    const float* left = a.p0 + p * a.depth;
    unroll<rows>([&](auto i) {
      const f32x16 x = all(left[i * a.row]);
      unroll<blocks>([&](auto j) { sum[i][j] = fma(x, right[j], sum[i][j]); });
    });
  }
  unroll<rows>([&](auto i) { unroll<blocks>([&](auto j) { store(c + i * ldc + 16 * j, sum[i][j]); }); });
}

template <int blocks, int rows = tile_rows>
void multiply_rows(int count, long depth, Left a, const float* b, float* c, long ldc, bool add) {
  if constexpr (rows > 0) {
    if (count == rows) {
      multiply_tile<rows, blocks>(depth, a, b, c, ldc, add);
    } else {
      multiply_rows<blocks, rows - 1>(count, depth, a, b, c, ldc, add);
    }
  }
}

/// One tile of any size up to the full one; columns beyond `width` go through a private tile.
void multiply_any_tile(int rows, long width, long depth, Left a, const float* b, float* c, long ldc, bool add) {
  if (width == tile_width) {
    multiply_rows<tile_blocks>(rows, depth, a, b, c, ldc, add);
    return;
  }
  alignas(64) float edge[tile_rows * tile_width];
  for (long i = 0; add && i < rows; ++i) {
    for (long j = 0; j < tile_width; ++j) edge[i * tile_width + j] = j < width ? c[i * ldc + j] : 0;
  }
  if (width <= 16) {
    multiply_rows<1>(rows, depth, a, b, edge, tile_width, add);
  } else {
    multiply_rows<tile_blocks>(rows, depth, a, b, edge, tile_width, add);
  }
  for (long i = 0; i < rows; ++i) {
    for (long j = 0; j < width; ++j) c[i * ldc + j] = edge[i * tile_width + j];
  }
}

/// to[0 .. width - 1] := from[0], from[step], ..., `valid` of them, then zeros.
template <long width>
KERNEL_INLINE void pack_row(const float* from, long step, long valid, float* to) {
  if (step == 1 && valid == width) {
    for (long j = 0; j < width; ++j) to[j] = from[j];
    return;
  }
  for (long j = 0; j < width; ++j) to[j] = j < valid ? from[j * step] : 0;
}

/// to[p][j] := from[j][p] for `depth` steps p and a tile's width of columns j, whole squares in registers.
void pack_transposed(const float* from, long ldb, long depth, float* to) {
  long p = 0;
  for (; p + 16 <= depth; p += 16) {
    for (long j = 0; j < tile_width; j += 16) {
      transpose_square(from + j * ldb + p, static_cast<std::size_t>(ldb), to + p * tile_width + j,
                       static_cast<std::size_t>(tile_width));
    }
  }
  for (; p < depth; ++p) pack_row<tile_width>(from + p, ldb, tile_width, to + p * tile_width);
}

/// B's rows k0 .. k0 + depth - 1 and columns n0 .. n0 + width - 1 as panels [panel][depth][tile_width], zero beyond.
void pack_right(bool tb, const float* b, long ldb, long k0, long depth, long n0, long width, float* packed) {
  for (long n = 0; n < width; n += tile_width) {
    const float* from = tb ? b + (n0 + n) * ldb + k0 : b + k0 * ldb + n0 + n;
    const long along = tb ? ldb : 1, down = tb ? 1 : ldb, valid = at_most(tile_width, width - n);
    if (tb && valid == tile_width) {
      pack_transposed(from, ldb, depth, packed);
    } else {
      for (long p = 0; p < depth; ++p) pack_row<tile_width>(from + p * down, along, valid, packed + p * tile_width);
    }
    packed += depth * tile_width;
  }
}

/// Transposed A: its columns m0 .. m0 + rows - 1 as [tile][depth][tile_rows].
void pack_left(const float* a, long lda, long k0, long depth, long m0, long rows, float* packed) {
  for (long i = 0; i < rows; i += tile_rows) {
    const float* from = a + k0 * lda + m0 + i;
    const long valid = at_most(tile_rows, rows - i);
    for (long p = 0; p < depth; ++p) pack_row<tile_rows>(from + p * lda, 1, valid, packed + p * tile_rows);
    packed += depth * tile_rows;
  }
}

void multiply_block(long rows, long width, long depth, bool packed, Left a, const float* b, float* c, long ldc,
                    bool add) {
  for (long n = 0; n < width; n += tile_width) {
    const long valid = at_most(tile_width, width - n);
    for (long i = 0; i < rows; i += tile_rows) {
      const int count = static_cast<int>(at_most(tile_rows, rows - i));
      const Left tile = packed ? Left{a.p0 + i * depth, 1, tile_rows} : Left{a.p0 + i * a.row, a.row, a.depth};
      multiply_any_tile(count, valid, depth, tile, b + n * depth, c + i * ldc + n, ldc, add);
    }
  }
}

}  // namespace

void sgemm(bool ta, bool tb, long m, long n, long k, const float* a, long lda, const float* b, long ldb, float* c,
           long ldc, bool add) {
  alignas(64) float right[block_k * block_n], left[block_m * block_k];
  const bool packed = ta && lda > 300;  // long steps in k run out of cache sets (measured)
  if (k == 0 && !add) {
    for (long i = 0; i < m; ++i) {
      for (long j = 0; j < n; ++j) c[i * ldc + j] = 0;
    }
  }
  for (long n0 = 0; n0 < n; n0 += block_n) {
    const long width = at_most(block_n, n - n0);
    for (long k0 = 0; k0 < k; k0 += block_k) {
      const long depth = at_most(block_k, k - k0);
      pack_right(tb, b, ldb, k0, depth, n0, width, right);
      for (long m0 = 0; m0 < m; m0 += block_m) {
        const long rows = at_most(block_m, m - m0);
        if (packed) pack_left(a, lda, k0, depth, m0, rows, left);
        const Left in_place = ta ? Left{a + k0 * lda + m0, 1, lda} : Left{a + m0 * lda + k0, lda, 1};
        multiply_block(rows, width, depth, packed, packed ? Left{left, 1, tile_rows} : in_place, right,
                       c + m0 * ldc + n0, ldc, add || k0 > 0);
      }
    }
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
