#pragma once
#include <cmath>

#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// Variance of the reverse step, theory 2: that of the posterior ("fixed small"), or that of the forward step ("fixed
/// large").
enum class Variance { beta_tilde, beta };

/// Ancestral sampling. Ho, Jain & Abbeel 2020, algorithm 2, on any subsequence of steps and any schedule; theory (6),
/// (7).
///   r   = alpha_t / alpha_s,     v = sigma_t^2 - r^2 sigma_s^2 = Var(x_t | x_s)
///   x_s = (alpha_s v x0_hat + r sigma_s^2 x_t) / sigma_t^2 + sqrt(var) z,     var = v sigma_s^2 / sigma_t^2  or  v
/// The last step to sigma_s = 0 adds no noise.
class Ancestral final : public Sampler {
 public:
  explicit Ancestral(Variance variance = Variance::beta_tilde) : variance_(variance) {}

  void step(const Step& k, Out<double> x) const override {
    const Level &t = k.t, &s = k.s;
    const Matrix<double> x0 = k.denoise(x, t);
    const double r = t.alpha / s.alpha, keep = s.sigma * s.sigma / (t.sigma * t.sigma);
    const double v = t.sigma * t.sigma - r * r * s.sigma * s.sigma;
    x = s.alpha * (v / (t.sigma * t.sigma)) * x0 + r * keep * x;
    const double var = variance_ == Variance::beta_tilde ? v * keep : v;
    if (s.sigma > 0 && var > 0) x += std::sqrt(var) * k.z(x);
  }
  int order() const override { return 1; }
  bool stochastic() const override { return true; }

 private:
  Variance variance_;
};

}  // namespace scorefield
