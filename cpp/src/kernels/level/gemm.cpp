#include "level.hpp"
#include "simd.hpp"

/// The two matrix products of the fast engine, on operands of 16-channel blocks. A register tile holds `rows` rows by
/// `width` blocks; what a tile holds never changes the order in which one number is summed.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

/// Rows of a register tile that is `width` blocks wide: accumulators, the loaded blocks and one broadcast fit the
/// registers.
template <int width>
constexpr int tile_rows = native_lanes < 16 ? 6
                          : width == 4      ? 6
                          : width == 2      ? 12
                                            : 16;
constexpr int widest = native_lanes < 16 ? 1 : 4;

/// One point of a product: filter rows `in_lanes` x 16 per output block, `filter_block` apart.
struct Product {
  const float* const* V;
  std::size_t offset;  // of this point and row in every block of V
  int in_blocks;
  const float* U;
  std::size_t U_block;
  const float* start;
  float* M;
  std::size_t M_block;
  bool add;
};

/// M[p][k] = (add ? M[p][k] : start[k]) + sum_c V[p][c] U[c][k], c in order.
template <int rows, int width>
void multiply(const Product& q) {
  f32x16 sum[rows][width];
  unroll<width>([&](auto k) {
    const f32x16 first = q.start != nullptr ? load(q.start + 16 * k) : zero();
    unroll<rows>([&](auto p) { sum[p][k] = q.add ? load(q.M + k * q.M_block + 16 * p) : first; });
  });
  const float* u = q.U;
  for (int b = 0; b < q.in_blocks; ++b) {
    const float* v = q.V[b] + q.offset;
#pragma GCC unroll 4
    for (int c = 0; c < 16; ++c, u += 16) {
      f32x16 right[width];
      unroll<width>([&](auto k) { right[k] = load(u + k * q.U_block); });
      unroll<rows>([&](auto p) {
        const f32x16 left = all(v[16 * p + c]);
        unroll<width>([&](auto k) { sum[p][k] = fma(left, right[k], sum[p][k]); });
      });
    }
  }
  unroll<rows>([&](auto p) { unroll<width>([&](auto k) { store(q.M + k * q.M_block + 16 * p, sum[p][k]); }); });
}

template <int width, int rows = tile_rows<width>>
void multiply_rows(int count, const Product& q) {
  if constexpr (rows > 0) {
    if (count == rows) {
      multiply<rows, width>(q);
    } else {
      multiply_rows<width, rows - 1>(count, q);
    }
  }
}

/// All rows of `width` output blocks.
template <int width>
void multiply_panel(int rows, Product q) {
  constexpr int most = tile_rows<width>;
  for (int p = 0; p < rows;) {
    const int left = rows - p;
    const int count =
        left >= 2 * most || left <= most ? (left < most ? left : most) : (left + 1) / 2;  // no thin last tile
    multiply_rows<width>(count, q);
    p += count, q.offset += static_cast<std::size_t>(16 * count), q.M += 16 * count;
  }
}

/// Output blocks first .. first + width - 1 of q.
Product panel(Product q, int first) {
  q.U += static_cast<std::size_t>(first) * q.U_block;
  q.M += static_cast<std::size_t>(first) * q.M_block;
  if (q.start != nullptr) q.start += 16 * first;
  return q;
}

/// One point of a gradient product.
struct Gradient {
  const float* V;  // one block
  const float* M;
  std::size_t M_block;
  int rows;
  float* dU;
  std::size_t dU_block;
  bool add;
};

/// dU[c][k] = (add ? dU[c][k] : 0) + sum_p V[p][c] M[p][k], p in order.
template <int lane_count, int width>
void accumulate(const Gradient& q) {
  f32x16 sum[lane_count][width];
  unroll<lane_count>([&](auto c) {
    unroll<width>([&](auto k) { sum[c][k] = q.add ? load(q.dU + k * q.dU_block + 16 * c) : zero(); });
  });
#pragma GCC unroll 4
  for (int p = 0; p < q.rows; ++p) {
    f32x16 right[width];
    unroll<width>([&](auto k) { right[k] = load(q.M + k * q.M_block + 16 * p); });
    unroll<lane_count>([&](auto c) {
      const f32x16 left = all(q.V[16 * p + c]);
      unroll<width>([&](auto k) { sum[c][k] = fma(left, right[k], sum[c][k]); });
    });
  }
  unroll<lane_count>([&](auto c) { unroll<width>([&](auto k) { store(q.dU + k * q.dU_block + 16 * c, sum[c][k]); }); });
}

/// Sixteen lanes in tiles: 6 + 6 + 4 or 8 + 8.
template <int width>
void accumulate_block(Gradient q) {
  constexpr int tile = width == 2 ? 8 : 6;
  unroll<16 / tile>([&](auto i) {
    Gradient part = q;
    part.V += tile * i, part.dU += 16 * tile * i;
    accumulate<tile, width>(part);
  });
  if constexpr (16 % tile > 0) {
    constexpr int done = 16 / tile * tile;
    q.V += done, q.dU += 16 * done;
    accumulate<16 - done, width>(q);
  }
}

}  // namespace

void gemm(int points, int rows, Blocks V, const float* U, std::size_t U_xs, const float* start, bool add, float* M,
          std::size_t M_block, std::size_t M_xs, int out_blocks) {
  const std::size_t U_block = static_cast<std::size_t>(V.count) * 256;
  for (int x = 0; x < points; ++x) {
    const std::size_t at = static_cast<std::size_t>(x);
    const Product q{V.block, at * V.xs, V.count, U + at * U_xs, U_block, start, M + at * M_xs, M_block, add};
    int k = 0;
    if constexpr (widest == 4) {
      for (; k + 4 <= out_blocks; k += 4) multiply_panel<4>(rows, panel(q, k));
      for (; k + 2 <= out_blocks; k += 2) multiply_panel<2>(rows, panel(q, k));
    }
    for (; k < out_blocks; ++k) multiply_panel<1>(rows, panel(q, k));
  }
}

void gemm_gradient(int points, int rows, Blocks V, const float* M, std::size_t M_block, std::size_t M_xs,
                   int out_blocks, bool add, float* dU, std::size_t dU_xs) {
  const std::size_t dU_block = static_cast<std::size_t>(V.count) * 256;
  for (int x = 0; x < points; ++x) {
    const std::size_t at = static_cast<std::size_t>(x);
    for (int b = 0; b < V.count; ++b) {
      Gradient q{V.block[b] + at * V.xs,
                 M + at * M_xs,
                 M_block,
                 rows,
                 dU + at * dU_xs + static_cast<std::size_t>(b) * 256,
                 dU_block,
                 add};
      int k = 0;
      const auto step = [&](int width) {
        k += width, q.M += static_cast<std::size_t>(width) * M_block,
            q.dU += static_cast<std::size_t>(width) * dU_block;
      };
      if constexpr (widest == 4) {
        for (; k + 4 <= out_blocks; step(4)) accumulate_block<4>(q);
        for (; k + 2 <= out_blocks; step(2)) accumulate_block<2>(q);
      }
      for (; k < out_blocks; step(1)) accumulate_block<1>(q);
    }
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
