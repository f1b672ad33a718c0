#include "scorefield/likelihood/bound.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "schedules_for_tests.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/process/forward.hpp"
#include "scorefield/process/variance_bound.hpp"

namespace scorefield {
namespace {

constexpr double mu = 0.7, c = 0.4, infinity = std::numeric_limits<double>::infinity();
const Mixture gaussian({{mu, mu}}, {c});

Matrix<double> data(Index n) {
  Matrix<double> x(n, 2);
  gaussian.sample(Noise(3, Stream::dataset), x);
  return x;
}

std::vector<double> all_steps(Index T) {
  std::vector<double> t;
  for (Index i = 0; i <= T; ++i) t.push_back(static_cast<double>(i));
  return t;
}

/// An exact denoiser that says where its variance lies: one share for each of two features, whatever x and t.
class Sharing final : public Denoiser {
 public:
  Sharing(Mixture mixture, double first, double second) : exact_(std::move(mixture)), shares_{first, second} {}
  Index dimension() const override { return exact_.dimension(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override { exact_.denoise(x, t, first, x0); }
  void denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const override {
    denoise(x, t, first, x0);
    for (Index j = 0; j < share.cols(); ++j) share.col(j).setConstant(shares_[static_cast<std::size_t>(j)]);
  }

 private:
  ExactDenoiser exact_;
  std::array<double, 2> shares_;
};

double mean_total(const Bound& b) {
  return b.prior.mean() + b.terms.sum() / static_cast<double>(b.terms.rows()) + b.decoder.mean();
}

double deviation_of_total(const Bound& b) {
  const Eigen::ArrayXd total = b.prior + b.terms.rowwise().sum() + b.decoder;
  return std::sqrt((total - total.mean()).square().mean());
}

/// E |x0 - x0_hat|^2 = 2 c^2 sigma^2 / V for the exact denoiser of N(mu, c^2) in two dimensions.
double error2(const Level& t) {
  return 2 * c * c * t.sigma * t.sigma / (t.alpha * t.alpha * c * c + t.sigma * t.sigma);
}

struct Expected {
  double prior = 0, terms = 0, decoder = 0;
};
Expected expected(const Schedule& schedule, Index T, ReverseVariance kind) {
  Expected e;
  const auto at = [&](Index i) { return schedule.at(static_cast<double>(i)); };
  const Level last = at(T);
  e.prior = last.alpha * last.alpha / (2 * last.sigma * last.sigma) * 2 * (c * c + mu * mu);
  for (Index t = 2; t <= T; ++t) {
    const Posterior q = posterior(at(t - 1), at(t));
    const double w = kind == ReverseVariance::beta ? step_variance(at(t - 1), at(t)) : q.variance;
    e.terms += 0.5 * (2 * (std::log(w / q.variance) + q.variance / w - 1) + q.x0 * q.x0 / w * error2(at(t)));
  }
  const double w = kind == ReverseVariance::beta ? step_variance(at(0), at(1)) : posterior(at(1), at(2)).variance;
  e.decoder = std::log(2 * std::numbers::pi * w) + error2(at(1)) / (2 * w);
  return e;
}

// Five standard errors of 4000 samples.
TEST(DiscreteBound, OfTheExactDenoiserOfAGaussianHasAClosedForm) {
  const DiscreteVp schedule = linear_schedule(200);
  for (const auto kind : {ReverseVariance::beta, ReverseVariance::beta_tilde}) {
    const Bound b = discrete_bound(ExactDenoiser(gaussian), schedule, all_steps(200), kind, {}, data(4000), {});
    const Expected e = expected(schedule, 200, kind);
    const double sure = 5 / std::sqrt(4000.0);
    EXPECT_NEAR(b.prior.mean(), e.prior, 0.1 * e.prior);
    EXPECT_NEAR(b.decoder.mean(), e.decoder, sure * 2);  // half a chi^2 number for each of two features: deviation 1
    EXPECT_NEAR(mean_total(b), e.prior + e.terms + e.decoder, sure * deviation_of_total(b));
  }
}

// It falls to the entropy, log(2 pi e c^2) for two features, with an excess that is inverse to T.
TEST(DiscreteBound, TendsToTheEntropy) {
  const double entropy = std::log(2 * std::numbers::pi * std::numbers::e * c * c);
  const auto excess = [&](Index T) {
    const Expected e = expected(linear_schedule(T), T, ReverseVariance::beta);
    return e.prior + e.terms + e.decoder - entropy;
  };
  EXPECT_GT(excess(100), excess(1000));
  EXPECT_GT(excess(10000), 0);
  EXPECT_LT(excess(10000), 0.01);
  EXPECT_NEAR(std::log10(excess(1000) / excess(10000)), 1, 0.15);
  const Bound b = discrete_bound(ExactDenoiser(gaussian), linear_schedule(), all_steps(1000), ReverseVariance::beta, {},
                                 data(2000), {});
  EXPECT_NEAR(mean_total(b), entropy, excess(1000) + 5 * deviation_of_total(b) / std::sqrt(2000.0));
}

// KL(q || p) is the mean of log q - log p under q; a denoiser that always answers the same makes it independent of x_t.
TEST(DiscreteBound, TermsAreTheDivergencesByMonteCarlo) {
  const DiscreteVp schedule = linear_schedule(50);
  const ExactDenoiser always(Mixture(Matrix<double>::Constant(1, 2, 0.3), Matrix<double>::Zero(1, 2)));
  Matrix<double> x0(1, 2);
  x0 << 0.5, -0.4;
  for (const auto kind : {ReverseVariance::beta, ReverseVariance::beta_tilde}) {
    const Bound b = discrete_bound(always, schedule, all_steps(50), kind, {}, x0, {});
    for (const Index t : {2, 7, 50}) {
      const Level from = schedule.at(static_cast<double>(t)), to = schedule.at(static_cast<double>(t - 1));
      const Posterior q = posterior(to, from);
      const double w = kind == ReverseVariance::beta ? step_variance(to, from) : q.variance;
      const Index n = 200000;
      Matrix<double> z(n, 2);
      Noise(static_cast<std::uint64_t>(t), Stream::probe).normal(z);
      const auto shifted = (std::sqrt(q.variance) * z).rowwise() + q.x0 * (x0.row(0).array() - 0.3).matrix();
      const Eigen::ArrayXd ratio = shifted.rowwise().squaredNorm().array() / (2 * w) -
                                   z.rowwise().squaredNorm().array() / 2 + std::log(w / q.variance);
      const double sure = 5 * std::sqrt((ratio - ratio.mean()).square().mean() / static_cast<double>(n));
      EXPECT_NEAR(b.terms(0, t - 2), ratio.mean(), sure + 1e-12) << t;
    }
  }
}

// A learned variance that says the same everywhere is one of the fixed ones, on all steps and on a subsequence.
TEST(LearnedBound, OfConstantSharesIsTheFixedOne) {
  const DiscreteVp schedule = linear_schedule(50);
  const Matrix<double> x = data(20);
  const std::vector<double> few{0, 7, 20, 50};
  for (const auto& times : {all_steps(50), few}) {
    for (const auto& [share, kind] : {std::pair{1.0, ReverseVariance::beta}, {0.0, ReverseVariance::beta_tilde}}) {
      const Sharing same(gaussian, share, share);
      const Bound a = discrete_bound(same, schedule, times, ReverseVariance::learned, {}, x, {});
      const Bound b = discrete_bound(same, schedule, times, kind, {}, x, {});
      EXPECT_EQ(a.prior, b.prior);
      EXPECT_EQ(a.terms, b.terms);
      EXPECT_EQ(a.decoder, b.decoder);
    }
  }
}

/// KL(N(a, v) || N(b, w)) of two normal distributions.
double kl(double a, double v, double b, double w) { return (std::log(w / v) + (v + (a - b) * (a - b)) / w - 1) / 2; }

// Nichol & Dhariwal 2021, eq. 15, number by number, beside the posterior of theory (6), (7); and the terms of the loss.
TEST(LearnedBound, HasAVarianceForEachNumber) {
  const DiscreteVp schedule = linear_schedule(50);
  const std::array<double, 2> share{0.3, 0.8};
  const Sharing always(Mixture(Matrix<double>::Constant(1, 2, 0.3), Matrix<double>::Zero(1, 2)), share[0], share[1]);
  Matrix<double> x0(1, 2);
  x0 << 0.5, -0.4;
  const auto between = [](double at, double beta, double tilde) {
    return std::exp(at * std::log(beta) + (1 - at) * std::log(tilde));
  };
  const Bound all = discrete_bound(always, schedule, all_steps(50), ReverseVariance::learned, {}, x0, {});
  const VarianceBound loss(schedule);
  for (const Index t : {2, 7, 50}) {
    const Level to = schedule.at(static_cast<double>(t - 1)), from = schedule.at(static_cast<double>(t));
    const Posterior q = posterior(to, from);
    double sum = 0, of_loss = 0;
    for (const Index j : {0, 1}) {
      const double at = share[static_cast<std::size_t>(j)];
      sum += kl(q.x0 * x0(0, j), q.variance, q.x0 * 0.3, between(at, step_variance(to, from), q.variance));
      of_loss += loss.term(t, 0.3 - x0(0, j), at).value;
    }
    EXPECT_NEAR(all.terms(0, t - 2), sum, 1e-12) << t;
    EXPECT_NEAR(all.terms(0, t - 2), of_loss, 1e-12) << t;
  }
  const double beta = step_variance(schedule.at(0), schedule.at(1));
  const double tilde = posterior(schedule.at(1), schedule.at(2)).variance;
  double decoder = 0, of_loss = 0;
  for (const Index j : {0, 1}) {
    const double gap = 0.3 - x0(0, j), at = share[static_cast<std::size_t>(j)], w = between(at, beta, tilde);
    decoder += (std::log(2 * std::numbers::pi * w) + gap * gap / w) / 2;
    of_loss += loss.term(1, gap, at).value;
  }
  EXPECT_NEAR(all.decoder[0], decoder, 1e-12 * decoder);
  EXPECT_NEAR(all.decoder[0], of_loss, 1e-12 * decoder);
}

// 1/2 int mmse dsnr of a Gaussian is log((1 + c^2 snr_min) / (1 + c^2 snr_max)) for two features, Guo et al. 2005.
TEST(ContinuousBound, OfTheExactDenoiserOfAGaussianHasAClosedForm) {
  for (const auto& [name, schedule] : all_schedules()) {
    const Bound b = continuous_bound(ExactDenoiser(gaussian), *schedule, 40, {}, data(1000), {});
    const Level low = schedule->at(schedule->t_min()), high = schedule->at(schedule->t_max());
    const auto snr = [](const Level& p) { return p.alpha * p.alpha / (p.sigma * p.sigma); };
    const double terms = std::log((1 + c * c * snr(low)) / (1 + c * c * snr(high)));
    const Eigen::ArrayXd sums = b.terms.rowwise().sum();
    EXPECT_NEAR(sums.mean(), terms, 5 * std::sqrt((sums - sums.mean()).square().mean() / 1000)) << name;
    const double w = step_variance(schedule->at(0), low);
    const double decoder = std::log(2 * std::numbers::pi * w) + error2(low) / (2 * w);
    EXPECT_NEAR(b.decoder.mean(), decoder, 5.0 * error2(low) / (2 * w) / std::sqrt(1000.0)) << name;
  }
}

// A decoder on levels is a probability: over all values of one feature it sums to 1.
TEST(GreyLevels, AreProbabilities) {
  const DiscreteVp schedule = linear_schedule(50);
  for (const double mean : {0.0, -0.97, 1.3}) {
    const Sharing always(Mixture(Matrix<double>::Constant(1, 1, mean), Matrix<double>::Zero(1, 1)), 0.4, 0);
    Matrix<double> x(17, 1);
    for (Index k = 0; k < 17; ++k) x(k, 0) = -1 + static_cast<double>(k) / 8;
    const GreyLevels grey{RowVector<double>::Constant(1, -1), RowVector<double>::Constant(1, 1),
                          RowVector<double>::Constant(1, 1.0 / 16)};
    for (const auto kind : {ReverseVariance::beta, ReverseVariance::learned}) {
      const Bound b = discrete_bound(always, schedule, all_steps(50), kind, grey, x, {});
      EXPECT_NEAR((-b.decoder.array()).exp().sum(), 1, 1e-12);
    }
  }
}

// Constants of the normal distribution (Abramowitz & Stegun 26.2; far out by its asymptotic series 26.2.12).
TEST(GreyLevels, IntervalsKeepTheirDigitsInTheTails) {
  EXPECT_NEAR(std::exp(log_normal_interval(-1, 1)), 0.682689492137086, 1e-14);
  EXPECT_NEAR(log_normal_interval(-infinity, 0), -std::log(2), 1e-15);
  EXPECT_EQ(log_normal_interval(-infinity, infinity), 0);
  EXPECT_NEAR(log_normal_interval(10, infinity), -53.231285, 1e-6);
  EXPECT_NEAR(log_normal_interval(-infinity, -40), -804.608442, 1e-6);
  EXPECT_EQ(log_normal_interval(35, 36), log_normal_interval(-36, -35));
  EXPECT_NEAR(log_normal_interval(-28.2844, -28.2843) - log_normal_interval(-28.2842, -28.2841), -0.0002 * 28.2843,
              1e-6);  // the density's slope, across the change of formula
}

TEST(Bound, PartsOfABatchGiveTheBytesOfTheWhole) {
  const Matrix<double> x = data(50);
  const ExactDenoiser exact(gaussian);
  const DiscreteVp schedule = linear_schedule(50);
  const auto run = [&](In<double> rows, Index first) {
    return continuous_bound(exact, schedule, 8, {}, rows, {Noise(1, Stream::evaluate), first, nullptr}).terms;
  };
  EXPECT_EQ(run(x, 0).middleRows(20, 10), run(x.middleRows(20, 10), 20));
}

TEST(Bound, RefusesWhatMakesNoSense) {
  const DiscreteVp schedule = linear_schedule(50);
  const ExactDenoiser exact(gaussian);
  const std::vector<double> falling{0, 5, 3}, late{1, 2};
  for (const auto& times : {falling, late}) {
    EXPECT_EQ(refusal([&] { discrete_bound(exact, schedule, times, ReverseVariance::beta, {}, data(2), {}); }),
              "times must rise from 0 and hold at least one step");
  }
  const Matrix<double> wide = Matrix<double>::Zero(1, 3);
  EXPECT_NE(refusal([&] { continuous_bound(exact, schedule, 4, {}, wide, {}); }).find("takes 2 features"),
            std::string::npos);
  EXPECT_EQ(refusal([&] { continuous_bound(exact, schedule, 0, {}, data(1), {}); }), "strata must be >= 1, got 0");
  const std::string without =
      refusal([&] { discrete_bound(exact, schedule, all_steps(50), ReverseVariance::learned, {}, data(2), {}); });
  EXPECT_NE(without.find("needs a model with learn_variance"), std::string::npos);
}

}  // namespace
}  // namespace scorefield
