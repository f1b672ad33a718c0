#pragma once
#include <cmath>
#include <limits>

#include "scorefield/base/check.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// Langevin dynamics at one noise level; its grid repeats one time. Roberts & Tweedie 1996 (ULA, MALA); theory 7.
///   y = x + a / 2 score(x) + sqrt(a) z,     a = step_size
/// Without a test (ULA) x := y, and the variance of N(mu, V) comes out as V / (1 - a / (4 V)). With the test of
/// Metropolis and Hastings (MALA) x := y with probability min(1, p(y) q(x | y) / (p(x) q(y | x))), else x stays:
///   log q(y | x) = -|y - x - a / 2 score(x)|^2 / (2 a)
/// and p is exact for every step size. MALA asks the denoiser for log p up to a constant.
class Langevin final : public Sampler {
 public:
  explicit Langevin(double step_size, bool metropolis = false) : step_size_(step_size), metropolis_(metropolis) {
    require(0 < step_size && std::isfinite(step_size), "step_size must be > 0, got ", step_size);
  }

  void step(const Step& k, Out<double> x) const override {
    require(k.s.t == k.t.t, "Langevin stays at one noise level: its grid repeats one time, got t = ", k.t.t, " -> ",
            k.s.t);
    const double a = step_size_;
    const Matrix<double> mean = x + a / 2 * score(k, x), y = mean + std::sqrt(a) * k.z(x);
    if (metropolis_) {
      accept(k, mean, y, x);
    } else {
      x = y;
    }
  }
  int order() const override { return 1; }
  int calls() const override { return metropolis_ ? 2 : 1; }
  bool stochastic() const override { return true; }

 private:
  static Matrix<double> score(const Step& k, In<double> x) {
    Matrix<double> s = k.score(x, k.t);
    const bool first_step = k.steps_left == k.steps - 1;  // later ones may just diverge
    require(k.t.sigma > 0 || s.allFinite() || !first_step,
            "this denoiser does not know its score at sigma = 0; take Langevin at a later time, such as t = ",
            k.schedule.t_min());
    return s;
  }

  /// x := y in the rows where the test says so.  mean: that of q(y | x).
  void accept(const Step& k, In<double> mean, In<double> y, Out<double> x) const {
    const double a = step_size_;
    const Matrix<double> log_p = k.log_density(x, k.t), log_p_y = k.log_density(y, k.t);
    require_density(k, log_p, -std::numeric_limits<double>::max());
    require_density(k, log_p_y, -std::numeric_limits<double>::infinity());  // 0 density: never accepted
    const Matrix<double> back = y + a / 2 * score(k, y);
    Matrix<double> u(x.rows(), 1);
    k.noise.uniform(u, 1);
    k.accepted.resize(x.rows(), 1);
    for (Index i = 0; i < x.rows(); ++i) {
      const double there = (y.row(i) - mean.row(i)).squaredNorm(), here = (x.row(i) - back.row(i)).squaredNorm();
      const bool yes = std::log(u(i, 0)) < log_p_y(i, 0) - log_p(i, 0) + (there - here) / (2 * a);
      if (yes) x.row(i) = y.row(i);
      k.accepted(i, 0) = yes ? 1 : 0;
    }
  }
  static void require_density(const Step& k, In<double> log_p, double least) {
    for (Index i = 0; i < log_p.rows(); ++i) {
      if (least <= log_p(i, 0) && log_p(i, 0) < std::numeric_limits<double>::infinity()) continue;
      std::ostringstream message;
      message << "the log density, minus the energy, is " << log_p(i, 0) << " at t = " << k.t.t << ", first in sample "
              << k.noise.first() + i << "; start from x_T where the density is positive";
      throw NonFiniteError(message.str());
    }
  }

  double step_size_;
  bool metropolis_;
};

}  // namespace scorefield
