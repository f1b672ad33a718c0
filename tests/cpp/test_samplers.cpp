#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/ddim_inversion.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/heun.hpp"
#include "scorefield/sample/renoise.hpp"
#include "scorefield/schedule/vp.hpp"

namespace scorefield {
namespace {

using Times = std::vector<double>;

const Vp vp;
constexpr double mu = 0.7, c = 0.4;  // the data of the one-Gaussian truths: N(mu, c^2) in each of two dimensions

ExactDenoiser gaussian() { return ExactDenoiser(Mixture({{mu, mu}}, {c})); }
ExactDenoiser three() {
  return ExactDenoiser(Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2}));
}
double variance(const Level& p) { return p.alpha * p.alpha * c * c + p.sigma * p.sigma; }

Times log_snr_grid(int steps, double t_end) {  // equal steps in log(alpha / sigma)
  Times t;
  const double a = vp.at(1).half_log_snr(), b = vp.at(t_end).half_log_snr();
  for (int i = 0; i <= steps; ++i) t.push_back(std::min(1.0, vp.time_of_half_log_snr(a + (b - a) * i / steps)));
  return t;
}

Times with_end(Times t) {
  t.push_back(0);
  return t;
}

Matrix<double> prior(Index rows, std::uint64_t seed = 1) {
  Matrix<double> x(rows, 2);
  Noise(seed, Stream::prior).normal(x);
  return x;
}

Matrix<double> end(const Sampler& sampler, const Denoiser& denoiser, const Times& times, Matrix<double> x,
                   Index first = 0) {
  sample(sampler, denoiser, vp, times, {Noise(9, Stream::sampler), first, nullptr, nullptr}, x);
  return x;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

double median_distance(const Matrix<double>& a, const Matrix<double>& b) {
  const Eigen::VectorXd d = (a - b).rowwise().norm();
  return median({d.data(), d.data() + d.size()});
}

std::vector<std::shared_ptr<const Sampler>> all_samplers() {
  return {std::make_shared<Ancestral>(),    std::make_shared<Ancestral>(Variance::beta),
          std::make_shared<Ddim>(),         std::make_shared<Ddim>(0.5),
          std::make_shared<Ddim>(1),        std::make_shared<DpmSolverPp>(1),
          std::make_shared<DpmSolverPp>(),  std::make_shared<DpmSolverPp>(3),
          std::make_shared<Renoise>(),      std::make_shared<Heun>(),
          std::make_shared<Heun>(Churn{10})};
}

// The ODE map of one Gaussian is linear, theory 12: x_s = alpha_s mu + sqrt(V_s / V_t) (x_t - alpha_t mu). Errors at
// 160 and 320 steps.
TEST(SamplerOrder, OnOneGaussianEachSolverHasItsOrder) {
  const ExactDenoiser exact = gaussian();
  const Matrix<double> x = prior(64);
  const auto error = [&](const Sampler& sampler, int steps) {
    const Times t = log_snr_grid(steps, 0.01);
    const Level a = vp.at(t.front()), b = vp.at(t.back());
    const Matrix<double> truth =
        (b.alpha * mu + std::sqrt(variance(b) / variance(a)) * (x.array() - a.alpha * mu)).matrix();
    return median_distance(end(sampler, exact, t, x), truth);
  };
  const auto order = [&](const Sampler& sampler) { return std::log2(error(sampler, 160) / error(sampler, 320)); };
  EXPECT_NEAR(order(Ddim()), 1, 0.1);
  EXPECT_NEAR(order(DpmSolverPp(1)), 1, 0.1);
  EXPECT_NEAR(order(DpmSolverPp(2)), 2, 0.1);
  EXPECT_NEAR(order(Heun()), 2, 0.1);
  EXPECT_GT(order(DpmSolverPp(3)), 2.9);  // 3.2 here: errors of two orders cancel in part
  EXPECT_LT(order(DpmSolverPp(3)), 3.5);
}

// On the three-mode mixture against a run of order 3 with 1024 steps (its error is 8^3 times smaller than at 128); the
// median, since a mean is ruled by the few samples between modes.
TEST(SamplerOrder, OnAMixtureToo) {
  const ExactDenoiser exact = three();
  const Matrix<double> x = prior(200), truth = end(DpmSolverPp(3), exact, log_snr_grid(1024, 0.01), x);
  const auto order = [&](const Sampler& sampler) {
    const auto error = [&](int steps) {
      return median_distance(end(sampler, exact, log_snr_grid(steps, 0.01), x), truth);
    };
    return std::log2(error(64) / error(128));
  };
  EXPECT_NEAR(order(Ddim()), 1, 0.15);
  EXPECT_NEAR(order(DpmSolverPp(2)), 2, 0.25);
  EXPECT_GT(order(DpmSolverPp(3)), 2.6);
}

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

TEST(Samplers, DdimWithEtaOneIsTheAncestralSampler) {
  const Times t = with_end(log_snr_grid(40, 1e-3));
  const Matrix<double> a = end(Ddim(1), three(), t, prior(100)), b = end(Ancestral(), three(), t, prior(100));
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-12);  // rounding of 40 steps
}

TEST(Samplers, TheFirstOrderSolverIsDdim) {
  const Times t = with_end(log_snr_grid(40, 1e-3));
  const Matrix<double> a = end(Ddim(), three(), t, prior(100)), b = end(DpmSolverPp(1), three(), t, prior(100));
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-12);
}

// (with churn, from a level above)
TEST(Samplers, AStepToSigmaZeroGivesTheDenoisersAnswer) {
  const Matrix<double> x = prior(10);
  for (const double from : {1.0, 0.3}) {
    const Level p = vp.at(from);
    Matrix<double> x0(10, 2);
    three().denoise(x, {&p, 1}, 0, x0);
    for (const auto& sampler : all_samplers()) {
      if (dynamic_cast<const Heun*>(sampler.get()) && sampler->stochastic() && from < 1) continue;
      EXPECT_LT((end(*sampler, three(), {from, 0}, x) - x0).cwiseAbs().maxCoeff(), 1e-14);  // also: one step only
    }
  }
}

TEST(Samplers, AStepOfNoLengthIsTheIdentity) {
  const Matrix<double> x = prior(10);
  for (const auto& sampler : all_samplers()) {
    if (dynamic_cast<const Renoise*>(sampler.get())) continue;                        // draws its noise anew
    if (dynamic_cast<const Heun*>(sampler.get()) && sampler->stochastic()) continue;  // adds noise and takes it away
    EXPECT_LT((end(*sampler, three(), {0.6, 0.6}, x) - x).cwiseAbs().maxCoeff(), 1e-14);
    EXPECT_LT((end(*sampler, three(), {0.6, 0.6, 0.6, 0.6}, x) - x).cwiseAbs().maxCoeff(), 1e-14);
  }
}

TEST(Samplers, PartsAndThreadsGiveTheBytesOfTheWhole) {
  const Times t = with_end(log_snr_grid(10, 1e-2));
  const Matrix<double> x = prior(300);
  for (const auto& sampler : all_samplers()) {
    const Matrix<double> whole = end(*sampler, three(), t, x);
    Matrix<double> parts(300, 2);
    for (Index first = 0; first < 300; first += 110) {
      const Index rows = std::min<Index>(110, 300 - first);
      parts.middleRows(first, rows) = end(*sampler, three(), t, x.middleRows(first, rows), first);
    }
    EXPECT_EQ(whole, parts);
    set_thread_cap(1);
    EXPECT_EQ(whole, end(*sampler, three(), t, x));
    set_thread_cap(0);
  }
}

// A rising pair draws from q(x_s | x_t), theory (5): N(a x_t, sigma_s^2 - a^2 sigma_t^2).
TEST(Samplers, ARisingPairOfTimesIsAForwardStep) {
  const Index n = 50000;
  const Matrix<double> x = end(Ddim(), three(), {0.2, 0.5}, Matrix<double>::Constant(n, 2, 1.5));
  const Level t = vp.at(0.2), s = vp.at(0.5);
  const double a = s.alpha / t.alpha, v = s.sigma * s.sigma - a * a * t.sigma * t.sigma, N = 2 * static_cast<double>(n);
  EXPECT_NEAR(x.mean(), a * 1.5, 5 * std::sqrt(v / N));
  EXPECT_NEAR((x.array() - x.mean()).square().mean(), v, 5 * v * std::sqrt(2 / N));
}

// Data of the mixture to noise and back: both maps are of order 1, so the root mean square error at least halves, less
// 0.2 in log2.
TEST(Samplers, InversionThenDdimReturns) {
  Matrix<double> x(300, 2);
  Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}).sample(Noise(3, Stream::dataset), x);
  const auto error = [&](int steps) {
    const Times down = with_end(log_snr_grid(steps, 1e-3));
    const Times up(down.rbegin(), down.rend());
    return median_distance(end(Ddim(), three(), down, end(DdimInversion(), three(), up, x)), x);
  };
  const double coarse = error(50), middle = error(100), fine = error(200);
  EXPECT_LT(fine, 0.05);
  EXPECT_GT(std::log2(coarse / middle), 0.8);
  EXPECT_GT(std::log2(middle / fine), 0.8);
}

TEST(Samplers, TheObserverSeesEveryStepAndMayStop) {
  std::vector<Index> seen;
  scorefield::Run run{Noise(0, Stream::sampler), 0, nullptr, nullptr};
  run.observer = [&](const Seen& now) {
    seen.push_back(now.index);
    EXPECT_EQ(now.count, 5);
    EXPECT_EQ(now.x0.rows(), 4);
    return now.index < 2;
  };
  Matrix<double> x = prior(4);
  sample(DpmSolverPp(), three(), vp, with_end(log_snr_grid(4, 0.1)), run, x);
  EXPECT_EQ(seen, (std::vector<Index>{0, 1, 2}));
}

/// A denoiser that is broken below some time.
class Broken final : public Denoiser {
 public:
  Index dimension() const override { return 2; }
  void denoise(In<double> x, Levels t, Index, Out<double> x0) const override {
    x0 = x;
    if (t[0].t < 0.5) x0(1, 0) = std::nan("");
  }
};

TEST(Samplers, ANonFiniteAnswerNamesStepAndSample) {
  try {
    end(Ddim(), Broken(), {1, 0.7, 0.4, 0}, prior(3), 20);
    FAIL();
  } catch (const NonFiniteError& e) {
    EXPECT_STREQ(e.what(), "the denoiser's answer is not finite at step 3 of 3 (t = 0.4 -> 0), first in sample 21");
  }
}

TEST(Samplers, AnInterruptStopsBetweenSteps) {
  struct Stop {};
  int asked = 0;
  const Interrupt interrupt([&] {
    if (++asked > 1) throw Stop();
  });
  scorefield::Run run{Noise(0, Stream::sampler), 0, nullptr, &interrupt};
  Matrix<double> x = prior(4);
  const Matrix<double> before = x;
  EXPECT_NO_THROW(sample(Ddim(), three(), vp, Times{1.0, 0.5}, run, x));
  EXPECT_NE(x, before);
}

TEST(Samplers, RefuseWhatTheyCannotDo) {
  Matrix<double> x = prior(4), wide(4, 3);
  EXPECT_THROW(end(Ddim(), three(), {1}, x), std::invalid_argument);
  EXPECT_THROW(end(Ddim(), three(), {1.5, 0}, x), std::invalid_argument);
  EXPECT_THROW(end(Ddim(), three(), {1, 0}, wide), std::invalid_argument);
  EXPECT_THROW(Ddim(1.5), std::invalid_argument);
  EXPECT_THROW(DpmSolverPp(4), std::invalid_argument);
  EXPECT_THROW(Heun(Churn{-1}), std::invalid_argument);
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
