#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/multistep.hpp"

namespace scorefield {

/// How much noise Heun's steps put back before they take noise away. Karras et al. 2022, table 5.
struct Churn {
  double amount = 0;                                      ///< S_churn >= 0, over all steps
  double low = 0;                                         ///< S_tmin, of sigma / alpha
  double high = std::numeric_limits<double>::infinity();  ///< S_tmax
  double noise = 1;                                       ///< S_noise > 0
};

/// What Heun's method takes for time: n = sigma / alpha, or the schedule's own t.
enum class HeunForm { ratio, time };

/// Heun's method with churn. Karras et al. 2022, algorithm 2; theory 7. With u = x / alpha and n = sigma / alpha:
///   gamma = min(S_churn / steps, sqrt(2) - 1) if S_tmin <= n <= S_tmax, else 0
///   n_hat = n (1 + gamma), at most that of t_max
///   u_hat = u + sqrt(n_hat^2 - n^2) S_noise z
///   d     = (u_hat - x0_hat(u_hat, n_hat)) / n_hat
///   u_s   = u_hat + (n_s - n_hat) d, which is x0_hat if n_s = 0; else once more with the mean of d and
///   d'    = (u_s - x0_hat(u_s, n_s)) / n_s
/// Where alpha_t = 0, n is infinite: that step is Euler's, in the form that stays finite.
/// In time it is Karras et al. 2022, algorithm 1, for the schedule as it is, without churn, and on a rectified flow,
/// where dx/dt is its velocity, Heun's method of Liu et al. 2023 (arXiv:2209.03003), section 2.2; theory (24):
///   d = alpha'_t x0_hat + sigma'_t eps_hat,     x_s = x_t + (s - t) (d + d') / 2,  d' the same at (x_t + (s - t) d, s)
class Heun final : public Sampler {
 public:
  explicit Heun(const Churn& churn = {}, HeunForm form = HeunForm::ratio) : churn_(churn), form_(form) {
    require(churn.amount >= 0, "S_churn must be >= 0, got ", churn.amount);
    require(churn.amount == 0 || form == HeunForm::ratio, "churn belongs to the form in sigma / alpha");
    require(churn.low <= churn.high, "S_tmin must be <= S_tmax, got ", churn.low, " and ", churn.high);
    require(churn.noise > 0, "S_noise must be > 0, got ", churn.noise);
  }
  int order() const override { return 2; }
  int calls() const override { return 2; }
  bool stochastic() const override { return churn_.amount > 0; }

  void step(const Step& k, Out<double> x) const override {
    if (form_ == HeunForm::time) return in_time(k, x);
    if (k.t.alpha == 0) {
      const Matrix<double> x0 = k.denoise(x, k.t);
      x = k.s.alpha * x0 + k.s.sigma * eps_hat(x, x0, k.t);
      return;
    }
    const Level hat = raised(k);
    const double n = k.t.sigma / k.t.alpha, n_hat = hat.sigma / hat.alpha, n_s = k.s.sigma / k.s.alpha;
    Matrix<double> u = x / k.t.alpha;
    if (n_hat > n) u += std::sqrt(n_hat * n_hat - n * n) * churn_.noise * k.z(x);
    const Matrix<double> x0 = k.denoise(hat.alpha * u, hat);
    if (k.s.sigma == 0) {
      x = k.s.alpha * x0;
      return;
    }
    const Matrix<double> d = (u - x0) / n_hat;
    Matrix<double> u_s = u + (n_s - n_hat) * d;
    u_s = u + (n_s - n_hat) / 2 * (d + (u_s - k.denoise(k.s.alpha * u_s, k.s)) / n_s);
    x = k.s.alpha * u_s;
  }

 private:
  void in_time(const Step& k, Out<double> x) const {
    const Matrix<double> x0 = k.denoise(x, k.t);
    const Rates r = k.schedule.rates(k.t.t);
    if (k.s.sigma == 0 || !std::isfinite(r.alpha)) return first_order(k, x0, x);
    const Matrix<double> d = velocity(x, x0, k.t, r);
    const double h = k.s.t - k.t.t;
    const Matrix<double> x_s = x + h * d;
    x += h / 2 * (d + velocity(x_s, k.denoise(x_s, k.s), k.s, k.schedule.rates(k.s.t)));
  }
  static Matrix<double> velocity(In<double> x, In<double> x0, const Level& p, const Rates& r) {
    return r.alpha * x0 + r.sigma * eps_hat(x, x0, p);
  }
  Level raised(const Step& k) const {
    const double n = k.t.sigma / k.t.alpha;
    if (churn_.amount == 0 || n < churn_.low || n > churn_.high) return k.t;
    const double gamma = std::min(churn_.amount / k.steps, std::sqrt(2.0) - 1);
    const Level end = k.schedule.at(k.schedule.t_max());
    const double n_hat = n * (1 + gamma);
    if (n_hat * end.alpha >= end.sigma) return k.t.t < end.t ? end : k.t;
    return k.schedule.at(k.schedule.time_of_half_log_snr(-std::log(n_hat)));
  }
  Churn churn_;
  HeunForm form_;
};

}  // namespace scorefield
