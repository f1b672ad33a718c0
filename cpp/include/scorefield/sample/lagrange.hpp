#pragma once
#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace scorefield {

/// A point of a quadrature rule: int f(v) dn is about sum of f(v) dn.
struct QuadraturePoint {
  double v, dn;
};

/// Adds the eight Gauss-Legendre points of [a, b]: exact for polynomials of degree 15 (Abramowitz & Stegun 1964, table
/// 25.4).  point(r, weight) takes the place in [a, b] and its weight.
template <class F>
void gauss_legendre(double a, double b, const F& point) {
  constexpr std::array<double, 4> at{0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975362};
  constexpr std::array<double, 4> weight{0.3626837833783620, 0.3137066458778873, 0.2223810344533745,
                                         0.1012285362903763};
  const double middle = (a + b) / 2, half = (b - a) / 2;
  for (std::size_t i = 0; i < at.size(); ++i) {
    point(middle - half * at[i], half * weight[i]);
    point(middle + half * at[i], half * weight[i]);
  }
}

/// w_j = int L_j(v) dn with the Lagrange polynomials of the nodes,  L_j(v) = prod_{i != j} (v - v_i) / (v_j - v_i):
/// what the integral of the polynomial through values y_j is made of, sum_j w_j y_j. Adams & Bashforth 1883.
inline std::vector<double> lagrange_weights(std::span<const double> nodes, std::span<const QuadraturePoint> rule) {
  std::vector<double> w(nodes.size());
  for (const auto& [v, dn] : rule) {
    for (std::size_t j = 0; j < nodes.size(); ++j) {
      double L = dn;
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (i != j) L *= (v - nodes[i]) / (nodes[j] - nodes[i]);
      }
      w[j] += L;
    }
  }
  return w;
}

}  // namespace scorefield
