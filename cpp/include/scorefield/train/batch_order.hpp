#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scorefield/base/matrix.hpp"

namespace scorefield {

/// Which rows of the data each step sees: a pure function of (seed, step), so that a run may be cut anywhere.
///   without weights   consecutive pieces of an endless row of permutations, one per epoch, keyed by (seed, epoch)
///   with weights      independent draws with P(row i) = weight_i / sum of weights
class BatchOrder {
 public:
  BatchOrder(std::uint64_t seed, Index n);
  BatchOrder(std::uint64_t seed, std::span<const double> weights);

  /// rows := the rows of batch number `step` = 0, 1, ...; all batches have rows.size() rows.
  void draw(std::uint64_t step, std::span<Index> rows);

 private:
  void permute(std::uint64_t epoch);

  std::uint64_t seed_;
  Index n_;
  std::vector<double> cumulative_;  // of the weights, ending at 1; empty: permutations
  std::vector<Index> permutation_;  // of the epoch below: only a memory of what (seed, epoch) gives
  std::uint64_t epoch_ = ~std::uint64_t{0};
};

}  // namespace scorefield
