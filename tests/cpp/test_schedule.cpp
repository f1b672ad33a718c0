#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "schedules_for_tests.hpp"
#include "scorefield/schedule/level.hpp"
#include "scorefield/schedule/schedule.hpp"
#include "scorefield/schedule/single.hpp"

namespace scorefield {
namespace {

class EverySchedule : public testing::TestWithParam<Named> {
 protected:
  const Schedule& schedule() const { return *GetParam().schedule; }
};
INSTANTIATE_TEST_SUITE_P(All, EverySchedule, testing::ValuesIn(all_schedules()),
                         [](const auto& named) { return named.param.name; });

TEST_P(EverySchedule, TimeZeroIsTheData) {
  EXPECT_EQ(schedule().at(0).alpha, 1);
  EXPECT_EQ(schedule().at(0).sigma, 0);
  EXPECT_FALSE(std::signbit(schedule().at(0).sigma));
}

TEST_P(EverySchedule, SnrFallsStrictly) {
  const std::vector<double> times = inner_times(schedule());
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_LT(schedule().at(times[i]).half_log_snr(), schedule().at(times[i - 1]).half_log_snr()) << times[i];
  }
}

TEST_P(EverySchedule, TimeOfHalfLogSnrInvertsIt) {
  for (const double t : inner_times(schedule())) {
    // sigma near 1 loses digits where alpha is small (d l = d sigma / alpha^2): 1e-16 becomes 1e-10 at alpha = 1e-3
    const double l = schedule().at(t).half_log_snr();
    EXPECT_NEAR(schedule().time_of_half_log_snr(l), t, 1e-10 * t) << t;
  }
  EXPECT_EQ(schedule().time_of_half_log_snr(std::numeric_limits<double>::infinity()), 0);
}

TEST_P(EverySchedule, TheEndIsReachedAndNotPassed) {
  const double end = schedule().at(schedule().t_max()).half_log_snr();
  EXPECT_NEAR(schedule().time_of_half_log_snr(end), schedule().t_max(), 1e-10 * schedule().t_max());
  if (!std::isfinite(end) || GetParam().name == "Ve" || GetParam().name == "Edm") return;  // these have no end
  EXPECT_NE(refusal([&] { schedule().time_of_half_log_snr(end - 0.01); }).find("ask for a larger log_snr"),
            std::string::npos);
}

// f = d log alpha / dt and g^2 = d sigma^2 / dt - 2 f sigma^2, theory (21), by central differences within an interval
// of a table.
TEST_P(EverySchedule, RatesAreThoseOfTheMarginal) {
  for (double t : inner_times(schedule())) {
    if (schedule().steps() > 0) t = std::floor(t) + 0.5;
    if (t == 0 || t > schedule().t_max() * 0.999) continue;
    const double h = schedule().steps() > 0 ? 1e-3 : 1e-4 * t;
    const Level a = schedule().at(t - h), b = schedule().at(t + h), p = schedule().at(t);
    const double alpha = (b.alpha - a.alpha) / (2 * h), sigma = (b.sigma - a.sigma) / (2 * h);
    const double f = (std::log(b.alpha) - std::log(a.alpha)) / (2 * h);
    const double g2 = (b.sigma * b.sigma - a.sigma * a.sigma) / (2 * h) - 2 * f * p.sigma * p.sigma;
    // curvature h^2 = 1e-8 relative (times a few hundred near a pole of f), rounding 1e-16 / 1e-3
    EXPECT_NEAR(schedule().f(t), f, 1e-5 * std::abs(f) + 1e-8) << t;
    EXPECT_NEAR(schedule().g2(t), g2, 1e-5 * std::abs(g2) + 1e-8) << t;
    EXPECT_NEAR(schedule().rates(t).alpha, alpha, 1e-5 * std::abs(alpha) + 1e-8) << t;
    EXPECT_NEAR(schedule().rates(t).sigma, sigma, 1e-5 * std::abs(sigma) + 1e-8) << t;
  }
}

// The rates and (f, g^2) say the same: g^2 = 2 sigma (sigma' - f sigma).
TEST_P(EverySchedule, DiffusionAgreesWithTheRates) {
  for (const double t : inner_times(schedule())) {
    EXPECT_NEAR(schedule().g2(t), schedule().Schedule::g2(t), 1e-8 * schedule().g2(t)) << t;
  }
}

TEST_P(EverySchedule, TimesOutsideAreRefused) {
  EXPECT_NE(refusal([&] { schedule().at(-0.1); }).find("0 is the data"), std::string::npos);
  EXPECT_NE(refusal([&] { schedule().at(std::nan("")); }), "");
}

TEST_P(EverySchedule, OnlySchedulesOfUnitSignalExplode) {
  bool unit = true;
  for (const double t : inner_times(schedule())) unit = unit && schedule().at(t).alpha == 1;
  EXPECT_EQ(schedule().exploding(), unit);
  EXPECT_FALSE(schedule().single());
  EXPECT_FALSE(schedule().serial());
}

TEST(Vp, KeepsTheVariance) {
  for (const Named& named : all_schedules()) {
    if (named.schedule->exploding() || named.name == "SubVp" || named.name.starts_with("Rectified")) continue;
    for (const double t : inner_times(*named.schedule)) {
      const Level p = named.schedule->at(t);
      EXPECT_NEAR(p.alpha * p.alpha + p.sigma * p.sigma, 1, 4e-16)
          << named.name;  // two roots, two squares: 4 roundings
    }
  }
}

// alpha_bar_T in the published settings, to the digits in print (theory 2; DDPM, latent diffusion, improved DDPM).
TEST(DiscreteVp, KnownTerminalValues) {
  const auto end = [](const std::vector<double>& betas) {
    return std::pow(DiscreteVp::of_betas(betas).at(1000).alpha, 2);
  };
  EXPECT_NEAR(end(betas::linear(1000, 1e-4, 0.02)), 4.036e-5, 1e-8);
  EXPECT_NEAR(end(betas::scaled_linear(1000, 8.5e-4, 0.012)), 4.660e-3, 1e-6);
  EXPECT_NEAR(end(betas::cosine(1000, 0.008, 0.999)), 2.429e-9, 1e-12);
}

TEST(DiscreteVp, HalfOfTheVarianceIsNoiseAt) {
  const auto half = [](const std::vector<double>& betas) {
    return DiscreteVp::of_betas(betas).time_of_half_log_snr(0) / 1000;
  };
  EXPECT_NEAR(half(betas::linear(1000, 1e-4, 0.02)), 0.26, 0.005);
  EXPECT_NEAR(half(betas::scaled_linear(1000, 8.5e-4, 0.012)), 0.35, 0.005);
  EXPECT_NEAR(half(betas::cosine(1000, 0.008, 0.999)), 0.50, 0.005);
  EXPECT_NEAR(half(betas::sigmoid(1000, -3, 3, 1)), 0.5, 1e-9);  // by the symmetry of the sigmoid
}

// The cosine and sigmoid tables are the closed forms wherever no beta is clipped: all but the last step.
TEST(DiscreteVp, TablesAreTheirClosedForms) {
  const DiscreteVp cosine = DiscreteVp::of_betas(betas::cosine(1000, 0.008, 0.999)),
                   sigmoid = DiscreteVp::of_betas(betas::sigmoid(1000, -3, 2, 0.7));
  const auto c = [](double t) { return std::pow(std::cos((t / 1000 + 0.008) / 1.008 * std::numbers::pi / 2), 2); };
  const auto h = [](double t) { return 1 / (1 + std::exp(-(-3 + 5 * t / 1000) / 0.7)); };
  for (const double t : {1.0, 10.0, 500.0, 998.0, 999.0}) {
    EXPECT_NEAR(std::pow(cosine.at(t).alpha, 2) / (c(t) / c(0)), 1, 1e-9) << t;  // c loses digits near its zero
    EXPECT_NEAR(std::pow(sigmoid.at(t).alpha, 2) / ((h(1000) - h(t)) / (h(1000) - h(0))), 1, 1e-9) << t;
  }
}

TEST(DiscreteVp, StepVarianceIsBeta) {
  const std::vector<double> table = betas::linear(1000, 1e-4, 0.02);
  const DiscreteVp schedule = DiscreteVp::of_betas(table);
  for (const std::size_t t : {1u, 2u, 500u, 1000u}) {
    // differences of alpha_bar: 1e-16 of rounding against a beta of 1e-4
    EXPECT_NEAR(beta(schedule, static_cast<double>(t)), table[t - 1], 1e-11 * table[t - 1] + 1e-15) << t;
  }
}

// log alpha_bar is linear between entries, so f is constant there and equals that of the entry above.
TEST(DiscreteVp, InterpolatesLogAlphaBar) {
  const DiscreteVp schedule = DiscreteVp::of_betas({0.1, 0.3, 0.5});
  const double a = std::log(0.9), b = std::log(0.9 * 0.7);
  EXPECT_NEAR(2 * std::log(schedule.at(1.25).alpha), 0.75 * a + 0.25 * b, 1e-15);
  EXPECT_EQ(schedule.f(1.25), schedule.f(2));
  EXPECT_NEAR(schedule.f(2), std::log(0.7) / 2, 1e-15);
  EXPECT_NEAR(schedule.f(0), std::log(0.9) / 2, 1e-15);
  EXPECT_EQ(schedule.g2(0), -2 * schedule.f(0));
}

// Between T - 1 and T of zero terminal SNR alpha_bar itself is linear, and the noise still rises at a finite rate at T.
TEST(DiscreteVp, ZeroTerminalSnrEndsAtZeroAndKeepsItsStart) {
  const DiscreteVp plain = linear_schedule();
  const DiscreteVp zero = DiscreteVp::of_alpha_bars(zero_terminal_snr(alpha_bars(plain)));
  EXPECT_EQ(zero.at(1000).alpha, 0);
  EXPECT_EQ(zero.at(1000).sigma, 1);
  EXPECT_EQ(zero.at(1).alpha, plain.at(1).alpha);
  const double last = std::pow(zero.at(999).alpha, 2);
  EXPECT_NEAR(std::pow(zero.at(999.75).alpha, 2), last / 4, 1e-18);
  EXPECT_EQ(zero.rates(1000).alpha, -std::numeric_limits<double>::infinity());
  EXPECT_NEAR(zero.rates(1000).sigma, last / 2, 1e-18);
  // sqrt(alpha_bar) is the old one, shifted and scaled: ratios of differences stay
  const auto ratio = [](const Schedule& s) {
    return (s.at(300).alpha - s.at(700).alpha) / (s.at(1).alpha - s.at(1000).alpha);
  };
  EXPECT_NEAR(ratio(zero), ratio(plain), 1e-13);
}

// T steps of the line beta(t) / T tend to the continuous VP form: the error falls like 1/T.
TEST(DiscreteVp, TendsToTheContinuousForm) {
  const Vp limit;
  const auto error = [&](Index T) {
    const double n = static_cast<double>(T);
    const DiscreteVp schedule = DiscreteVp::of_betas(betas::linear(T, 0.1 / n, 20 / n));
    double worst = 0;
    for (int i = 1; i <= 10; ++i)
      worst = std::max(worst, std::abs(schedule.at(n * i / 10).alpha - limit.at(i / 10.0).alpha));
    return worst;
  };
  EXPECT_NEAR(std::log2(error(1000) / error(2000)), 1, 0.1);
  EXPECT_LT(error(100000), 1e-4);
}

TEST(DiscreteVe, InterpolatesTheVarianceAndClimbsGeometrically) {
  const DiscreteVe schedule(geometric_sigmas(5, 0.01, 1));
  for (int t = 2; t <= 5; ++t) EXPECT_NEAR(schedule.at(t).sigma / schedule.at(t - 1).sigma, std::pow(100, 0.25), 1e-13);
  EXPECT_EQ(schedule.at(5).sigma, 1);
  const double low = std::pow(schedule.at(3).sigma, 2), high = std::pow(schedule.at(4).sigma, 2);
  EXPECT_NEAR(std::pow(schedule.at(3.25).sigma, 2), 0.75 * low + 0.25 * high, 1e-16);
  EXPECT_NEAR(schedule.g2(4), high - low, 1e-16);
  EXPECT_EQ(beta(schedule, 1), schedule.g2(1));
}

// dx = e^t dw has sigma_t^2 = (e^{2t} - 1)/2: the increment over dt has variance g^2 dt, not its root (theory 13).
TEST(Ve, ContainsTheLecturesSde) {
  const Ve schedule(std::sqrt(0.5), std::numbers::e * std::sqrt(0.5));
  for (const double t : {0.0, 0.3, 1.0}) {
    EXPECT_NEAR(std::pow(schedule.at(t).sigma, 2), (std::exp(2 * t) - 1) / 2, 1e-14);
    EXPECT_NEAR(schedule.g2(t), std::exp(2 * t), 1e-14);
  }
  EXPECT_NEAR(Ve(0.01, 50).at(Ve(0.01, 50).t_min()).sigma, 0.01, 1e-16);
  EXPECT_NEAR(Ve(0.01, 50).at(1).sigma, 50, 1e-5);  // sqrt(50^2 - 0.01^2)
}

// The drift of VP is -beta(t) x / 2 (theory 13: slides lose the half or the x), and sub-VP has the same.
TEST(Vp, DriftIsHalfOfBeta) {
  const Vp vp(0.1, 20);
  const SubVp sub(0.1, 20);
  EXPECT_NEAR(vp.f(0.3), -(0.1 + 0.3 * 19.9) / 2, 1e-15);
  EXPECT_EQ(sub.f(0.3), vp.f(0.3));
  EXPECT_NEAR(beta(vp, 0.3), vp.g2(0.3), 1e-14);
  EXPECT_NEAR(std::log(vp.at(0.7).alpha), -0.49 * 19.9 / 4 - 0.7 * 0.1 / 2, 1e-14);
  for (const double t : {0.1, 0.5, 1.0}) EXPECT_NEAR(sub.at(t).sigma, std::pow(vp.at(t).sigma, 2), 1e-15);
}

TEST(RectifiedFlow, IsStraightAndTheShiftMovesTime) {
  const RectifiedFlow plain, shifted(3);
  EXPECT_EQ(plain.at(1).alpha, 0);
  EXPECT_EQ(plain.at(1).sigma, 1);
  EXPECT_EQ(plain.rates(1).sigma, 1);
  const double u = 3 * 0.25 / (1 + 2 * 0.25);
  EXPECT_NEAR(shifted.at(0.25).sigma, u, 1e-16);
  EXPECT_NEAR(shifted.at(0.25).alpha + shifted.at(0.25).sigma, 1, 2e-16);
  EXPECT_EQ(shifted.at(1).alpha, 0);
}

TEST(Single, HasOneLevelAndNoInverse) {
  const Single schedule(0.3);
  for (const double t : {0.0, 0.5, 1.0}) {
    EXPECT_EQ(schedule.at(t).sigma, 0.3);
    EXPECT_EQ(schedule.at(t).alpha, 1);
    EXPECT_EQ(schedule.g2(t), 0);
  }
  EXPECT_TRUE(schedule.single());
  EXPECT_NE(refusal([&] { schedule.time_of_half_log_snr(0); }).find("same noise level"), std::string::npos);
}

TEST(Schedules, BadNumbersAreRefused) {
  EXPECT_NE(refusal([] { Vp(0, 20); }).find("0 < beta_min"), std::string::npos);
  EXPECT_NE(refusal([] { Vp(20, 0.1); }).find("got 20 and 0.1"), std::string::npos);
  EXPECT_NE(refusal([] { Edm(0, 80); }), "");
  EXPECT_NE(refusal([] { Edm(0.002, 80, 0); }).find("sigma_data"), std::string::npos);
  EXPECT_NE(refusal([] { Ve(1, 1.2); }).find("sqrt(2)"), std::string::npos);
  EXPECT_NE(refusal([] { RectifiedFlow(-1); }).find("shift must be > 0"), std::string::npos);
  EXPECT_NE(refusal([] { Single(-1); }).find("sigma must be >= 0"), std::string::npos);
  EXPECT_NE(refusal([] { betas::linear(0, 1e-4, 0.02); }).find("T, the number of steps"), std::string::npos);
  EXPECT_NE(refusal([] { betas::linear(10, 1e-4, 1); }).find("< 1, got"), std::string::npos);
  EXPECT_NE(refusal([] { betas::cosine(10, -1, 0.999); }).find("s must be >= 0"), std::string::npos);
  EXPECT_NE(refusal([] { betas::cosine(10, 0.008, 1); }).find("beta_clip"), std::string::npos);
  EXPECT_NE(refusal([] { betas::sigmoid(10, 3, -3, 1); }).find("start must be less"), std::string::npos);
  EXPECT_NE(refusal([] { betas::sigmoid(10, -3, 3, 0); }).find("tau must be > 0"), std::string::npos);
  EXPECT_NE(refusal([] { DiscreteVp::of_betas({}); }).find("at least one"), std::string::npos);
  EXPECT_NE(refusal([] { DiscreteVp::of_betas({0.1, 1.5}); }).find("the one of t = 2 is 1.5"), std::string::npos);
  EXPECT_NE(refusal([] { DiscreteVp::of_alpha_bars({0.9, 0.95}); }).find("is 0.95 after 0.9"), std::string::npos);
  EXPECT_NE(refusal([] { DiscreteVe({0.5, 0.1}); }).find("is 0.1 after 0.5"), std::string::npos);
  EXPECT_NE(refusal([] { geometric_sigmas(1, 0.1, 1); }).find("T >= 2"), std::string::npos);
  EXPECT_NE(refusal([] { zero_terminal_snr({0.5}); }).find("at least 2"), std::string::npos);
}

// Five points are exact for polynomials of degree 4, at both ends and within.
TEST(Custom, DifferencesAreExactForQuartics) {
  const auto y = [](double t) { return 1 + t * (2 + t * (-3 + t * (0.5 + t))); };
  const auto dy = [](double t) { return 2 + t * (-6 + t * (1.5 + 4 * t)); };
  for (const double t : {0.0, 1e-3, 0.4, 0.9999, 1.0})
    EXPECT_NEAR(derivative(y, t, 1), dy(t), 1e-10) << t;  // 1e-16 / h
}

}  // namespace
}  // namespace scorefield
