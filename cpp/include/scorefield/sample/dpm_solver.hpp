#pragma once
#include "scorefield/base/check.hpp"
#include "scorefield/sample/exponential.hpp"

namespace scorefield {

/// DPM-Solver, single-step, order 1 to 3, and with data in place of noise the single-step DPM-Solver++ (2S, 3S). Lu et
/// al. 2022a (arXiv:2206.00927), algorithms 1 and 2; Lu et al. 2022b (arXiv:2211.01095), algorithm 1 and appendix B;
/// theory
/// 7. With the coefficients of `Exponential` for the way from t to the level at l_t + r h, y0 the answer at (x_t, t):
///   order 1    x_s = keep x_t + c1 y0
///   order 2    u1  = the same to l_t + h / 2,  y1 its answer
///              x_s = keep x_t + c1 y0 + c1 / (2 r1) (y1 - y0),                r1 = 1/2
///   order 3    u1  = the same to l_t + h / 3,  y1 its answer
///              u2  = keep x_t + c1 y0 + c2 r2 / r1 (y1 - y0) to l_t + 2 h / 3,  y2 its answer
///              x_s = keep x_t + c1 y0 + c2 / r2 (y2 - y0),                    r1 = 1/3, r2 = 2/3
/// The last step to sigma_s = 0 returns x0_hat; one from alpha_t = 0 is of order 1: h is infinite there.
class DpmSolver final : public Sampler {
 public:
  explicit DpmSolver(int order = 2, Predicts y = Predicts::noise) : order_(order), y_(y) {
    require(1 <= order && order <= 3, "order must be 1, 2 or 3, got ", order);
  }
  int order() const override { return order_; }
  int calls() const override { return order_; }

  void step(const Step& k, Out<double> x) const override {
    const Matrix<double> x0 = k.denoise(x, k.t);
    if (order_ == 1 || k.t.alpha == 0 || k.s.sigma == 0 || k.s.t == k.t.t) return first_order(k, x0, x);
    const Matrix<double> y0 = answer(k.t, x, x0);
    if (order_ == 2) return second(k, y0, x);
    third(k, y0, x);
  }

 private:
  void second(const Step& k, In<double> y0, Out<double> x) const {
    const Level p = between(k, 0.5);
    const Exponential e1 = exponential(k.t, p, y_), e = exponential(k.t, k.s, y_);
    const Matrix<double> u = e1.keep * x + e1.c1 * y0;
    x = e.keep * x + e.c1 * answer(p, u, k.denoise(u, p));  // 1 / (2 r1) = 1
  }
  void third(const Step& k, In<double> y0, Out<double> x) const {
    const double r1 = 1.0 / 3, r2 = 2.0 / 3;
    const Level p1 = between(k, r1), p2 = between(k, r2);
    const Exponential e1 = exponential(k.t, p1, y_), e2 = exponential(k.t, p2, y_), e = exponential(k.t, k.s, y_);
    Matrix<double> u = e1.keep * x + e1.c1 * y0;
    const Matrix<double> d1 = answer(p1, u, k.denoise(u, p1)) - y0;
    u = e2.keep * x + e2.c1 * y0 + e2.c2 * r2 / r1 * d1;
    const Matrix<double> d2 = answer(p2, u, k.denoise(u, p2)) - y0;
    x = e.keep * x + e.c1 * y0 + e.c2 / r2 * d2;
  }
  Matrix<double> answer(const Level& p, In<double> x, In<double> x0) const {
    return y_ == Predicts::data ? Matrix<double>(x0) : eps_hat(x, x0, p);
  }
  /// The level at l_t + r h.
  static Level between(const Step& k, double r) {
    const double l = k.t.half_log_snr();
    return k.schedule.at(k.schedule.time_of_half_log_snr(l + r * (k.s.half_log_snr() - l)));
  }
  int order_;
  Predicts y_;
};

}  // namespace scorefield
