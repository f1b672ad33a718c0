#include "scorefield/engine/shard_rows.hpp"

#include <algorithm>

#include "large_pages.hpp"
#include "scorefield/base/dual.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

template <class S>
void make_room(Matrix<S>& rows, Index count, Index size) {
  if (rows.rows() >= count && rows.cols() == size) return;
  rows.resize(count, size);
  prefer_large_pages(rows.data(), static_cast<std::size_t>(rows.size()) * sizeof(S));
}

}  // namespace

template <class S>
void sum_shards(Out<S> rows) {
  constexpr Index width = 4096;
  parallel_blocks(rows.cols(), width, [&](Index begin, Index end) {
    for (Index step = 1; step < rows.rows(); step *= 2) {
      for (Index i = 0; i + step < rows.rows(); i += 2 * step) {
        rows.row(i).segment(begin, end - begin) += rows.row(i + step).segment(begin, end - begin);
      }
    }
  });
}

template <class S>
void ShardRows<S>::prepare(Index shards, Index size, Index team) {
  constexpr Index groups_per_thread = 4;  // fewer would leave threads waiting for the last group
  shards_ = shards, size_ = size, per_group_ = 1, depth_ = 0;
  while (shards / (2 * per_group_) >= groups_per_thread * team) per_group_ *= 2, ++depth_;
  make_room(groups_, groups(), size);
  make_room(pending_, team * depth_, size);
}

/// Partial sums lie one behind the other, each of fewer shards than the one before: 4, 2 and 1 after seven shards. Two
/// of equal length are neighbours in the tree.
template <class S>
void ShardRows<S>::run(Index group, Index worker, const Shard& f) {
  const auto row = [&](Index place) -> decltype(auto) {
    return place == 0 ? groups_.row(group) : pending_.row(worker * depth_ + place - 1);
  };
  const Index begin = group * per_group_, end = std::min(shards_, begin + per_group_);
  Index places = 0;
  const auto add_last = [&] {
    --places;
    row(places - 1) += row(places);
  };
  for (Index shard = begin; shard < end; ++shard) {
    f(shard, row(places).data());
    ++places;
    for (Index done = shard - begin + 1; done % 2 == 0; done /= 2) add_last();
  }
  while (places > 1) add_last();
}

template <class S>
S* ShardRows<S>::sum() {
  sum_shards<S>(groups_.topRows(groups()));
  return groups_.data();
}

template void sum_shards<float>(Out<float>);
template void sum_shards<double>(Out<double>);
template void sum_shards<Dual>(Out<Dual>);
template class ShardRows<float>;
template class ShardRows<double>;
template class ShardRows<Dual>;

}  // namespace scorefield
