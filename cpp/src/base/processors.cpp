#include "scorefield/base/processors.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <istream>
#include <sstream>
#include <string>

#include "scorefield/base/check.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace scorefield {
namespace {

constexpr Index kUnlimited = Index{1} << 20;
std::atomic<Index> assumed{0};  // cannot change a result, as the number of threads cannot

/// quota / period of one group, rounded up. No file, "max" or -1: no limit.
Index share(std::istream& quota_file, std::istream& period_file) {
  double quota = 0, period = 0;
  if (!(quota_file >> quota && period_file >> period) || quota <= 0 || period <= 0) return kUnlimited;
  return std::clamp<Index>(static_cast<Index>(std::ceil(quota / period)), 1, kUnlimited);
}

Index share_v2(const std::string& group) {
  std::ifstream file(group + "/cpu.max");  // "quota period"
  return share(file, file);
}

Index share_v1(const std::string& group) {
  std::ifstream quota(group + "/cpu.cfs_quota_us"), period(group + "/cpu.cfs_period_us");
  return share(quota, period);
}

/// The least of a group "/a/b" and the groups around it, below `mount`; a container sees its own group as the
/// outermost.
template <class F>
Index least(const std::string& mount, std::string group, F share_of) {
  Index n = share_of(mount);
  for (; group.size() > 1; group.resize(group.rfind('/'))) n = std::min(n, share_of(mount + group));
  return n;
}

Index affinity() {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return kUnlimited;
}

Index openmp() {
#ifdef _OPENMP
  return omp_in_parallel() ? 1 : std::max(1, omp_get_max_threads());
#else
  return kUnlimited;
#endif
}

}  // namespace

/// A line is "number:controllers:group"; version 2 has number 0 and no controllers.
Index cgroup_share(const std::string& membership, const std::string& root) {
  std::ifstream file(membership);
  Index n = kUnlimited;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string number, controllers, group;
    if (!std::getline(fields, number, ':') || !std::getline(fields, controllers, ':') || !std::getline(fields, group))
      continue;
    if (!group.starts_with('/')) continue;
    if (controllers.empty()) n = std::min(n, least(root, group, share_v2));
    if (("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    n = std::min({n, least(root + "/cpu", group, share_v1), least(root + "/" + controllers, group, share_v1)});
  }
  return n;
}

Index processors() {
  static const Index quota = cgroup_share("/proc/self/cgroup", "/sys/fs/cgroup");
  if (const Index n = assumed.load(); n > 0) return n;
  return std::min({quota, affinity(), openmp()});
}

void assume_processors(Index n) {
  require(n >= 0, "the number of processors must be >= 1 (or 0 to ask the machine), got ", n);
  assumed = n;
}

}  // namespace scorefield
