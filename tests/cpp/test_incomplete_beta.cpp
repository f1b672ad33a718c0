#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "schedules_for_tests.hpp"
#include "scorefield/base/incomplete_beta.hpp"

namespace scorefield {
namespace {

const std::vector<double> between{1e-5, 1e-3, 0.1, 0.25, 0.5, 0.7, 0.9, 0.999};

// Closed forms. Tolerance: 100 roundings, of the exponent a log x and of as many terms of the continued fraction.
TEST(IncompleteBeta, ClosedForms) {
  for (const double x : between) {
    for (const double a : {0.05, 0.6, 1.0, 3.0, 40.0})
      EXPECT_NEAR(incomplete_beta(a, 1, x) / std::pow(x, a), 1, 1e-13) << a << " " << x;  // x^a
    for (const double b : {0.3, 5.0, 30.0})
      EXPECT_NEAR(incomplete_beta(1, b, x) / -std::expm1(b * std::log1p(-x)), 1, 1e-13) << b << " " << x;
    EXPECT_NEAR(incomplete_beta(0.5, 0.5, x) / (2 / std::numbers::pi * std::asin(std::sqrt(x))), 1, 1e-13) << x;
    EXPECT_NEAR(incomplete_beta(2, 2, x) / (x * x * (3 - 2 * x)), 1, 1e-13) << x;
  }
}

// P(at least a of n fair draws with chance x) = I_x(a, n - a + 1): a sum of whole binomial terms.
TEST(IncompleteBeta, IsTheTailOfABinomial) {
  const int n = 12;
  for (const double x : {0.05, 0.3, 0.6}) {
    double tail = 0;
    for (int k = n; k >= 1; --k) {
      tail += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0)) * std::pow(x, k) *
              std::pow(1 - x, n - k);
      EXPECT_NEAR(incomplete_beta(k, n - k + 1, x) / tail, 1, 1e-12) << k << " " << x;
    }
  }
}

TEST(IncompleteBeta, BothTailsSumToOne) {
  for (const double a : {0.1, 0.6, 7.0, 300.0})
    for (const double b : {0.2, 0.6, 11.0, 900.0})
      for (const double x : {0.03125, 0.25, 0.5, 0.75, 0.96875})  // 1 - x has no rounding
        EXPECT_NEAR(incomplete_beta(a, b, x) + incomplete_beta(b, a, 1 - x), 1, 1e-12) << a << " " << b << " " << x;
}

// The density is the slope: central differences, h^2 = 1e-10.
TEST(IncompleteBeta, ItsSlopeIsTheDensity) {
  for (const double a : {0.6, 2.5, 8.0})
    for (const double b : {0.6, 1.5, 20.0})
      for (const double x : {0.1, 0.4, 0.8}) {
        const double h = 1e-5, slope = (incomplete_beta(a, b, x + h) - incomplete_beta(a, b, x - h)) / (2 * h);
        const double density = std::exp((a - 1) * std::log(x) + (b - 1) * std::log1p(-x) - std::lgamma(a) -
                                        std::lgamma(b) + std::lgamma(a + b));
        EXPECT_NEAR(slope, density, 1e-6 * (1 + density)) << a << " " << b << " " << x;
      }
}

// The inverse undoes it: p to the precision of p, whatever the shape, on a range of quantiles down to 1e-200.
TEST(IncompleteBeta, TheInverseUndoesIt) {
  for (const double a : {0.05, 0.6, 1.0, 4.0, 90.0, 1000.0})
    for (const double b : {0.05, 0.6, 1.0, 4.0, 90.0, 1000.0})
      for (const double p : {1e-10, 1e-3, 0.2, 0.5}) {
        const double x = incomplete_beta_inverse(a, b, p);
        ASSERT_TRUE(0 < x && x <= 1);
        const double back = x < 0.999 ? incomplete_beta(a, b, x) : p;  // nearer to 1 a rounding of x is worth more
        EXPECT_NEAR(back / p, 1, 1e-11) << a << " " << b << " " << p;
        const double digits = p < 1e-9 ? 1e-6 : 1e-12;  // 1 - 1e-10 keeps six digits of p
        EXPECT_NEAR(incomplete_beta_inverse(b, a, 1 - p), 1 - x, digits) << a << " " << b;
      }
  EXPECT_EQ(incomplete_beta_inverse(3, 4, 0), 0);
  EXPECT_EQ(incomplete_beta_inverse(3, 4, 1), 1);
  EXPECT_NEAR(incomplete_beta_inverse(0.5, 0.5, 0.25), std::pow(std::sin(std::numbers::pi / 8), 2), 1e-15);
}

TEST(IncompleteBeta, RefusesWhatIsNoProbability) {
  EXPECT_NE(refusal([] { incomplete_beta(0, 1, 0.5); }).find("must lie in (0, 1000], got 0 and 1"), std::string::npos);
  EXPECT_NE(refusal([] { incomplete_beta(1, 1e4, 0.5); }).find("got 1 and 10000"), std::string::npos);
  EXPECT_NE(refusal([] { incomplete_beta(1, 1, 1.5); }).find("x must lie in [0, 1], got 1.5"), std::string::npos);
  EXPECT_NE(refusal([] { incomplete_beta_inverse(1, 1, -0.5); }).find("p must lie in [0, 1], got -0.5"),
            std::string::npos);
}

}  // namespace
}  // namespace scorefield
