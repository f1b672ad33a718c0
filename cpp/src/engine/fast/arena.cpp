#include "arena.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "reserve.hpp"

namespace scorefield::fast {

void Floats::Free::operator()(float* p) const {
#ifdef __linux__
  if (mapped > 0) {
    give_pages({p, mapped});
    return;
  }
#endif
  std::free(p);
}

Floats::Floats(Index n) {
  const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(float) + 127) / 64 * 64;
#ifdef __linux__
  constexpr std::size_t large = std::size_t{4} << 20;
  if (bytes >= large) {
    const Pages pages = take_pages(bytes);
    data_ = std::unique_ptr<float[], Free>(static_cast<float*>(pages.begin), Free{pages.bytes});
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
