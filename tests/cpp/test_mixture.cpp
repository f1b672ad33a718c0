#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "scorefield/base/parallel.hpp"
#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/process/mixture.hpp"
#include "scorefield/schedule/vp.hpp"

namespace scorefield {
namespace {

Mixture three() { return {{{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2}}; }

/// Two correlated components in three dimensions, and one without any spread in one direction.
Mixture correlated() {
  Matrix<double> means(2, 3), covs(2, 9);
  means << 1, 0, -1, -1, 0.5, 0;
  covs << 1, 0.3, 0.1, 0.3, 0.8, -0.2, 0.1, -0.2, 0.5,  //
      0.5, 0.5, 0, 0.5, 0.5, 0, 0, 0, 0.25;
  return Mixture::full(means, covs, {0.4, 0.6});
}

Matrix<double> normal(Index rows, Index cols, std::uint64_t seed) {
  Matrix<double> z(rows, cols);
  Noise(seed, Stream::probe).normal(z);
  return z;
}

double log_density(const Mixture& mixture, const RowVector<double>& x, const Level& p) {
  return mixture.log_density(x, {&p, 1})(0, 0);
}

// One Gaussian by its textbook density, written out.
TEST(Mixture, DensityOfOneCorrelatedGaussianIsTheTextbookOne) {
  Matrix<double> mean(1, 2), cov(1, 4);
  mean << 0.5, -1;
  cov << 1.0, 0.6, 0.6, 2.0;
  const Mixture gaussian = Mixture::full(mean, cov);
  const Level p{0.5, 0.8, 0.6};
  const double a = 0.64 * 1.0 + 0.36, b = 0.64 * 0.6, c = 0.64 * 2.0 + 0.36, det = a * c - b * b;
  const double u = 0.3 - 0.8 * 0.5, v = 0.7 + 0.8 * 1;
  const double expected =
      -0.5 * (c * u * u - 2 * b * u * v + a * v * v) / det - 0.5 * std::log(det) - std::log(2 * std::numbers::pi);
  EXPECT_NEAR(log_density(gaussian, RowVector<double>{{0.3, 0.7}}, p), expected, 1e-13);
}

// Central differences of log p_t with h = 1e-5: error h^2 of the third derivative (about 1e-9) and eps |log p| / h
// (1e-10).
TEST(Mixture, ScoreIsTheGradientOfTheLogDensity) {
  const Vp schedule;
  const double h = 1e-5;
  for (const Mixture& mixture : {three(), correlated()}) {
    const Matrix<double> x = normal(20, mixture.dimension(), 3);
    for (const double t : {0.05, 0.4, 1.0}) {
      const Level p = schedule.at(t);
      Matrix<double> s(x.rows(), x.cols());
      mixture.score(x, {&p, 1}, {}, s);
      for (Index i = 0; i < x.rows(); ++i) {
        for (Index j = 0; j < x.cols(); ++j) {
          RowVector<double> up = x.row(i), down = x.row(i);
          up[j] += h, down[j] -= h;
          const double difference = (log_density(mixture, up, p) - log_density(mixture, down, p)) / (2 * h);
          EXPECT_NEAR(s(i, j), difference, 2e-7 * (1 + std::abs(difference))) << "t = " << t;
        }
      }
    }
  }
}

// Tweedie, theory (13): alpha x0_hat = x + sigma^2 score. Two ways of computing, so rounding only.
TEST(Mixture, DenoiserAndScoreObeyTweedie) {
  const Vp schedule;
  for (const Mixture& mixture : {three(), correlated()}) {
    const Matrix<double> x = normal(50, mixture.dimension(), 4);
    for (const double t : {1e-3, 0.05, 0.4, 1.0}) {
      const Level p = schedule.at(t);
      Matrix<double> s(x.rows(), x.cols()), x0(x.rows(), x.cols());
      mixture.score(x, {&p, 1}, {}, s);
      mixture.denoise(x, {&p, 1}, {}, x0);
      const Matrix<double> tweedie = (x + p.sigma * p.sigma * s) / p.alpha;
      EXPECT_LT((x0 - tweedie).cwiseAbs().maxCoeff(), 1e-12 / p.alpha) << "t = " << t;
    }
  }
}

// The transpose of the Jacobian by central differences of <c, x0_hat>, h as above.
TEST(Mixture, PullbackIsTheTransposedJacobianOfTheDenoiser) {
  const Vp schedule;
  const double h = 1e-5;
  for (const Mixture& mixture : {three(), correlated()}) {
    const Matrix<double> x = normal(10, mixture.dimension(), 5), c = normal(10, mixture.dimension(), 6);
    const Level p = schedule.at(0.3);
    Matrix<double> x0(x.rows(), x.cols()), dx = x0, plain = x0, up = x0, down = x0;
    mixture.pullback(x, {&p, 1}, {}, c, x0, dx);
    mixture.denoise(x, {&p, 1}, {}, plain);
    EXPECT_EQ(x0, plain);
    for (Index j = 0; j < x.cols(); ++j) {
      const RowVector<double> e = h * RowVector<double>::Unit(x.cols(), j);
      mixture.denoise(x.rowwise() + e, {&p, 1}, {}, up);
      mixture.denoise(x.rowwise() - e, {&p, 1}, {}, down);
      const Matrix<double> difference = ((up - down).cwiseProduct(c)).rowwise().sum() / (2 * h);
      EXPECT_LT((dx.col(j) - difference).cwiseAbs().maxCoeff(), 1e-7);
    }
  }
}

// E[x0 | x_t] of a correlated mixture, by importance sampling: x0 from the mixture, weights N(x_t; alpha x0, sigma^2
// I).
TEST(Mixture, DenoiserIsThePosteriorMean) {
  const Mixture mixture = correlated();
  const Level p{0.5, 0.8, 0.6};
  const Index n = 200000;
  Matrix<double> x0(n, 3), x(1, 3), answer(1, 3);
  mixture.sample(Noise(1, Stream::dataset), x0);
  x << 0.2, 0.1, -0.4;
  mixture.denoise(x, {&p, 1}, {}, answer);
  const Eigen::VectorXd w = ((x0 * -p.alpha).rowwise() + RowVector<double>(x.row(0))).rowwise().squaredNorm().array() /
                            (-2 * p.sigma * p.sigma);
  const Eigen::VectorXd weight = w.array().exp() / w.array().exp().sum();
  for (Index j = 0; j < 3; ++j) {
    const double mean = weight.dot(x0.col(j));
    const double error = std::sqrt((weight.array().square() * (x0.col(j).array() - mean).square()).sum());
    EXPECT_NEAR(answer(0, j), mean, 5 * error);
  }
}

// Moments of draws within 5 standard errors; the mixture's own mean and covariance are sums over its components.
TEST(Mixture, DrawsHaveItsMeanCovarianceAndWeights) {
  const Mixture mixture = correlated();
  const Index n = 100000;
  Matrix<double> x(n, 3);
  mixture.sample(Noise(2, Stream::dataset), x);
  RowVector<double> mean(3);
  mean << 0.4 * 1 - 0.6 * 1, 0.6 * 0.5, -0.4;
  for (Index j = 0; j < 3; ++j)
    EXPECT_NEAR(x.col(j).mean(), mean[j], 5 * std::sqrt(2.0 / n));  // every variance is below 2
  const Level p{0.01, 1, 0.01};
  const Matrix<double> share = mixture.posterior(x, {&p, 1}).colwise().mean();
  EXPECT_NEAR(share(0, 0), 0.4, 5 * std::sqrt(0.24 / n) + 1e-3);
  const double product = ((x.col(0).array() - mean[0]) * (x.col(1).array() - mean[1])).mean();
  const double expected = 0.4 * (0.3 + (1 - mean[0]) * (0 - mean[1])) + 0.6 * (0.5 + (-1 - mean[0]) * (0.5 - mean[1]));
  EXPECT_NEAR(product, expected, 5 * std::sqrt(8.0 / n));
}

TEST(Mixture, WithoutSpreadItIsTheEmpiricalDistribution) {
  const Mixture points({{0, 0}, {4, 0}}, {0, 0});
  const Level far{0.9, 0.1, 1}, near{0.1, 1, 1e-3}, data{};
  Matrix<double> x(2, 2), x0(2, 2);
  x << 0.01, 0.2, 3.99, -0.1;
  points.denoise(x, {&near, 1}, {}, x0);
  EXPECT_EQ(x0, (Matrix<double>(2, 2) << 0, 0, 4, 0).finished());  // the nearest point, other weights underflow
  points.denoise(x, {&data, 1}, {}, x0);
  EXPECT_EQ(x0, x);
  points.denoise(x, {&far, 1}, {}, x0);  // r = logistic of the difference of exponents, by hand
  const double r = 1 / (1 + std::exp((0.01 * 0.01 - (0.01 - 0.4) * (0.01 - 0.4)) / 2));  // of the point at 0
  EXPECT_NEAR(x0(0, 0), 4 * (1 - r), 1e-14);
  EXPECT_THROW(points.score(x, {&data, 1}, {}, x0), std::invalid_argument);
  EXPECT_THROW(points.log_density(x, {&data, 1}), std::invalid_argument);
}

TEST(Mixture, FarAwayNothingUnderflows) {
  const Mixture mixture = three();
  const Level p{0.1, 0.99, 0.01};
  Matrix<double> x(1, 2), s(1, 2);
  x << 1e4, -1e4;
  mixture.score(x, {&p, 1}, {}, s);
  EXPECT_TRUE(s.allFinite());
  EXPECT_TRUE(mixture.log_density(x, {&p, 1}).allFinite());
}

TEST(Mixture, RowsDoNotKnowEachOther) {
  const Mixture mixture = three();
  const Matrix<double> x = normal(300, 2, 8);
  const Vp schedule;
  const Level p = schedule.at(0.4);
  Matrix<double> whole(300, 2), parts(300, 2), each(300, 2);
  mixture.denoise(x, {&p, 1}, {}, whole);
  mixture.denoise(x.topRows(71), {&p, 1}, {}, parts.topRows(71));
  mixture.denoise(x.bottomRows(229), {&p, 1}, {}, parts.bottomRows(229));
  mixture.denoise(x, std::vector<Level>(300, p), {}, each);
  EXPECT_EQ(whole, parts);
  EXPECT_EQ(whole, each);
  set_thread_cap(1);
  mixture.denoise(x, {&p, 1}, {}, parts);
  set_thread_cap(0);
  EXPECT_EQ(whole, parts);
}

TEST(ExactDenoiser, ALabelPicksOneComponentForItsGlobalSample) {
  const Mixture mixture = three(), second({{1.5, 1.5}}, {0.5});
  const ExactDenoiser labelled(mixture, {-1, 1, 1}, 10), one(second), all(mixture);
  const Matrix<double> x = normal(3, 2, 9);
  const Level p{0.3, 0.8, 0.6};
  Matrix<double> a(3, 2), b(3, 2), c(3, 2);
  labelled.denoise(x, {&p, 1}, 10, a);
  one.denoise(x, {&p, 1}, 10, b);
  all.denoise(x, {&p, 1}, 10, c);
  EXPECT_EQ(a.row(0), c.row(0));
  EXPECT_LT((a.bottomRows(2) - b.bottomRows(2)).cwiseAbs().maxCoeff(), 1e-15);
  labelled.denoise(x.bottomRows(1), {&p, 1}, 12, c.topRows(1));
  EXPECT_EQ(a.row(2), c.row(0));
  EXPECT_THROW(labelled.denoise(x, {&p, 1}, 11, a), std::invalid_argument);
  EXPECT_THROW(ExactDenoiser(mixture, {3}), std::invalid_argument);
}

TEST(Mixture, RefusesWhatIsNoDistribution) {
  EXPECT_THROW(Mixture({{0, 0}}, {-1.0}), std::invalid_argument);
  EXPECT_THROW(Mixture({{0, 0}, {1, 1}}, {1.0, 1.0}, {1.0}), std::invalid_argument);
  EXPECT_THROW(Mixture({{0, 0}}, {1.0}, {0.0}), std::invalid_argument);
  Matrix<double> mean(1, 2), cov(1, 4);
  mean << 0, 0;
  cov << 1, 2, 2, 1;
  EXPECT_THROW(Mixture::full(mean, cov), std::invalid_argument);
  cov << 1, 0.5, 0, 1;
  EXPECT_THROW(Mixture::full(mean, cov), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
