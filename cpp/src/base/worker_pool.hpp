#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield {

/// Keeps the exception of the lowest index; an interrupt yields to any other.
class FirstError {
 public:
  /// Runs f(i), unless something has failed before.
  template <class F>
  void guard(Index i, F&& f);
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void keep(Index i, std::exception_ptr error, bool interrupt);

  std::mutex mutex_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  Index index_ = 0;
  bool interrupt_ = false;
};

/// Threads that share out the indices of one loop at a time. The caller works too, and waits only for indices that
/// somebody has claimed and not finished: a worker that the system keeps from running costs nothing. (An OpenMP region
/// waits for its whole team: on a machine shared with other programs that made small training steps 20 times slower.)
/// Workers look out for the next loop for some microseconds, then sleep.
class WorkerPool {
 public:
  using Body = std::function<void(Index, Index)>;

  /// f(i, slot) for i in [0, count) on `team` threads, slot < team. False, and nothing done, if the pool is taken.
  bool run(Index team, Index count, const Body& f, const Interrupt* interrupt);

 private:
  struct Job {
    const Body& f;
    const Interrupt* interrupt;
    FirstError error;
  };
  static constexpr int kBits = 26;  // of an index; a ticket is team | count | next
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;

  void run_part(Index team, Index first, Index count, Job& job);
  void grow(Index team);
  void serve(Index slot);
  bool claim(Index slot, Index& i);
  void work(Index slot);
  bool finished() const { return done_.load(std::memory_order_acquire) == static_cast<std::uint64_t>(count_); }
  void wait_for_others(Job& job);

  std::mutex taken_;
  Index workers_ = 0;  // besides the caller
  Job* job_ = nullptr;
  Index first_ = 0, count_ = 0;
  alignas(64) std::atomic<std::uint64_t> epoch_{0};  // counts the loops; workers wait for it to change
  alignas(64) std::atomic<std::uint64_t> ticket_{
      0};  // which index is next, of a loop of how many, for a team of how many
  alignas(64) std::atomic<std::uint64_t> done_{0};  // indices finished
  std::mutex asleep_;                               // of a caller that waits for `ended_`
  std::condition_variable ended_;
};

}  // namespace scorefield
