#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "scorefield/base/parallel.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/metrics/energy_distance.hpp"
#include "scorefield/metrics/frechet.hpp"
#include "scorefield/metrics/mmd.hpp"
#include "scorefield/metrics/nearest.hpp"
#include "scorefield/metrics/pairs.hpp"
#include "scorefield/metrics/sliced_wasserstein.hpp"

namespace scorefield::metrics {
namespace {

Matrix<float> normal(Index n, Index dims, std::uint64_t seed) {
  Matrix<double> z(n, dims);
  Noise(seed, Stream::prior).normal(z);
  return z.cast<float>();
}

Matrix<float> points(std::initializer_list<float> values) {
  Matrix<float> x(static_cast<Index>(values.size()), 1);
  std::copy(values.begin(), values.end(), x.data());
  return x;
}

TEST(Pairs, EveryPairOnceWithItsDistance) {
  const Matrix<float> a = normal(131, 5, 0), b = normal(37, 5, 1);
  Matrix<double> seen = Matrix<double>::Zero(131, 37);
  for (Index block = 0; block < blocks(a.rows()); ++block) {
    visit_pairs(a, b, block, [&](Index i, Index first, const Tile& d2, Index count) {
      for (Index k = 0; k < count; ++k) seen(i, first + k) += d2[static_cast<std::size_t>(k)];
    });
  }
  for (Index i = 0; i < 131; ++i) {
    for (Index j = 0; j < 37; ++j) {
      EXPECT_NEAR(seen(i, j), (a.row(i).cast<double>() - b.row(j).cast<double>()).squaredNorm(), 1e-12);
    }
  }
}

TEST(EnergyDistance, TwoPointsAtDistanceR) {  // D^2 = 2 r
  EXPECT_NEAR(energy_distance(points({1}), points({4})), std::sqrt(6.0), 1e-15);
}

TEST(EnergyDistance, ByHandOnThreePoints) {  // A = {0, 2}, B = {3}: E|A-B| = 2, E|A-A'| = 1, E|B-B'| = 0
  EXPECT_NEAR(energy_distance(points({0, 2}), points({3})), std::sqrt(3.0), 1e-15);
}

TEST(EnergyDistance, EqualSamplesAreAtZeroExactly) {
  const Matrix<float> a = normal(300, 7, 2);
  EXPECT_EQ(energy_distance(a, a), 0.0);
}

// N(0, 1) and N(m, 1): A - B ~ N(m, 2), E|A - B| = 2/sqrt(pi) exp(-m^2/4) + m erf(m/2); E|A - A'| = 2/sqrt(pi).
TEST(EnergyDistance, TwoNormals) {
  const double m = 1.5, root = 2 / std::sqrt(std::numbers::pi);
  Matrix<float> b = normal(3000, 1, 4);
  b.array() += static_cast<float>(m);
  const double truth = 2 * (root * std::exp(-m * m / 4) + m * std::erf(m / 2)) - 2 * root;
  // D^2 has bias 2 root / n and, near this distance, a standard error of about 2 sqrt(2 / n).
  EXPECT_NEAR(std::pow(energy_distance(normal(3000, 1, 3), b), 2), truth, 5 * 2 * std::sqrt(2 / 3000.0));
}

TEST(Mmd, TwoPointsAreTheKernel) {  // MMD^2 = 2 - 2 k(r)
  double k = 0;
  for (const double width : {0.25, 0.5, 1.0, 2.0, 4.0}) k += std::exp(-9 / (2 * width * width)) / 5;
  EXPECT_NEAR(mmd(points({1}), points({4}), 1.0), std::sqrt(2 - 2 * k), 1e-14);
}

TEST(Mmd, BandwidthIsHalfTheMeanSquaredDistance) {
  EXPECT_NEAR(pooled_bandwidth(points({0}), points({2})), 1.0, 1e-15);
  const Matrix<float> a = normal(40, 3, 5), b = normal(60, 3, 6);
  double sum = 0;
  for (const auto* x : {&a, &b}) {
    for (const auto* y : {&a, &b}) {
      sum += sum_pairs(*x, *y, [](const Tile& d2, Index n) { return std::accumulate(d2.begin(), d2.begin() + n, 0.0); },
                       {});
    }
  }
  EXPECT_NEAR(std::pow(pooled_bandwidth(a, b), 2), sum / 1e4 / 2, 1e-12);
}

TEST(Mmd, EqualSamplesAreAtZeroExactly) {
  const Matrix<float> a = normal(300, 7, 2), constant = Matrix<float>::Constant(5, 2, 3.0f);
  EXPECT_EQ(mmd(a, a), 0.0);
  EXPECT_EQ(mmd(constant, constant), 0.0);
}

TEST(Wasserstein, UnequalSizesByQuantiles) {
  EXPECT_DOUBLE_EQ(wasserstein_line({0, 1}, {2, 3}), 4.0);
  EXPECT_DOUBLE_EQ(wasserstein_line({0}, {-1, 1}), 1.0);
  EXPECT_NEAR(wasserstein_line({0, 3}, {0, 1, 2}), (0 + (1.0 / 6) * 1 + (1.0 / 6) * 4 + (1.0 / 3) * 1), 1e-15);
}

TEST(Wasserstein, RepeatingEveryPointChangesNothing) {
  const std::vector<double> a{0.1, 0.5, 2}, b{-1, 0, 0.2, 0.3, 4};
  const std::vector<double> twice{0.1, 0.1, 0.5, 0.5, 2, 2};
  EXPECT_NEAR(wasserstein_line(a, b), wasserstein_line(twice, b), 1e-15);
}

TEST(SlicedWasserstein, OnTheLineItIsTheDistance) {
  EXPECT_NEAR(sliced_wasserstein(points({0, 1}), points({3, 2}), 7, 0), 2.0, 1e-15);
}

// A shift s moves each projection by <s, u>: SW^2 = mean <s, u>^2 = |s|^2 / D over random directions.
TEST(SlicedWasserstein, Shift) {
  const Matrix<float> a = normal(200, 4, 7);
  Matrix<float> b = a;
  b.col(2).array() += 2.0f;
  const double se = 4 * std::sqrt((3.0 / (4 * 6) - 1.0 / 16) / 20000);  // var u^2 = 3 / (D (D + 2)) - 1 / D^2
  EXPECT_NEAR(std::pow(sliced_wasserstein(a, b, 20000, 1), 2), 1.0, 5 * se);
}

TEST(Nearest, AgreesWithSearchingAllAndBreaksTiesByIndex) {
  const Matrix<float> x = normal(70, 3, 8), to = normal(50, 3, 9);
  const Neighbours found = nearest(x, to, 4);
  for (Index i = 0; i < x.rows(); ++i) {
    std::vector<std::pair<double, Index>> all;
    for (Index j = 0; j < to.rows(); ++j)
      all.emplace_back((x.row(i).cast<double>() - to.row(j).cast<double>()).norm(), j);
    std::sort(all.begin(), all.end());
    for (Index k = 0; k < 4; ++k) {
      EXPECT_EQ(found.index(i, k), all[static_cast<std::size_t>(k)].second);
      EXPECT_NEAR(found.distance(i, k), all[static_cast<std::size_t>(k)].first, 1e-12);
    }
  }
  const Neighbours tie = nearest(points({0}), points({1, -1, 1}), 3);
  EXPECT_EQ(tie.index, (Matrix<Index>(1, 3) << 0, 1, 2).finished());
}

TEST(Nearest, ARowIsNotItsOwnNeighbourInOneSample) {
  const Neighbours found = nearest(points({0, 1, 5}), points({0, 1, 5}), 1, true);
  EXPECT_EQ(found.index, (Matrix<Index>(3, 1) << 1, 0, 1).finished());
  EXPECT_EQ(nearest(points({0, 1, 5}), points({0, 1, 5})).distance.maxCoeff(), 0.0);
}

TEST(Precision, CountsWhatLiesInTheManifold) {  // radii of {0, 1, 3} with k = 1: 1, 1, 2
  EXPECT_DOUBLE_EQ(precision(points({-1, -1.5f, 2, 5, 5.5f}), points({0, 1, 3}), 1), 0.6);
}

TEST(Frechet, NormalsOnTheLine) {                               // d^2 = (m - m')^2 + (s - s')^2
  const Matrix<float> a = points({-1, 1}), b = points({1, 7});  // means 0 and 4, variances 2 and 18
  EXPECT_NEAR(frechet(a, b), 16 + std::pow(std::sqrt(18.0) - std::sqrt(2.0), 2), 1e-12);
}

TEST(Frechet, ShiftAndScaleInManyDimensions) {     // commuting covariances: d^2 = |shift|^2 + (c - 1)^2 tr C
  for (const Index n : {Index{20}, Index{300}}) {  // fewer and more rows than columns
    const Matrix<float> a = normal(n, 40, 10);
    Matrix<float> b = 2 * a;
    b.rowwise() += RowVector<float>::Constant(40, 0.5f);
    const Matrix<double> centred = a.cast<double>().rowwise() - a.cast<double>().colwise().mean();
    const double trace = centred.squaredNorm() / static_cast<double>(n - 1);
    const double shift = (a.cast<double>().colwise().mean().array() + 0.5).matrix().squaredNorm();
    EXPECT_NEAR(frechet(a, b), shift + trace, 1e-4);  // b is rounded to float
    EXPECT_NEAR(frechet(a, a), 0.0, 1e-12 * trace);
  }
}

TEST(Metrics, SameBytesForAnyNumberOfThreads) {
  const Matrix<float> a = normal(500, 6, 11), b = normal(333, 6, 12);
  const auto all = [&] {
    return std::vector<double>{
        energy_distance(a, b),           mmd(a, b),      sliced_wasserstein(a, b, 100, 3), frechet(a, b),
        nearest(a, b, 3).distance.sum(), precision(a, b)};
  };
  set_thread_cap(1);
  const auto serial = all();
  set_thread_cap(0);
  EXPECT_EQ(serial, all());
}

TEST(Metrics, SayWhatIsWrong) {
  EXPECT_THROW(energy_distance(normal(3, 2, 0), normal(3, 4, 0)), std::invalid_argument);
  EXPECT_THROW(mmd(Matrix<float>(0, 2), normal(3, 2, 0)), std::invalid_argument);
  EXPECT_THROW(sliced_wasserstein(normal(3, 2, 0), normal(3, 2, 0), 0, 0), std::invalid_argument);
  EXPECT_THROW(frechet(normal(1, 2, 0), normal(3, 2, 0)), std::invalid_argument);
  EXPECT_THROW(nearest(normal(3, 2, 0), normal(3, 2, 0), 3, true), std::invalid_argument);
}

TEST(Metrics, StopWhenThePollThrows) {
  struct Stop {};
  const Matrix<float> a = normal(2000, 2, 13);
  EXPECT_THROW(energy_distance(a, a, [] { throw Stop(); }), Stop);
  EXPECT_THROW(sliced_wasserstein(a, a, 64, 0, [] { throw Stop(); }), Stop);
}

}  // namespace
}  // namespace scorefield::metrics
