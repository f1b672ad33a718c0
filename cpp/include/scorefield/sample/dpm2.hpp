#pragma once
#include <cmath>

#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// DPM2: the midpoint rule in log n, with u = x / alpha and n = sigma / alpha. The method is that of Karras et al.
/// 2022, section 3 and table 3 (alpha = 1/2), with the geometric mean as middle, known as DPM2 from k-diffusion
/// (Crowson 2022); theory 7.
///   d   = (u_t - x0_hat(u_t, n_t)) / n_t,      u_m = u_t + (n_m - n_t) d,      n_m = sqrt(n_t n_s)
///   d_m = (u_m - x0_hat(u_m, n_m)) / n_m,      u_s = u_t + (n_s - n_t) d_m
/// Ancestral: down to n_d = n_s^2 / n_t in place of n_s, then noise back up: u_s = u_d + sqrt(n_s^2 - n_d^2) z, as
/// DDIM(eta = 1) does; the middle sqrt(n_t n_d) is n_s then. A step to sigma_s = 0 returns x0_hat.
class Dpm2 final : public Sampler {
 public:
  explicit Dpm2(bool ancestral = false) : ancestral_(ancestral) {}
  int order() const override { return ancestral_ ? 1 : 2; }
  int calls() const override { return 2; }
  bool stochastic() const override { return ancestral_; }

  void step(const Step& k, Out<double> x) const override {
    const Level &t = k.t, &s = k.s;
    const Matrix<double> x0 = k.denoise(x, t);
    if (t.alpha == 0 || s.sigma == 0) return start_or_end(k, x0, x);
    const double n_t = t.sigma / t.alpha, n_s = s.sigma / s.alpha, n_d = ancestral_ ? n_s * n_s / n_t : n_s;
    const Level m =
        ancestral_ ? s : k.schedule.at(k.schedule.time_of_half_log_snr((t.half_log_snr() + s.half_log_snr()) / 2));
    const double n_m = m.sigma / m.alpha;
    const Matrix<double> u = x / t.alpha;
    const Matrix<double> u_m = u + (n_m - n_t) / n_t * (u - x0);
    x = s.alpha * (u + (n_d - n_t) / n_m * (u_m - k.denoise(m.alpha * u_m, m)));
    if (ancestral_ && n_s < n_t) x += s.alpha * std::sqrt((n_s - n_d) * (n_s + n_d)) * k.z(x);
  }

 private:
  /// n_t is infinite where alpha_t = 0: the step of DDIM, of its ancestral form if this is one.
  void start_or_end(const Step& k, In<double> x0, Out<double> x) const {
    if (ancestral_ || k.s.sigma == 0) {
      x = k.s.alpha * x0;
      if (k.s.sigma > 0) x += k.s.sigma * k.z(x);
    } else {
      x = k.s.alpha * x0 + k.s.sigma * eps_hat(x, x0, k.t);
    }
  }
  bool ancestral_;
};

}  // namespace scorefield
