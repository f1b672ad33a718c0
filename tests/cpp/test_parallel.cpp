#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

/// Sum over i < count of i, formed in parallel.
Index sum_of_indices(Index count) {
  std::vector<Index> seen(static_cast<std::size_t>(count), 0);
  parallel_for(count, [&](Index i, Index) { seen[static_cast<std::size_t>(i)] += i; });
  return std::accumulate(seen.begin(), seen.end(), Index{0});
}

TEST(Parallel, EveryIndexRunsOnceAndSlotsAreInRange) {
  std::vector<int> seen(1000, 0);
  const Index team = threads();
  parallel_for(1000, [&](Index i, Index slot) {
    EXPECT_LT(slot, team);
    seen[static_cast<std::size_t>(i)] += 1;
  });
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 1000);
}

TEST(Parallel, ASlotIsUsedByOneThreadAtATime) {
  std::vector<std::atomic<int>> busy(static_cast<std::size_t>(threads()));
  parallel_for(2000, [&](Index, Index slot) {
    EXPECT_EQ(busy[static_cast<std::size_t>(slot)].fetch_add(1), 0);
    busy[static_cast<std::size_t>(slot)].fetch_sub(1);
  });
}

TEST(Parallel, ManySmallLoopsOfChangingSizeAndTeam) {
  for (Index round = 0; round < 20000; ++round) {
    set_thread_cap(1 + round % 3);
    const Index count = round % 7;
    ASSERT_EQ(sum_of_indices(count), count * (count - 1) / 2);
  }
  set_thread_cap(0);
}

TEST(Parallel, AnExceptionLeavesTheLoopAndAnInterruptYieldsToIt) {
  const auto fail_at_three = [](Index i, Index) {
    if (i == 3) throw std::invalid_argument("three");
  };
  const auto stop_then_fail = [](Index i, Index) {
    if (i == 1) throw std::invalid_argument("one");
    throw Interrupt::Stopped();
  };
  EXPECT_THROW(parallel_for(64, fail_at_three), std::invalid_argument);
  EXPECT_THROW(parallel_for(64, [](Index, Index) { throw Interrupt::Stopped(); }), Interrupt::Stopped);
  EXPECT_ANY_THROW(parallel_for(2, stop_then_fail));
  EXPECT_EQ(sum_of_indices(100), 4950);  // and the next loop runs
}

TEST(Parallel, NestedLoopsRunSerially) {
  parallel_for(4, [](Index, Index) {
    EXPECT_EQ(threads(), 1);
    parallel_for(3, [](Index, Index slot) { EXPECT_EQ(slot, 0); });
  });
}

TEST(Parallel, CallersAtTheSameTimeAllGetTheirResult) {
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int c = 0; c < 8; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) right += sum_of_indices(50) == 1225;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, 8 * 500);
}

TEST(Parallel, AChildOfForkHasWorkersOfItsOwn) {
  ASSERT_EQ(sum_of_indices(1000), 499500);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);  // a loop that hangs ends the child with a signal
    _exit(sum_of_indices(1000) == 499500 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace scorefield
