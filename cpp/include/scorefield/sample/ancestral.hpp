#pragma once
#include <cmath>

#include "scorefield/process/variance_bound.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// Variance of the reverse step, theory 2: that of the posterior ("fixed small"), or that of the forward step ("fixed
/// large"), or what the network learnt between them.
enum class Variance { beta_tilde, beta, learned };

/// Ancestral sampling. Ho, Jain & Abbeel 2020, algorithm 2, on any subsequence of steps and any schedule; theory (6),
/// (7).
///   r   = alpha_t / alpha_s,     v = sigma_t^2 - r^2 sigma_s^2 = Var(x_t | x_s)
///   x_s = (alpha_s v x0_hat + r sigma_s^2 x_t) / sigma_t^2 + sqrt(var) z,     var = v sigma_s^2 / sigma_t^2  or  v
/// or for every number what the network learnt between the two, Nichol & Dhariwal 2021, eq. 15.
/// The last step to sigma_s = 0 adds no noise.
class Ancestral final : public Sampler {
 public:
  explicit Ancestral(Variance variance = Variance::beta_tilde) : variance_(variance) {}

  void step(const Step& k, Out<double> x) const override {
    const Level &t = k.t, &s = k.s;
    Matrix<double> share;
    const Matrix<double> x0 = ask(k, x, share);
    const double r = t.alpha / s.alpha, keep = s.sigma * s.sigma / (t.sigma * t.sigma);
    const double v = t.sigma * t.sigma - r * r * s.sigma * s.sigma;
    x = s.alpha * (v / (t.sigma * t.sigma)) * x0 + r * keep * x;
    if (s.sigma == 0 || v <= 0) return;
    if (variance_ == Variance::learned) {
      const VarianceRange range = VarianceRange::between(s, t);
      const auto deviation = [range](double at) { return std::exp(range.log_variance(at) / 2); };
      x += share.unaryExpr(deviation).cwiseProduct(k.z(x));
    } else {
      x += std::sqrt(variance_ == Variance::beta ? v : v * keep) * k.z(x);
    }
  }
  int order() const override { return 1; }
  bool stochastic() const override { return true; }

 private:
  Matrix<double> ask(const Step& k, In<double> x, Matrix<double>& share) const {
    if (variance_ != Variance::learned) return k.denoise(x, k.t);
    share.resize(x.rows(), x.cols());
    return k.denoise(x, k.t, share);
  }
  Variance variance_;
};

}  // namespace scorefield
