#include <gtest/gtest.h>

#include <cmath>

#include "scorefield/metrics/diameter.hpp"
#include "scorefield/schedule/ladder.hpp"

namespace scorefield {
namespace {

double phi(double x) { return (1 + std::erf(x / std::sqrt(2.0))) / 2; }

TEST(Ladder, NeighbouringLevelsOverlapByOneHalf) {
  for (const Index D : {64, 784, 3072, 196608}) {
    const double g = ladder::ratio(D), root = std::sqrt(2.0 * static_cast<double>(D));
    if (D > 200) {
      EXPECT_NEAR(phi(root * (g - 1) + 3 * g) - phi(root * (g - 1) - 3 * g), 0.5, 1e-9);
      EXPECT_NEAR(g, root / (root - 3), 1e-6);  // where the first term is 1
    }
    EXPECT_LE(g, 1.5);
  }
  EXPECT_EQ(ladder::ratio(2), 1.5);
}

// Song & Ermon 2020, CIFAR-10: from 50 to 0.01 in 232 levels with 5 steps each: epsilon 6.2e-6 = step_size
// 0.01^2 / 2, printed to two digits.
TEST(Ladder, TheStepSizeIsThePublishedOne) {
  EXPECT_NEAR(ladder::step_size(std::pow(5000, 1.0 / 231), 5), 2 * 6.2e-6 / 1e-4, 0.001);
}

TEST(Ladder, TheStepSizeLeavesTheVarianceNearest) {
  for (const double g : {1.01, 1.1, 1.5}) {
    for (const Index inner : {1, 10, 100}) {
      const auto after = [&](double e) {
        double v = g * g;
        for (Index i = 0; i < inner; ++i) v = (1 - e / 2) * (1 - e / 2) * v + e;
        return v;
      };
      const double e = ladder::step_size(g, inner);
      EXPECT_GT(e, 0);
      EXPECT_LT(e, 2);
      EXPECT_LE(after(e), after(0.98 * e));
      EXPECT_LE(after(e), after(std::min(1.999, 1.02 * e)));
      EXPECT_LT(after(e), g * g);
    }
  }
}

TEST(Ladder, LevelsReachFromEndToEnd) {
  EXPECT_EQ(ladder::levels(0.01, 50, std::pow(5000, 1.0 / 231)), 232);
  EXPECT_EQ(ladder::levels(1, 1.001, 1.5), 2);
  EXPECT_THROW(ladder::levels(0, 1, 1.5), std::invalid_argument);
  EXPECT_THROW(ladder::levels(2, 1, 1.5), std::invalid_argument);
  EXPECT_THROW(ladder::step_size(1.1, 0), std::invalid_argument);
}

TEST(Diameter, IsTheLargestDistance) {
  Matrix<float> x = Matrix<float>::Constant(300, 3, 1);
  x.row(7) << 4, 5, 1;  // 5 from (1, 1, 1)
  x.row(299) << 1, -6, 1;
  EXPECT_NEAR(metrics::diameter(x, 5000), std::hypot(3.0, 11.0), 1e-12);
  EXPECT_EQ(metrics::diameter(x, 2), 7);  // the first and the last row only
  EXPECT_THROW(metrics::diameter(x.topRows(1), 10), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
