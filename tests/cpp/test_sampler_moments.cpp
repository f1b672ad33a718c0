#include <gtest/gtest.h>

#include <cmath>

#include "sampler_cases.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/heun.hpp"
#include "scorefield/sample/renoise.hpp"

namespace scorefield {
namespace {

// Every step is linear in x for one Gaussian, so mean and variance follow a recursion: x_s = A x_t + B x0_hat + C z
// with x0_hat = mu + G (x_t - alpha_t mu).
struct Moments {
  double mean = 0, variance = 1;
};
Moments recursion(const Times& times, double eta, bool renoise, bool large) {
  Moments m;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const Level t = vp.at(times[i]), s = vp.at(times[i + 1]);
    const double ratio = t.alpha * s.sigma / (s.alpha * t.sigma), tau2 = eta * eta * (1 - ratio * ratio);
    const double keep = renoise ? 0 : s.sigma / t.sigma * std::sqrt(1 - tau2), G = t.alpha * c * c / variance(t);
    double noise = renoise ? s.sigma * s.sigma : s.sigma * s.sigma * tau2;
    if (large && s.sigma > 0) noise = t.sigma * t.sigma * (1 - ratio * ratio);
    const double slope = keep + (s.alpha - keep * t.alpha) * G;
    m.mean = slope * m.mean + (s.alpha - keep * t.alpha) * (mu - G * t.alpha * mu);
    m.variance = slope * slope * m.variance + noise;
  }
  return m;
}

// Monte Carlo: 5 standard errors of a mean and of a variance of normal numbers.
TEST(SamplerMoments, StochasticSamplersFollowTheRecursionOfOneGaussian) {
  const Times t = with_end(log_snr_grid(20, 1e-2));
  const Index n = 8000;
  const auto check = [&](const Sampler& sampler, const Moments& m) {
    const Matrix<double> x = end(sampler, gaussian(), t, prior(n));
    const double mean = x.mean(), v = (x.array() - mean).square().mean(), N = 2 * static_cast<double>(n);
    EXPECT_NEAR(mean, m.mean, 5 * std::sqrt(m.variance / N));
    EXPECT_NEAR(v, m.variance, 5 * m.variance * std::sqrt(2 / N));
  };
  check(Ddim(), recursion(t, 0, false, false));
  check(Ddim(0.5), recursion(t, 0.5, false, false));
  check(Ddim(1), recursion(t, 1, false, false));
  check(Ancestral(), recursion(t, 1, false, false));
  check(Ancestral(Variance::beta), recursion(t, 1, false, true));
  check(Renoise(), recursion(t, 0, true, false));
}

// Churn moves up to n_hat and comes back along the ODE, both of which keep the marginals: mean and variance of the
// data, up to the error of 100 steps.
TEST(SamplerMoments, ChurnKeepsTheDistribution) {
  const Index n = 4000;
  const Times t = with_end(log_snr_grid(100, 1e-3));
  const Matrix<double> x = end(Heun(Churn{20}), gaussian(), t, prior(n));
  const double mean = x.mean(), v = (x.array() - mean).square().mean(), N = 2 * static_cast<double>(n);
  EXPECT_NEAR(mean, mu, 5 * c / std::sqrt(N) + 1e-3);
  EXPECT_NEAR(v, c * c, c * c * (5 * std::sqrt(2 / N) + 0.01));
  EXPECT_NE(x, end(Heun(), gaussian(), t, prior(n)));
}

// 20 000 draws of the three-mode mixture: mean and weights within 5 standard errors and the order-2 error of 50 steps
// (below 0.02).
TEST(SamplerMoments, TheDefaultSamplerFindsTheMixture) {
  const Index n = 20000;
  const Matrix<double> x = end(DpmSolverPp(), three(), with_end(log_snr_grid(49, 1e-3)), prior(n));
  const Mixture truth({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2});
  const Level data{};
  const RowVector<double> share = truth.posterior(x, {&data, 1}).colwise().mean();
  for (Index k = 0; k < 3; ++k) {
    const double w = truth.weights()[static_cast<std::size_t>(k)];
    EXPECT_NEAR(share[k], w, 5 * std::sqrt(w * (1 - w) / n) + 0.005);
  }
  const RowVector<double> mean{{0.5 * -2 + 0.3 * 1.5 + 0.2 * 1, 0.3 * 1.5 - 0.2 * 2}};
  EXPECT_LT((x.colwise().mean() - mean).cwiseAbs().maxCoeff(), 5 * std::sqrt(3.0 / n) + 0.02);
}

}  // namespace
}  // namespace scorefield
