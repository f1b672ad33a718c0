#pragma once
#include <algorithm>
#include <array>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/exponential.hpp"

namespace scorefield {

/// Single-step DPM-Solver and DPM-Solver++ whose points between are times of the grid: turns of p steps of orders 1, 2,
/// ..., p, all from the state x_b at the turn's first time, with one call each. The steps of Lu et al. 2022a
/// (arXiv:2206.00927), algorithms 1 and 2, and 2022b (arXiv:2211.01095), section 4, with r1 and r2 wherever the grid
/// has them; known from the authors' program and diffusers; theory 7. With the coefficients of `Exponential` for the
/// way from b to s, y_i the answers of the turn, and l_i = l_b + r_i h where they were asked:
///   order 1    x_s = keep x_b + c1 y0
///   order 2    x_s = keep x_b + c1 y0 + c1 / (2 r1) (y1 - y0)          `heun`: c2 for c1 / 2
///   order 3    x_s = keep x_b + c1 y0 + c2 / r2 (y2 - y0)              `heun`: c2 h y' + c3 h^2 y'' of the parabola
/// through y0, y1, y2, by  d1 = (y1 - y0) / r1,  d2 = ((y2 - y0) / r2 - d1) / (r2 - r1),  h y' = d1 - r1 d2,
/// h^2 y'' = 2 d2.  Order p after whole turns, order 3 where the l_i are about even; a turn that the grid cuts off
/// after its first step costs O(h^2). The last step to sigma_s = 0 returns x0_hat; one from alpha_t = 0 is of order 1.
class DpmSolverOnGrid final : public Sampler {
 public:
  explicit DpmSolverOnGrid(int order = 2, Predicts y = Predicts::data, bool heun = false, int lower_order_final = 0)
      : order_(order), y_(y), heun_(heun), lower_order_final_(lower_order_final) {
    require(1 <= order && order <= 3, "order must be 1, 2 or 3, got ", order);
    require(lower_order_final >= 0, "lower_order_final must be >= 0, got ", lower_order_final);
  }
  int order() const override { return std::min(order_, 2); }  ///< 3 by whole turns on even grids only
  std::size_t history() const override { return static_cast<std::size_t>(order_) - 1; }
  bool remembers_x() const override { return order_ > 1; }

  void step(const Step& k, Out<double> x) const override {
    const Matrix<double> x0 = k.denoise(x, k.t);
    const int place = (k.steps - 1 - k.steps_left) % order_ + 1;
    const auto n = static_cast<std::size_t>(order_now(k, place, lower_order_final_));
    if (n == 1 || k.s.sigma == 0 || k.s.t == k.t.t) return first_order(k, x0, x);
    const Exponential e = exponential(k.past[n - 2].at, k.s, y_);
    const std::array<double, 3> w = weights(k, e, n);
    Matrix<double> x_s = e.keep * k.past[n - 2].x + w[n - 1] * answer(k.t, x, x0);
    for (std::size_t i = 0; i + 1 < n; ++i) {
      const Evaluation& asked = k.past[n - 2 - i];
      x_s += w[i] * answer(asked.at, asked.x, asked.x0);
    }
    x = x_s;
  }

 private:
  /// Of y0, y1, y2.
  std::array<double, 3> weights(const Step& k, const Exponential& e, std::size_t n) const {
    const double l_b = k.past[n - 2].at.half_log_snr(), now = (k.t.half_log_snr() - l_b) / e.h;
    if (n == 2) {
      const double w = (heun_ ? e.c2 : e.c1 / 2) / now;
      return {e.c1 - w, w, 0};
    }
    if (!heun_) return {e.c1 - e.c2 / now, 0, e.c2 / now};
    const double r1 = (k.past[0].at.half_log_snr() - l_b) / e.h;
    const double of_d2 = (2 * e.c3 - e.c2 * r1) / (now - r1), w1 = (e.c2 - of_d2) / r1, w2 = of_d2 / now;
    return {e.c1 - w1 - w2, w1, w2};
  }
  Matrix<double> answer(const Level& p, In<double> x, In<double> x0) const {
    return y_ == Predicts::data ? Matrix<double>(x0) : eps_hat(x, x0, p);
  }
  int order_;
  Predicts y_;
  bool heun_;
  int lower_order_final_;
};

}  // namespace scorefield
