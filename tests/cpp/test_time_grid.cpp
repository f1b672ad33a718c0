#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "schedules_for_tests.hpp"
#include "scorefield/schedule/single.hpp"
#include "scorefield/schedule/time_grid.hpp"

namespace scorefield {
namespace {

using grids::karras;
using grids::leading;
using grids::linspace;
using grids::log_snr;
using grids::poly_exponential;
using grids::quadratic;
using grids::trailing;
using Grid = std::vector<double>;

// Lin et al. 2023, table 2: T = 1000, 10 steps; their timestep k is our k + 1 (theirs: 999 899 ..., 0-based).
TEST(TimeGrid, PublishedDiscreteGrids) {
  const DiscreteVp schedule = linear_schedule();
  EXPECT_EQ(trailing(schedule, 10), (Grid{1000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0}));
  EXPECT_EQ(leading(schedule, 10), (Grid{901, 801, 701, 601, 501, 401, 301, 201, 101, 1, 0}));
  EXPECT_EQ(leading(schedule, 10, 1), (Grid{902, 802, 702, 602, 502, 402, 302, 202, 102, 2, 0}));
  EXPECT_EQ(linspace(schedule, 10), (Grid{1000, 889, 778, 667, 556, 445, 334, 223, 112, 1, 0}));
}

// Halves go to the even timestep, as in NumPy and hence in diffusers: 812.5 -> 812, 937.5 -> 938.
TEST(TimeGrid, WholeTimesAreTheNearest) {
  const DiscreteVp schedule = linear_schedule();
  const Grid trailing16 = trailing(schedule, 16), linspace7 = linspace(schedule, 7);
  EXPECT_EQ(trailing16[1], 938);
  EXPECT_EQ(trailing16[3], 812);
  EXPECT_EQ(linspace7, (Grid{1000, 833, 667, 501, 334, 167, 1, 0}));  // 999, 832.5, 666, 499.5, 333, 166.5, 0 in t - 1
}

TEST(TimeGrid, EveryStepOfTheScheduleIsAGrid) {
  const DiscreteVe ladder(geometric_sigmas(5, 0.01, 1));
  for (const Grid& grid : {trailing(ladder, 5), leading(ladder, 5), linspace(ladder, 5)})
    EXPECT_EQ(grid, (Grid{5, 4, 3, 2, 1, 0}));
}

TEST(TimeGrid, OneStepGoesFromNoiseToData) {
  for (const Named& named : all_schedules()) {
    const double last = named.schedule->t_max();
    for (const auto& grid :
         {trailing(*named.schedule, 1), linspace(*named.schedule, 1), quadratic(*named.schedule, 1)}) {
      EXPECT_EQ(grid, (Grid{last, 0})) << named.name;
    }
  }
}

// t_max first, t_min before the jump to 0: the ends are exact, and no time below t_min is asked for.
TEST(TimeGrid, CurvedGridsTouchBothEnds) {
  for (const Named& named : all_schedules()) {
    const Schedule& s = *named.schedule;
    const bool finite = s.at(s.t_max()).alpha > 0;
    std::vector<Grid> all{quadratic(s, 7), grids::beta(s, 7)};
    if (finite) all.insert(all.end(), {log_snr(s, 7), karras(s, 7), poly_exponential(s, 7, 2)});
    for (const Grid& grid : all) {
      ASSERT_EQ(grid.size(), 8u);
      EXPECT_EQ(grid.front(), s.t_max());
      EXPECT_EQ(grid[6], s.t_min());
      EXPECT_EQ(grid[7], 0);
    }
    const double end = 0.5 * (s.t_min() + s.t_max());
    ASSERT_EQ(quadratic(s, 7, end).size(), 8u);
    EXPECT_EQ(quadratic(s, 7, end).back(), end);
  }
}

TEST(TimeGrid, EqualStepsOfWhatEachPromises) {
  const Vp vp;
  const auto equal = [](const Grid& grid, const auto& value) {
    const double step = value(grid[1]) - value(grid[0]);
    for (std::size_t i = 2; i < grid.size(); ++i)
      EXPECT_NEAR(value(grid[i]) - value(grid[i - 1]), step, 1e-9 * std::abs(step)) << i;
  };
  equal(linspace(vp, 9), [](double t) { return t; });
  equal(quadratic(vp, 9, 0.01), [](double t) { return std::sqrt(t); });
  equal(log_snr(vp, 9, 0.01), [&](double t) { return vp.at(t).half_log_snr(); });
  equal(karras(vp, 9, 7, 0.01), [&](double t) { return std::pow(vp.at(t).sigma / vp.at(t).alpha, 1 / 7.0); });
}

// Karras et al. 2022, eq. 5 on EDM is a grid of sigmas; rho = 1 is linear in sigma, and large rho tends to equal
// ratios.
TEST(TimeGrid, KarrasKnownCases) {
  const Edm edm(1, 81);
  const Grid linear = karras(edm, 5, 1);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(linear[i], 81 - 20.0 * static_cast<double>(i), 1e-12);
  const Grid steep = karras(edm, 5, 1e6), ratios = log_snr(edm, 5);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(ratios[i], std::pow(3, 4 - static_cast<double>(i)), 1e-12);
    EXPECT_NEAR(steep[i], ratios[i], 1e-4);  // (1/rho) log^2 / 2 = 1e-5 relative
  }
}

TEST(TimeGrid, PolyExponentialKnownCases) {
  const Edm edm(1, 81);
  EXPECT_EQ(poly_exponential(edm, 9, 1).size(), 10u);
  for (std::size_t i = 0; i < 9; ++i)
    EXPECT_NEAR(poly_exponential(edm, 9, 1)[i] / log_snr(edm, 9)[i], 1, 1e-13);  // rho = 1: equal ratios
  const Grid two = poly_exponential(edm, 5, 2);                                  // log sigma = (1 - i/4)^2 log 81
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_NEAR(two[i], std::pow(81, std::pow(1 - static_cast<double>(i) / 4, 2)), 1e-12);
}

// The arcsine law has sin^2 as quantile; Beta(1, 1) is uniform; shape is symmetric about the middle where a = b.
TEST(TimeGrid, BetaKnownCases) {
  const Vp vp;
  const Grid arcsine = grids::beta(vp, 6, 0.5, 0.5, 0.1), equal = grids::beta(vp, 6, 1, 1, 0.1);
  for (std::size_t i = 0; i <= 6; ++i) {
    const double u = 1 - static_cast<double>(i) / 6;
    EXPECT_NEAR(arcsine[i], 0.1 + 0.9 * std::pow(std::sin(std::numbers::pi * u / 2), 2), 1e-14) << i;
    EXPECT_NEAR(equal[i], 0.1 + 0.9 * u, 1e-14) << i;
  }
  const Grid even = grids::beta(vp, 8, 0.6, 0.6, 0.2);
  for (std::size_t i = 0; i <= 8; ++i) EXPECT_NEAR(even[i] + even[8 - i], 1.2, 1e-14);
  EXPECT_LT(even[0] - even[1], even[3] - even[4]);  // crowded at the ends
}

TEST(TimeGrid, WhatAScheduleCannotCarryIsRefusedWithAWayOut) {
  const DiscreteVp schedule = linear_schedule(40);
  EXPECT_NE(refusal([&] { trailing(schedule, 41); }).find("this schedule has 40 steps"), std::string::npos);
  EXPECT_NE(refusal([&] { linspace(schedule, 41); }).find("can have no more, got steps = 41"), std::string::npos);
  EXPECT_NE(refusal([&] { leading(schedule, 41); }).find("Leading can have no more"), std::string::npos);
  EXPECT_NE(refusal([&] { leading(schedule, 40, 1); }).find("beyond T = 40"), std::string::npos);
  EXPECT_NE(refusal([] { leading(Vp(), 5); }).find("use Linspace"), std::string::npos);
  EXPECT_NE(refusal([] { log_snr(RectifiedFlow(), 5); }).find("use Linspace, Trailing, Quadratic or Beta"),
            std::string::npos);
  EXPECT_NE(refusal([] { karras(RectifiedFlow(), 5); }).find("alpha is 0 at t_max"), std::string::npos);
  EXPECT_NE(refusal([] { karras(Vp(), 5, 0); }).find("rho must be > 0"), std::string::npos);
  EXPECT_NE(refusal([] { poly_exponential(Vp(), 5, -1); }).find("rho must be > 0"), std::string::npos);
  EXPECT_NE(refusal([] { grids::beta(Vp(), 5, 0); }).find("must lie in (0, 1000]"), std::string::npos);
  EXPECT_NE(refusal([] { grids::beta(Vp(), 40, 0.02, 0.02); }).find("must fall"), std::string::npos);  // ends coincide
  EXPECT_NE(refusal([] { linspace(Vp(), 0); }).find("steps must be >= 1"), std::string::npos);
  EXPECT_NE(refusal([] { linspace(Vp(), Index{1} << 40); }).find("at most 10 million"), std::string::npos);
  EXPECT_NE(refusal([] { linspace(Vp(), 5, 1); }).find("t_end must lie in 0..1"), std::string::npos);
  EXPECT_NE(refusal([] { linspace(Single(), 5); }).find("Langevin"), std::string::npos);
  EXPECT_NE(refusal([&] { leading(schedule, 4, 0, 3); }).find("must fall, but entry 4 is 3 after 1"),
            std::string::npos);
}

TEST(TimeGrid, GridsOfOnesOwnMustFallWithinTheSchedule) {
  const Vp vp;
  EXPECT_EQ(grids::require_falling(vp, {1, 0.3, 0}), (Grid{1, 0.3, 0}));
  EXPECT_NE(refusal([&] { grids::require_falling(vp, {1}); }).find("at least 2"), std::string::npos);
  EXPECT_NE(refusal([&] { grids::require_falling(vp, {2, 0}); }).find("must lie in 0..1"), std::string::npos);
  EXPECT_NE(refusal([&] { grids::require_falling(vp, {1, 0.5, 0.5, 0}); }).find("entry 2 is 0.5 after 0.5"),
            std::string::npos);
}

}  // namespace
}  // namespace scorefield
