#pragma once
#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// Denoise to the end, then noise again with fresh noise; theory 7. The update of consistency sampling, Song et al.
/// 2023, algorithm 1.
///   x_s = alpha_s x0_hat + sigma_s z
/// For few steps: x0_hat varies less than x0 does, so a fine grid loses variance (on N(mu, c^2) it tends to c^2 / 2).
class Renoise final : public Sampler {
 public:
  void step(const Step& k, Out<double> x) const override {
    x = k.s.alpha * k.denoise(x, k.t);
    if (k.s.sigma > 0) x += k.s.sigma * k.z(x);
  }
  int order() const override { return 1; }
  bool stochastic() const override { return true; }
};

}  // namespace scorefield
