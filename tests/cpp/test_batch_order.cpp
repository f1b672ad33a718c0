#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "scorefield/train/batch_order.hpp"

namespace scorefield {
namespace {

std::vector<Index> draws(BatchOrder& order, std::uint64_t first, std::uint64_t count, std::size_t size) {
  std::vector<Index> all, rows(size);
  for (std::uint64_t step = first; step < first + count; ++step) {
    order.draw(step, rows);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST(BatchOrder, EveryEpochSeesEveryRowOnceEvenIfBatchesStraddleEpochs) {
  BatchOrder order(1, 7);
  const std::vector<Index> all = draws(order, 0, 14, 3);  // six epochs
  std::vector<std::vector<Index>> epochs;
  for (auto begin = all.begin(); begin != all.end(); begin += 7) epochs.emplace_back(begin, begin + 7);
  std::vector<Index> every(7);
  std::iota(every.begin(), every.end(), 0);
  for (auto epoch : epochs) {
    std::ranges::sort(epoch);
    EXPECT_EQ(epoch, every);
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(BatchOrder, IsAFunctionOfTheStep) {
  BatchOrder once(3, 50), again(3, 50), other(4, 50);
  const std::vector<Index> all = draws(once, 0, 20, 16);
  const std::vector<Index> late = draws(again, 15, 5, 16);
  EXPECT_TRUE(std::equal(late.begin(), late.end(), all.end() - 80));
  EXPECT_EQ(draws(again, 2, 1, 16), std::vector<Index>(all.begin() + 32, all.begin() + 48));  // and back
  EXPECT_NE(draws(other, 0, 20, 16), all);
}

/// First places of many permutations are uniform: chi-square with 9 degrees of freedom exceeds 45.1 once in a million
/// seeds.
TEST(BatchOrder, PermutationsAreUniform) {
  std::vector<double> count(10);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    BatchOrder order(seed, 10);
    count[static_cast<std::size_t>(draws(order, 0, 1, 1)[0])] += 1;
  }
  double chi = 0;
  for (double c : count) chi += (c - 400) * (c - 400) / 400;
  EXPECT_LT(chi, 45.1);
}

/// Chi-square with 3 degrees of freedom exceeds 30.7 once in a million seeds.
TEST(BatchOrder, WeightedDrawsFollowTheWeights) {
  const std::vector<double> weights{1, 0, 2, 5, 0.5, 0};
  BatchOrder order(7, weights);
  std::vector<double> count(6);
  for (Index i : draws(order, 0, 400, 50)) count[static_cast<std::size_t>(i)] += 1;
  EXPECT_EQ(count[1] + count[5], 0);
  double chi = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const double expected = 20000 * weights[i] / 8.5;
    if (expected > 0) chi += (count[i] - expected) * (count[i] - expected) / expected;
  }
  EXPECT_LT(chi, 30.7);
}

TEST(BatchOrder, RefusesWeightsThatAreNone) {
  EXPECT_THROW(BatchOrder(0, Index{0}), std::invalid_argument);
  EXPECT_THROW(BatchOrder(0, std::vector<double>{0, 0}), std::invalid_argument);
  EXPECT_THROW(BatchOrder(0, std::vector<double>{1, -1}), std::invalid_argument);
  EXPECT_THROW(BatchOrder(0, std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()}), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
