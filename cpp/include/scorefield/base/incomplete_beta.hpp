#pragma once

namespace scorefield {

/// I_x(a, b) = int_0^x u^(a-1) (1-u)^(b-1) du / B(a, b): the distribution function of Beta(a, b). By the continued
/// fraction of DLMF 8.17.22, summed by Lentz's method, on the side of the mean where it converges fast.
/// a, b > 0, x in [0, 1]. Relative error about 1e-14, growing with log-gamma to 1e-12 for a or b near 1000.
double incomplete_beta(double a, double b, double x);

/// The x in [0, 1] with I_x(a, b) = p: the quantile. p in [0, 1]. Above p = 1/2 it is 1 - that of the other tail.
double incomplete_beta_inverse(double a, double b, double p);

}  // namespace scorefield
