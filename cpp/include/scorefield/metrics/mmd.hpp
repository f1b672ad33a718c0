#pragma once
#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::metrics {

/// Maximum mean discrepancy of two samples (Gretton et al. 2012, eq. 5):
///   MMD^2 = E k(A, A') + E k(B, B') - 2 E k(A, B),   all pairs, i = j included,
/// for the kernel k(x, y) = mean of exp(-|x - y|^2 / (2 (c h)^2)) over c in {1/4, 1/2, 1, 2, 4}. The root is returned:
/// a metric between 0 and sqrt(2). `bandwidth` h > 0; h = 0 takes that of `pooled_bandwidth`.
double mmd(In<float> a, In<float> b, double bandwidth = 0, const Poll& poll = {});

/// h^2 = the sum of the variances of all columns of both samples together, which is half the mean squared distance of
/// two rows; 1 if all rows are equal.
double pooled_bandwidth(In<float> a, In<float> b);

}  // namespace scorefield::metrics
