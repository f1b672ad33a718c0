#pragma once
#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// Squared Frechet distance of the normal distributions with the means m and covariances C (divisor n - 1) of two
/// samples (Dowson & Landau 1982; Heusel et al. 2017, eq. 6):
///   d^2 = |m_a - m_b|^2 + tr C_a + tr C_b - 2 tr (C_a C_b)^(1/2)
/// With C = F^T F, the last trace is the sum of the singular values of F_a F_b^T: no matrix root is taken, and fewer
/// rows than columns are no difficulty. At least two rows each.
double frechet(In<float> a, In<float> b, const Poll& poll = {});

}  // namespace scorefield::metrics
