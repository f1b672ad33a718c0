#pragma once
#include <algorithm>

#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// The deterministic DDIM map run upwards, from data to noise. Song, Meng & Ermon 2021, section 4.3 and eq. 14;
/// theory 7.
///   x_s = alpha_s x0_hat + sigma_s eps_hat,     s > t,     x0_hat and eps_hat from (x_t, t)
/// Below t_min there is nothing to ask (sigma_0 = 0 leaves eps_hat open): the answer is that at t_min, for the same x_t
/// / alpha_t.
class DdimInversion final : public Sampler {
 public:
  void step(const Step& k, Out<double> x) const override {
    const Level p = k.t.t < k.schedule.t_min() ? k.schedule.at(std::min(k.schedule.t_min(), k.s.t)) : k.t;
    const Matrix<double> u = p.alpha / k.t.alpha * x;
    const Matrix<double> eps = eps_hat(u, k.denoise(u, p), p);
    x = k.s.alpha / k.t.alpha * (x - k.t.sigma * eps) + k.s.sigma * eps;
  }
  int order() const override { return 1; }
  bool rises() const override { return true; }
};

}  // namespace scorefield
