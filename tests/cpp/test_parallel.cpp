#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

TEST(Parallel, EveryIndexRunsOnceAndSlotsAreInRange) {
  std::vector<int> seen(1000, 0);
  parallel_for(1000, [&](Index i, Index slot) {
    EXPECT_LT(slot, threads() + 1024);
    seen[static_cast<std::size_t>(i)] += 1;
  });
  EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), 1000);
}

TEST(Parallel, AnExceptionLeavesTheRegionAndAnInterruptYieldsToIt) {
  EXPECT_THROW(parallel_for(64, [](Index i, Index) { if (i == 3) throw std::invalid_argument("three"); }), std::invalid_argument);
  EXPECT_THROW(parallel_for(64, [](Index, Index) { throw Interrupt::Stopped(); }), Interrupt::Stopped);
}

TEST(Parallel, NestedCallsRunSerially) {
  parallel_for(4, [](Index, Index) { EXPECT_EQ(threads(), 1); });
}

}  // namespace
}  // namespace scorefield
