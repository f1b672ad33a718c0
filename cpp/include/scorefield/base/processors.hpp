#pragma once
#include <string>

#include "scorefield/base/matrix.hpp"

namespace scorefield {

/// Processors that this process may use now: the least of the control group's share (of a container), the affinity mask
/// and OpenMP's own number, so that OMP_NUM_THREADS, omp_set_num_threads and tools that call it are obeyed. At least 1.
Index processors();

/// From now on as if there were n of them; 0: ask the machine again. For tests of more threads than a machine has.
void assume_processors(Index n);

/// The share of processors that control groups allow, rounded up; 2^20 if there is no limit. `membership` is
/// /proc/self/cgroup, `root` where groups are mounted, /sys/fs/cgroup; versions 1 and 2, outer groups included.
/// Source: the Linux kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (version
/// 1).
Index cgroup_share(const std::string& membership, const std::string& root);

}  // namespace scorefield
