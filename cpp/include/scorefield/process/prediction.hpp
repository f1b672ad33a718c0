#pragma once
#include <string_view>

#include "scorefield/base/matrix.hpp"
#include "scorefield/schedule/level.hpp"

/// What a network predicts, and how each kind gives any other at known x_t, theory 3. A kind is one row, the numbers
/// (a, b) of y = a x0 + b eps; together with x_t = alpha x0 + sigma eps that is a linear system for x0 and eps, solved
/// by Cramer's rule:
///   x0 = (b x_t - sigma y) / d,     eps = (alpha y - a x_t) / d,     d = alpha b - sigma a
/// Where a level has no answer (alpha = 0: no x0 from eps; sigma = 0: no noise from x0), std::invalid_argument names
/// the way out.
namespace scorefield {

enum class Prediction { x0, eps, score, v, flow, edm, energy };

/// "x0" -> Prediction::x0 and so on; std::invalid_argument with the list for any other word.
Prediction parse_prediction(std::string_view name);
std::string_view name(Prediction kind);

/// prediction = x0 * x0 + eps * eps:
///   x0 (1, 0)   eps (0, 1)   score (0, -1/sigma) (10)   v (-sigma, alpha) (11)   flow (alpha', sigma') (12)
///   edm (sigma / s_d, -s_d) / sqrt(sigma^2 + s_d^2) (14), alpha = 1 only   energy: its gradient dE/dx = -score
struct Target {
  double x0, eps;
};
Target target(Prediction kind, const Level& t, const Rates& rates, double sigma_data);

/// x0_hat = x * x_t + y * prediction, theory (9), (13) and their like.
struct ToX0 {
  double x, y;
};
ToX0 to_x0(Prediction kind, const Level& t, const Rates& rates, double sigma_data);

/// eps_hat = x * x_t + y * prediction.
struct ToEps {
  double x, y;
};
ToEps to_eps(Prediction kind, const Level& t, const Rates& rates, double sigma_data);

/// target = x * x_t + y * source. Identity if both are the same kind; goes through x0 or eps alone where the target
/// needs only one.
struct Conversion {
  double x, y;
};
Conversion conversion(Prediction source, Prediction target, const Level& t, const Rates& rates, double sigma_data);

/// out := c.x x_t + c.y value per row, in double, rounded once. One conversion for all rows or one per row; S = float,
/// double.
template <class S>
void convert(In<S> value, In<S> x_t, std::span<const Conversion> c, Out<S> out);

}  // namespace scorefield
