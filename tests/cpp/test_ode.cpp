#include "scorefield/base/ode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "schedules_for_tests.hpp"
#include "scorefield/base/rng.hpp"

namespace scorefield {
namespace {

/// y'' = -w^2 y as (y, y'/w): circles.  Row i has the frequency 1 + row / 10.
const OdeField oscillator = [](std::span<const Index> rows, std::span<const double>, In<double> y, Out<double> dy) {
  for (Index i = 0; i < y.rows(); ++i) {
    const double w = 1 + 0.1 * static_cast<double>(rows[static_cast<std::size_t>(i)]);
    dy(i, 0) = w * y(i, 1);
    dy(i, 1) = -w * y(i, 0);
  }
};

/// y' = -2 t y, which is exp(-t^2): f depends on t.
const OdeField bell = [](std::span<const Index>, std::span<const double> t, In<double> y, Out<double> dy) {
  for (Index i = 0; i < y.rows(); ++i) dy.row(i) = -2 * t[static_cast<std::size_t>(i)] * y.row(i);
};

Matrix<double> starts(Index rows) {
  Matrix<double> y(rows, 2);
  Noise(4, Stream::probe).normal(y);
  return y;
}

Matrix<double> solved(const OdeField& f, double from, double to, const OdeTolerance& tolerance, Matrix<double> y) {
  const std::vector<double> begin(static_cast<std::size_t>(y.rows()), from);
  integrate(f, begin, to, tolerance, y);
  return y;
}

double fixed_step_error(int steps) {
  const Index rows[] = {0};
  Matrix<double> y(1, 2), k1(1, 2);
  y << 1, 0;
  DormandPrince method(1, 2);
  const double h[] = {2.0 / steps};
  for (int n = 0; n < steps; ++n) {
    const double t[] = {n * h[0]};
    oscillator(rows, t, y, k1);
    method.step(oscillator, rows, t, h, y, k1);
    y = method.next();
  }
  return std::hypot(y(0, 0) - std::cos(2), y(0, 1) + std::sin(2));
}

TEST(Ode, TheStepHasOrderFive) {
  EXPECT_NEAR(std::log2(fixed_step_error(20) / fixed_step_error(40)), 5, 0.1);
  EXPECT_NEAR(std::log2(fixed_step_error(40) / fixed_step_error(80)), 5, 0.1);
}

// The error estimate is that of the method of order 4: h^5 in one step. And it is 0 for a quartic, y' = t^3, which both
// of the pair integrate exactly.
TEST(Ode, TheEstimateHasOrderFiveInTheStepAndVanishesForAQuartic) {
  const Index rows[] = {0};
  Matrix<double> y(1, 2), k1(1, 2);
  y << 1, 0;
  const auto estimate = [&](const OdeField& f, double step) {
    DormandPrince method(1, 2);
    const double t[] = {0.5}, h[] = {step};
    f(rows, t, y, k1);
    method.step(f, rows, t, h, y, k1);
    return method.error(0, step, y, k1, {1e-13, 1});
  };
  EXPECT_NEAR(std::log2(estimate(oscillator, 0.2) / estimate(oscillator, 0.1)), 5, 0.15);
  const OdeField cubic = [](std::span<const Index>, std::span<const double> t, In<double>, Out<double> dy) {
    dy.setConstant(t[0] * t[0] * t[0]);
  };
  EXPECT_LT(estimate(cubic, 1), 1e-15);
}

TEST(Ode, TheLastStageIsTheFirstOfTheNextStep) {
  const Index rows[] = {0};
  Matrix<double> y = starts(1), k1(1, 2), next(1, 2);
  DormandPrince method(1, 2);
  const double t[] = {0.3}, h[] = {0.2}, later[] = {0.5};
  bell(rows, t, y, k1);
  method.step(bell, rows, t, h, y, k1);
  bell(rows, later, method.next(), next);
  EXPECT_EQ(next, method.last());
}

// Over 2 pi of time the errors of some 20 steps add up: at most 20 tolerances; and a tolerance of a tenth has about a
// tenth of the error (the error per step is held at the tolerance: slope 1, measured over three decades).
TEST(Ode, TheErrorFollowsTheTolerance) {
  const Matrix<double> y = starts(30);
  const auto error = [&](double tolerance) {
    const Matrix<double> end = solved(oscillator, 0, 2 * std::numbers::pi, {tolerance, tolerance}, y);
    Matrix<double> exact = y;
    for (Index i = 0; i < 30; ++i) {
      const double angle = 2 * std::numbers::pi * (1 + 0.1 * static_cast<double>(i));
      exact(i, 0) = std::cos(angle) * y(i, 0) + std::sin(angle) * y(i, 1);
      exact(i, 1) = std::cos(angle) * y(i, 1) - std::sin(angle) * y(i, 0);
    }
    return (end - exact).cwiseAbs().maxCoeff();
  };
  for (const double tolerance : {1e-4, 1e-6, 1e-8}) EXPECT_LT(error(tolerance), 100 * tolerance);
  EXPECT_NEAR(std::log10(error(1e-5) / error(1e-8)), 3, 0.5);
}

TEST(Ode, ClosedFormsInBothDirections) {
  const Matrix<double> y = starts(20), up = solved(bell, 0, 1.5, {1e-9, 1e-9}, y);
  EXPECT_LT((up - std::exp(-2.25) * y).cwiseAbs().maxCoeff(), 1e-8);
  const Matrix<double> down = solved(bell, 1.5, 0, {1e-11, 1e-11}, up);  // errors grow by e^2.25 on this way
  EXPECT_LT((down - std::exp(2.25) * up).cwiseAbs().maxCoeff(), 1e-8);
}

// An integral along the way, which f does not read: the same bytes, and the second stage of each step does without it.
TEST(Ode, IntegralsAreAskedForWhereTheyCount) {
  Index whole = 0, narrow = 0;
  const OdeField field = [&](std::span<const Index>, std::span<const double> t, In<double> y, Out<double> dy) {
    (dy.cols() == 2 ? whole : narrow) += y.rows();
    for (Index i = 0; i < y.rows(); ++i) {
      const double s = t[static_cast<std::size_t>(i)];
      dy(i, 0) = -2 * s * y(i, 0);
      if (dy.cols() == 2) dy(i, 1) = y(i, 0) * std::cos(5 * s);
    }
  };
  Matrix<double> a = starts(5), b = a;
  const std::vector<double> from(5, 0);
  integrate(field, from, 1.5, {1e-8, 1e-8}, a);
  const Index all = whole;
  const OdeWork work = integrate(field, from, 1.5, {1e-8, 1e-8}, b, nullptr, 1);
  EXPECT_EQ(a, b);
  EXPECT_EQ(narrow, work.accepted + work.rejected);
  EXPECT_EQ(whole - all + narrow, all);
}

TEST(Ode, RowsStartWhereTheyStandAndThoseAtTheEndStay) {
  Matrix<double> y = starts(3);
  const Matrix<double> before = y;
  const std::vector<double> from{0.5, 1, 0};
  integrate(bell, from, 1, {1e-10, 1e-10}, y);
  EXPECT_LT((y.row(0) - std::exp(-0.75) * before.row(0)).cwiseAbs().maxCoeff(), 1e-8);
  EXPECT_EQ(y.row(1), before.row(1));
  EXPECT_LT((y.row(2) - std::exp(-1) * before.row(2)).cwiseAbs().maxCoeff(), 1e-8);
}

// Row i of a batch of 300 = row i alone, bit for bit, for rows whose work differs a hundredfold.
TEST(Ode, ARowKnowsNothingOfTheBatch) {
  const OdeField stiff = [](std::span<const Index>, std::span<const double> t, In<double> y, Out<double> dy) {
    for (Index i = 0; i < y.rows(); ++i) {
      const double s = t[static_cast<std::size_t>(i)];
      for (Index j = 0; j < 3; ++j) dy(i, j) = std::cos(y(i, 0) * y(i, 0) * s * 20) - y(i, j);
    }
  };
  Matrix<double> y(300, 3);
  Noise(1, Stream::probe).normal(y);
  const Matrix<double> before = y;
  const std::vector<double> from(300, 0);
  const OdeWork work = integrate(stiff, from, 2, {}, y);
  EXPECT_GT(work.rejected, 0);
  for (const Index i : {0, 1, 7, 150, 299}) {
    Matrix<double> alone = before.row(i);
    integrate(stiff, std::span(from).first(1), 2, {}, alone);
    EXPECT_EQ(alone, y.row(i));
  }
}

TEST(Ode, AsksForActiveRowsOnlyAndCounts) {
  Index asked = 0, most = 0;
  const OdeField counting = [&](std::span<const Index> rows, std::span<const double> t, In<double> y, Out<double> dy) {
    EXPECT_TRUE(std::ranges::is_sorted(rows));
    EXPECT_EQ(y.rows(), static_cast<Index>(rows.size()));
    asked += y.rows();
    most = std::max(most, y.rows());
    bell(rows, t, y, dy);
  };
  Matrix<double> y = starts(50);
  std::vector<double> from;
  for (int i = 0; i < 50; ++i) from.push_back(0.02 * i);
  const OdeWork work = integrate(counting, from, 1, {}, y);
  EXPECT_EQ(work.evaluations, asked);
  EXPECT_EQ(asked, 2 * 50 + 6 * (work.accepted + work.rejected));
  EXPECT_EQ(most, 50);
}

TEST(Ode, SaysWhereItCannotGoOn) {
  const auto failure = [](const OdeField& f) {
    Matrix<double> y = Matrix<double>::Ones(2, 1);
    const std::vector<double> from{1.0, 0.0};
    try {
      integrate(f, from, 1, {}, y);
    } catch (const OdeFailure& e) {
      return std::pair(std::string(e.what()), e.time);
    }
    return std::pair(std::string("none"), 0.0);
  };
  const auto field = [](auto slope) {
    return [slope](std::span<const Index>, std::span<const double> t, In<double> y, Out<double> dy) {
      for (Index i = 0; i < y.rows(); ++i) dy(i, 0) = slope(t[static_cast<std::size_t>(i)], y(i, 0));
    };
  };
  const auto from_start = failure(field([](double, double) { return std::nan(""); }));
  EXPECT_EQ(from_start.first, "the derivative is not finite at time 0 in row 1");
  const auto later = failure(field([](double t, double) { return t > 0.5 ? std::nan("") : 1.0; }));
  EXPECT_NE(later.first.find("not finite at time 0.5 in row 1"), std::string::npos) << later.first;
  const auto explodes = failure(field([](double, double y) { return 4 * y * y; }));  // 1 / (1 - 4 t): ends at t = 1/4
  EXPECT_NE(explodes.first, "none");
  EXPECT_NEAR(explodes.second, 0.25, 1e-3);
}

TEST(Ode, RefusesWhatMakesNoSense) {
  Matrix<double> y = starts(2);
  const std::vector<double> one{0}, two{0, 0};
  EXPECT_EQ(refusal([&] { integrate(bell, one, 1, {}, y); }), "need a time for each of the 2 rows, got 1");
  EXPECT_EQ(refusal([&] { integrate(bell, two, 1, {1e-14, 1e-5}, y); }), "rtol must be in [1e-13, 1), got 1e-14");
  EXPECT_EQ(refusal([&] { integrate(bell, two, 1, {1e-5, 0}, y); }), "atol must be in (0, 1), got 0");
}

TEST(Ode, AnInterruptEndsIt) {
  struct Stop {};
  const Interrupt interrupt([] { throw Stop(); });
  Matrix<double> y = starts(2);
  const std::vector<double> from{0, 0};
  EXPECT_THROW(integrate(bell, from, 1, {}, y, &interrupt), Stop);
}

}  // namespace
}  // namespace scorefield
