#pragma once
#include <cmath>

#include "scorefield/base/dual.hpp"
#include "scorefield/nn/pieces.hpp"
#include "scorefield/nn/plan.hpp"

namespace scorefield::nn {

/// Phi(u), the distribution function of a standard normal number.
template <class S>
S normal_cdf(const S& u) {
  using std::erf;
  return S(0.5) * (S(1) + erf(u * S(0.7071067811865476)));
}
/// d(u Phi(u)) / du = Phi(u) + u phi(u)
template <class S>
S gelu_slope(const S& u) {
  using std::exp;
  return normal_cdf(u) + u * S(0.3989422804014327) * exp(S(-0.5) * u * u);
}

/// mish(u) = u tanh(ln(1 + e^u)) = u q and its first two derivatives (Misra 2019), in e = exp(-|u|), which does not
/// overflow. With e^u = e or 1 / e:
///   q = (e^2 + 2e) / d,  d = e^2 + 2e + 2,   q' = 4 e (1 + e) / d^2,     q'' = 4 e (2 + 2e - 3e^2 - 2e^3) / d^3
///   q = (1 + 2e) / d,    d = 1 + 2e + 2e^2,  q' = 4 e^2 (1 + e) / d^2,   q'' = 4 e^2 (2e^3 + 2e^2 - 3e - 2) / d^3
template <class S>
struct Mish {
  S value, slope, curvature;
  explicit Mish(const S& u) {
    using std::exp;
    const bool negative = u < S(0);
    const S e = exp(negative ? u : S(-u)), one(1), two(2), three(3);
    const S d = negative ? e * (e + two) + two : one + two * e * (one + e);
    const S q = (negative ? e * (e + two) : one + two * e) / d, f = S(4) * (negative ? e : e * e) / (d * d);
    const S q1 = f * (one + e);
    const S q2 = f * (negative ? two + e * (two - e * (three + two * e)) : e * (e * (two * e + two) - three) - two) / d;
    value = u * q, slope = q + u * q1, curvature = two * q1 + u * q2;
  }
};

/// y := act(u), slope := act'(u).
///   silu  u s, s = 1 / (1 + exp(-u)), slope s + u s (1 - s)   (Elfwing, Uchibe & Doya 2018)
///   gelu  u Phi(u)                                            (Hendrycks & Gimpel 2016, the exact form)
template <class S>
void activate_piece(Activation kind, const Piece<S>& u, Piece<S>& y, Piece<S>& slope) {
  switch (kind) {
    case Activation::identity:
      slope.setOnes();
      y = u;
      return;
    case Activation::silu:
      slope = S(1) / (S(1) + (-u).exp());
      y = u * slope;
      slope += y * (S(1) - slope);
      return;
    case Activation::gelu:
      slope = u.unaryExpr([](const S& v) { return gelu_slope(v); });
      y = u.unaryExpr([](const S& v) { return v * normal_cdf(v); });
      return;
    case Activation::tanh:
      y = u.tanh();
      slope = S(1) - y.square();
      return;
    case Activation::relu:  // NaN stays NaN
      slope = u.unaryExpr([](const S& v) { return v < S(0) ? S(0) : S(1); });
      y = u * slope;
      return;
    case Activation::mish:
      slope = u.unaryExpr([](const S& v) { return Mish<S>(v).slope; });
      y = u.unaryExpr([](const S& v) { return Mish<S>(v).value; });
      return;
  }
}

/// y := act(u), slope := act'(u), curvature := act''(u), for derivatives of derivatives.
///   silu  s (1 - s) (2 + u (1 - 2 s))      gelu  phi(u) (2 - u^2)      tanh  -2 y (1 - y^2)      relu  0 (almost
///   everywhere)
template <class S>
void activate_piece(Activation kind, const Piece<S>& u, Piece<S>& y, Piece<S>& slope, Piece<S>& curvature) {
  switch (kind) {
    case Activation::identity:
    case Activation::relu:
      curvature.setZero();
      activate_piece<S>(kind, u, y, slope);
      return;
    case Activation::silu:
      slope = S(1) / (S(1) + (-u).exp());
      curvature = slope * (S(1) - slope) * (S(2) + u * (S(1) - S(2) * slope));
      y = u * slope;
      slope += y * (S(1) - slope);
      return;
    case Activation::gelu:
      curvature = S(0.3989422804014327) * (S(-0.5) * u.square()).exp() * (S(2) - u.square());
      activate_piece<S>(kind, u, y, slope);
      return;
    case Activation::tanh:
      activate_piece<S>(kind, u, y, slope);
      curvature = S(-2) * y * slope;
      return;
    case Activation::mish:
      curvature = u.unaryExpr([](const S& v) { return Mish<S>(v).curvature; });
      activate_piece<S>(kind, u, y, slope);
      return;
  }
}

/// y := act(u).
template <class S>
void activate_piece(Activation kind, const Piece<S>& u, Piece<S>& y) {
  switch (kind) {
    case Activation::identity: y = u; return;
    case Activation::silu: y = u / (S(1) + (-u).exp()); return;
    case Activation::gelu: y = u.unaryExpr([](const S& v) { return v * normal_cdf(v); }); return;
    case Activation::tanh: y = u.tanh(); return;
    case Activation::relu: y = u.unaryExpr([](const S& v) { return v < S(0) ? S(0) : v; }); return;
    case Activation::mish: y = u.unaryExpr([](const S& v) { return Mish<S>(v).value; }); return;
  }
}

/// One row: y := act(u), and slope := act'(u), curvature := act''(u) if they are given. Any of them may be u.
template <class S, class U, class... Out>
void activate_row(Activation kind, const U& u, Out... out) {
  in_pieces<S>(u, [kind](const auto& in, auto&... piece) { activate_piece<S>(kind, in, piece...); }, out...);
}

/// y := act(u);   u, y: (P, C), y may be u.
template <class S>
void activate(Activation kind, In<S> u, Out<S> y) {
  for (Index p = 0; p < u.rows(); ++p) activate_row<S>(kind, u.row(p).array(), y.row(p).array());
}

/// y := act(u) and slope := act'(u), so that dL/du = slope dL/dy. y may be u.
template <class S>
void activate_with_slope(Activation kind, In<S> u, Out<S> y, Out<S> slope) {
  for (Index p = 0; p < u.rows(); ++p) activate_row<S>(kind, u.row(p).array(), y.row(p).array(), slope.row(p).array());
}

}  // namespace scorefield::nn
