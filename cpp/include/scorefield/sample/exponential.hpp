#pragma once
#include <cmath>

#include "scorefield/sample/multistep.hpp"

namespace scorefield {

/// One step of an exponential integrator in l = log(alpha / sigma), h = l_s - l_t, for y = x0_hat or eps_hat with the
/// derivatives y', y'' in l. Lu et al. 2022a (arXiv:2206.00927), eq. 3.4, and 2022b (arXiv:2211.01095), eq. 8;
/// theory 7.
///   x_s = keep x_t + c1 y + c2 h y' + c3 h^2 y''
///   data:   keep = sigma_s / sigma_t,   c_k = alpha_s psi_k,   psi_k(h) = int_0^1 h e^{-h (1 - r)} r^{k-1} / (k-1)! dr
///   noise:  keep = alpha_s / alpha_t,   c_k = -sigma_s psi_k,  psi_k(h) = int_0^1 h e^{ h (1 - r)} r^{k-1} / (k-1)! dr
///   psi_1 = +-(e^{+-h} - 1),   psi_{k+1} = +-(psi_k / h - 1 / k!)       upper sign: noise
struct Exponential {
  double h, keep, c1, c2, c3;
};

inline Exponential exponential(const Level& t, const Level& s, Predicts y) {
  const double h = s.half_log_snr() - t.half_log_snr(), sign = y == Predicts::noise ? 1 : -1;
  const double psi1 = sign * std::expm1(sign * h), psi2 = sign * (psi1 / h - 1), psi3 = sign * (psi2 / h - 0.5);
  const double scale = y == Predicts::noise ? -s.sigma : s.alpha;
  return {h, y == Predicts::noise ? s.alpha / t.alpha : s.sigma / t.sigma, scale * psi1, scale * psi2, scale * psi3};
}

/// The same for the reverse SDE, theory (22), and data: in law exact if x0_hat is a polynomial in l. Lu et al. 2022b,
/// eq. 14.
///   x_s = sigma_s / sigma_t e^-h x_t + alpha_s (psi_1(2h) y + psi_2(2h) h y' + psi_3(2h) h^2 y'') + noise z
///   noise = sigma_s sqrt(1 - e^{-2h})
inline Exponential exponential_sde(const Level& t, const Level& s) {
  const double h = s.half_log_snr() - t.half_log_snr();
  const double psi1 = -std::expm1(-2 * h), psi2 = 1 - psi1 / (2 * h), psi3 = 0.5 - psi2 / (2 * h);
  return {h, s.sigma / t.sigma * std::exp(-h), s.alpha * psi1, s.alpha * psi2, s.alpha * psi3};
}

}  // namespace scorefield
