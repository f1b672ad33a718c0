#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "scorefield/base/rng.hpp"
#include "scorefield/nn/activation.hpp"
#include "scorefield/nn/attention.hpp"
#include "scorefield/nn/conv.hpp"
#include "scorefield/nn/embedding.hpp"
#include "scorefield/nn/linear.hpp"
#include "scorefield/nn/norm.hpp"
#include "scorefield/nn/resample.hpp"
#include "scorefield/nn/sinusoid.hpp"

namespace scorefield::nn {
namespace {

using M = Matrix<double>;

M normal(Index rows, Index cols, std::uint32_t draw = 0) {
  M z(rows, cols);
  Noise(11, Stream::probe).normal(z, draw);
  return z;
}
double dot(const M& a, const M& b) { return a.cwiseProduct(b).sum(); }

TEST(Product, EveryTransposeAndBothWritesAgreeWithEigen) {
  for (const auto ta : {Transpose::no, Transpose::yes}) {
    for (const auto tb : {Transpose::no, Transpose::yes}) {
      const M a = ta == Transpose::no ? normal(5, 7, 1) : normal(7, 5, 1),
              b = tb == Transpose::no ? normal(7, 4, 2) : normal(4, 7, 2);
      const M left = ta == Transpose::no ? a : M(a.transpose()), right = tb == Transpose::no ? b : M(b.transpose());
      M c = normal(5, 4, 3);
      const M sum = c + left * right;
      product<double>(a, ta, b, tb, c, Write::add);
      EXPECT_LT((c - sum).norm(), 1e-13);
      Matrix<float> f(5, 4);
      product<float>(a.cast<float>(), ta, b.cast<float>(), tb, f);
      EXPECT_LT((f.cast<double>() - left * right).norm(), 1e-5);
    }
  }
}

// (A + e A')(B + e B') = A B + e (A B' + A' B)
TEST(Product, DualNumbersCarryTheDerivative) {
  Matrix<Dual> a(3, 4), b(4, 2), c(3, 2);
  const M av = normal(3, 4, 1), as = normal(3, 4, 2), bv = normal(4, 2, 3), bs = normal(4, 2, 4);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = {av.data()[i], as.data()[i]};
  for (Index i = 0; i < b.size(); ++i) b.data()[i] = {bv.data()[i], bs.data()[i]};
  product<Dual>(a, Transpose::no, b, Transpose::no, c);
  const M value = av * bv, slope = av * bs + as * bv;
  for (Index i = 0; i < c.size(); ++i) {
    EXPECT_NEAR(c.data()[i].value, value.data()[i], 1e-13);
    EXPECT_NEAR(c.data()[i].slope, slope.data()[i], 1e-13);
  }
}

/// y of a convolution by the definition, one number at a time. W: (out, ky, kx, in).
double naive(const M& x, const M& W, const Window& w, Index n, Index i, Index j, Index out) {
  double sum = 0;
  for (Index ky = 0; ky < w.kernel; ++ky) {
    for (Index kx = 0; kx < w.across; ++kx) {
      const Index a = i * w.stride + ky - w.pad, b = j * w.stride + kx - w.pad_across;
      if (a < 0 || a >= w.height || b < 0 || b >= w.width) continue;
      for (Index c = 0; c < x.cols(); ++c) {
        sum += W(out, (ky * w.across + kx) * x.cols() + c) * x(n * w.positions() + a * w.width + b, c);
      }
    }
  }
  return sum;
}

const std::vector<Window> windows{{5, 4, 5, 4},
                                  {1, 1, 1, 1},
                                  {1, 7, 1, 7},
                                  {7, 5, 4, 3, 3, 3, 2, 1, 1},
                                  {7, 5, 4, 3, 3, 3, 2, 0, 0},
                                  {6, 6, 3, 3, 3, 3, 2, 0, 0},
                                  {9, 1, 9, 1, 3, 1, 1, 1, 0},
                                  {9, 1, 5, 1, 3, 1, 2, 1, 0}};

TEST(Conv, ColumnsTimesFiltersIsTheDefinition) {
  for (const Window& w : windows) {
    const M x = normal(2 * w.positions(), 3, 1), W = normal(4, w.taps() * 3, 2);
    M cols(2 * w.out_positions(), w.taps() * 3);
    columns<double>(x, w, 0, cols);
    const M y = cols * W.transpose();
    for (Index r = 0; r < y.rows(); ++r) {
      const Index o = r % w.out_positions();
      for (Index c = 0; c < 4; ++c)
        EXPECT_NEAR(y(r, c), naive(x, W, w, r / w.out_positions(), o / w.out_width, o % w.out_width, c), 1e-13);
    }
    M part(2, cols.cols());  // any two rows alone, also across samples
    if (cols.rows() < 3) continue;
    columns<double>(x, w, w.out_positions() - 1, part);
    EXPECT_EQ(part, cols.middleRows(w.out_positions() - 1, 2));
  }
}

TEST(Conv, TheAdjointIsTheAdjoint) {
  for (const Window& w : windows) {
    const M x = normal(2 * w.positions(), 3, 1), y = normal(2 * w.out_positions(), w.taps() * 3, 2);
    M cols(y.rows(), y.cols()), dx = M::Zero(x.rows(), 3);
    columns<double>(x, w, 0, cols);
    columns_adjoint<double>(y, w, 0, dx);
    EXPECT_NEAR(dot(cols, y), dot(x, dx), 1e-12);
  }
}

TEST(Resample, TheAdjointIsTheAdjointAndMeansKeepConstants) {
  for (const Shape s : {Shape{2, 4, 6}, Shape{2, 5, 3}, Shape{2, 1, 1}, Shape{2, 1, 7}, Shape{2, 9, 1}}) {
    const Shape half{2, (s.height + 1) / 2, (s.width + 1) / 2};
    const M large = normal(s.positions(), 2, 1), small = normal(half.positions(), 2, 2);
    M down(small.rows(), 2), up(large.rows(), 2), back_large = M::Zero(large.rows(), 2),
                                                  back_small = M::Zero(small.rows(), 2);
    resample<double>(Resample::down, s, half, large, down);
    resample_backward<double>(Resample::down, s, half, small, back_large);
    EXPECT_NEAR(dot(down, small), dot(large, back_large), 1e-13);
    resample<double>(Resample::up, half, s, small, up);
    resample_backward<double>(Resample::up, half, s, large, back_small);
    EXPECT_NEAR(dot(up, large), dot(small, back_small), 1e-13);
    resample<double>(Resample::down, s, half, up, down);
    EXPECT_LT((down - small).norm(), 1e-14);  // the mean of copies is the original, also at odd edges
  }
}

TEST(GroupNorm, EveryGroupHasMeanZeroAndVarianceOne) {
  const M x = 3 * normal(10, 12).array() + 5, gamma = M::Ones(1, 12), beta = M::Zero(1, 12);
  M mean(1, 12), rstd(1, 12), y(10, 12);
  group_moments<double>(x, 4, 1e-12, mean, rstd);
  group_norm<double>(x, mean, rstd, gamma, beta, y);
  for (Index g = 0; g < 4; ++g) {
    EXPECT_NEAR(y.middleCols(3 * g, 3).mean(), 0, 1e-13);
    EXPECT_NEAR(y.middleCols(3 * g, 3).array().square().mean(), 1, 1e-11);
  }
}

TEST(GroupNorm, TheGradientIsOrthogonalToShiftsAndScalings) {  // y does not change under x -> a x + b, at eps = 0
  const M x = normal(6, 8, 1), gamma = normal(1, 8, 2), dy = normal(6, 8, 3);
  M mean(1, 8), rstd(1, 8), dx = M::Constant(6, 8, 0.25), dgamma = M::Constant(1, 8, 0.25), dbeta = dgamma, sums(2, 8);
  group_moments<double>(x, 2, 1e-300, mean, rstd);
  group_norm_backward<double>(x, 2, mean, rstd, gamma, dy, dx, dgamma, dbeta, sums);
  dx.array() -= 0.25;  // gradients are added, not assigned
  for (Index g = 0; g < 2; ++g) {
    EXPECT_NEAR(dx.middleCols(4 * g, 4).sum(), 0, 1e-13);
    EXPECT_NEAR(dot(dx.middleCols(4 * g, 4), x.middleCols(4 * g, 4)), 0, 1e-13);
  }
  EXPECT_LT((dbeta.array() - 0.25 - dy.colwise().sum().array()).matrix().norm(), 1e-13);
}

constexpr Activation activations[] = {Activation::identity, Activation::silu, Activation::gelu,
                                      Activation::tanh,     Activation::relu, Activation::mish};

TEST(Activation, SlopesAreDifferencesAlsoFarOut) {
  M u(1, 7);
  u << -30, -3, -0.5, 0.1, 0.7, 4, 30;
  for (const auto kind : activations) {
    M y(1, 7), slope(1, 7), plain(1, 7), up(1, 7), down(1, 7);
    activate_with_slope<double>(kind, u, y, slope);
    activate<double>(kind, u, plain);
    activate<double>(kind, (u.array() + 1e-5).matrix(), up);
    activate<double>(kind, (u.array() - 1e-5).matrix(), down);
    EXPECT_LT((y - plain).norm(), 1e-14);
    EXPECT_LT((slope - (up - down) / 2e-5).norm(), 1e-9);
  }
}

TEST(Activation, KnownValues) {
  M u(1, 2), y(1, 2);
  u << 1, -1000;
  activate<double>(Activation::silu, u, y);
  EXPECT_NEAR(y(0, 0), 1 / (1 + std::exp(-1)), 1e-15);
  EXPECT_EQ(y(0, 1), 0);
  activate<double>(Activation::gelu, u, y);
  EXPECT_NEAR(y(0, 0), 0.8413447460685429, 1e-15);  // Phi(1)
  activate<double>(Activation::mish, u, y);
  EXPECT_NEAR(y(0, 0), std::tanh(std::log1p(std::exp(1))), 1e-15);
  EXPECT_EQ(y(0, 1), 0);
}

// A sample's place in memory follows from how the batch was split, and must not show in the last bit.
TEST(Activation, DoesNotDependOnWhereARowLies) {
  constexpr Index n = 7;
  for (int r = 0; r < 3000; ++r) {
    alignas(64) float in[4][16] = {}, out[4][16] = {};
    for (int shift = 0; shift < 4; ++shift) {
      OutMap<float> u(in[shift] + shift, 1, n), y(out[shift] + shift, 1, n);
      for (Index i = 0; i < n; ++i) u(0, i) = 0.00041f * static_cast<float>(r * 7 + i) - 4.3f;
      activate<float>(Activation::silu, u, y);
      for (Index i = 0; i < n; ++i) ASSERT_EQ(out[shift][shift + i], out[0][i]) << "row " << r << " shift " << shift;
    }
  }
}

// Misra 2019: u tanh(softplus(u)), also where e^u or its square overflows; the curvature is the slope's difference.
TEST(Activation, MishIsItsDefinition) {
  M u(1, 8), y(1, 8), slope(1, 8), curvature(1, 8), up(1, 8), down(1, 8), ignored(1, 8);
  u << -700, -40, -3, -0.2, 0.2, 3, 40, 700;
  activate_row<double>(Activation::mish, u.row(0).array(), y.row(0).array(), slope.row(0).array(),
                       curvature.row(0).array());
  activate_with_slope<double>(Activation::mish, (u.array() + 1e-5).matrix(), ignored, up);
  activate_with_slope<double>(Activation::mish, (u.array() - 1e-5).matrix(), ignored, down);
  for (Index i = 0; i < 8; ++i) {
    const double softplus = std::max(u(0, i), 0.0) + std::log1p(std::exp(-std::abs(u(0, i))));
    EXPECT_NEAR(y(0, i), u(0, i) * std::tanh(softplus), 1e-15 * std::abs(y(0, i))) << u(0, i);
  }
  EXPECT_LT((curvature - (up - down) / 2e-5).norm(), 1e-9);
}

TEST(Activation, NanStaysNan) {
  const Matrix<float> u = Matrix<float>::Constant(1, 9, std::numeric_limits<float>::quiet_NaN());
  for (const auto kind : activations) {
    Matrix<float> y(1, 9), slope(1, 9), z(1, 9);
    activate<float>(kind, u, y);
    activate_with_slope<float>(kind, u, z, slope);
    EXPECT_TRUE(y.array().isNaN().all() && z.array().isNaN().all());
  }
}

struct Heads {
  M q = normal(5, 3, 1), k = normal(6, 3, 2), v = normal(6, 3, 3), weights = M(5, 6), y = M(5, 3);
  void run(const M& ids) { attention<double>(q, k, v, ids, weights, y); }
};

TEST(Attention, RowsSumToOneAndTheOrderOfKeysDoesNotMatter) {
  Heads a, b;
  a.run(M(0, 0));
  EXPECT_LT((a.weights.rowwise().sum().array() - 1).matrix().norm(), 1e-14);
  b.k = a.k.colwise().reverse(), b.v = a.v.colwise().reverse();
  b.run(M(0, 0));
  EXPECT_LT((a.y - b.y).norm(), 1e-14);
  b.q = a.q.colwise().reverse();
  b.run(M(0, 0));
  EXPECT_LT((a.y.colwise().reverse() - b.y).norm(), 1e-14);
}

TEST(Attention, PaddingIsAsIfItWereNotThere) {
  Heads a, b;
  M ids(6, 1);
  ids << 3, 0, -1, 2, -1, -1;
  a.k.row(2).setConstant(1e4);  // whatever stands there
  a.run(ids);
  b.k.row(2) = a.k.row(3), b.v.row(2) = a.v.row(3);
  b.k.conservativeResize(3, 3), b.v.conservativeResize(3, 3), b.weights.resize(5, 3);
  b.run(M(0, 0));
  EXPECT_LT((a.y - b.y).norm(), 1e-14);
  a.run(M::Constant(6, 1, -1));
  EXPECT_EQ(a.y, M::Zero(5, 3));
  EXPECT_EQ(a.weights, M::Zero(5, 6));
}

TEST(Attention, HugeLogitsDoNotOverflowAndNanIsSeen) {
  Heads a;
  a.q *= 1e8;
  a.run(M(0, 0));
  EXPECT_TRUE(a.y.allFinite());
  a.k(2, 1) = std::nan("");
  a.run(M(0, 0));
  EXPECT_TRUE(a.y.array().isNaN().all());
}

TEST(Embedding, RowsByIdZeroWithoutOneAndRefusalOutOfRange) {
  const M table = normal(3, 4, 1), position = normal(2, 4, 2);
  M ids(4, 1), y(4, 4), dtable = M::Constant(3, 4, 0.25), dposition = M::Constant(2, 4, 0.25);
  ids << 2, -1, 0, 2;
  embedding<double>(ids, table, position, y);
  EXPECT_EQ(y.row(0), table.row(2) + position.row(0));
  EXPECT_EQ(y.row(1), position.row(1));
  embedding_backward<double>(ids, y, dtable, dposition);
  EXPECT_LT((dtable.row(2).array() - 0.25 - (y.row(0) + y.row(3)).array()).matrix().norm(), 1e-15);
  EXPECT_EQ(dtable.row(1), M::Constant(1, 4, 0.25));
  for (const double bad : {3.0, 0.5, std::nan(""), 1e300}) {
    ids(0, 0) = bad;
    EXPECT_THROW(embedding<double>(ids, table, position, y), std::invalid_argument) << bad;
  }
}

// Vaswani et al. 2017, section 3.5: w_0 = 1, and the last wave of half = 2 has w_1 = 10000^(-1/2) = 0.01.
TEST(Sinusoid, KnownValuesInEitherOrder) {
  M t(1, 1), y(1, 5);
  t << 2;
  sinusoid<double>({}, nullptr, t, y);
  EXPECT_NEAR(y(0, 0), std::sin(2), 1e-15);
  EXPECT_NEAR(y(0, 1), std::sin(0.02), 1e-15);
  EXPECT_NEAR(y(0, 2), std::cos(2), 1e-15);
  EXPECT_EQ(y(0, 4), 0);
  sinusoid<double>({.cos_first = true}, nullptr, t, y);
  EXPECT_NEAR(y(0, 0), std::cos(2), 1e-15);
  sinusoid<double>({.shift = 1}, nullptr, t, y);  // then the last frequency is 1 / max_period itself
  EXPECT_NEAR(y(0, 1), std::sin(2e-4), 1e-15);
  sinusoid<double>({.of_log = true}, nullptr, t, y);
  EXPECT_NEAR(y(0, 0), std::sin(std::log(2)), 1e-15);
  t << 0;
  EXPECT_THROW(sinusoid<double>({.of_log = true}, nullptr, t, y), std::invalid_argument);
}

TEST(Resize, RescalesByHand) {
  M y(2, 2), dy(2, 2);
  y << 1, 2, 3, -1;
  const Resize how{.factor = 2, .offset = -1};
  rescale<double>(how, 4, y);
  EXPECT_EQ(y, (M(2, 2) << 0.25, 0.75, 1.25, -0.75).finished());
  dy << 1, 0, 2, 4;
  EXPECT_EQ(rescale_backward<double>(how, 4, y, dy), -(0.25 + 2.5 - 3) / 4);  // y = u / t:  dy / dt = -y / t
  EXPECT_EQ(dy, (M(2, 2) << 0.5, 0, 1, 2).finished());
}

TEST(Linear, BackwardAddsToParametersAndIsTheTranspose) {
  const M x = normal(5, 3, 1), W = normal(4, 3, 2), b = normal(1, 4, 3), dy = normal(5, 4, 4);
  M y(5, 4), dx(5, 3), dW = M::Constant(4, 3, 0.25), db = M::Constant(1, 4, 0.25);
  linear<double>(x, W, b, y);
  linear_backward<double>(x, W, dy, dx, dW, db);
  dW.array() -= 0.25, db.array() -= 0.25;
  EXPECT_NEAR(dot(y, dy), dot(x, dx) + dot(b, db), 1e-13);
  EXPECT_NEAR(dot(y, dy), dot(W, dW) + dot(b, db), 1e-13);
}

}  // namespace
}  // namespace scorefield::nn
