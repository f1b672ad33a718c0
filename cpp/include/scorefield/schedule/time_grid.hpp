#pragma once
#include <vector>

#include "scorefield/schedule/schedule.hpp"

/// The times at which a sampler stops: `steps` + 1 of them, falling from t_max to t_end (0 is the data), theory 7. Each
/// throws std::invalid_argument where the schedule cannot carry the grid, with the one that can. With t_end = 0 the
/// curved ones (quadratic to beta) place `steps` times from t_max to t_min and then jump to 0, so that no
/// network is asked below t_min; with t_end > 0 they place `steps` + 1 times from t_max to t_end.
namespace scorefield::grids {

/// Where alpha / sigma is less, x_t holds as good as nothing of x0: dividing by alpha would leave rounding errors.
/// There samplers take alpha for 0, and no grid is spread in log_snr. A schedule may mean 0 by it, like cos(pi / 2).
constexpr double least_signal = 1e-12;

/// Discrete: round(T (1 - i/steps)), which contains T. Lin et al. 2023, table 2. Continuous: equal steps.
std::vector<double> trailing(const Schedule& schedule, Index steps, double t_end = 0);
/// Discrete only: 1 + offset + (steps - 1 - i) floor(T / steps), then t_end. The habit of DDIM's code; lacks T.
std::vector<double> leading(const Schedule& schedule, Index steps, Index offset = 0, double t_end = 0);
/// Continuous: equal steps from t_max to t_end. Discrete: `steps` rounded times from T to 1, then 0.
std::vector<double> linspace(const Schedule& schedule, Index steps, double t_end = 0);
/// Equal steps of sqrt(t). Song, Meng & Ermon 2021, appendix D.2.
std::vector<double> quadratic(const Schedule& schedule, Index steps, double t_end = 0);
/// Equal steps of log(alpha / sigma), the same as equal ratios of sigma / alpha. Lu et al. 2022, section 3.4.
std::vector<double> log_snr(const Schedule& schedule, Index steps, double t_end = 0);
/// Equal steps of (sigma / alpha)^(1/rho). Karras et al. 2022, eq. 5.
std::vector<double> karras(const Schedule& schedule, Index steps, double rho = 7, double t_end = 0);
/// log(sigma / alpha) falls like (1 - i/n)^rho between its ends: rho = 1 is log_snr, larger values spend more of the
/// steps at little noise. The polyexponential grid of Crowson's k-diffusion (2022).
std::vector<double> poly_exponential(const Schedule& schedule, Index steps, double rho = 1, double t_end = 0);
/// Quantiles of Beta(alpha, beta) spread over the times: more steps at both ends for alpha, beta < 1. Lee et al. 2024.
std::vector<double> beta(const Schedule& schedule, Index steps, double alpha = 0.6, double beta = 0.6,
                         double t_end = 0);

/// `times` itself if it has at least two entries within 0..t_max that fall strictly; else std::invalid_argument with
/// the first that does not.
const std::vector<double>& require_falling(const Schedule& schedule, const std::vector<double>& times);

}  // namespace scorefield::grids
