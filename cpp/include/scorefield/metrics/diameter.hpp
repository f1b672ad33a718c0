#pragma once
#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// The largest distance between two rows of x, over all pairs of at most `most` rows, evenly chosen. The largest sigma
/// of a ladder by technique 1 of Song & Ermon 2020. x: (N, D), N >= 2.
double diameter(In<float> x, Index most, const Poll& poll = {});

}  // namespace scorefield::metrics
