#include "scorefield/base/processors.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

constexpr Index unlimited = Index{1} << 20;

/// All tests of this program run as if there were three processors, whatever the machine has.
class ThreeProcessors : public ::testing::Environment {
  void SetUp() override { assume_processors(3); }
};
[[maybe_unused]] const auto* const three = ::testing::AddGlobalTestEnvironment(new ThreeProcessors);

TEST(Processors, CanBeAssumedAndTheCapStillHolds) {
  EXPECT_EQ(processors(), 3);
  EXPECT_EQ(threads(), 3);
  set_thread_cap(2);
  EXPECT_EQ(threads(), 2);
  set_thread_cap(0);
  assume_processors(0);
  EXPECT_GE(processors(), 1);
  assume_processors(3);
  EXPECT_THROW(assume_processors(-1), std::invalid_argument);
}

/// Files as the kernel shows them.
class ControlGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    root_ = std::filesystem::temp_directory_path() / ("scorefield_groups_" + name);
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  Index share(const std::string& membership) {
    write("membership", membership);
    return cgroup_share((root_ / "membership").string(), root_.string());
  }

  std::filesystem::path root_;
};

TEST_F(ControlGroups, OfVersion2GiveTheQuotaRoundedUp) {
  EXPECT_EQ(share("0::/\n"), unlimited);
  write("cpu.max", "max 100000\n");
  EXPECT_EQ(share("0::/\n"), unlimited);
  write("cpu.max", "200000 100000\n");
  EXPECT_EQ(share("0::/\n"), 2);
  write("cpu.max", "250000 100000\n");
  EXPECT_EQ(share("0::/\n"), 3);
  write("cpu.max", "10000 100000\n");
  EXPECT_EQ(share("0::/\n"), 1);
}

TEST_F(ControlGroups, AroundAGroupLimitItToo) {
  write("user.slice/cpu.max", "400000 100000\n");
  write("user.slice/job/cpu.max", "max 100000\n");
  EXPECT_EQ(share("0::/user.slice/job\n"), 4);
  write("user.slice/job/cpu.max", "150000 100000\n");
  EXPECT_EQ(share("0::/user.slice/job\n"), 2);
  EXPECT_EQ(share("0::/another\n"), unlimited);
}

TEST_F(ControlGroups, OfVersion1AreFoundUnderTheNameOfTheController) {
  const std::string membership = "5:devices:/x\n2:cpu,cpuacct:/docker/ab\n1:cpuset:/y\n0::/\n";
  EXPECT_EQ(share(membership), unlimited);
  write("cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "-1\n");
  write("cpu,cpuacct/docker/ab/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(share(membership), unlimited);
  write("cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "120000\n");
  EXPECT_EQ(share(membership), 2);
  write("cpu/cpu.cfs_quota_us", "50000\n");  // a container sees its own group as the outermost
  write("cpu/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(share(membership), 1);
}

TEST_F(ControlGroups, ThatMakeNoSenseAreNoLimit) {
  write("cpu.max", "a lot\n");
  EXPECT_EQ(share("0::/\n"), unlimited);
  EXPECT_EQ(share("nonsense\n\n:::\n0::\n"), unlimited);
  EXPECT_EQ(cgroup_share((root_ / "none").string(), root_.string()), unlimited);
}

}  // namespace
}  // namespace scorefield
