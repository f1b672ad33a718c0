#pragma once
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/ancestral.hpp"

namespace scorefield {

enum class Predictor { reverse_diffusion, ancestral };

/// Predictor-corrector sampling. Song et al. 2021, algorithms 2-5 and eq. 46; theory 7. With r = alpha_t / alpha_s and
/// v = Var(x_t | x_s) the forward step is x_t = r x_s + sqrt(v) z, and the reverse diffusion predictor undoes it by
///   x_s = (2 - r) x_t + v score(x_t, t) + sqrt(v) z                     (VP: r = sqrt(1 - beta), v = beta; VE: r = 1)
/// or the ancestral one draws from (6), (7). Each of the corrector's steps is one of Langevin dynamics at s:
///   x   = x + e score(x, s) + sqrt(2 e) z,     e = 2 (snr sigma_s)^2 r^2
/// The paper's e is 2 (snr |z| / |score|)^2 r^2 with norms averaged over the batch, which ties samples together; here
/// the norms stand at their expected values where noise dominates, |z| / |score| = sigma_s. The last step to sigma_s =
/// 0 returns x0_hat.
class PredictorCorrector final : public Sampler {
 public:
  explicit PredictorCorrector(Predictor predictor = Predictor::reverse_diffusion, int corrector_steps = 1,
                              double snr = 0.16)
      : predictor_(predictor), corrector_steps_(corrector_steps), snr_(snr) {
    require(corrector_steps >= 0, "corrector_steps must be >= 0, got ", corrector_steps);
    require(0 < snr && snr < 1, "snr must be in (0, 1): from 1 on the corrector diverges, got ", snr);
  }

  void step(const Step& k, Out<double> x) const override {
    if (k.s.sigma == 0) {
      x = k.s.alpha * k.denoise(x, k.t);
      return;
    }
    predict(k, x);
    for (int i = 1; i <= corrector_steps_; ++i) correct(k, static_cast<std::uint32_t>(i), x);
  }
  int order() const override { return 1; }
  int calls() const override { return 1 + corrector_steps_; }
  bool stochastic() const override { return true; }

 private:
  void predict(const Step& k, Out<double> x) const {
    if (predictor_ == Predictor::ancestral) return Ancestral().step(k, x);
    const double r = k.t.alpha / k.s.alpha, v = step_variance(k.s, k.t);
    x = (2 - r) * x - v / k.t.sigma * eps_hat(x, k.denoise(x, k.t), k.t);
    if (v > 0) x += std::sqrt(v) * k.z(x);
  }
  void correct(const Step& k, std::uint32_t draw, Out<double> x) const {
    const double root = snr_ * k.s.sigma * k.t.alpha / k.s.alpha, e = 2 * root * root;
    x += -e / k.s.sigma * eps_hat(x, k.denoise(x, k.s), k.s) + std::sqrt(2 * e) * k.z(x, draw);
  }

  Predictor predictor_;
  int corrector_steps_;
  double snr_;
};

}  // namespace scorefield
