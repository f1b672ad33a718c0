#pragma once
#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/exponential.hpp"

namespace scorefield {

/// UniPC, order 1 to 3: a predictor and a corrector that share one call per step. Zhao et al. 2023 (arXiv:2302.04867),
/// algorithms 5 to 8, eqs. 3, 5 and 8; theory 7. With m_0 the answer at t (data or noise), those before it at l_t + r_m
/// h (r_m < 0), D_m = m_m - m_0, and keep, psi of `Exponential`, the predictor UniP-p is
///   x_s = keep x_t + scale (psi_1(h) m_0 + B(h) sum_{m < p} a_m D_m / r_m),     scale = alpha_s; noise: -sigma_s
/// and the corrector UniC-p is the same with the answer at the predicted x_s as a further D_p, r_p = 1. The a_m solve
///   sum_m r_m^{k-1} a_m B(h) = k! psi_{k+1}(h),   k = 1, 2, ...;        a_1 = 1/2 if it is alone,
/// B_1(h) = h or B_2(h) = psi_1(h). As x_s is linear in what it is made of, correcting it needs the answers only: each
/// step first adds what corrector and predictor of the step before differ by, unless that one is to stay as it was
/// predicted, then predicts; the last step to sigma_s = 0 returns x0_hat, one from alpha_t = 0 is of order 1. Order:
/// p + 1 by the corrector (theorem 3.1), at most 3 because of the first step; p where nothing is corrected.
class UniPc final : public Sampler {
 public:
  enum class B { h, e_h };  ///< B_1, B_2
  static constexpr int every_step = -1;
  /// uncorrected: steps, counted from 0, whose prediction stays; {every_step}: the predictor alone.
  explicit UniPc(int order = 2, B b = B::e_h, int lower_order_final = 0, Predicts y = Predicts::data,
                 std::vector<int> uncorrected = {})
      : order_(order), b_(b), lower_order_final_(lower_order_final), y_(y), uncorrected_(std::move(uncorrected)) {
    require(1 <= order && order <= 3, "order must be 1, 2 or 3, got ", order);
    require(lower_order_final >= 0, "lower_order_final must be >= 0, got ", lower_order_final);
  }
  int order() const override { return order_; }
  std::size_t history() const override { return static_cast<std::size_t>(order_); }
  bool remembers_x() const override { return y_ == Predicts::noise; }

  void step(const Step& k, Out<double> x) const override {
    const Matrix<double> x0 = k.denoise(x, k.t);
    if (k.s.sigma == 0) {
      x = k.s.alpha * x0;
      return;
    }
    if (k.s.t == k.t.t) return;
    if (k.t.alpha == 0) return first_order(k, x0, x);
    const int earlier = order_now(k, order_ + 1) - 1, before = k.steps - 2 - k.steps_left;
    Weights w{};
    const bool stays = std::ranges::any_of(uncorrected_, [&](int i) { return i == before || i == every_step; });
    if (earlier > 0 && !stays) correct(k, std::min(order_, earlier), w);
    const double keep = exponential(k.t, k.s, y_).keep;
    for (double& w_j : w) w_j *= keep;
    predict(k, order_now(k, order_, lower_order_final_), w);
    combine(k, keep, {w.data(), static_cast<std::size_t>(earlier) + 1}, x0, y_, x);
  }

 private:
  using Weights = std::array<double, 4>;  ///< of this step's answer, and of earlier ones
  struct Nodes {
    int count = 0;
    std::array<double, 3> r{};
    std::array<std::size_t, 3> of{};  ///< to which entry of Weights the answer at r belongs
    void add(double at, std::size_t index) {
      r[static_cast<std::size_t>(count)] = at;
      of[static_cast<std::size_t>(count++)] = index;
    }
  };

  double scale(const Level& s) const { return y_ == Predicts::noise ? -s.sigma : s.alpha; }
  double sign() const { return y_ == Predicts::noise ? 1 : -1; }

  /// w += share scale B(h) sum a_m D_m / r_m for the step from t to s whose m_0 is entry `zero`.
  void add(const Level& t, const Level& s, const Nodes& n, std::size_t zero, double share, Weights& w) const {
    const double h = s.half_log_snr() - t.half_log_snr();
    const std::array<double, 3> Ba = solve(h, n);
    for (std::size_t m = 0; m < static_cast<std::size_t>(n.count); ++m) {
      const double of_D = share * scale(s) * Ba[m] / n.r[m];
      w[n.of[m]] += of_D;
      w[zero] -= of_D;
    }
  }
  /// B(h) a_m.
  std::array<double, 3> solve(double h, const Nodes& n) const {
    const double psi1 = sign() * std::expm1(sign() * h);
    if (n.count == 1) return {(b_ == B::h ? h : psi1) / 2};
    Eigen::Matrix3d R = Eigen::Matrix3d::Identity();
    Eigen::Vector3d b = Eigen::Vector3d::Zero();
    double psi = psi1, factorial = 1;
    for (int k = 1; k <= n.count; ++k) {
      factorial *= k;
      psi = sign() * (psi / h - 1 / factorial);
      b[k - 1] = factorial * psi;
      for (int m = 0; m < n.count; ++m) R(k - 1, m) = std::pow(n.r[static_cast<std::size_t>(m)], k - 1);
    }
    const Eigen::Vector3d Ba = R.partialPivLu().solve(b);
    return {Ba[0], Ba[1], Ba[2]};
  }
  void predict(const Step& k, int order, Weights& w) const {
    const double l = k.t.half_log_snr(), h = k.s.half_log_snr() - l;
    Nodes nodes;
    for (std::size_t m = 1; m < static_cast<std::size_t>(order); ++m) {
      nodes.add((k.past[m - 1].at.half_log_snr() - l) / h, m);
    }
    w[0] += scale(k.s) * sign() * std::expm1(sign() * h);
    add(k.t, k.s, nodes, 0, 1, w);
  }
  /// What the step before would have added, had it known this step's answer: corrector less predictor.
  void correct(const Step& k, int order, Weights& w) const {
    const Level& before = k.past[0].at;
    if (k.steps_left + 1 < lower_order_final_) order = std::min(order, k.steps_left + 2);
    const double l = before.half_log_snr(), h = k.t.half_log_snr() - l;
    Nodes nodes;
    for (std::size_t m = 1; m < static_cast<std::size_t>(order); ++m) {
      nodes.add((k.past[m].at.half_log_snr() - l) / h, m + 1);
    }
    add(before, k.t, nodes, 1, -1, w);
    nodes.add(1, 0);
    add(before, k.t, nodes, 1, 1, w);
  }
  int order_;
  B b_;
  int lower_order_final_;
  Predicts y_;
  std::vector<int> uncorrected_;
};

}  // namespace scorefield
