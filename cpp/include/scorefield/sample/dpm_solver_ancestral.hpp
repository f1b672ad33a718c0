#pragma once
#include <cmath>

#include "scorefield/sample/multistep.hpp"

namespace scorefield {

/// DPM-Solver++ 2S ancestral: single-step DPM-Solver++ of order 2 (Lu et al. 2022b, arXiv:2211.01095, algorithm 1) down
/// to n_d = n_s^2 / n_t, then noise back up to n_s, as in DDIM(eta = 1); known from k-diffusion (Crowson 2022);
/// theory 7. With n = sigma / alpha and u = x / alpha the middle sqrt(n_t n_d), half way in log n, is n_s:
///   u_m = n_s / n_t u_t + (1 - n_s / n_t) x0_hat(u_t, n_t)
///   u_s = n_d / n_t u_t + (1 - n_d / n_t) x0_hat(u_m, n_s) + sqrt(n_s^2 - n_d^2) z
/// A step to sigma_s = 0 returns x0_hat.
class DpmSolverAncestral final : public Sampler {
 public:
  int order() const override { return 1; }
  int calls() const override { return 2; }
  bool stochastic() const override { return true; }

  void step(const Step& k, Out<double> x) const override {
    const Level &t = k.t, &s = k.s;
    const Matrix<double> x0 = k.denoise(x, t);
    if (s.sigma == 0) return first_order(k, x0, x);
    Matrix<double> x_m = x;
    first_order(k, x0, x_m);
    const double ratio = t.alpha * s.sigma / (s.alpha * t.sigma);  // n_s / n_t, and n_d / n_s
    x = s.sigma / t.sigma * ratio * x + s.alpha * (1 - ratio * ratio) * k.denoise(x_m, s);
    if (ratio < 1) x += s.sigma * std::sqrt((1 - ratio) * (1 + ratio)) * k.z(x);
  }
};

}  // namespace scorefield
