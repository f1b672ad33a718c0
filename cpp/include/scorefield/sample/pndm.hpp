#pragma once
#include <array>

#include "scorefield/sample/multistep.hpp"

namespace scorefield {

/// Pseudo linear multistep method of order 2 ("PNDM", with the other start "PLMS"). Liu et al. 2022 (arXiv:2202.09778),
/// eqs. 9, 11 to 13, algorithm 2; theory 7. Each step is DDIM's,
///   phi(x_t, e, t, s) = alpha_s / alpha_t x_t + (sigma_s - alpha_s sigma_t / alpha_t) e,
/// with a mean e of noise in place of eps_hat. By the latest four answers, on a grid even in any smooth variable,
///   e = (55 e_0 - 59 e_1 + 37 e_2 - 9 e_3) / 24.
/// The first three steps, with m = (t + s) / 2:
///   e_1 = eps_hat(x_t, t),               e_2 = eps_hat(phi(x_t, e_1, t, m), m),
///   e_3 = eps_hat(phi(x_t, e_2, t, m), m),    e_4 = eps_hat(phi(x_t, e_3, t, s), s),    e = (e_1 + 2 e_2 + 2 e_3 +
///   e_4) / 6
/// Start of Rombach et al. 2022 (arXiv:2112.10752): e = (e_1 + eps_hat(phi(x_t, e_1, t, s), s)) / 2 in the first step,
/// then (3 e_0 - e_1) / 2 and (23 e_0 - 16 e_1 + 5 e_2) / 12. Order 2 whatever the weights' own: phi holds dx / de
/// constant over the step, which costs O(h^3) per step.
class Pndm final : public Sampler {
 public:
  enum class Start { runge_kutta, heun };
  explicit Pndm(Start start = Start::runge_kutta, bool extrapolates_to_zero = false)
      : start_(start), to_zero_(extrapolates_to_zero) {}
  int order() const override { return 2; }
  int extra_calls() const override { return start_ == Start::heun ? 1 : 9; }
  std::size_t history() const override { return 3; }
  bool remembers_x() const override { return true; }

  void step(const Step& k, Out<double> x) const override {
    const Matrix<double> x0 = k.denoise(x, k.t);
    const auto order = static_cast<std::size_t>(order_now(k, 4));
    const bool starts = order < (start_ == Start::heun ? 2 : 4);
    const bool last = k.s.sigma == 0 && (starts || !to_zero_);
    if (k.t.alpha == 0 || last || k.s.t == k.t.t) return first_order(k, x0, x);
    if (starts) return start(k, eps_hat(x, x0, k.t), x);
    static constexpr std::array<std::array<double, 4>, 3> adams_bashforth{
        {{3.0 / 2, -1.0 / 2}, {23.0 / 12, -16.0 / 12, 5.0 / 12}, {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}}};
    std::array<double, 4> w = adams_bashforth[order - 2];
    for (double& w_j : w) w_j *= of_e(k.t, k.s);
    combine(k, k.s.alpha / k.t.alpha, {w.data(), order}, x0, Predicts::noise, x);
  }

 private:
  static double of_e(const Level& t, const Level& s) { return s.sigma - s.alpha * (t.sigma / t.alpha); }
  static Matrix<double> phi(In<double> x, In<double> e, const Level& t, const Level& s) {
    return s.alpha / t.alpha * x + of_e(t, s) * e;
  }
  static Matrix<double> eps(const Step& k, In<double> u, const Level& p) { return eps_hat(u, k.denoise(u, p), p); }

  void start(const Step& k, In<double> e1, Out<double> x) const {
    const Level &t = k.t, &s = k.s;
    Matrix<double> e = e1;
    if (start_ == Start::heun) {
      e += eps(k, phi(x, e1, t, s), s);
      x = phi(x, e / 2, t, s);
      return;
    }
    const Level m = k.schedule.at((t.t + s.t) / 2);
    const Matrix<double> e2 = eps(k, phi(x, e1, t, m), m), e3 = eps(k, phi(x, e2, t, m), m);
    e += 2 * e2 + 2 * e3 + eps(k, phi(x, e3, t, s), s);
    x = phi(x, e / 6, t, s);
  }
  Start start_;
  bool to_zero_;
};

}  // namespace scorefield
