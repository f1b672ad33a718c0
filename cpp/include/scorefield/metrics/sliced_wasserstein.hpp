#pragma once
#include <cstdint>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// Squared 2-Wasserstein distance of two samples on the line: the integral over q in (0, 1) of (A^-1(q) - B^-1(q))^2 of
/// the two empirical quantile functions (Villani 2009, theorem 2.18). Both sorted, rising; any two sizes, without
/// interpolation.
double wasserstein_line(const std::vector<double>& a, const std::vector<double>& b);

/// Root of the mean of that over `projections` random directions (Rabin et al. 2012): sqrt(mean_u W2^2(<A, u>, <B,
/// u>)). Directions are normal vectors divided by their length, from the stream `projection` of `seed`. For a shift s
/// it is |s| / sqrt(D) in the mean.
double sliced_wasserstein(In<float> a, In<float> b, Index projections, std::uint64_t seed, const Poll& poll = {});

}  // namespace scorefield::metrics
