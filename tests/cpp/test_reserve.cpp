#include <gtest/gtest.h>

#ifdef __linux__

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/fast/reserve.hpp"

namespace scorefield::fast {
namespace {

constexpr std::size_t MB = std::size_t{1} << 20;

bool zero(const Pages& p, std::size_t bytes) {
  const char* begin = static_cast<const char*>(p.begin);
  return std::all_of(begin, begin + bytes, [](char c) { return c == 0; });
}

TEST(Reserve, PagesComeBackZero) {
  release_pages();
  const Pages first = take_pages(9 * MB);
  ASSERT_NE(first.begin, nullptr);
  EXPECT_GE(first.bytes, 9 * MB);
  EXPECT_TRUE(zero(first, 9 * MB));
  std::memset(first.begin, 7, first.bytes);
  give_pages(first);
  EXPECT_EQ(kept_pages(), first.bytes);
  const Pages second = take_pages(8 * MB);
  EXPECT_EQ(second.begin, first.begin);
  EXPECT_TRUE(zero(second, 8 * MB));
  EXPECT_EQ(kept_pages(), 0U);
  give_pages(second);
  release_pages();
  EXPECT_EQ(kept_pages(), 0U);
}

TEST(Reserve, TakesTheSmallestThatSufficeAndNeverMoreThanTwiceAsMany) {
  release_pages();
  const Pages large = take_pages(40 * MB), middle = take_pages(20 * MB), small = take_pages(8 * MB);
  for (const Pages& p : {large, middle, small}) give_pages(p);
  const Pages a = take_pages(16 * MB), b = take_pages(4 * MB), c = take_pages(8 * MB);
  EXPECT_EQ(a.begin, middle.begin);
  EXPECT_EQ(b.begin, small.begin);
  EXPECT_EQ(kept_pages(), large.bytes) << "40 MB are too many for 8";
  for (const Pages& p : {a, b, c}) give_pages(p);
  release_pages();
}

TEST(Reserve, KeepsAGigabyteAtMost) {
  release_pages();
  for (const std::size_t size : {600 * MB, 700 * MB, 1100 * MB}) give_pages(take_pages(size));  // never touched
  EXPECT_EQ(kept_pages(), 700 * MB) << "600 MB make place for 700, and 1100 are never kept";
  release_pages();
}

TEST(Reserve, MoreThanThereIsGivesNothing) {
  EXPECT_EQ(take_pages(std::numeric_limits<std::size_t>::max() / 4).begin, nullptr);
}

}  // namespace
}  // namespace scorefield::fast

#endif
