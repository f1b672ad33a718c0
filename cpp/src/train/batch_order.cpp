#include "scorefield/train/batch_order.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/base/rng.hpp"

namespace scorefield {
namespace {

/// n uniform numbers in (0, 1) with 48 random bits: single draws have at most 32, too few to choose among millions of
/// rows. first + j / 2^24, where `first` is cut to 24 bits.
Matrix<double> fine_uniform(const Noise& noise, Index n, std::uint32_t draw) {
  Matrix<double> coarse(1, n), fine(1, n);
  noise.uniform(coarse, draw), noise.uniform(fine, draw + 1);
  constexpr double cut = 16777216;
  return ((coarse * cut).array().floor() + fine.array()) / cut;
}

}  // namespace

BatchOrder::BatchOrder(std::uint64_t seed, Index n) : seed_(seed), n_(n) {
  require(n >= 1, "training needs at least one sample, got ", n);
}

BatchOrder::BatchOrder(std::uint64_t seed, std::span<const double> weights)
    : seed_(seed), n_(static_cast<Index>(weights.size())), cumulative_(weights.size()) {
  require(n_ >= 1, "training needs at least one sample, got none");
  for (std::size_t i = 0; i < weights.size(); ++i) {
    require(std::isfinite(weights[i]) && weights[i] >= 0, "sample_weight must be finite and >= 0, got ", weights[i],
            " at [", i, "]");
  }
  std::inclusive_scan(weights.begin(), weights.end(), cumulative_.begin());
  const double total = cumulative_.back();
  require(std::isfinite(total) && total > 0, "sample_weight must have a positive, finite sum, got ", total);
  for (double& c : cumulative_) c /= total;
}

void BatchOrder::draw(std::uint64_t step, std::span<Index> rows) {
  const std::uint64_t size = rows.size(), n = static_cast<std::uint64_t>(n_);
  if (cumulative_.empty()) {
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t place = step * size + i;
      if (place / n != epoch_) permute(place / n);
      rows[i] = permutation_[place % n];
    }
    return;
  }
  const Noise noise(seed_, Stream::data_order, static_cast<std::uint32_t>(step));
  const Matrix<double> u = fine_uniform(noise, static_cast<Index>(size), 2);
  for (std::uint64_t i = 0; i < size;
       ++i) {  // the first row whose cumulative weight exceeds u: rows of weight 0 are never drawn
    const auto found = std::ranges::upper_bound(cumulative_, u(0, static_cast<Index>(i)));
    rows[i] = std::min(static_cast<Index>(found - cumulative_.begin()), n_ - 1);
  }
}

/// Fisher and Yates' shuffle (Durstenfeld 1964).
void BatchOrder::permute(std::uint64_t epoch) {
  epoch_ = epoch;
  permutation_.resize(static_cast<std::size_t>(n_));
  std::iota(permutation_.begin(), permutation_.end(), Index{0});
  const Matrix<double> u = fine_uniform(Noise(seed_, Stream::data_order, static_cast<std::uint32_t>(epoch)), n_, 0);
  for (Index i = n_ - 1; i > 0; --i) {
    const auto j = static_cast<Index>(u(0, i) * static_cast<double>(i + 1));
    std::swap(permutation_[static_cast<std::size_t>(i)], permutation_[static_cast<std::size_t>(j)]);
  }
}

}  // namespace scorefield
