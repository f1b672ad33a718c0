#pragma once
#include <cmath>
#include <span>

#include "scorefield/base/matrix.hpp"

namespace scorefield {

/// One time of the process x_t = alpha x0 + sigma eps, theory (1). All float64.
struct Level {
  double t = 0, alpha = 1, sigma = 0;

  /// log(alpha / sigma): the lambda of the DPM-Solver papers, half of theory (2).
  double half_log_snr() const { return std::log(alpha) - std::log(sigma); }
};

/// d alpha / dt and d sigma / dt, of which the flow alpha' x0 + sigma' eps, theory (12), is made: finite where f is not
/// (alpha = 0).
struct Rates {
  double alpha = 0, sigma = 0;
};

/// The levels of the rows of a batch: one entry for all rows, or one per row (mixed times, adaptive steps per sample).
using Levels = std::span<const Level>;
inline const Level& level(Levels t, Index row) { return t[t.size() == 1 ? 0 : static_cast<std::size_t>(row)]; }

}  // namespace scorefield
