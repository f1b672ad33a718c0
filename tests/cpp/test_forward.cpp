#include <gtest/gtest.h>

#include <cmath>

#include "schedules_for_tests.hpp"
#include "scorefield/process/forward.hpp"

namespace scorefield {
namespace {

struct Three {
  Level r, s, t;
};
Three three_levels(const Schedule& schedule) {
  const std::vector<double> times = inner_times(schedule);
  return {schedule.at(times[5]), schedule.at(times[17]), schedule.at(times[33])};
}

// Theory (5) composes: with a_ts = alpha_t/alpha_s and v_ts the variance of the step,  a_ts a_sr = a_tr,  v_ts + a_ts^2
// v_sr = v_tr.
TEST(Forward, StepsCompose) {
  for (const Named& named : all_schedules()) {
    const auto [r, s, t] = three_levels(*named.schedule);
    const double a_ts = t.alpha / s.alpha, v_ts = step_variance(s, t), v_sr = step_variance(r, s),
                 v_tr = step_variance(r, t);
    EXPECT_GT(v_ts, 0);
    EXPECT_NEAR(v_ts + a_ts * a_ts * v_sr, v_tr, 1e-14 * v_tr) << named.name;
    EXPECT_NEAR(a_ts * a_ts * s.sigma * s.sigma + v_ts, t.sigma * t.sigma, 1e-14 * t.sigma * t.sigma) << named.name;
  }
}

// Bayes: q(x_s | x0) q(x_t | x_s) = q(x_t | x0) q(x_s | x_t, x0), as log densities at arbitrary numbers.
TEST(Forward, PosteriorTimesMarginalIsTheJoint) {
  const auto log_normal = [](double x, double mean, double variance) {
    return -0.5 * ((x - mean) * (x - mean) / variance + std::log(2 * M_PI * variance));
  };
  for (const Named& named : all_schedules()) {
    const auto [unused, s, t] = three_levels(*named.schedule);
    const Posterior q = posterior(s, t);
    const double x0 = 0.7, x_s = s.alpha * x0 - 0.4 * s.sigma, x_t = t.alpha * x0 + 1.3 * t.sigma;
    const double joint = log_normal(x_s, s.alpha * x0, s.sigma * s.sigma) +
                         log_normal(x_t, t.alpha / s.alpha * x_s, step_variance(s, t));
    const double other =
        log_normal(x_t, t.alpha * x0, t.sigma * t.sigma) + log_normal(x_s, q.x0 * x0 + q.x_t * x_t, q.variance);
    EXPECT_NEAR(other, joint, 1e-9 * std::abs(joint) + 1e-9)
        << named.name;  // differences of nearly equal variances: 7 digits lost at most
  }
}

// DDPM, eqs. 6 and 7, in the letters of the paper; slides put the root over the wrong factors and lose a bar (theory
// 13).
TEST(Forward, PosteriorIsDdpms) {
  const std::vector<double> table = betas::linear(1000, 1e-4, 0.02);
  const DiscreteVp schedule = DiscreteVp::of_betas(table);
  for (const int t : {2, 10, 500, 1000}) {
    const double beta_t = table[static_cast<std::size_t>(t) - 1], alpha_step = 1 - beta_t;
    const double bar_t = std::pow(schedule.at(t).alpha, 2), bar_s = std::pow(schedule.at(t - 1).alpha, 2);
    const Posterior q = posterior(schedule.at(t - 1), schedule.at(t));
    EXPECT_NEAR(q.x0, std::sqrt(bar_s) * beta_t / (1 - bar_t), 1e-10) << t;
    EXPECT_NEAR(q.x_t, std::sqrt(alpha_step) * (1 - bar_s) / (1 - bar_t), 1e-10) << t;
    EXPECT_NEAR(q.variance, (1 - bar_s) / (1 - bar_t) * beta_t, 1e-10 * beta_t) << t;
    // theory (8): the same mean from eps
    const double x0 = 0.3, eps = -1.2, x_t = std::sqrt(bar_t) * x0 + std::sqrt(1 - bar_t) * eps;
    EXPECT_NEAR(q.x0 * x0 + q.x_t * x_t, (x_t - beta_t / std::sqrt(1 - bar_t) * eps) / std::sqrt(alpha_step), 1e-10)
        << t;
  }
}

TEST(Forward, PosteriorAtTheDataIsTheData) {
  const Vp vp;
  const Posterior q = posterior(vp.at(0), vp.at(0.4));
  EXPECT_EQ(q.variance, 0);
  EXPECT_EQ(q.x_t, 0);
  EXPECT_NEAR(q.x0, 1, 1e-15);
  EXPECT_NE(refusal([&] { posterior(vp.at(0.4), vp.at(0.4)); }).find("needs s < t"), std::string::npos);
  EXPECT_NE(refusal([&] { posterior(vp.at(0.4), vp.at(0)); }).find("needs s < t"), std::string::npos);
  const RectifiedFlow flow;  // alpha_t = 0: x_t says nothing, and q(x_s | x_t, x0) = q(x_s | x0) in its mean's x0 part
  EXPECT_NEAR(posterior(flow.at(0.5), flow.at(1)).x0, 0.5, 1e-15);
  EXPECT_EQ(posterior(flow.at(0.5), flow.at(1)).x_t, 0);
  EXPECT_NEAR(posterior(flow.at(0.5), flow.at(1)).variance, 0.25, 1e-15);
}

TEST(Forward, AddNoiseIsTheMarginalFormRowByRow) {
  const Vp vp;
  Matrix<double> x0(3, 2), eps(3, 2), x_t(3, 2);
  x0 << 1, 2, 3, 4, 5, 6;
  eps << -1, 1, 0.5, 2, 0, -3;
  const std::vector<Level> p{vp.at(0), vp.at(0.5), vp.at(1)};
  add_noise<double>(x0, p, eps, x_t);
  for (Index i = 0; i < 3; ++i) {
    const Level& q = p[static_cast<std::size_t>(i)];
    for (Index j = 0; j < 2; ++j) EXPECT_EQ(x_t(i, j), q.alpha * x0(i, j) + q.sigma * eps(i, j));
  }
  const Level one = vp.at(0.5);
  add_noise<double>(x0, {&one, 1}, eps, x0);  // in place, one level for all
  EXPECT_EQ(x0.row(1), x_t.row(1));
}

// Every x_t of the chain has mean alpha_t x0 and deviation sigma_t, and neighbouring times share noise: cov(x_s, x_t) =
// r sigma_s^2.
TEST(Forward, TheChainHasTheMarginalsAndTheCovarianceOfTheProcess) {
  const Index n = 40000;
  for (const char* name : {"Linear", "Vp", "Edm", "SubVp", "ZeroTerminalSnr"}) {
    std::shared_ptr<const Schedule> schedule;
    for (const Named& named : all_schedules()) schedule = named.name == name ? named.schedule : schedule;
    const double T = schedule->t_max();
    const std::vector<double> times{0, 0.1 * T, 0.4 * T, T};
    Matrix<double> path(4 * n, 1);
    const Matrix<double> x0 = Matrix<double>::Constant(n, 1, 0.6);
    forward_chain<double>(*schedule, times, x0, Noise(3, Stream::forward), path);
    EXPECT_TRUE((path.topRows(n).array() == 0.6).all());
    Matrix<double> before = Matrix<double>::Zero(n, 1);
    Level s;
    for (Index k = 1; k < 4; ++k) {
      const Level t = schedule->at(times[static_cast<std::size_t>(k)]);
      const Matrix<double> noise = path.middleRows(k * n, n).array() - t.alpha * 0.6;
      const double se = 1 / std::sqrt(static_cast<double>(n));
      EXPECT_NEAR(noise.mean() / t.sigma, 0, 5 * se) << name;  // standard error of a mean
      EXPECT_NEAR(noise.squaredNorm() / static_cast<double>(n) / (t.sigma * t.sigma), 1, 5 * std::sqrt(2.0) * se)
          << name;  // of a variance
      const double covariance = noise.cwiseProduct(before).sum() / static_cast<double>(n), r = t.alpha / s.alpha;
      EXPECT_NEAR(covariance, r * s.sigma * s.sigma, 5 * se * std::sqrt(2.0) * s.sigma * t.sigma) << name;
      before = noise, s = t;
    }
  }
}

TEST(Forward, TheChainOfFloatsIsThatOfDoublesAndSplitsByRows) {
  const Vp vp;
  const std::vector<double> times{0.1, 0.7};
  const Matrix<double> x0 = Matrix<double>::Random(5, 3);
  Matrix<double> path(10, 3), part(4, 3);
  Matrix<float> narrow(10, 3);
  forward_chain<double>(vp, times, x0, Noise(1, Stream::forward), path);
  forward_chain<float>(vp, times, x0.cast<float>(), Noise(1, Stream::forward), narrow);
  EXPECT_LT((narrow.cast<double>() - path).cwiseAbs().maxCoeff(),
            1e-6);  // a few roundings of float32 numbers of size 3
  forward_chain<double>(vp, times, x0.bottomRows(2), Noise(1, Stream::forward, 0, 3), part);
  EXPECT_EQ(part.topRows(2), path.middleRows(3, 2));
  EXPECT_EQ(part.bottomRows(2), path.bottomRows(2));
  const std::vector<double> falling{0.7, 0.1};
  EXPECT_NE(
      refusal([&] { forward_chain<double>(vp, falling, x0, Noise(1, Stream::forward), path); }).find("times must rise"),
      std::string::npos);
}

}  // namespace
}  // namespace scorefield
