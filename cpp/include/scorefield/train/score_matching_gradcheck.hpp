#pragma once
#include <cstdint>

#include "scorefield/train/score_matching.hpp"

namespace scorefield {

/// The relative error of the gradient in theta of implicit or sliced score matching, theory (17), (18), in float64, for
/// a small network and a random direction, against central differences of the loss.
double gradcheck_score_matching(Trace trace, Index probes, std::uint64_t seed);

}  // namespace scorefield
