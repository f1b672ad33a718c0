#include "reserve.hpp"

#ifdef __linux__

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "../large_pages.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield::fast {
namespace {

constexpr std::size_t most_kept = std::size_t{1} << 30;

/// Kept pages, those given back last behind. Whoever finds it locked does without: after fork() the owner of the lock
/// may be a thread that the child does not have.
struct Reserve {
  std::mutex mutex;
  std::vector<Pages> kept;
  std::size_t bytes = 0;

  void drop(std::size_t i) {
    bytes -= kept[i].bytes;
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(i));
  }
};

/// Lives as long as the process: arenas of static objects may be given back at its end.
Reserve& reserve() {
  static Reserve* const one = new Reserve;
  return *one;
}

Pages map(std::size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return {};
  prefer_large_pages(p, bytes);
  return {p, bytes};
}

/// The smallest kept pages that suffice, if they are not more than twice as many as asked for.
Pages from_kept(std::size_t bytes) {
  const std::unique_lock lock(reserve().mutex, std::try_to_lock);
  if (!lock) return {};
  const std::vector<Pages>& kept = reserve().kept;
  std::size_t best = kept.size();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i].bytes < bytes || kept[i].bytes > 2 * bytes) continue;
    if (best == kept.size() || kept[i].bytes < kept[best].bytes) best = i;
  }
  if (best == kept.size()) return {};
  const Pages found = kept[best];
  reserve().drop(best);
  return found;
}

void clear(const Pages& pages, std::size_t bytes) {
  constexpr std::size_t piece = std::size_t{4} << 20;
  parallel_for(static_cast<Index>((bytes + piece - 1) / piece), [&](Index i, Index) {
    const std::size_t first = static_cast<std::size_t>(i) * piece;
    std::memset(static_cast<char*>(pages.begin) + first, 0, std::min(piece, bytes - first));
  });
}

}  // namespace

Pages take_pages(std::size_t bytes) {
  constexpr std::size_t page = std::size_t{2} << 20;
  const std::size_t whole = (bytes + page - 1) / page * page;
  if (const Pages kept = from_kept(whole); kept.begin != nullptr) {
    clear(kept, bytes);
    return kept;
  }
  Pages fresh = map(whole);
  if (fresh.begin != nullptr) return fresh;
  release_pages();
  return map(whole);
}

void give_pages(Pages pages) {
  const std::unique_lock lock(reserve().mutex, std::try_to_lock);
  if (!lock || pages.bytes > most_kept) {
    munmap(pages.begin, pages.bytes);
    return;
  }
  Reserve& r = reserve();
  while (r.bytes + pages.bytes > most_kept) {
    munmap(r.kept.front().begin, r.kept.front().bytes);
    r.drop(0);
  }
  madvise(pages.begin, pages.bytes, MADV_FREE);
  r.kept.push_back(pages);
  r.bytes += pages.bytes;
}

void release_pages() {
  const std::unique_lock lock(reserve().mutex, std::try_to_lock);
  if (!lock) return;
  for (const Pages& p : reserve().kept) munmap(p.begin, p.bytes);
  reserve().kept.clear();
  reserve().bytes = 0;
}

std::size_t kept_pages() {
  const std::lock_guard lock(reserve().mutex);
  return reserve().bytes;
}

}  // namespace scorefield::fast

#endif
