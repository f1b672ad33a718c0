#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "scorefield/engine/engine.hpp"
#include "scorefield/train/objective.hpp"

namespace scorefield {

/// The loss of a network on data, without luck: the same arguments give the same number.
struct HeldOut {
  double loss;                ///< mean of the bands
  std::vector<double> bands;  ///< from little noise to much
};

/// batch.value := the losses of a batch whose row r is question first + r.
using Values = std::function<void(Batch& batch, const Inputs<float>& inputs, Index first)>;

/// Every row is asked at one time (small sets at several), at noise keyed by (seed, row). The range of times is cut
/// into `bins` parts that training visits equally often, and each part's times lie evenly in it.
HeldOut evaluate(const nn::Plan& plan, const Objective& objective, const Values& values, const TrainingData& data,
                 Index bins, std::uint64_t seed, const Interrupt& interrupt);

}  // namespace scorefield
