#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// Euler-Maruyama on the family of reverse SDEs with the marginals of (21). Song et al. 2021, section 4.3 and eq. 6;
/// theory (22)-(24):
///   dx = [f x - (1 + eta^2) / 2 g^2 score] dt + eta g dw_bar,     eta = 1: the reverse SDE, 0: the ODE by Euler
/// and with f x - g^2 score / 2 = alpha' x0_hat + sigma' eps_hat, score = -eps_hat / sigma and h = t - s:
///   x_s = x_t - h (alpha' x0_hat + (sigma' + eta^2 g^2 / (2 sigma_t)) eps_hat) + eta g sqrt(h) z
/// Where alpha_t = 0, f and g are infinite: that step is Euler's in sigma / alpha, as Heun's. The last step to sigma_s
/// = 0 returns x0_hat.
class EulerMaruyama final : public Sampler {
 public:
  explicit EulerMaruyama(double eta = 1) : eta_(eta) {
    require(0 <= eta && eta <= 1, "eta must be in [0, 1], got ", eta);
  }

  void step(const Step& k, Out<double> x) const override {
    const Level &t = k.t, &s = k.s;
    const Matrix<double> x0 = k.denoise(x, t);
    if (s.sigma == 0 || t.alpha == 0) {
      x = s.alpha * x0 + s.sigma * eps_hat(x, x0, t);
      return;
    }
    const double h = t.t - s.t, g2 = eta_ > 0 ? k.schedule.g2(t.t) : 0;
    const Rates rates = k.schedule.rates(t.t);
    x -= h * (rates.alpha * x0 + (rates.sigma + eta_ * eta_ * g2 / (2 * t.sigma)) * eps_hat(x, x0, t));
    if (eta_ > 0 && h > 0) x += eta_ * std::sqrt(g2 * h) * k.z(x);
  }
  int order() const override { return 1; }
  bool stochastic() const override { return eta_ > 0; }

 private:
  double eta_;
};

}  // namespace scorefield
