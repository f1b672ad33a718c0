#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "scorefield/model/guidance.hpp"
#include "scorefield/process/clip.hpp"
#include "scorefield/process/differenced.hpp"
#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/schedule/vp.hpp"

namespace scorefield {
namespace {

/// Counts its calls; the answer is a multiple of x.
class Multiple final : public Denoiser {
 public:
  explicit Multiple(double factor) : factor_(factor) {}
  Index dimension() const override { return 3; }
  void denoise(In<double> x, Levels, Index, Out<double> x0) const override {
    ++calls;
    x0 = factor_ * x;
  }
  mutable int calls = 0;

 private:
  double factor_;
};

const Level p{0.5, 0.8, 0.6};

Matrix<double> ask(const Denoiser& denoiser, const Matrix<double>& x, Levels t = {&p, 1}) {
  Matrix<double> x0(x.rows(), x.cols());
  denoiser.denoise(x, t, 0, x0);
  return x0;
}

Matrix<double> points() { return (Matrix<double>(2, 3) << 1, -2, 3, 0.5, 0.25, -4).finished(); }

TEST(ClassifierFree, IsLinearInTheWeightAndAsksOnlyWhatItNeeds) {
  const auto c = std::make_shared<Multiple>(2), u = std::make_shared<Multiple>(0.5);
  const Matrix<double> x = points();
  EXPECT_EQ(ask(ClassifierFree(c, u, 1), x), 2 * x);
  EXPECT_EQ(u->calls, 0);
  c->calls = 0;
  EXPECT_EQ(ask(ClassifierFree(c, u, 0), x), 0.5 * x);
  EXPECT_EQ(c->calls, 0);
  for (const double w : {0.3, 2.0, 7.5})
    EXPECT_LT((ask(ClassifierFree(c, u, w), x) - (0.5 + 1.5 * w) * x).cwiseAbs().maxCoeff(), 1e-13);
}

// In eps, theory (26) says the same: eps_w = eps_u + w (eps_c - eps_u), and the scores add likewise.
TEST(ClassifierFree, EpsAndScoreCombineAsX0Does) {
  const auto c = std::make_shared<Multiple>(2), u = std::make_shared<Multiple>(0.5);
  const Matrix<double> x = points();
  const ClassifierFree guided(c, u, 3);
  const Matrix<double> eps = eps_hat(x, ask(guided, x), p), eps_c = eps_hat(x, 2 * x, p),
                       eps_u = eps_hat(x, 0.5 * x, p);
  EXPECT_LT((eps - (eps_u + 3 * (eps_c - eps_u))).cwiseAbs().maxCoeff(), 1e-13);
  Matrix<double> s(2, 3);
  guided.score(x, {&p, 1}, 0, s);
  EXPECT_LT((s + eps / p.sigma).cwiseAbs().maxCoeff(), 1e-13);
}

TEST(ClassifierFree, RescaleGivesTheDeviationOfTheConditionalAnswer) {
  const auto c = std::make_shared<Multiple>(2), u = std::make_shared<Multiple>(0.5);
  const Matrix<double> x = points();
  EXPECT_LT((ask(ClassifierFree(c, u, 4, 1), x) - 2 * x).cwiseAbs().maxCoeff(),
            1e-13);  // all answers are multiples of x
  EXPECT_LT((ask(ClassifierFree(c, u, 4, 0.5), x) - (0.5 * 2 + 0.5 * 6.5) * x).cwiseAbs().maxCoeff(), 1e-13);
}

TEST(ClassifierFree, OutsideItsIntervalItIsConditionalRowByRow) {
  const auto c = std::make_shared<Multiple>(2), u = std::make_shared<Multiple>(0.5);
  const Matrix<double> x = points();
  const ClassifierFree guided(c, u, 3, 0, {0.4, 0.6});
  const std::vector<Level> mixed{{0.5, 0.8, 0.6}, {0.7, 0.6, 0.8}}, late{{0.7, 0.6, 0.8}};
  const Matrix<double> x0 = ask(guided, x, mixed);
  EXPECT_LT((x0.row(0) - 5 * x.row(0)).cwiseAbs().maxCoeff(), 1e-13);
  EXPECT_EQ(x0.row(1), 2 * x.row(1));
  u->calls = 0;
  ask(guided, x, late);
  EXPECT_EQ(u->calls, 0);
  EXPECT_THROW(ClassifierFree(c, u, 3, 0, {1, 0}), std::invalid_argument);
  EXPECT_THROW(ClassifierFree(c, u, -1), std::invalid_argument);
  EXPECT_THROW(ClassifierFree(c, u, 2, 1.5), std::invalid_argument);
}

// A mixture knows its score at sigma = 0, where x0_hat = x says nothing: guidance combines the scores themselves.
TEST(ClassifierFree, AtSigmaZeroScoresCombine) {
  const Mixture two({{-1}, {2}}, {0.5, 1.0});
  const auto c = std::make_shared<ExactDenoiser>(two, std::vector<Index>{1}), u = std::make_shared<ExactDenoiser>(two);
  const Level data{};
  Matrix<double> x(1, 1), s(1, 1), s_c(1, 1), s_u(1, 1);
  x << 0.3;
  ClassifierFree(c, u, 2).score(x, {&data, 1}, 0, s);
  c->score(x, {&data, 1}, 0, s_c);
  u->score(x, {&data, 1}, 0, s_u);
  EXPECT_NEAR(s(0, 0), 2 * s_c(0, 0) - s_u(0, 0), 1e-14);
}

TEST(Clipped, HoldsEveryFeatureBetweenItsBounds) {
  const auto inner = std::make_shared<Multiple>(1);
  EXPECT_EQ(ask(Clipped(inner, RowVector<double>{{-1}}, RowVector<double>{{2}}), points()),
            (Matrix<double>(2, 3) << 1, -1, 2, 0.5, 0.25, -1).finished());
  EXPECT_EQ(ask(Clipped(inner, RowVector<double>{{0, -1, -3}}, RowVector<double>{{0.75, 1, 1}}), points()),
            (Matrix<double>(2, 3) << 0.75, -1, 1, 0.5, 0.25, -3).finished());
  EXPECT_THROW(Clipped(inner, RowVector<double>{{1}}, RowVector<double>{{1}}), std::invalid_argument);
  EXPECT_THROW(Clipped(inner, RowVector<double>{{1, 2}}, RowVector<double>{{3, 4}}), std::invalid_argument);
}

// Imagen's rule by hand: quantile 0.5 of (1, 2, 3) is 2; of (0.5, 0.25, 4) it is 0.5, so the threshold is 1.
TEST(DynamicThreshold, ShrinksSamplesWhoseQuantileIsAboveOne) {
  const auto inner = std::make_shared<Multiple>(1);
  const RowVector<double> zero{{0}}, one{{1}};
  EXPECT_EQ(ask(DynamicThreshold(inner, zero, one, 0.5), points()),
            (Matrix<double>(2, 3) << 0.5, -1, 1, 0.5, 0.25, -1).finished());
  // no threshold above 1.25: 2 becomes 1.25
  EXPECT_EQ(ask(DynamicThreshold(inner, zero, one, 0.5, 1.25), points()),
            (Matrix<double>(2, 3) << 0.8, -1, 1, 0.5, 0.25, -1).finished());
  EXPECT_THROW(DynamicThreshold(inner, zero, one, 0.5, 0.5), std::invalid_argument);
  // quantile 0.75 lies half way between 2 and 3
  EXPECT_EQ(ask(DynamicThreshold(inner, zero, one, 0.75), points().topRows(1)),
            (Matrix<double>(1, 3) << 0.4, -0.8, 1).finished());
  // the same data stored as (x - 1) / 2 come out the same in their own units
  const Matrix<double> stored = ((points().array() - 1) / 2).matrix();
  const Matrix<double> out = ask(DynamicThreshold(inner, one, 2 * one, 0.5), stored);
  EXPECT_EQ(2 * out + Matrix<double>::Constant(2, 3, 1),
            (Matrix<double>(2, 3) << 0.5, -1, 1, 0.5, 0.25, -1).finished());
}

// Differences against the closed form; h = 1e-5: h^2 of the third derivative and eps / h, both below 1e-8.
TEST(Differenced, IsTheDerivativeOfAMixture) {
  const auto exact = std::make_shared<ExactDenoiser>(Mixture({{-1, 0, 2}, {2, 1, 0}}, {0.5, 1.0}));
  const Matrix<double> x = points(), c = 0.5 * points().array().cos().matrix();
  Matrix<double> a(2, 3), b(2, 3), dx(2, 3), differenced(2, 3);
  exact->pullback(x, {&p, 1}, 0, c, a, dx);
  Differenced(exact, 1e-5).pullback(x, {&p, 1}, 0, c, b, differenced);
  EXPECT_EQ(a, b);
  EXPECT_LT((dx - differenced).cwiseAbs().maxCoeff(), 1e-8);
  EXPECT_THROW(Differenced(exact, 0), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
