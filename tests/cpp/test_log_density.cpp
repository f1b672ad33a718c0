#include "scorefield/likelihood/log_density.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "schedules_for_tests.hpp"
#include "scorefield/likelihood/dequantise.hpp"
#include "scorefield/process/exact_denoiser.hpp"

namespace scorefield {
namespace {

const Mixture mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2});

Matrix<double> points(Index n) {
  Matrix<double> x(n, 2);
  mixture.sample(Noise(3, Stream::dataset), x);
  return x;
}

Transport carried(const Schedule& schedule, const Mixture& truth, const Level& from, const Divergence& divergence,
                  In<double> x, Index first = 0, const OdeTolerance& tolerance = {}) {
  return transport(*make_flow(FlowForm::angle, schedule), ExactDenoiser(truth), {&from, 1},
                   schedule.at(schedule.t_max()), divergence, tolerance, first, x);
}

// log p_t(x) = log p_T(end) + change at every t, with p_T known: only the solver's error is left, some 50 steps of 1e-5
// at most.
TEST(LogDensity, OfAMixtureIsExactWithTheExactDensityAtTheEnd) {
  const Matrix<double> x = points(30);
  for (const auto& [name, schedule] : all_schedules()) {
    const Level last = schedule->at(schedule->t_max());
    for (const double t : {schedule->t_min(), 0.3 * schedule->t_max()}) {
      const Level from = schedule->at(t);
      const Transport way = carried(*schedule, mixture, from, {}, x);
      const Eigen::VectorXd found = mixture.log_density(way.end, {&last, 1}) + way.change;
      EXPECT_LT((found - mixture.log_density(x, {&from, 1})).cwiseAbs().maxCoeff(), 5e-4) << name << " from " << t;
    }
  }
}

// From t = 1e-5 the start is the data's own density but for sigma^2 = 1e-6: theory (25) measures 3e-5.
TEST(LogDensity, OfTheDataItselfFromASmallTime) {
  const Vp vp;
  const Level from = vp.at(1e-5), last = vp.at(1), data{};
  const Matrix<double> x = points(100);
  const Transport way = carried(vp, mixture, from, {}, x, 0, {1e-7, 1e-7});
  const Eigen::VectorXd found = mixture.log_density(way.end, {&last, 1}) + way.change;
  EXPECT_LT((found - mixture.log_density(x, {&data, 1})).cwiseAbs().maxCoeff(), 1e-4);
}

// One Gaussian N(m, c^2): the ODE is linear, so what the prior N(0, sigma_T^2) gives is known as well:
//   log N(x_T; 0, sigma_T^2) + D/2 log(V_T / V_t),     x_T = alpha_T m + sqrt(V_T / V_t) (x - alpha_t m)
TEST(LogDensity, OfOneGaussianWithThePriorHasAClosedForm) {
  const Mixture one({{0.7, 0.7}}, {0.4});
  const Matrix<double> x = points(50);
  for (const auto& [name, schedule] : all_schedules()) {
    const Level t = schedule->at(schedule->t_min()), T = schedule->at(schedule->t_max());
    const auto V = [](const Level& p) { return p.alpha * p.alpha * 0.16 + p.sigma * p.sigma; };
    const Transport way = carried(*schedule, one, t, {}, x);
    const Eigen::VectorXd found = log_prior(way.end, T.sigma) + way.change;
    for (Index i = 0; i < x.rows(); ++i) {
      double expected = std::log(V(T) / V(t)) - std::log(2 * std::numbers::pi * T.sigma * T.sigma);
      for (Index j = 0; j < 2; ++j) {
        const double x_T = T.alpha * 0.7 + std::sqrt(V(T) / V(t)) * (x(i, j) - t.alpha * 0.7);
        expected -= x_T * x_T / (2 * T.sigma * T.sigma);
      }
      EXPECT_NEAR(found[i], expected, 5e-4 * (1 + std::abs(expected))) << name;
    }
  }
}

// One point, 1500 samples with probes of their own: unbiased within 5 standard errors, and not by being exact.
TEST(LogDensity, HutchinsonIsUnbiased) {
  const Vp vp;
  const Level from = vp.at(0.01);
  Matrix<double> full(1, 9);
  full << 1, 0.7, -0.2, 0.7, 0.8, 0.1, -0.2, 0.1, 0.3;
  const Mixture truth = Mixture::full(Matrix<double>::Zero(1, 3), full);
  const Matrix<double> x = Eigen::RowVector3d(0.3, -0.5, 0.8).replicate(1500, 1);
  const double exact = carried(vp, truth, from, {}, x.topRows(1)).change[0];
  for (const auto kind : {Divergence::Kind::rademacher, Divergence::Kind::gaussian}) {
    const Eigen::VectorXd one = carried(vp, truth, from, {kind, 1, Noise(7, Stream::probe)}, x).change;
    const Eigen::VectorXd four = carried(vp, truth, from, {kind, 4, Noise(7, Stream::probe)}, x).change;
    const auto spread = [](const Eigen::VectorXd& v) { return (v.array() - v.mean()).square().mean(); };
    EXPECT_GT(spread(one), 0.01);
    EXPECT_NEAR(one.mean(), exact, 5 * std::sqrt(spread(one) / 1500) + 1e-4);
    EXPECT_NEAR(spread(four) / spread(one), 0.25, 0.08);  // independent probes; 5 standard errors of a variance
  }
}

// Where the Jacobian is a multiple of the identity, v^T J v = D a for every vector of signs.
TEST(LogDensity, SignsAreExactForARoundGaussian) {
  const Vp vp;
  const Level from = vp.at(0.01);
  const Mixture round({{0.5, 0, -1}}, {0.6});
  Matrix<double> x(5, 3);
  Noise(2, Stream::probe).normal(x);
  const Divergence signs{Divergence::Kind::rademacher, 1, Noise(1, Stream::probe)};
  const Eigen::VectorXd a = carried(vp, round, from, {}, x).change, b = carried(vp, round, from, signs, x).change;
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-10);
}

TEST(LogDensity, ARowKnowsNothingOfTheBatch) {
  const Vp vp;
  const Level from = vp.at(vp.t_min());
  const Matrix<double> x = points(200);
  for (const auto kind : {Divergence::Kind::exact, Divergence::Kind::gaussian}) {
    const Divergence divergence{kind, 2, Noise(1, Stream::probe)};
    const Transport whole = carried(vp, mixture, from, divergence, x);
    for (const Index i : {0, 3, 199}) {
      const Transport alone = carried(vp, mixture, from, divergence, x.row(i), i);
      EXPECT_EQ(alone.change[0], whole.change[i]);
      EXPECT_EQ(alone.end.row(0), whole.end.row(i));
    }
  }
}

TEST(LogDensity, RowsMayStartAtTimesOfTheirOwn) {
  const Vp vp;
  const Matrix<double> x = points(3);
  const std::vector<Level> from{vp.at(0.01), vp.at(0.2), vp.at(1)};
  const Transport way =
      transport(*make_flow(FlowForm::angle, vp), ExactDenoiser(mixture), from, vp.at(1), {}, {}, 0, x);
  for (Index i = 0; i < 3; ++i) {
    const Level p = from[static_cast<std::size_t>(i)];
    EXPECT_EQ(way.change[i], carried(vp, mixture, p, {}, x.row(i)).change[0]);
  }
  EXPECT_EQ(way.change[2], 0);
}

TEST(LogDensity, RefusesWhatMakesNoSense) {
  const Vp vp;
  const Level from = vp.at(0.1);
  EXPECT_NE(refusal([&] { carried(vp, mixture, from, {}, Matrix<double>::Zero(2, 3)); }).find("takes 2 features"),
            std::string::npos);
  const Divergence none{Divergence::Kind::gaussian, 0, Noise(1, Stream::probe)};
  EXPECT_EQ(refusal([&] { carried(vp, mixture, from, none, points(2)); }), "probes must be >= 1, got 0");
}

// Uniform on (-half, half): bounds, mean and variance half^2 / 3 within 5 standard errors.
TEST(Dequantise, SpreadsUniformly) {
  Matrix<double> x = Matrix<double>::Constant(50000, 2, 0.25);
  dequantise(0.125, Noise(1, Stream::dequantise), x);
  EXPECT_GT(x.minCoeff(), 0.125);
  EXPECT_LT(x.maxCoeff(), 0.375);
  const double v = 0.125 * 0.125 / 3, n = 1e5;
  EXPECT_NEAR(x.mean(), 0.25, 5 * std::sqrt(v / n));
  EXPECT_NEAR((x.array() - 0.25).square().mean(), v, 5 * v * std::sqrt(0.8 / n));  // kurtosis 1.8
}

}  // namespace
}  // namespace scorefield
