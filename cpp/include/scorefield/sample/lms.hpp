#pragma once
#include "scorefield/base/check.hpp"
#include "scorefield/sample/lagrange.hpp"
#include "scorefield/sample/multistep.hpp"

namespace scorefield {

/// Linear multistep method of order 1 to 4 in n = sigma / alpha: Adams-Bashforth for du/dn = eps_hat, u = x / alpha, on
/// any grid. Known as LMS from k-diffusion (Crowson 2022); the same as rho-AB-DEIS of Zhang & Chen 2022
/// (arXiv:2204.13902), section 3.3; theory 7.
///   u_s = u_t + sum_j w_j eps_j,     w_j = int_{n_t}^{n_s} L_j(n) dn
/// with the Lagrange polynomials L_j of the latest n_j. A run starts with the lower orders. The step to sigma_s = 0
/// returns x0_hat; with `extrapolates_to_zero` it keeps its order, as k-diffusion's does.
class Lms final : public Sampler {
 public:
  explicit Lms(int order = 4, bool extrapolates_to_zero = false) : order_(order), to_zero_(extrapolates_to_zero) {
    require(1 <= order && order <= 4, "order must be 1, 2, 3 or 4, got ", order);
  }
  int order() const override { return order_; }
  std::size_t history() const override { return static_cast<std::size_t>(order_) - 1; }
  bool remembers_x() const override { return order_ > 1; }

  void step(const Step& k, Out<double> x) const override {
    const Matrix<double> x0 = k.denoise(x, k.t);
    const int order = order_now(k, order_);
    if (order == 1 || (k.s.sigma == 0 && !to_zero_)) return first_order(k, x0, x);
    std::vector<double> nodes{k.t.sigma / k.t.alpha};
    for (std::size_t j = 0; j + 1 < static_cast<std::size_t>(order); ++j) {
      nodes.push_back(k.past[j].at.sigma / k.past[j].at.alpha);
    }
    std::vector<QuadraturePoint> rule;
    gauss_legendre(nodes[0], k.s.sigma / k.s.alpha, [&](double n, double dn) { rule.push_back({n, dn}); });
    std::vector<double> w = lagrange_weights(nodes, rule);
    for (double& w_j : w) w_j *= k.s.alpha;
    combine(k, k.s.alpha / k.t.alpha, w, x0, Predicts::noise, x);
  }

 private:
  int order_;
  bool to_zero_;
};

}  // namespace scorefield
