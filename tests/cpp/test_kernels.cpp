#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "scorefield/kernels/table.hpp"

/// Each kernel against a loop in double (or float's own fma where the bits are promised), on every level that runs
/// here.
namespace scorefield::kernels {
namespace {

using Floats = std::vector<float>;

std::vector<const Table*> tables() {
  std::vector<const Table*> all;
  for (const char* const* name = names(); *name != nullptr; ++name) all.push_back(find(*name));
  return all;
}

Floats random(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> z;
  Floats x(n);
  for (float& v : x) v = z(engine);
  return x;
}

double dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// |a - b| / |b|
double distance(const Floats& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i)
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2), size += b[i] * b[i];
  return std::sqrt(difference / size);
}

/// A product operand over one array [points][blocks][rows][16].
struct Operand {
  Floats data;
  std::vector<const float*> blocks;
  int rows;
  Operand(int points, int count, int r, unsigned seed)
      : data(random(static_cast<std::size_t>(points * count * r * 16), seed)), rows(r) {
    for (int b = 0; b < count; ++b) blocks.push_back(data.data() + b * r * 16);
  }
  Blocks view() const {
    return {blocks.data(), blocks.size() * static_cast<std::size_t>(rows) * 16, static_cast<int>(blocks.size())};
  }
  float at(int x, int row, int lane) const {  // lane counts over all blocks
    return data[((static_cast<std::size_t>(x) * blocks.size() + static_cast<std::size_t>(lane / 16)) *
                     static_cast<std::size_t>(rows) +
                 static_cast<std::size_t>(row)) *
                    16 +
                static_cast<std::size_t>(lane % 16)];
  }
};

std::size_t index(int block, int row, int rows, int lane) {
  return (static_cast<std::size_t>(block) * static_cast<std::size_t>(rows) + static_cast<std::size_t>(row)) * 16 +
         static_cast<std::size_t>(lane);
}

// M_x[p][k] = start[k] (or M) + one chain of fma in order of c, bit for bit, around every tile's edge.
TEST(Gemm, IsOneChainOfFmaPerElement) {
  for (const Table* t : tables()) {
    for (int rows : {1, 2, 5, 6, 7, 13, 16, 17, 33}) {
      for (int in : {1, 3, 35}) {  // the last is taken in pieces
        for (int out : {1, 2, 3, 7}) {
          const Operand V(2, in, rows, 1);
          const Floats U = random(static_cast<std::size_t>(2 * in * 16 * out * 16), 2),
                       start = random(static_cast<std::size_t>(out * 16), 3),
                       before = random(static_cast<std::size_t>(2 * out * rows * 16), 4);
          for (int mode = 0; mode < 3; ++mode) {  // from 0, from start, from M
            Floats M = before;
            t->gemm(2, rows, V.view(), U.data(), static_cast<std::size_t>(in * out * 256),
                    mode == 1 ? start.data() : nullptr, mode == 2, M.data(), static_cast<std::size_t>(rows * 16),
                    static_cast<std::size_t>(out * rows * 16), out);
            for (int x = 0; x < 2; ++x) {
              for (int p = 0; p < rows; ++p) {
                for (int k = 0; k < out * 16; ++k) {
                  const std::size_t at = static_cast<std::size_t>(x * out * rows * 16) + index(k / 16, p, rows, k % 16);
                  float sum = mode == 0 ? 0 : mode == 1 ? start[static_cast<std::size_t>(k)] : before[at];
                  for (int c = 0; c < in * 16; ++c)
                    sum = std::fma(V.at(x, p, c),
                                   U[static_cast<std::size_t>(x * in * out * 256) + index(k / 16, c, in * 16, k % 16)],
                                   sum);
                  ASSERT_EQ(M[at], sum) << t->name << " rows " << rows << " in " << in << " out " << out;
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST(Gemm, GradientIsOneChainOfFmaInOrderOfRows) {
  for (const Table* t : tables()) {
    for (int rows : {1, 4, 19}) {
      for (int out : {1, 2, 3, 7}) {
        const int in = 2;
        const Operand V(2, in, rows, 1), M(2, out, rows, 2);
        const Floats before = random(static_cast<std::size_t>(2 * in * out * 256), 3);
        for (const bool add : {false, true}) {
          Floats dU = before;
          t->gemm_gradient(2, rows, V.view(), M.data.data(), static_cast<std::size_t>(rows * 16),
                           static_cast<std::size_t>(out * rows * 16), out, add, dU.data(),
                           static_cast<std::size_t>(in * out * 256));
          for (int x = 0; x < 2; ++x) {
            for (int c = 0; c < in * 16; ++c) {
              for (int k = 0; k < out * 16; ++k) {
                const std::size_t at = static_cast<std::size_t>(x * in * out * 256) + index(k / 16, c, in * 16, k % 16);
                float sum = add ? before[at] : 0;
                for (int p = 0; p < rows; ++p) sum = std::fma(V.at(x, p, c), M.at(x, p, k), sum);
                ASSERT_EQ(dU[at], sum) << t->name << " rows " << rows << " out " << out;
              }
            }
          }
        }
      }
    }
  }
}

// Blocks with 2, 16 and 7 channels: leaving out the quarters that are 0 changes no bit, and what was there stays or is
// 0.
TEST(Gemm, QuartersWithoutChannelsAreLeftOut) {
  constexpr int rows = 13, in = 10, out = 7;
  const unsigned char quarters[in] = {1, 4, 2, 4, 1, 4, 2, 4, 1, 4};
  Operand V(2, in, rows, 1);
  for (std::size_t i = 0; i < V.data.size(); ++i) {
    const std::size_t channels[] = {2, 16, 7, 16};
    if (i % 16 >= channels[i / (rows * 16) % in % 4]) V.data[i] = 0;
  }
  Blocks partly = V.view();
  partly.quarters = quarters;
  const Operand M(2, out, rows, 2);
  const Floats U = random(2 * in * out * 256, 3), before = random(2 * in * out * 256, 4);
  for (const Table* t : tables()) {
    for (const bool add : {false, true}) {
      Floats all = M.data, some = M.data, dU_all = before, dU_some = before;
      t->gemm(2, rows, V.view(), U.data(), in * out * 256, nullptr, add, all.data(), rows * 16, out * rows * 16, out);
      t->gemm(2, rows, partly, U.data(), in * out * 256, nullptr, add, some.data(), rows * 16, out * rows * 16, out);
      EXPECT_EQ(some, all) << t->name;
      t->gemm_gradient(2, rows, V.view(), M.data.data(), rows * 16, out * rows * 16, out, add, dU_all.data(),
                       in * out * 256);
      t->gemm_gradient(2, rows, partly, M.data.data(), rows * 16, out * rows * 16, out, add, dU_some.data(),
                       in * out * 256);
      EXPECT_EQ(dU_some, dU_all) << t->name;
    }
  }
}

/// A Winograd problem of one block of channels in and out; only lane `in` of the input reaches lane `out` here, which
/// suffices: the transforms work lane by lane and the product is tested above.
struct Image {
  int height, width;
  Tiles tiles;
  std::size_t stride, plane, points_xs;
  Image(int h, int w)
      : height(h),
        width(w),
        tiles{h, w, (h + 3) / 4, (w + 3) / 4},
        stride(static_cast<std::size_t>(4 * tiles.columns + 2) * 16),
        plane(stride * static_cast<std::size_t>(4 * tiles.rows + 2)),
        points_xs(static_cast<std::size_t>(tiles.rows * tiles.columns) * 16 + 16) {}
  /// x: [height][width][16] inside a frame of zeros.
  Floats framed(const Floats& x) const {
    Floats p(plane, 0);
    for (int i = 0; i < height; ++i)
      std::copy_n(x.data() + i * width * 16, width * 16, p.data() + static_cast<std::size_t>(i + 1) * stride + 16);
    return p;
  }
  Floats inside(const Floats& p) const {
    Floats x(static_cast<std::size_t>(height * width * 16));
    for (int i = 0; i < height; ++i)
      std::copy_n(p.data() + static_cast<std::size_t>(i + 1) * stride + 16, width * 16, x.data() + i * width * 16);
    return x;
  }
};

/// Winograd with filters g [lane][9][16]: every input lane to every output lane.
Floats winograd(const Table& t, const Image& m, const Floats& x, const Floats& g, const Floats& shift,
                const Floats* residual, float gain, Floats& sums) {
  Floats V(36 * m.points_xs), U(36 * 256), M(36 * m.points_xs), y(x.size());
  const Floats plane = m.framed(x);
  t.winograd_input(plane.data(), m.stride, m.tiles, V.data(), m.points_xs);
  t.winograd_filter(g.data(), U.data(), 256);
  const float* block = V.data();
  const int rows = m.tiles.rows * m.tiles.columns;
  t.gemm(36, rows, {&block, m.points_xs, 1}, U.data(), 256, nullptr, false, M.data(),
         static_cast<std::size_t>(rows * 16), m.points_xs, 1);
  t.winograd_output(M.data(), m.points_xs, m.tiles, shift.data(), residual == nullptr ? nullptr : residual->data(),
                    gain, y.data(), sums.data());
  return y;
}

std::vector<double> direct(const Image& m, const Floats& x, const Floats& g, const Floats& shift,
                           const Floats* residual, double gain) {
  std::vector<double> y(x.size());
  for (int i = 0; i < m.height; ++i) {
    for (int j = 0; j < m.width; ++j) {
      for (int k = 0; k < 16; ++k) {
        double sum = static_cast<double>(shift[static_cast<std::size_t>(k)]);
        for (int tap = 0; tap < 9; ++tap) {
          const int a = i + tap / 3 - 1, b = j + tap % 3 - 1;
          if (a < 0 || a >= m.height || b < 0 || b >= m.width) continue;
          for (int c = 0; c < 16; ++c)
            sum += static_cast<double>(x[index(0, a * m.width + b, 0, c)]) *
                   static_cast<double>(g[static_cast<std::size_t>((c * 9 + tap) * 16 + k)]);
        }
        const std::size_t at = index(0, i * m.width + j, 0, k);
        y[at] = gain * (sum + (residual == nullptr ? 0 : static_cast<double>((*residual)[at])));
      }
    }
  }
  return y;
}

// 2e-6: rounding of a direct float convolution of 144 terms is 4e-7, Winograd with these points has 1.8 times that.
TEST(Winograd, IsTheConvolution) {
  for (const Table* t : tables()) {
    for (const auto& [h, w] : {std::pair{8, 8}, {1, 1}, {7, 5}, {4, 13}, {14, 14}}) {
      const Image m(h, w);
      const Floats x = random(static_cast<std::size_t>(h * w * 16), 1), g = random(16 * 9 * 16, 2),
                   shift = random(16, 3), residual = random(x.size(), 4);
      for (const Floats* r : {static_cast<const Floats*>(nullptr), &residual}) {
        Floats sums(48);
        const Floats y = winograd(*t, m, x, g, shift, r, 0.5f, sums);
        EXPECT_LT(distance(y, direct(m, x, g, shift, r, 0.5)), 2e-6) << t->name << " " << h << " x " << w;
        for (std::size_t l = 0; l < 16; ++l) {  // the sums are those of y around their centre
          double sum = 0, squares = 0;
          for (std::size_t p = l; p < y.size(); p += 16) {
            const double d = static_cast<double>(y[p]) - static_cast<double>(sums[l]);
            sum += d, squares += d * d;
          }
          EXPECT_NEAR(sums[16 + l], sum, 1e-4 * (1 + std::sqrt(squares)));
          EXPECT_NEAR(sums[32 + l], squares, 1e-5 * squares + 1e-12);
        }
      }
    }
  }
}

TEST(Winograd, BackwardIsTheAdjointOfEachTransform) {  // <A x, y> = <x, A^T y>
  for (const Table* t : tables()) {
    for (const auto& [h, w] : {std::pair{8, 8}, {1, 1}, {7, 5}}) {
      const Image m(h, w);
      const Floats x = random(static_cast<std::size_t>(h * w * 16), 1), zeros(16, 0);
      Floats V(36 * m.points_xs), plane(m.plane, 0), sums(48), M = random(36 * m.points_xs, 3), y(x.size()),
                                                               adjoint(36 * m.points_xs), sum(16);
      const Floats dV = [&] {  // only the points that exist
        Floats v(36 * m.points_xs, 0), all = random(v.size(), 2);
        for (std::size_t i = 0; i < v.size(); ++i) {
          if (i % m.points_xs < m.points_xs - 16) v[i] = all[i];
        }
        return v;
      }();
      t->winograd_input(m.framed(x).data(), m.stride, m.tiles, V.data(), m.points_xs);
      t->winograd_input_adjoint(dV.data(), m.points_xs, m.tiles, plane.data(), m.stride);
      EXPECT_NEAR(dot(V, dV), dot(x, m.inside(plane)), 2e-5 * std::sqrt(dot(V, V) * dot(dV, dV)));
      for (std::size_t i = 0; i < M.size(); ++i) {
        if (i % m.points_xs >= m.points_xs - 16) M[i] = 0;
      }
      t->winograd_output(M.data(), m.points_xs, m.tiles, zeros.data(), nullptr, 2, y.data(), sums.data());
      t->winograd_output_adjoint(x.data(), m.tiles, 2, adjoint.data(), m.points_xs, sum.data());
      EXPECT_NEAR(dot(y, x), dot(M, adjoint), 2e-5 * std::sqrt(dot(y, y) * dot(x, x)));
      for (std::size_t l = 0; l < 16; ++l) {
        double truth = 0;
        for (std::size_t p = l; p < x.size(); p += 16) truth += 2 * static_cast<double>(x[p]);
        EXPECT_NEAR(sum[l], truth, 1e-4);
      }
      const Floats g = random(16 * 9 * 16, 5), dU = random(36 * 256, 6);
      Floats U(36 * 256), dg(g.size(), 0);
      t->winograd_filter(g.data(), U.data(), 256);
      t->winograd_filter_adjoint(dU.data(), 256, dg.data());
      EXPECT_NEAR(dot(U, dU), dot(g, dg), 1e-5 * std::sqrt(dot(U, U) * dot(dU, dU)));
    }
  }
}

double phi(double u) { return 0.5 * std::erfc(-u / std::sqrt(2.0)); }
double activation(Act act, double u) {
  if (act == Act::silu) return u / (1 + std::exp(-u));
  if (act == Act::gelu) return u * phi(u);
  if (act == Act::tanh) return std::tanh(u);
  if (act == Act::relu) return std::max(u, 0.0);
  if (act == Act::mish) return u * std::tanh(std::log1p(std::exp(u)));
  return u;
}
double slope(Act act, double u) {
  const double s = 1 / (1 + std::exp(-u));
  if (act == Act::silu) return s + u * s * (1 - s);
  if (act == Act::gelu) return phi(u) + u * std::exp(-u * u / 2) * 0.3989422804014327;
  if (act == Act::tanh) return 1 - std::tanh(u) * std::tanh(u);
  if (act == Act::relu) return u < 0 ? 0 : 1;
  if (act == Act::mish) {
    const double q = std::tanh(std::log1p(std::exp(u)));
    return q + u * (1 - q * q) * s;
  }
  return 1;
}

TEST(Activation, ValuesAndSlopes) {  // a few units in the last place of the value, or of 1 for slopes
  for (const Table* t : tables()) {
    for (const Act act : {Act::identity, Act::silu, Act::gelu, Act::tanh, Act::relu, Act::mish}) {
      Floats x, y, s;
      for (int i = -1600; i <= 1600; ++i) x.push_back(static_cast<float>(i) * 0.01f);
      for (const float v : {80.f, -80.f, 1e-30f, -1e-3f}) x.push_back(v);
      while (x.size() % 16 != 0) x.push_back(0);
      y.resize(x.size()), s.resize(x.size());
      t->activation(x.data(), x.size(), act, y.data(), s.data());
      Floats alone(x.size());
      t->activation(x.data(), x.size(), act, alone.data(), nullptr);
      EXPECT_EQ(alone, y);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double u = static_cast<double>(x[i]), truth = activation(act, u);
        EXPECT_NEAR(y[i], truth,
                    4e-7 * std::abs(truth) + 4e-7 * std::min(1.0, std::abs(u)) * (act == Act::gelu ? 1 : 0) + 1e-30)
            << t->name << " act " << static_cast<int>(act) << " at " << u;
        EXPECT_NEAR(s[i], slope(act, u), 1e-6) << t->name << " act " << static_cast<int>(act) << " at " << u;
      }
    }
  }
}

TEST(Activation, NotANumberComesOut) {
  for (const Table* t : tables()) {
    for (const Act act : {Act::identity, Act::silu, Act::gelu, Act::tanh, Act::relu, Act::mish}) {
      Floats x(16, NAN), y(16, 0);
      t->activation(x.data(), 16, act, y.data(), nullptr);
      for (const float v : y) EXPECT_TRUE(std::isnan(v)) << t->name << " act " << static_cast<int>(act);
    }
  }
}

// <prologue(x + h) - prologue(x)> is not linear, so backward is held against central differences of a double prologue
// elsewhere (the engines on random plans); here: the resampling alone, which is linear, against its adjoint, and the
// affine part by hand.
TEST(Prologue, ResamplingAndItsAdjoint) {
  const Floats zeros(16, 0), ones(16, 1);
  for (const Table* t : tables()) {
    for (const auto& [kind, from, to] : {std::tuple{Resize::up, Size{3, 5}, Size{6, 10}},
                                         {Resize::up, Size{3, 5}, Size{5, 9}},
                                         {Resize::up, Size{3, 1}, Size{6, 1}},
                                         {Resize::down, Size{6, 8}, Size{3, 4}},
                                         {Resize::down, Size{5, 7}, Size{3, 4}},
                                         {Resize::same, Size{4, 3}, Size{4, 3}}}) {
      const std::size_t small = static_cast<std::size_t>(from.height * from.width * 16),
                        large = static_cast<std::size_t>(to.height * to.width * 16);
      const Floats x = random(small, 1), d = random(large, 2);
      Floats y(large), dx(small, 0), s1(16), s2(16);
      const std::size_t stride = static_cast<std::size_t>(to.width) * 16;
      t->prologue(x.data(), from, zeros.data(), ones.data(), zeros.data(), Act::identity, nullptr, kind, to, y.data(),
                  stride);
      t->prologue_backward(x.data(), from, zeros.data(), ones.data(), zeros.data(), ones.data(), Act::identity, nullptr,
                           kind, to, d.data(), stride, false, dx.data(), s1.data(), s2.data());
      EXPECT_NEAR(dot(y, d), dot(x, dx), 1e-5 * std::sqrt(dot(y, y) * dot(d, d))) << t->name;
      for (std::size_t l = 0; l < 16; ++l) {
        double sum = 0, product = 0;
        for (std::size_t p = l; p < small; p += 16)
          sum += static_cast<double>(dx[p]), product += static_cast<double>(dx[p]) * static_cast<double>(x[p]);
        EXPECT_NEAR(s1[l], sum, 1e-5);
        EXPECT_NEAR(s2[l], product, 1e-5);
      }
      Floats twice = dx;
      t->prologue_backward(x.data(), from, zeros.data(), ones.data(), zeros.data(), ones.data(), Act::identity, nullptr,
                           kind, to, d.data(), stride, true, twice.data(), s1.data(), s2.data());
      for (std::size_t i = 0; i < small; ++i) EXPECT_EQ(twice[i], dx[i] + dx[i]);
    }
  }
}

TEST(Columns, ScatterIsTheAdjointOfGather) {
  for (const Table* t : tables()) {
    for (const Window w : {Window{4, 3, 3, 3, 2, 2}, Window{5, 1, 3, 1, 1, 1}, Window{2, 6, 5, 5, 1, 1}}) {
      const int height = (w.height - 1) * w.step + w.kernel, width = (w.width - 1) * w.step_across + w.across;
      const std::size_t block = static_cast<std::size_t>(w.height * w.width * 16),
                        stride = static_cast<std::size_t>(width) * 16;
      const Floats x = random(static_cast<std::size_t>(height) * stride, 1),
                   d = random(block * static_cast<std::size_t>(w.kernel * w.across), 2);
      Floats columns(d.size()), dx(x.size(), 0);
      t->gather(x.data(), stride, w, columns.data(), block);
      t->scatter(d.data(), block, w, dx.data(), stride);
      EXPECT_NEAR(dot(columns, d), dot(x, dx), 1e-5 * std::sqrt(dot(columns, columns) * dot(d, d))) << t->name;
      EXPECT_EQ(columns[block + 16], x[w.across > 1 ? static_cast<std::size_t>(16 * (w.step_across + 1)) : 2 * stride])
          << t->name;
    }
  }
}

TEST(Attention, SoftmaxDownTheKeysAndItsGradient) {
  for (const Table* t : tables()) {
    const int keys = 37;
    const Floats logits = random(keys * 16, 1), d = random(keys * 16, 2);
    Floats mask(keys * 16, 0);
    for (int j : {3, 20, 36}) mask[static_cast<std::size_t>(j) * 16] = -1;
    for (const float* ids : {static_cast<const float*>(nullptr), static_cast<const float*>(mask.data())}) {
      Floats s = logits, ds = d;
      t->softmax(s.data(), keys, 0.7f, ids, 16);
      t->softmax_backward(s.data(), ds.data(), keys, 0.7f);
      for (std::size_t l = 0; l < 16; ++l) {
        double total = 0, mean = 0;
        std::vector<double> p(keys, 0);
        for (std::size_t j = 0; j < keys; ++j) {
          if (ids == nullptr || ids[j * 16] >= 0) p[j] = std::exp(0.7 * static_cast<double>(logits[16 * j + l]));
          total += p[j];
        }
        for (std::size_t j = 0; j < keys; ++j) p[j] /= total, mean += p[j] * static_cast<double>(d[16 * j + l]);
        for (std::size_t j = 0; j < keys; ++j) {
          EXPECT_NEAR(s[16 * j + l], p[j], 1e-6) << t->name;
          EXPECT_NEAR(ds[16 * j + l], 0.7 * p[j] * (static_cast<double>(d[16 * j + l]) - mean), 2e-6) << t->name;
        }
      }
    }
    Floats s = logits;
    const Floats none(keys * 16, -1);
    t->softmax(s.data(), keys, 1, none.data(), 16);
    for (const float v : s) EXPECT_EQ(v, 0);
  }
}

TEST(Attention, TransposePadsWithZeros) {
  for (const Table* t : tables()) {
    const Floats x = random(2 * 19 * 16, 1);
    const float* blocks[] = {x.data(), x.data() + 19 * 16};
    Floats y(2 * 2 * 256, -1);
    t->transpose(blocks, 2, 19, y.data());
    for (int i = 0; i < 32; ++i) {
      for (int c = 0; c < 32; ++c)
        EXPECT_EQ(y[static_cast<std::size_t>(((i / 16 * 2 + c / 16) * 16 + c % 16) * 16 + i % 16)],
                  i < 19 ? x[index(c / 16, i, 19, c % 16)] : 0);
    }
  }
}

TEST(Sincos, FollowsLargeAngles) {
  for (const Table* t : tables()) {
    std::vector<double> turns;
    for (int i = 0; i < 320; ++i) turns.push_back(std::pow(1.04, i) * (i % 2 == 0 ? 1 : -1));  // up to 2.7e5
    turns[7] = NAN, turns[8] = INFINITY;
    Floats s(320), c(320);
    t->sincos(turns.data(), 320, s.data(), c.data());
    for (std::size_t i = 0; i < 320; ++i) {
      if (!std::isfinite(turns[i])) {
        EXPECT_TRUE(std::isnan(s[i]) && std::isnan(c[i]));
        continue;
      }
      const double angle = 6.283185307179586 * (turns[i] - std::floor(turns[i]));
      EXPECT_NEAR(s[i], std::sin(angle), 3e-7) << t->name << " " << turns[i];
      EXPECT_NEAR(c[i], std::cos(angle), 3e-7) << t->name << " " << turns[i];
    }
  }
}

TEST(Pack, TransposesToSixteenWideRowsAndBack) {
  for (const Table* t : tables()) {
    const Floats x = random(16 * 50, 1);
    for (int rows : {16, 5}) {
      for (int columns : {1, 9, 27, 48}) {
        Floats y(static_cast<std::size_t>(16 * columns), -1), back(x.size(), 0);
        t->pack(x.data(), 50, rows, columns, y.data());
        t->unpack(y.data(), 50, rows, columns, back.data());
        for (int r = 0; r < 16; ++r) {
          for (int c = 0; c < columns; ++c) {
            const std::size_t at = static_cast<std::size_t>(r * 50 + c);
            EXPECT_EQ(y[static_cast<std::size_t>(16 * c + r)], r < rows ? x[at] : 0);
            EXPECT_EQ(back[at], r < rows ? x[at] : 0);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace scorefield::kernels
