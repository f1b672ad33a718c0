#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "scorefield/engine/engine.hpp"

namespace scorefield {

/// A place where a network can be differentiated: random parameters and inputs, in float64. Ids cycle through none and
/// every row.
struct GradcheckPoint {
  std::vector<double> theta;
  std::vector<Matrix<double>> inputs;
  std::vector<bool> real;  ///< per input: false for ids
  Inputs<double> view() const;
};
GradcheckPoint gradcheck_point(const nn::Plan& plan, std::uint64_t seed, Index rows = 3);

/// The largest relative error of hand-written derivatives, and the parameter or input where it is.
struct Gradcheck {
  double worst = 0;
  std::string where;
};

/// Compares <dtheta, d> of <c, F(inputs; theta)> with the central difference of fourth order
///   (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h + O(h^4)          (Abramowitz & Stegun 1964, 25.3.6)
/// for a random direction d in every parameter tensor and every real input. The error is relative to the derivative,
/// but at least to 1e-3 of the root mean square over all of them: some are 0 by theory (the bias of attention's keys),
/// where only rounding is left.
Gradcheck gradcheck(const std::shared_ptr<const nn::Plan>& plan, std::uint64_t seed);

}  // namespace scorefield
