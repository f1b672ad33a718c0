#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "sampler_cases.hpp"
#include "scorefield/sample/annealed_langevin.hpp"
#include "scorefield/sample/euler_maruyama.hpp"
#include "scorefield/sample/langevin.hpp"
#include "scorefield/sample/predictor_corrector.hpp"
#include "scorefield/schedule/betas.hpp"
#include "scorefield/schedule/discrete_vp.hpp"
#include "scorefield/schedule/single.hpp"
#include "scorefield/schedule/sub_vp.hpp"
#include "scorefield/schedule/ve.hpp"

// With data N(mu, c^2) the score is -(x - alpha mu) / V, V = alpha^2 c^2 + sigma^2, so that each step is x_s = slope
// x_t
// + shift + noise and mean and variance follow a recursion, written here from the papers' formulas.
namespace scorefield {
namespace {

struct Moments {
  double mean, variance;
  /// x += e score(x, p) + sqrt(noise) z, after x *= keep.
  void move(double keep, double e, const Level& p, double noise) {
    const double V = variance_at(p);
    mean = keep * mean - e / V * (mean - p.alpha * mu);
    variance *= std::pow(keep - e / V, 2);
    variance += noise;
  }
  void denoise(const Level& p) {
    const double gain = p.alpha * c * c / variance_at(p);
    mean = mu + gain * (mean - p.alpha * mu);
    variance *= gain * gain;
  }
  static double variance_at(const Level& p) { return scorefield::variance(p); }
};
using Recursion = std::function<void(Moments&, const Schedule&, const Level& t, const Level& s)>;

Moments follow(const Schedule& schedule, const Times& times, const Recursion& step) {
  const double sigma = schedule.at(times.front()).sigma;
  Moments m{0, sigma * sigma};
  for (std::size_t i = 0; i + 1 < times.size(); ++i)
    step(m, schedule, schedule.at(times[i]), schedule.at(times[i + 1]));
  return m;
}

Recursion euler_maruyama(double eta) {
  return [eta](Moments& m, const Schedule& schedule, const Level& t, const Level& s) {
    if (s.sigma == 0) return m.denoise(t);
    const double h = t.t - s.t, g2 = schedule.g2(t.t);  // theory (23)
    m.move(1 - h * schedule.f(t.t), h * (1 + eta * eta) / 2 * g2, t, eta * eta * g2 * h);
  };
}

Recursion predictor_corrector(bool ancestral, int corrector_steps, double snr) {
  return [=](Moments& m, const Schedule&, const Level& t, const Level& s) {
    if (s.sigma == 0) return m.denoise(t);
    const double r = t.alpha / s.alpha, v = t.sigma * t.sigma - r * r * s.sigma * s.sigma;
    if (ancestral) {  // (x + v score) / r, variance v sigma_s^2 / sigma_t^2
      m.move(1 / r, v / r, t, v * s.sigma * s.sigma / (t.sigma * t.sigma));
    } else {
      m.move(2 - r, v, t, v);
    }
    const double e = 2 * std::pow(snr * s.sigma * r, 2);
    for (int i = 0; i < corrector_steps; ++i) m.move(1, e, s, 2 * e);
  };
}

Recursion annealed(double step_size, int inner) {
  return [=](Moments& m, const Schedule&, const Level& t, const Level& s) {
    const double a = step_size * t.sigma * t.sigma;
    for (int i = 0; i < inner; ++i) m.move(1, a / 2, t, a);
    if (s.sigma == 0) return m.denoise(t);
    m.mean *= s.alpha / t.alpha, m.variance *= std::pow(s.alpha / t.alpha, 2);
  };
}

Times grid(const Schedule& schedule, int steps) {  // equal steps in log(alpha / sigma), then 0
  const double a = schedule.at(schedule.t_max()).half_log_snr(), b = schedule.at(schedule.t_min()).half_log_snr();
  Times t{schedule.t_max()};
  for (int i = 1; i < steps; ++i) t.push_back(schedule.time_of_half_log_snr(a + (b - a) * i / (steps - 1)));
  t.push_back(0);
  return t;
}

// 19 samplers and schedules, two normal statistics each: by the union bound all stay within z = 6 with probability 1 -
// 38 * 2e-9, whatever the seed; the variance, a sum of squares, has a tail some 10 times heavier there.

constexpr double z = 6;
constexpr Index n = 4000;

void check(const Sampler& sampler, const Schedule& schedule, const Recursion& recursion, int steps) {
  const Times times = grid(schedule, steps);
  const Moments m = follow(schedule, times, recursion);
  Matrix<double> x = schedule.at(times.front()).sigma * prior(n);
  sample(sampler, gaussian(), schedule, times, {Noise(9, Stream::sampler), 0, nullptr, nullptr}, x);
  const double N = static_cast<double>(x.size()), mean = x.mean(), v = (x.array() - mean).square().mean();
  EXPECT_NEAR(mean, m.mean, z * std::sqrt(m.variance / N)) << steps;
  EXPECT_NEAR(v, m.variance, z * m.variance * std::sqrt(2 / N)) << steps;
}

TEST(StochasticMoments, EachStepIsThatOfItsPaper) {
  const SubVp sub_vp;
  const Ve ve(0.05, 10);
  for (const Schedule* schedule :
       {static_cast<const Schedule*>(&vp), static_cast<const Schedule*>(&sub_vp), static_cast<const Schedule*>(&ve)}) {
    check(EulerMaruyama(), *schedule, euler_maruyama(1), 60);
    check(EulerMaruyama(0.5), *schedule, euler_maruyama(0.5), 60);
    check(PredictorCorrector(), *schedule, predictor_corrector(false, 1, 0.16), 40);
    check(PredictorCorrector(Predictor::ancestral, 2, 0.3), *schedule, predictor_corrector(true, 2, 0.3), 30);
    check(PredictorCorrector(Predictor::reverse_diffusion, 0), *schedule, predictor_corrector(false, 0, 0.16), 40);
    check(AnnealedLangevin(0.4, 5), *schedule, annealed(0.4, 5), 12);
  }
  check(EulerMaruyama(), DiscreteVp::of_betas(betas::linear(1000, 1e-4, 0.02)), euler_maruyama(1), 60);
}

// Stationary variance of x' = x - a / 2 (x - mu) / V + sqrt(a) z:  V / (1 - a / (4 V)). 60 steps shrink the first
// state's share by 0.75^60.
TEST(Langevin, WithoutATestTheVarianceIsTooLarge) {
  const Single data(0.3);
  const double V = c * c + 0.09, a = 0.5 * V;
  Matrix<double> x = prior(n);
  sample(scorefield::Langevin(a), gaussian(), data, Times(61, 0.0), {Noise(9, Stream::sampler)}, x);
  const double N = static_cast<double>(x.size()), truth = V / (1 - a / (4 * V));
  EXPECT_NEAR(x.mean(), mu, z * std::sqrt(truth / N));
  EXPECT_NEAR((x.array() - x.mean()).square().mean(), truth, z * truth * std::sqrt(2 / N));
}

Matrix<double> draws(const Mixture& truth, Index rows) {
  Matrix<double> x(rows, truth.dimension());
  truth.sample(Noise(3, Stream::dataset), x);
  return x;
}

Matrix<double> langevin(const Sampler& sampler, Matrix<double> x, int steps, Matrix<double>* accepted = nullptr) {
  const Single data;
  const ExactDenoiser exact = three();
  const Times times(static_cast<std::size_t>(steps) + 1, 0.0);
  Sampling run(sampler, exact, data, times, {Noise(9, Stream::sampler)});
  while (!run.done()) run.next(x);
  if (accepted) *accepted = run.accepted() / steps;
  return x;
}

// The test leaves p as it is, however coarse the step: draws of the mixture stay draws of the mixture. Without it the
// variances grow visibly. Four moments of each coordinate against those of the same number of fresh draws.
TEST(Langevin, WithATestTheDistributionStaysAsItIs) {
  const Mixture truth({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2});
  const Matrix<double> start = draws(truth, 4 * n);
  Matrix<double> accepted;
  const Matrix<double> moved = langevin(scorefield::Langevin(0.2, true), start, 20, &accepted);
  EXPECT_GT(accepted.mean(), 0.3);
  EXPECT_LT(accepted.mean(), 0.95);
  EXPECT_LE(accepted.maxCoeff(), 1);
  EXPECT_GT((moved - start).rowwise().norm().minCoeff(), 0);  // nobody stood still for 20 steps (0.1^20)
  const auto within = [&](const Matrix<double>& x) {          // deviation within the components, largest z over them
    double worst = 0;
    const Level data{};
    const Matrix<double> r = truth.posterior(x, {&data, 1});
    for (Index k = 0; k < 3; ++k) {
      const double s2 = k == 0 ? 0.09 : k == 1 ? 0.25 : 0.16, N = 2 * r.col(k).sum();
      const double v =
          ((x.rowwise() - truth.means().row(k)).array().square().rowwise().sum() * r.col(k).array()).sum() / N;
      worst = std::max(worst, std::abs(v / s2 - 1) / std::sqrt(2 / N));
    }
    return worst;
  };
  EXPECT_LT(within(moved), z);
  EXPECT_GT(within(langevin(scorefield::Langevin(0.2), start, 20)), 3 * z);
}

// A step far too long for the narrow component is hardly ever taken, and a tiny one always.
TEST(Langevin, TheShareOfAcceptedProposalsFallsFromOneToNone) {
  const Mixture truth({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2});
  double before = 1.1;
  for (const double a : {1e-4, 0.05, 0.3, 10.0}) {
    Matrix<double> accepted;
    langevin(scorefield::Langevin(a, true), draws(truth, 500), 20, &accepted);
    EXPECT_LT(accepted.mean(), before);
    before = accepted.mean();
    if (a == 1e-4) {
      EXPECT_GT(before, 0.99);
    }
  }
  EXPECT_LT(before, 0.02);
}

}  // namespace
}  // namespace scorefield
