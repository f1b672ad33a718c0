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
/// Input blocks that go through all rows before the next do: their filters, 32 KB, wait in the first-level cache.
template <int width>
constexpr int deepest = 32 / width;
constexpr int rows_together = 64;  // of a gradient product: V, M and dU of so many stay in the first-level cache

std::ptrdiff_t signed_size(std::size_t n) { return static_cast<std::ptrdiff_t>(n); }

/// One point of a product: filter rows `in_lanes` x 16 per output block, `filter_block` apart.
struct Product {
  const float* const* V;
  std::size_t offset;  // of this point and row in every block of V
  int in_blocks;
  const unsigned char* quarters;  // of each block; null: 4
  const float* U;
  std::size_t U_block;
  const float* start;
  float* M;
  std::size_t M_block;
  bool add;
  std::ptrdiff_t ahead;  // from these filters to those that come next
  int fetched;           // blocks of those that a tile fetches: all, one or none
};

/// Into the second-level cache: filters come from further away, in pieces too short for the processor to foresee.
KERNEL_INLINE void fetch(const float* p) { __builtin_prefetch(p, 0, 2); }

/// M[p][k] = (add ? M[p][k] : start[k]) + sum_c V[p][c] U[c][k], c in order.
template <int rows, int width, int fetched>
void multiply(const Product& q) {
  f32x16 sum[rows][width];
  unroll<width>([&](auto k) {
    const f32x16 first = q.start != nullptr ? load(q.start + 16 * k) : zero();
    unroll<rows>([&](auto p) { sum[p][k] = q.add ? load(q.M + k * q.M_block + 16 * p) : first; });
  });
  const float* u = q.U;
  for (int b = 0; b < q.in_blocks; ++b) {
    const float* v = q.V[b] + q.offset;
    const int quarters = q.quarters != nullptr ? q.quarters[b] : 4;
    for (int i = 0; i < quarters; ++i, v += 4) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c, u += 16) {
        f32x16 right[width];
        unroll<width>([&](auto k) { right[k] = load(u + k * q.U_block); });
        unroll<fetched>([&](auto k) { fetch(u + k * q.U_block + q.ahead); });
        unroll<rows>([&](auto p) {
          const f32x16 left = all(v[16 * p + c]);
          unroll<width>([&](auto k) { sum[p][k] = fma(left, right[k], sum[p][k]); });
        });
      }
    }
    u += 64 * (4 - quarters);
  }
  unroll<rows>([&](auto p) { unroll<width>([&](auto k) { store(q.M + k * q.M_block + 16 * p, sum[p][k]); }); });
}

template <int width, int rows = tile_rows<width>>
void multiply_rows(int count, const Product& q) {
  if constexpr (rows > 0) {
    if (count == rows) {
      if (width == 1 || q.fetched == 0) return multiply<rows, width, 0>(q);
      q.fetched == 1 ? multiply<rows, width, (width > 1)>(q) : multiply<rows, width, (width > 1 ? width : 0)>(q);
    } else {
      multiply_rows<width, rows - 1>(count, q);
    }
  }
}

/// All rows of `width` output blocks. Their first tiles fetch the filters that come next, one block each where there
/// are enough tiles: a processor waits for few lines at a time.
template <int width>
void multiply_tiles(int rows, Product q) {
  constexpr int most = tile_rows<width>;
  q.fetched = rows > (width - 1) * most ? 1 : width;
  for (int p = 0, fetched = 0; p < rows;) {
    const int left = rows - p;
    const int count =
        left >= 2 * most || left <= most ? (left < most ? left : most) : (left + 1) / 2;  // no thin last tile
    multiply_rows<width>(count, q);
    p += count, q.offset += static_cast<std::size_t>(16 * count), q.M += 16 * count;
    fetched += q.fetched, q.ahead += q.fetched * signed_size(q.U_block);
    if (fetched == width) q.fetched = 0;
  }
}

/// The same, a few input blocks at a time; in between, sums lie in M.
template <int width>
void multiply_panel(int rows, Product q) {
  const int in_blocks = q.in_blocks, pieces = (in_blocks + deepest<width> - 1) / deepest<width>;
  const std::ptrdiff_t ahead = q.ahead;
  for (int i = 0; i < pieces; ++i) {
    const int first = i * in_blocks / pieces, last = (i + 1) * in_blocks / pieces;
    q.in_blocks = last - first;
    q.ahead = last < in_blocks ? 256 * q.in_blocks : ahead - 256 * first;
    multiply_tiles<width>(rows, q);
    q.V += q.in_blocks, q.U += 256 * q.in_blocks, q.add = true;
    if (q.quarters != nullptr) q.quarters += q.in_blocks;
  }
}

/// All panels of `width` output blocks, from block k on; q is at block k already. Returns the first block left.
template <int width>
int multiply_panels(int rows, int k, int out_blocks, std::size_t U_xs, Product& q) {
  for (; k + width <= out_blocks; k += width) {
    const std::size_t panel = width * q.U_block;
    const std::ptrdiff_t next_point = signed_size(U_xs) - k * signed_size(q.U_block);
    q.ahead = k + width < out_blocks ? signed_size(panel) : next_point;
    multiply_panel<width>(rows, q);
    q.U += panel, q.M += width * q.M_block;
    if (q.start != nullptr) q.start += 16 * width;
  }
  return k;
}

/// One point of a gradient product.
struct Gradient {
  const float* V;  // one block
  const float* M;
  std::size_t M_block;
  int rows, lane_count;  // lanes beyond: V is 0
  float* dU;
  std::size_t dU_block;
  std::ptrdiff_t ahead;  // from this piece of dU to the one that comes next
  bool add;
};

KERNEL_INLINE void fetch_to_write(const float* p) { __builtin_prefetch(p, 1, 3); }

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

/// The same for lanes where V may be 0.
template <int lane_count, int width>
void accumulate_lanes(int first, Gradient q) {
  q.V += first, q.dU += 16 * first;
  if (first < q.lane_count) return accumulate<lane_count, width>(q);
  if (q.add) return;
  unroll<width>([&](auto k) {
    for (int c = 0; c < lane_count; ++c) store(q.dU + k * q.dU_block + 16 * c, zero());
  });
}

/// Sixteen lanes in tiles: 6 + 6 + 4 or 8 + 8.
template <int width>
void accumulate_block(const Gradient& q) {
  unroll<width>([&](auto k) {
    for (int c = 0; c < 16; ++c) fetch_to_write(q.dU + k * q.dU_block + q.ahead + 16 * c);
  });
  constexpr int tile = width == 2 ? 8 : 6;
  unroll<16 / tile>([&](auto i) { accumulate_lanes<tile, width>(tile * i, q); });
  constexpr int done = 16 / tile * tile;
  if constexpr (done < 16) accumulate_lanes<16 - done, width>(done, q);
}

}  // namespace

void gemm(int points, int rows, Blocks V, const float* U, std::size_t U_xs, const float* start, bool add, float* M,
          std::size_t M_block, std::size_t M_xs, int out_blocks) {
  const std::size_t U_block = static_cast<std::size_t>(V.count) * 256;
  for (int x = 0; x < points; ++x) {
    const std::size_t at = static_cast<std::size_t>(x);
    Product q{V.block, at * V.xs, V.count, V.quarters, U + at * U_xs, U_block, start, M + at * M_xs,
              M_block, add,       0,       0};
    int k = 0;
    if constexpr (widest == 4) {
      k = multiply_panels<4>(rows, k, out_blocks, U_xs, q);
      k = multiply_panels<2>(rows, k, out_blocks, U_xs, q);
    }
    multiply_panels<1>(rows, k, out_blocks, U_xs, q);
  }
}

void gemm_gradient(int points, int rows, Blocks V, const float* M, std::size_t M_block, std::size_t M_xs,
                   int out_blocks, bool add, float* dU, std::size_t dU_xs) {
  const std::size_t dU_block = static_cast<std::size_t>(V.count) * 256;
  for (int x = 0; x < points; ++x) {
    const std::size_t at = static_cast<std::size_t>(x);
    for (int first = 0; first < rows; first += rows_together) {
      const int count = rows - first < rows_together ? rows - first : rows_together;
      for (int b = 0; b < V.count; ++b) {
        const std::ptrdiff_t ahead = b + 1 < V.count ? 256 : signed_size(dU_xs) - signed_size(dU_block) + 256;
        Gradient q{V.block[b] + at * V.xs + 16 * first,
                   M + at * M_xs + 16 * first,
                   M_block,
                   count,
                   V.quarters != nullptr ? 4 * V.quarters[b] : 16,
                   dU + at * dU_xs + static_cast<std::size_t>(b) * 256,
                   dU_block,
                   ahead,
                   add || first > 0};
        int k = 0;
        const auto step = [&](int width) {
          k += width, q.M += static_cast<std::size_t>(width) * M_block,
              q.dU += static_cast<std::size_t>(width) * dU_block;
        };
        if constexpr (widest == 4) {
          while (k + 4 <= out_blocks) accumulate_block<4>(q), step(4);
          while (k + 2 <= out_blocks) accumulate_block<2>(q), step(2);
        }
        while (k < out_blocks) accumulate_block<1>(q), step(1);
      }
    }
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
