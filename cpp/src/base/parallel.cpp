#include "scorefield/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/base/processors.hpp"
#include "worker_pool.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace scorefield {
namespace {

std::atomic<Index> cap{0};  // 0: no cap
thread_local bool inside = false;

/// Lives as long as the process: its sleeping workers end with it. A child of fork() has none of its parent's threads,
/// and the parent's pool may have been in use, so it gets a new one.
std::atomic<WorkerPool*> pool{nullptr};

void forget_pool() { pool = nullptr; }

[[maybe_unused]] const int fork_handler = [] {
#if defined(__unix__) || defined(__APPLE__)
  return pthread_atfork(nullptr, nullptr, forget_pool);
#else
  return 0;
#endif
}();

WorkerPool& the_pool() {
  WorkerPool* present = pool.load();
  if (present == nullptr) {
    auto made = std::make_unique<WorkerPool>();
    if (pool.compare_exchange_strong(present, made.get())) present = made.release();
  }
  return *present;
}

/// Marks this thread as being inside a loop, whose own loops run serially.
class Inside {
 public:
  Inside() : outer_(std::exchange(inside, true)) {}
  ~Inside() { inside = outer_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool outer_;
};

}  // namespace

Index threads() {
  if (inside) return 1;
  const Index n = processors(), c = cap.load();
  return c > 0 ? std::min(n, c) : n;
}

void set_thread_cap(Index n) {
  require(n >= 0, "the number of threads must be >= 1 (or 0 for no cap), got ", n);
  cap = n;
}

Index thread_cap() { return cap.load(); }

void parallel_for(Index count, const std::function<void(Index, Index)>& f, const Interrupt* interrupt) {
  const Index team = std::min(threads(), count);
  const auto guarded = [&f](Index i, Index slot) {
    const Inside mark;
    f(i, slot);
  };
  if (team > 1 && the_pool().run(team, count, guarded, interrupt)) return;
  for (Index i = 0; i < count; ++i) f(i, 0);
}

void parallel_blocks(Index count, Index length, const std::function<void(Index, Index)>& f) {
  if (count <= 0) return;
  if (count <= length) return f(0, count);
  parallel_for((count + length - 1) / length, [&](Index b, Index) {
    const Index begin = b * length;
    f(begin, std::min(begin + length, count));
  });
}

}  // namespace scorefield
