#pragma once
#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/sample/lagrange.hpp"
#include "scorefield/sample/multistep.hpp"

namespace scorefield {

/// The variable in which DEIS takes eps_hat for a polynomial: time (tAB-DEIS), or log n = log(sigma / alpha).
enum class DeisVariable { t, log_rho };

/// DEIS, order 1 to 3 (polynomials of degree 0 to 2). Zhang & Chen 2022 (arXiv:2204.13902), eqs. 14 and 15; theory 7.
/// With u = x / alpha and n = sigma / alpha ("rho"),
///   u_s = u_t + sum_j C_j eps_j,     C_j = int_{n_t}^{n_s} L_j(v(n)) dn
/// with the Lagrange polynomials L_j of the latest v_j, v being t or log n. (The paper's 1/2 Psi(s, tau) g^2 / sigma d
/// tau is alpha_s dn.) The integrals are composite Gauss-Legendre rules in l = -log n, dn = -n dl: pieces of length at
/// most 1, cut where a discrete schedule has an entry, since it is smooth only between those. Step to sigma_s = 0:
/// x0_hat.
class Deis final : public Sampler {
 public:
  explicit Deis(int order = 2, DeisVariable variable = DeisVariable::t, int lower_order_final = 0)
      : order_(order), variable_(variable), lower_order_final_(lower_order_final) {
    require(1 <= order && order <= 3, "order must be 1, 2 or 3, got ", order);
    require(lower_order_final >= 0, "lower_order_final must be >= 0, got ", lower_order_final);
  }
  int order() const override { return order_; }
  std::size_t history() const override { return static_cast<std::size_t>(order_) - 1; }
  bool remembers_x() const override { return order_ > 1; }

  void step(const Step& k, Out<double> x) const override {
    const Matrix<double> x0 = k.denoise(x, k.t);
    const int order = order_now(k, order_, lower_order_final_);
    if (order == 1 || k.s.sigma == 0 || k.s.t == k.t.t) return first_order(k, x0, x);
    std::vector<double> nodes{variable(k.t)};
    for (std::size_t j = 0; j + 1 < static_cast<std::size_t>(order); ++j) nodes.push_back(variable(k.past[j].at));
    std::vector<double> C = lagrange_weights(nodes, rule(k));
    for (double& C_j : C) C_j *= k.s.alpha;
    combine(k, k.s.alpha / k.t.alpha, C, x0, Predicts::noise, x);
  }

 private:
  double variable(const Level& p) const { return variable_ == DeisVariable::t ? p.t : -p.half_log_snr(); }

  std::vector<QuadraturePoint> rule(const Step& k) const {
    std::vector<QuadraturePoint> points;
    double from = k.t.half_log_snr();
    for (const double to : cuts(k)) {
      const int pieces = std::max(1, static_cast<int>(std::ceil(to - from)));
      for (int i = 0; i < pieces; ++i) {
        const double width = (to - from) / pieces;
        gauss_legendre(from + i * width, from + (i + 1) * width, [&](double l, double dl) {
          const double v = variable_ == DeisVariable::t ? k.schedule.time_of_half_log_snr(l) : -l;
          points.push_back({v, -std::exp(-l) * dl});
        });
      }
      from = to;
    }
    return points;
  }
  /// Where l reaches an entry of a discrete schedule between t and s, and s.
  std::vector<double> cuts(const Step& k) const {
    std::vector<double> l;
    if (variable_ == DeisVariable::t && k.schedule.steps() > 0) {
      for (double t = std::ceil(k.t.t) - 1; t > k.s.t; t -= 1) l.push_back(k.schedule.at(t).half_log_snr());
    }
    l.push_back(k.s.half_log_snr());
    return l;
  }
  int order_;
  DeisVariable variable_;
  int lower_order_final_;
};

}  // namespace scorefield
