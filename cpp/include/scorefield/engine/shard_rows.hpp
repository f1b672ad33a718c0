#pragma once
#include <functional>

#include "scorefield/base/matrix.hpp"

namespace scorefield {

/// Sum of rows by a fixed binary tree: row i += row i + 1 for even i, then i + 2, ...; the result is in row 0.
template <class S>
void sum_shards(Out<S> rows);

/// The gradient rows of a batch's shards, summed by the tree of sum_shards as they come. A thread takes a group of 2^d
/// neighbouring shards and adds a row as soon as the tree lets it, so that d + 1 rows serve the group and stay in its
/// cache, where a row for every shard would go out to memory and back. The groups are as many as keep the threads busy;
/// what is added to what is fixed by the shards alone.
template <class S>
class ShardRows {
 public:
  using Shard = std::function<void(Index shard, S* row)>;

  /// Room for rows of `size` numbers on up to `team` threads.
  void prepare(Index shards, Index size, Index team);
  Index groups() const { return (shards_ + per_group_ - 1) / per_group_; }
  /// f(shard, row) for each shard of a group, in order; f writes the shard's gradient to the row, which holds anything
  /// before. worker < team names rows that nobody else uses meanwhile.
  void run(Index group, Index worker, const Shard& f);
  /// The sum over all shards, after all groups.
  S* sum();

 private:
  Index shards_ = 0, per_group_ = 1, depth_ = 0, size_ = 0;
  Matrix<S> groups_;   // (groups, size): their sums
  Matrix<S> pending_;  // (team depth, size): partial sums that wait for their neighbour
};

}  // namespace scorefield
