#include "level.hpp"
#include "spread.hpp"

/// Winograd F(4x4, 3x3):  y = A^T [(G g G^T) o (B^T d B)] A  for each 4 x 4 tile of the output (Lavin and Gray 2016,
/// section 4), with interpolation points 0, +-3/4, +-3/2 and infinity, whose rounding error is 1.8 times that of a
/// direct convolution (the usual 0, +-1, +-2: 4 times; Barabasz et al. 2020, section 5). Backward is the exact adjoint
/// of each transform.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

constexpr float p = 0.75f, q = 1.5f, p2 = p * p, q2 = q * q, p3 = p2 * p, q3 = q2 * q, pq = p2 * q2, sum2 = p2 + q2;

/// v = B^T d
KERNEL_INLINE void input_transform(const f32x16 d[6], f32x16 v[6]) {
  const f32x16 a = fma(d[2], -q2, d[4]), b = fma(d[1], -q2, d[3]), c = fma(d[2], -p2, d[4]), e = fma(d[1], -p2, d[3]);
  v[0] = fma(d[0], pq, fma(d[2], -sum2, d[4]));
  v[1] = fma(b, p, a), v[2] = fma(b, -p, a);
  v[3] = fma(e, q, c), v[4] = fma(e, -q, c);
  v[5] = fma(d[1], pq, fma(d[3], -sum2, d[5]));
}

/// d = B v
KERNEL_INLINE void input_adjoint(const f32x16 v[6], f32x16 d[6]) {
  const f32x16 s12 = v[1] + v[2], d12 = all(p) * (v[1] - v[2]), s34 = v[3] + v[4], d34 = all(q) * (v[3] - v[4]);
  d[0] = all(pq) * v[0];
  d[1] = fma(d34, -p2, fma(d12, -q2, all(pq) * v[5]));
  d[2] = fma(s34, -p2, fma(s12, -q2, all(-sum2) * v[0]));
  d[3] = fma(v[5], -sum2, d12 + d34);
  d[4] = (v[0] + s12) + s34;
  d[5] = v[5];
}

/// y = A^T m
KERNEL_INLINE void output_transform(const f32x16 m[6], f32x16 y[4]) {
  const f32x16 a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];
  y[0] = (m[0] + a) + c;
  y[1] = fma(e, q, all(p) * b);
  y[2] = fma(c, q2, all(p2) * a);
  y[3] = fma(b, p3, fma(e, q3, m[5]));
}

/// m = A y
KERNEL_INLINE void output_adjoint(const f32x16 y[4], f32x16 m[6]) {
  const f32x16 a = fma(y[2], p2, y[0]), b = fma(y[3], p3, all(p) * y[1]);
  const f32x16 c = fma(y[2], q2, y[0]), e = fma(y[3], q3, all(q) * y[1]);
  m[0] = y[0];
  m[1] = a + b, m[2] = a - b, m[3] = c + e, m[4] = c - e;
  m[5] = y[3];
}

/// The rows of G: 1 / (p^2 q^2) at 0, then (1, +-x, x^2) / (2 x^2 (x^2 - other^2)), then infinity.
constexpr double gp = 1 / (2.0 * p2 * (p2 - q2)), gq = 1 / (2.0 * q2 * (q2 - p2));
constexpr float G[6][3] = {{1 / pq, 0, 0},
                           {static_cast<float>(gp), static_cast<float>(gp * p), static_cast<float>(gp * p2)},
                           {static_cast<float>(gp), static_cast<float>(-gp * p), static_cast<float>(gp * p2)},
                           {static_cast<float>(gq), static_cast<float>(gq * q), static_cast<float>(gq * q2)},
                           {static_cast<float>(gq), static_cast<float>(-gq * q), static_cast<float>(gq * q2)},
                           {0, 0, 1}};

/// u = G g and g = G^T u, three and six numbers.
KERNEL_INLINE void filter_transform(const f32x16 g[3], f32x16 u[6]) {
  const f32x16 even_p = fma(g[2], G[1][2], g[0] * all(G[1][0])), odd_p = g[1] * all(G[1][1]);
  const f32x16 even_q = fma(g[2], G[3][2], g[0] * all(G[3][0])), odd_q = g[1] * all(G[3][1]);
  u[0] = g[0] * all(G[0][0]);
  u[1] = even_p + odd_p, u[2] = even_p - odd_p, u[3] = even_q + odd_q, u[4] = even_q - odd_q;
  u[5] = g[2];
}
KERNEL_INLINE void filter_adjoint(const f32x16 u[6], f32x16 g[3]) {
  const f32x16 s12 = u[1] + u[2], d12 = u[1] - u[2], s34 = u[3] + u[4], d34 = u[3] - u[4];
  g[0] = fma(s34, G[3][0], fma(s12, G[1][0], u[0] * all(G[0][0])));
  g[1] = fma(d34, G[3][1], d12 * all(G[1][1]));
  g[2] = fma(s34, G[3][2], fma(s12, G[1][2], u[5]));
}

/// The two passes of a transform: `columns` columns of `in` numbers -> `out`, then `out` rows of `columns` -> `last`.
/// get(i, j) reads, put(i, j, v) writes, `line` is the one-dimensional transform.
template <int in, int out, int columns, int last, class Get, class Line, class Put>
KERNEL_INLINE void transform(Get get, Line line, Put put) {
  alignas(64) float half[out * columns * 16];
  for (int j = 0; j < columns; ++j) {
    f32x16 a[in], b[out];
    unroll<in>([&](auto i) { a[i] = get(i, j); });
    line(a, b);
    unroll<out>([&](auto i) { store(half + (i * columns + j) * 16, b[i]); });
  }
  for (int i = 0; i < out; ++i) {
    f32x16 a[columns], b[last];
    unroll<columns>([&](auto j) { a[j] = load(half + (i * columns + j) * 16); });
    line(a, b);
    unroll<last>([&](auto j) { put(i, j, b[j]); });
  }
}

struct InputLine {
  KERNEL_INLINE void operator()(const f32x16* d, f32x16* v) const { input_transform(d, v); }
};
struct InputAdjointLine {
  KERNEL_INLINE void operator()(const f32x16* v, f32x16* d) const { input_adjoint(v, d); }
};
struct OutputLine {
  KERNEL_INLINE void operator()(const f32x16* m, f32x16* y) const { output_transform(m, y); }
};
struct OutputAdjointLine {
  KERNEL_INLINE void operator()(const f32x16* y, f32x16* m) const { output_adjoint(y, m); }
};
struct FilterLine {
  KERNEL_INLINE void operator()(const f32x16* g, f32x16* u) const { filter_transform(g, u); }
};
struct FilterAdjointLine {
  KERNEL_INLINE void operator()(const f32x16* u, f32x16* g) const { filter_adjoint(u, g); }
};

/// f(row, column, p) for each tile, p = its number times 16.
template <class F>
KERNEL_INLINE void for_tiles(Tiles t, F f) {
  for (int i = 0; i < t.rows; ++i) {
    for (int j = 0; j < t.columns; ++j) f(i, j, static_cast<std::size_t>(i * t.columns + j) * 16);
  }
}
KERNEL_INLINE std::size_t point(int i, int j, std::size_t xs) { return static_cast<std::size_t>(6 * i + j) * xs; }
KERNEL_INLINE std::size_t at(int i, int j, std::size_t stride) {
  return static_cast<std::size_t>(i) * stride + static_cast<std::size_t>(16 * j);
}

}  // namespace

void winograd_input(const float* plane, std::size_t stride, Tiles t, float* V, std::size_t V_xs) {
  for_tiles(t, [&](int ti, int tj, std::size_t n) KERNEL_LAMBDA {
    const float* d = plane + at(4 * ti, 4 * tj, stride);
    float* v = V + n;
    transform<6, 6, 6, 6>([&](int i, int j) KERNEL_LAMBDA { return load(d + at(i, j, stride)); }, InputLine{},
                          [&](int i, int j, f32x16 x) KERNEL_LAMBDA { store(v + point(i, j, V_xs), x); });
  });
}

namespace {

/// Tiles overlap by two rows and columns: a tile adds to what its neighbours above and to the left have written, and
/// assigns the rest.
template <bool below, bool right>
KERNEL_INLINE void adjoint_tile(const float* v, std::size_t V_xs, float* d, std::size_t stride) {
  transform<6, 6, 6, 6>([&](int i, int j) KERNEL_LAMBDA { return load(v + point(i, j, V_xs)); }, InputAdjointLine{},
                        [&](int i, int j, f32x16 x) KERNEL_LAMBDA {
                          float* to = d + at(i, j, stride);
                          const bool add = (below && i < 2) || (right && j < 2);
                          store(to, add ? load(to) + x : x);
                        });
}

}  // namespace

void winograd_input_adjoint(const float* V, std::size_t V_xs, Tiles t, float* plane, std::size_t stride) {
  for_tiles(t, [&](int ti, int tj, std::size_t n) KERNEL_LAMBDA {
    float* d = plane + at(4 * ti, 4 * tj, stride);
    if (ti > 0 && tj > 0) {
      adjoint_tile<true, true>(V + n, V_xs, d, stride);
    } else if (ti > 0) {
      adjoint_tile<true, false>(V + n, V_xs, d, stride);
    } else if (tj > 0) {
      adjoint_tile<false, true>(V + n, V_xs, d, stride);
    } else {
      adjoint_tile<false, false>(V + n, V_xs, d, stride);
    }
  });
}

namespace {

/// One tile of the output: y = gain (A^T M A + shift + residual) at its `rows` x `columns` positions inside the image.
template <bool whole, bool has_residual>
KERNEL_INLINE void output_tile(const float* m, std::size_t M_xs, f32x16 shift, const float* residual, f32x16 gain,
                               int rows, int columns, float* y, std::size_t stride, Spread& spread) {
  transform<6, 4, 6, 4>([&](int i, int j) KERNEL_LAMBDA { return load(m + point(i, j, M_xs)); }, OutputLine{},
                        [&](int i, int j, f32x16 v) KERNEL_LAMBDA {
                          if (!whole && (i >= rows || j >= columns)) return;
                          v = v + shift;
                          if (has_residual) v = v + load(residual + at(i, j, stride));
                          v = v * gain;
                          spread.add(v);
                          store(y + at(i, j, stride), v);
                        });
}

/// y at the first position, ahead of the others: the first row of A^T is (1, 1, 1, 1, 1, 0).
KERNEL_INLINE f32x16 first_output(const float* m, std::size_t M_xs) {
  f32x16 sum = zero();
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) sum += load(m + point(i, j, M_xs));
  }
  return sum;
}

template <bool has_residual>
void output(const float* M, std::size_t M_xs, Tiles t, const float* shift, const float* residual, float gain, float* y,
            float* sums) {
  const std::size_t stride = static_cast<std::size_t>(t.width) * 16;
  const f32x16 add = load(shift), factor = all(gain);
  f32x16 first = first_output(M, M_xs) + add;
  if (has_residual) first = first + load(residual);
  Spread spread(first * factor);
  for_tiles(t, [&](int ti, int tj, std::size_t n) KERNEL_LAMBDA {
    const std::size_t o = at(4 * ti, 4 * tj, stride);
    const int rows = t.height - 4 * ti, columns = t.width - 4 * tj;
    const float* r = has_residual ? residual + o : nullptr;
    if (rows >= 4 && columns >= 4) {
      output_tile<true, has_residual>(M + n, M_xs, add, r, factor, 4, 4, y + o, stride, spread);
    } else {
      output_tile<false, has_residual>(M + n, M_xs, add, r, factor, rows, columns, y + o, stride, spread);
    }
  });
  spread.write(sums);
}

}  // namespace

void winograd_output(const float* M, std::size_t M_xs, Tiles t, const float* shift, const float* residual, float gain,
                     float* y, float* sums) {
  if (residual != nullptr) {
    output<true>(M, M_xs, t, shift, residual, gain, y, sums);
  } else {
    output<false>(M, M_xs, t, shift, residual, gain, y, sums);
  }
}

void winograd_output_adjoint(const float* dy, Tiles t, float gain, float* M, std::size_t M_xs, float* sum) {
  const std::size_t stride = static_cast<std::size_t>(t.width) * 16;
  const f32x16 factor = all(gain);
  f32x16 s = zero();
  for_tiles(t, [&](int ti, int tj, std::size_t n) KERNEL_LAMBDA {
    const float* d = dy + at(4 * ti, 4 * tj, stride);
    const int rows = t.height - 4 * ti, columns = t.width - 4 * tj;
    float* m = M + n;
    const auto put = [&](int i, int j, f32x16 v) KERNEL_LAMBDA { store(m + point(i, j, M_xs), v); };
    if (rows >= 4 && columns >= 4) {
      transform<4, 6, 4, 6>(
          [&](int i, int j) KERNEL_LAMBDA {
            const f32x16 v = load(d + at(i, j, stride)) * factor;
            s += v;
            return v;
          },
          OutputAdjointLine{}, put);
    } else {
      transform<4, 6, 4, 6>(
          [&](int i, int j) KERNEL_LAMBDA {
            if (i >= rows || j >= columns) return zero();
            const f32x16 v = load(d + at(i, j, stride)) * factor;
            s += v;
            return v;
          },
          OutputAdjointLine{}, put);
    }
  });
  store(sum, s);
}

void winograd_filter(const float* packed, float* U, std::size_t U_xs) {
  for (int lane = 0; lane < 16; ++lane, packed += 9 * 16, U += 16) {
    transform<3, 6, 3, 6>([&](int i, int j) KERNEL_LAMBDA { return load(packed + (3 * i + j) * 16); }, FilterLine{},
                          [&](int i, int j, f32x16 u) KERNEL_LAMBDA { store(U + point(i, j, U_xs), u); });
  }
}

void winograd_filter_adjoint(const float* dU, std::size_t U_xs, float* packed) {
  for (int lane = 0; lane < 16; ++lane, packed += 9 * 16, dU += 16) {
    transform<6, 3, 6, 3>([&](int i, int j) KERNEL_LAMBDA { return load(dU + point(i, j, U_xs)); }, FilterAdjointLine{},
                          [&](int i, int j, f32x16 g) KERNEL_LAMBDA { store(packed + (3 * i + j) * 16, g); });
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
