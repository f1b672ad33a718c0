#pragma once
#include <vector>

#include "scorefield/base/matrix.hpp"

/// The tables beta_1 .. beta_T in common use, theory 2.
namespace scorefield::betas {

/// Equal steps from beta_min to beta_max. Ho et al. 2020, section 4 (1e-4 to 0.02 for T = 1000).
std::vector<double> linear(Index T, double beta_min, double beta_max);
/// Equal steps of sqrt(beta). Rombach et al. 2022.
std::vector<double> scaled_linear(Index T, double beta_min, double beta_max);
/// alpha_bar(t) = cos^2(u_t) / cos^2(u_0), u_t = (t/T + s)/(1 + s) pi/2, beta clipped. Nichol & Dhariwal 2021, eq. 17.
std::vector<double> cosine(Index T, double s, double beta_clip);
/// alpha_bar(t) = (h(T) - h(t)) / (h(T) - h(0)), h(t) = sigmoid((start + (end - start) t/T) / tau), beta clipped at
/// 0.999. Chen 2023, section 2.
std::vector<double> sigmoid(Index T, double start, double end, double tau);

}  // namespace scorefield::betas
