#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "scorefield/base/matrix.hpp"

namespace scorefield::fast {

/// 64-byte aligned floats, zero at first. Large ones come in huge pages from the system, or are those of an earlier
/// arena (reserve.hpp).
class Floats {
 public:
  Floats() = default;
  explicit Floats(Index n);
  float* data() const { return data_.get(); }

 private:
  struct Free {
    std::size_t mapped;  // bytes; 0: from the heap
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Free> data_;
};

/// The steps during which a stretch is in use, both included.
struct Lifetime {
  Index first = 0, last = Index{1} << 40;
};

/// Lays out stretches of an arena, 64-byte aligned: each at the first place that is free during its lifetime.
class Layout {
 public:
  Index take(Index n, Lifetime life = {});
  Index size() const { return size_; }

 private:
  struct Piece {
    Index begin, end;
    Lifetime life;
  };
  std::vector<Piece> pieces_;  // by begin
  Index size_ = 0;
};

}  // namespace scorefield::fast
