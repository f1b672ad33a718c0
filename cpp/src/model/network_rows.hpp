#pragma once
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/engine/engine.hpp"
#include "scorefield/schedule/level.hpp"

/// The rows of a denoiser made of a network: what NetworkDenoiser and EnergyDenoiser share.
namespace scorefield {

/// What belongs to a row, of one entry for all rows or one for each.
const auto& at(const auto& entries, Index row) {
  return entries[entries.size() == 1 ? 0 : static_cast<std::size_t>(row)];
}

/// Throws unless x has `dimension` columns, and t one time or one per row.
inline void require_rows(In<double> x, Levels t, Index dimension) {
  require(x.cols() == dimension, "the network takes ", dimension, " features but x has shape (", x.rows(), ", ",
          x.cols(), ")");
  require(t.size() == 1 || static_cast<Index>(t.size()) == x.rows(), "got ", t.size(), " times for ", x.rows(),
          " rows");
}

/// One map per input of a plan: empty but for x.
inline std::vector<OutMap<float>> only_x(const nn::Plan& plan, Matrix<float>& dx) {
  std::vector<OutMap<float>> maps;
  for (const nn::Input& input : plan.inputs) {
    const bool is_x = input.name == "x";
    maps.emplace_back(is_x ? dx.data() : nullptr, is_x ? dx.rows() : 0, is_x ? dx.cols() : 0);
  }
  return maps;
}

}  // namespace scorefield
