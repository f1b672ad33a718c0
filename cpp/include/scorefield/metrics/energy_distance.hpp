#pragma once
#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// Energy distance of two samples, rows in D dimensions (Szekely & Rizzo 2013, eq. 5):
///   D^2 = 2 E|A - B| - E|A - A'| - E|B - B'|
/// with all means over all pairs, i = j included (the V-statistic): the distance of the two empirical distributions.
/// The root is returned, a metric: >= 0, 0 for equal samples. Of two samples of one distribution D^2 is about E|A - A'|
/// (1/n + 1/m).
double energy_distance(In<float> a, In<float> b, const Poll& poll = {});

}  // namespace scorefield::metrics
