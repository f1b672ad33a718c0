#include "worker_pool.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace scorefield {
namespace {

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// True as soon as `reached` is; false after some ten microseconds without.
template <class F>
bool stay_awake_until(F reached) {
  constexpr int patience = 2000;
  for (int i = 0; i < patience; ++i) {
    if (reached()) return true;
    relax();
  }
  return false;
}

/// Waits until the value is another than `old`: awake for a while, then asleep.
std::uint64_t wait_for_change(const std::atomic<std::uint64_t>& value, std::uint64_t old) {
  if (!stay_awake_until([&] { return value.load(std::memory_order_acquire) != old; }))
    value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

template <class F>
void FirstError::guard(Index i, F&& f) {
  if (failed_.load(std::memory_order_relaxed)) return;
  try {
    f();
  } catch (const Interrupt::Stopped&) {
    keep(i, std::current_exception(), true);
  } catch (...) {
    keep(i, std::current_exception(), false);
  }
}

void FirstError::keep(Index i, std::exception_ptr error, bool interrupt) {
  const std::lock_guard lock(mutex_);
  const bool better = interrupt_ == interrupt ? i < index_ : interrupt_;
  if (!error_ || better) error_ = std::move(error), index_ = i, interrupt_ = interrupt;
  failed_ = true;
}

bool WorkerPool::run(Index team, Index count, const Body& f, const Interrupt* interrupt) {
  const std::unique_lock lock(taken_, std::try_to_lock);
  if (!lock) return false;
  grow(std::min<Index>(team, 1 << 10));
  Job job{f, interrupt, {}};
  for (Index first = 0; first < count; first += Index{kMask}) {
    run_part(std::min(team, workers_ + 1), first, std::min<Index>(count - first, Index{kMask}), job);
  }
  job.error.rethrow();
  return true;
}

void WorkerPool::run_part(Index team, Index first, Index count, Job& job) {
  job_ = &job, first_ = first, count_ = count;
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(static_cast<std::uint64_t>(team) << 2 * kBits | static_cast<std::uint64_t>(count) << kBits,
                std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_acq_rel);
  epoch_.notify_all();
  work(0);
  wait_for_others(job);
}

void WorkerPool::wait_for_others(Job& job) {
  if (stay_awake_until([this] { return finished(); })) return;
  std::unique_lock lock(asleep_);
  if (job.interrupt == nullptr) return ended_.wait(lock, [this] { return finished(); });
  while (!ended_.wait_for(lock, std::chrono::milliseconds(50), [this] { return finished(); })) {
    lock.unlock();
    job.error.guard(-1, [&] { job.interrupt->check(); });
    lock.lock();
  }
}

void WorkerPool::grow(Index team) {
  while (workers_ + 1 < team) {
    try {
      std::thread([this, slot = workers_ + 1] { serve(slot); }).detach();
    } catch (const std::system_error&) {
      return;  // no more threads to be had: a smaller team does the same work
    }
    ++workers_;
  }
}

void WorkerPool::serve(Index slot) {
  std::uint64_t seen = 0;  // a worker that comes late looks at the ticket once before it waits
  for (;;) {
    work(slot);
    seen = wait_for_change(epoch_, seen);
  }
}

/// i := an index of the present loop that nobody had; false if there is none, or no place for this slot in the team.
bool WorkerPool::claim(Index slot, Index& i) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint64_t next = ticket & kMask, count = ticket >> kBits & kMask, team = ticket >> 2 * kBits;
    if (next >= count || static_cast<std::uint64_t>(slot) >= team) return false;
    if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      i = static_cast<Index>(next);
      return true;
    }
  }
}

void WorkerPool::work(Index slot) {
  for (Index i = 0; claim(slot, i);) {
    Job& job = *job_;  // cannot change while index i is not finished
    const Index index = first_ + i;
    job.error.guard(index, [&] { job.f(index, slot); });
    const auto count = static_cast<std::uint64_t>(count_);
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 != count || slot == 0) continue;
    {
      const std::lock_guard lock(asleep_);
    }  // the caller is awake, or waits for the next line
    ended_.notify_all();
  }
}

}  // namespace scorefield
