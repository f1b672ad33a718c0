#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "schedules_for_tests.hpp"
#include "scorefield/process/time_sampler.hpp"
#include "scorefield/schedule/single.hpp"

namespace scorefield {
namespace {

struct Draw {
  std::vector<double> t, weight;
};
Draw draw(const TimeSampler& sampler, std::size_t n, std::uint32_t step = 0, std::uint64_t seed = 1) {
  Draw out{std::vector<double>(n), std::vector<double>(n)};
  sampler.draw(Noise(seed, Stream::training_time, step), out.t, out.weight);
  return out;
}
const std::vector<Times> every{Times::uniform, Times::stratified, Times::log_normal, Times::logit_normal,
                               Times::importance};

double mean(const std::vector<double>& a) {
  return std::accumulate(a.begin(), a.end(), 0.0) / static_cast<double>(a.size());
}

TEST(TimeSampler, TimesLieInTheTrainedRangeAndAreWholeOnATable) {
  for (const Named& named : all_schedules()) {
    for (const Times times : every) {
      const Draw d = draw(*make_time_sampler(times, named.schedule), 2000);
      for (const double t : d.t) {
        EXPECT_GE(t, named.schedule->t_min()) << named.name;
        EXPECT_LE(t, named.schedule->t_max()) << named.name;
        EXPECT_TRUE(named.schedule->steps() == 0 || t == std::round(t)) << named.name;
      }
      EXPECT_NEAR(mean(d.weight), 1, 1e-12);
    }
  }
}

TEST(TimeSampler, APureFunctionOfSeedStepAndRow) {
  const auto vp = std::make_shared<Vp>();
  for (const Times times : every) {
    const auto sampler = make_time_sampler(times, vp);
    EXPECT_EQ(draw(*sampler, 64).t, draw(*sampler, 64).t);
    EXPECT_NE(draw(*sampler, 64).t, draw(*sampler, 64, 1).t);
    EXPECT_NE(draw(*sampler, 64).t, draw(*sampler, 64, 0, 2).t);
  }
}

// Every whole time of a small table has the same chance: a binomial with known error.
TEST(TimeSampler, UniformVisitsEveryStepEquallyOften) {
  const auto table = std::make_shared<DiscreteVe>(std::vector<double>{1, 2, 3, 4, 5});
  const std::size_t n = 50000;
  const Draw d = draw(*make_time_sampler(Times::uniform, table), n);
  for (int t = 1; t <= 5; ++t) {
    const double share = static_cast<double>(std::count(d.t.begin(), d.t.end(), t)) / static_cast<double>(n);
    EXPECT_NEAR(share, 0.2, 5 * std::sqrt(0.2 * 0.8 / static_cast<double>(n))) << t;
  }
}

// One time in each of N equal parts: the mean of t is off by at most half a part, where N independent draws err by
// 1/sqrt(12 N).
TEST(TimeSampler, StratifiedPutsOneTimeInEachPart) {
  const auto flow = std::make_shared<RectifiedFlow>();
  const std::size_t n = 100;
  std::vector<double> t = draw(*make_time_sampler(Times::stratified, flow), n).t;
  std::sort(t.begin(), t.end());
  for (std::size_t i = 0; i < n; ++i) {
    const double place = (t[i] - flow->t_min()) / (1 - flow->t_min());
    EXPECT_EQ(std::floor(place * static_cast<double>(n) + 1e-9), static_cast<double>(i));
  }
  double sum = 0;  // over steps each place is uniform
  for (std::uint32_t step = 0; step < 4000; ++step)
    sum += draw(*make_time_sampler(Times::stratified, flow), 1, step).t[0];
  EXPECT_NEAR(sum / 4000, 0.5005, 5 / std::sqrt(12.0 * 4000));
}

// log(sigma / alpha) ~ N(-1.2, 1.2^2) and the logit of the place ~ N(0, 1).
TEST(TimeSampler, NormalLaws) {
  const std::size_t n = 40000;
  const auto check = [&](const std::vector<double>& z, double m, double s) {
    const double average = mean(z);
    double square = 0;
    for (const double v : z) square += (v - average) * (v - average);
    EXPECT_NEAR(average, m, 5 * s / std::sqrt(static_cast<double>(n)));
    EXPECT_NEAR(square / static_cast<double>(n) / (s * s), 1, 5 * std::sqrt(2 / static_cast<double>(n)));
  };
  const auto edm = std::make_shared<Edm>(1e-5, 1e4);  // wide: nothing is cut off
  const auto vp = std::make_shared<Vp>();
  std::vector<double> z = draw(*make_time_sampler(Times::log_normal, edm), n).t;
  for (double& v : z) v = std::log(v);
  check(z, -1.2, 1.2);
  z = draw(*make_time_sampler(Times::logit_normal, vp), n).t;
  for (double& v : z) v = std::log((v - 1e-3) / (1 - v));
  check(z, 0, 1);
}

double loss_at(double t) { return 1 / (0.02 + t); }  // much larger at little noise

// E[weight loss] over importance sampled times is the mean loss over uniform times, and its variance is smaller.
TEST(TimeSampler, ImportanceIsUnbiasedAndHelps) {
  const auto vp = std::make_shared<Vp>();
  const auto importance = make_time_sampler(Times::importance, vp), uniform = make_time_sampler(Times::uniform, vp);
  const auto losses = [](const Draw& d) {
    std::vector<double> out(d.t.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = loss_at(d.t[i]);
    return out;
  };
  for (std::uint32_t step = 0; step < 40;
       ++step) {  // 64 bins of ten losses each are full after these 5120 uniform draws
    const Draw d = draw(*importance, 128, step);
    importance->observe(d.t, losses(d));
  }
  const auto moments = [&](const Draw& d) {
    const std::vector<double> loss = losses(d);
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < loss.size(); ++i)
      sum += d.weight[i] * loss[i], squares += std::pow(d.weight[i] * loss[i], 2);
    const double n = static_cast<double>(loss.size()), m = sum / n;
    return std::pair(m, squares / n - m * m);
  };
  const std::size_t n = 20000;
  const auto [m, variance] = moments(draw(*importance, n, 1000));
  const auto [unused, plain] = moments(draw(*uniform, n, 1000));
  const double exact = std::log(1.02 / 0.021) / 0.999;  // the integral of loss_at over t_min..1
  EXPECT_NEAR(m, exact, 5 * std::sqrt(variance / static_cast<double>(n)));
  EXPECT_LT(variance, plain / 10);
}

TEST(TimeSampler, ImportanceOnATableWeighsWholeTimesExactly) {
  const auto table = std::make_shared<DiscreteVp>(linear_schedule(100));  // 64 bins of one or two times
  const auto sampler = make_time_sampler(Times::importance, table);
  std::vector<double> t(2000), loss(2000);
  for (std::size_t i = 0; i < t.size(); ++i) t[i] = static_cast<double>(i % 100 + 1), loss[i] = 100 / t[i];
  sampler->observe(t, loss);
  const Draw d = draw(*sampler, 100000);
  double count = 0, squares = 0;
  for (std::size_t i = 0; i < d.t.size(); ++i) {
    if (d.t[i] == 37) count += d.weight[i], squares += d.weight[i] * d.weight[i];
  }
  const double n = static_cast<double>(d.t.size());
  EXPECT_NEAR(count / n, 0.01, 5 * std::sqrt(squares) / n);  // each time counts for 1/T
  EXPECT_GT(squares, 0);
}

TEST(TimeSampler, StateRestoresTheDraws) {
  const auto vp = std::make_shared<Vp>();
  const auto a = make_time_sampler(Times::importance, vp), b = make_time_sampler(Times::importance, vp);
  std::vector<double> t(5000), loss(5000);
  for (std::size_t i = 0; i < t.size(); ++i)
    t[i] = 1e-3 + 0.999 * (static_cast<double>(i) + 0.5) / 5000, loss[i] = loss_at(t[i]);
  a->observe(t, loss);
  EXPECT_NE(draw(*a, 64).t, draw(*b, 64).t);
  b->restore(a->state());
  EXPECT_EQ(draw(*a, 64).t, draw(*b, 64).t);
  EXPECT_TRUE(make_time_sampler(Times::uniform, vp)->state().empty());
  EXPECT_NE(refusal([&] { b->restore({}); }).find("must hold 'losses'"), std::string::npos);
  EXPECT_NE(refusal([&] { make_time_sampler(Times::uniform, vp)->restore(a->state()); }).find("no state"),
            std::string::npos);
}

TEST(TimeSampler, BadRequests) {
  EXPECT_EQ(refusal([] { parse_times("normal"); }),
            "unknown times 'normal'; known: uniform, stratified, log_normal, logit_normal, importance");
  EXPECT_NE(
      refusal([] { draw(*make_time_sampler(Times::log_normal, std::make_shared<Single>(0.1)), 3); }).find("Single"),
      std::string::npos);
  EXPECT_EQ(draw(*make_time_sampler(Times::uniform, std::make_shared<Single>(0.1)), 3).t.size(), 3u);
}

}  // namespace
}  // namespace scorefield
