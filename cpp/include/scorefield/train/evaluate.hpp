#pragma once
#include <cstdint>
#include <vector>

#include "scorefield/engine/engine.hpp"
#include "scorefield/train/objective.hpp"

namespace scorefield {

/// The loss of a network on data, without luck: the same arguments give the same number.
struct HeldOut {
  double loss;                ///< mean of the bands
  std::vector<double> bands;  ///< from little noise to much
};

/// Every row is asked at one time (small sets at several), at noise keyed by (seed, row). The range of times is cut
/// into `bins` parts that training visits equally often, and each part's times lie evenly in it.
HeldOut evaluate(const Engine<float>& engine, const Weights& weights, const Objective& objective,
                 const TrainingData& data, Index bins, std::uint64_t seed, const Interrupt& interrupt);

}  // namespace scorefield
