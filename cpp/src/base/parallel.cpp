#include "scorefield/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <fstream>
#include <memory>
#include <string>

#include "scorefield/base/check.hpp"
#include "scorefield/base/interrupt.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace scorefield {
namespace {

std::atomic<Index> cap{0};           // 0: no cap
std::atomic<bool> forked{false};     // libgomp hangs in a child of fork() whose parent had used threads
std::atomic<bool> used{false};

thread_local bool inside = false;

void after_fork_in_child() {
  if (used.load()) forked = true;
}

const int fork_handler = [] {
#if defined(__unix__) || defined(__APPLE__)
  return pthread_atfork(nullptr, nullptr, after_fork_in_child);
#else
  return 0;
#endif
}();

/// The processor share that the control group of a container allows, rounded up; a large number if there is no limit.
Index cgroup_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1 << 20;
  return std::max<Index>(1, static_cast<Index>((std::stod(quota) + period - 1) / period));
}

Index affinity() {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return 1 << 20;
}

/// Keeps the exception of the lowest index; an interrupt yields to any other.
class FirstError {
 public:
  void keep(Index i, std::exception_ptr error, bool interrupt) {
    while (lock_.test_and_set(std::memory_order_acquire)) {
    }
    if (!error_ || (interrupt_ && !interrupt) || (interrupt_ == interrupt && i < index_)) {
      error_ = std::move(error), index_ = i, interrupt_ = interrupt;
    }
    lock_.clear(std::memory_order_release);
    failed_ = true;
  }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::atomic_flag lock_ = ATOMIC_FLAG_INIT;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  Index index_ = 0;
  bool interrupt_ = false;
};

}  // namespace

Index threads() {
#ifdef _OPENMP
  if (inside || forked || omp_in_parallel()) return 1;
  static const Index quota = cgroup_quota();
  Index n = std::min<Index>({static_cast<Index>(omp_get_max_threads()), quota, affinity()});
  if (const Index c = cap.load(); c > 0) n = std::min(n, c);
  return std::max<Index>(1, n);
#else
  return 1;
#endif
}

void set_thread_cap(Index n) {
  require(n >= 0, "the number of threads must be >= 1 (or 0 for no cap), got ", n);
  cap = n;
}

Index thread_cap() { return cap.load(); }

void parallel_for(Index count, const std::function<void(Index, Index)>& f) {
  const Index team = std::min(threads(), count);
  if (team <= 1) {
    for (Index i = 0; i < count; ++i) f(i, 0);
    return;
  }
#ifdef _OPENMP
  used = true;
  FirstError error;
  std::atomic<Index> next{0};
#pragma omp parallel num_threads(static_cast<int>(team))
  {
    const bool outer = inside;
    inside = true;
    const Index slot = omp_get_thread_num();
    for (Index i = next++; i < count && !error.failed(); i = next++) {
      try {
        f(i, slot);
      } catch (const Interrupt::Stopped&) {
        error.keep(i, std::current_exception(), true);
      } catch (...) {
        error.keep(i, std::current_exception(), false);
      }
    }
    inside = outer;
  }
  error.rethrow();
#endif
}

}  // namespace scorefield
