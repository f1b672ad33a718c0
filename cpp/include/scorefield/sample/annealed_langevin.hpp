#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// Annealed Langevin dynamics of NCSN. Song & Ermon 2019, algorithm 1, with the last denoising of Jolicoeur-Martineau
/// et al. 2021, section 3; theory 7. At each level t of the grid, `inner` times
///   x   = x + a / 2 score(x, t) + sqrt(a) z,     a = step_size sigma_t^2
/// and then on to the next level, x_s = alpha_s / alpha_t x_t (VE: as it is), or to sigma_s = 0 by x0_hat.
/// Where noise dominates, score = -x / sigma^2, and the variance comes out 1 / (1 - step_size / 4) times too large.
class AnnealedLangevin final : public Sampler {
 public:
  explicit AnnealedLangevin(double step_size = 0.2, int inner = 100) : step_size_(step_size), inner_(inner) {
    require(0 < step_size && step_size < 2,
            "step_size must be in (0, 2): at 2 the variance of a noise level is doubled, at 4 it is infinite; got ",
            step_size);
    require(inner >= 1, "inner, the Langevin steps at each noise level, must be >= 1, got ", inner);
  }

  void step(const Step& k, Out<double> x) const override {
    const Level &t = k.t, &s = k.s;
    const double a = step_size_ * t.sigma * t.sigma;
    for (int i = 0; i < inner_; ++i) {
      const Matrix<double> x0 = k.denoise(x, t);
      x += -a / (2 * t.sigma) * eps_hat(x, x0, t) + std::sqrt(a) * k.z(x, static_cast<std::uint32_t>(i));
    }
    if (s.sigma == 0) {
      x = s.alpha * k.denoise(x, t);
    } else if (t.alpha > 0) {
      x *= s.alpha / t.alpha;
    }
  }
  int order() const override { return 1; }
  int calls() const override { return inner_; }
  bool stochastic() const override { return true; }

 private:
  double step_size_;
  int inner_;
};

}  // namespace scorefield
