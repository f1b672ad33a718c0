#include "arena.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "../large_pages.hpp"

namespace scorefield::fast {
namespace {

#ifdef __linux__
/// Whole zero pages; null if the system has none left.
float* map_pages(std::size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  prefer_large_pages(p, bytes);
  return static_cast<float*>(p);
}
constexpr std::size_t large = std::size_t{4} << 20;
#endif

}  // namespace

void Floats::Free::operator()(float* p) const {
#ifdef __linux__
  if (mapped > 0) {
    munmap(p, mapped);
    return;
  }
#endif
  std::free(p);
}

Floats::Floats(Index n) {
  const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(float) + 127) / 64 * 64;
#ifdef __linux__
  if (bytes >= large) {
    const std::size_t page = std::size_t{2} << 20, whole = (bytes + page - 1) / page * page;
    data_ = std::unique_ptr<float[], Free>(map_pages(whole), Free{whole});
    if (!data_) throw std::bad_alloc();
    return;
  }
#endif
  data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, bytes);
}

Index Layout::take(Index n, Lifetime life) {
  const Index length = (n + 15) / 16 * 16;
  Index begin = 0;
  for (const Piece& p : pieces_) {
    const bool together = p.life.first <= life.last && life.first <= p.life.last;
    if (!together) continue;
    if (begin + length <= p.begin) break;
    begin = std::max(begin, p.end);
  }
  const auto place = std::ranges::upper_bound(pieces_, begin, {}, &Piece::begin);
  pieces_.insert(place, {begin, begin + length, life});
  size_ = std::max(size_, begin + length);
  return begin;
}

}  // namespace scorefield::fast
