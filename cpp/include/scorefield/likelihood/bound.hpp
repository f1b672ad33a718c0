#pragma once
#include <optional>
#include <span>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/process/denoiser.hpp"
#include "scorefield/schedule/schedule.hpp"

/// Variational bounds on -log p(x0), in nats per sample. Ho, Jain & Abbeel 2020 (arXiv:2006.11239), eqs. 5 and 13;
/// Kingma et al. 2021 (arXiv:2107.00630), eqs. 11 and 17; Nichol & Dhariwal 2021 (arXiv:2102.09672), eq. 15; theory
/// (16).
namespace scorefield {

/// Variance of the reverse step p(x_s | x_t), theory 2: that of the posterior, that of the forward step, or what the
/// denoiser learnt between them, for each number.
enum class ReverseVariance { beta_tilde, beta, learned };

/// Data on equally spaced values, in the units of the process: a value stands for x - half .. x + half, the ends for
/// all beyond. One entry for each feature.
struct GreyLevels {
  RowVector<double> low, high, half;
};

/// prior: KL(q(x_T | x0) || N(0, sigma_T^2)).  terms: (N, S - 1), column i for the i-th step above the lowest.
/// decoder: -log p(x0 | lowest), with grey levels the probability of an interval, else a density.
struct Bound {
  Eigen::VectorXd prior, decoder;
  Matrix<double> terms;
};

/// What the expectations are taken with: one draw of noise for each term and sample. Row 0 is sample `first`.
struct BoundRun {
  Noise noise{0, Stream::evaluate};
  Index first = 0;
  const Interrupt* interrupt = nullptr;
};

/// S steps between times[0] = 0 < times[1] < ... < times[S]:
///   terms:   KL(q(x_s | x_t, x0) || p(x_s | x_t)),     p = N(posterior mean with x0_hat, variance w)
///          = sum_j (log(w_j / v) + v / w_j - 1 + a^2 (x0 - x0_hat)_j^2 / w_j) / 2,     a, v of the posterior
///   decoder: p(x0 | x_1) = N(x0_hat, w); for beta_tilde, which is 0 there, that of the step above
Bound discrete_bound(const Denoiser& denoiser, const Schedule& schedule, std::span<const double> times,
                     ReverseVariance variance, const std::optional<GreyLevels>& grey, In<double> x0,
                     const BoundRun& run);

/// The limit of infinitely many steps, from t_max to t_min, which depends on snr alone:
///   1/2 int |x0 - x0_hat|^2 dsnr = 1/2 int (1 + snr) |x0 - x0_hat|^2 dw,     w = log(1 + snr)
/// with one draw of w in each of `strata` equal parts (column 0 is next to t_min): unbiased. In w the integrand is that
/// of the v-loss and of one size everywhere, also where alpha = 0.
Bound continuous_bound(const Denoiser& denoiser, const Schedule& schedule, Index strata,
                       const std::optional<GreyLevels>& grey, In<double> x0, const BoundRun& run);

/// log P(low < z < high) for z ~ N(0, 1), also far out in the tails; low and high may be infinite.
double log_normal_interval(double low, double high);

}  // namespace scorefield
