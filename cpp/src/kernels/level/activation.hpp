#pragma once
#include "math.hpp"
#include "scorefield/kernels/table.hpp"

/// Activations and their slopes, as templates for the kernels that apply them on the way.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

/// erfc(x), x >= 0:  t exp(-x^2 + p(t)),  t = 1 / (1 + x / 2). Relative error 1.2e-7 (Press et al., Numerical
/// Recipes, 6.2.2).
KERNEL_INLINE f32x16 erfc_positive(f32x16 x) {
  const f32x16 t = all(1) / fma(x, 0.5f, all(1));
  f32x16 p = fma(t, 0.17087277f, all(-0.82215223f));
  p = fma(p, t, all(1.48851587f));
  p = fma(p, t, all(-1.13520398f));
  p = fma(p, t, all(0.27886807f));
  p = fma(p, t, all(-0.18628806f));
  p = fma(p, t, all(0.09678418f));
  p = fma(p, t, all(0.37409196f));
  p = fma(p, t, all(1.00002368f));
  p = fma(p, t, all(-1.26551223f));
  return t * exp(fma(-x, x, p));
}

/// Phi(u) = erfc(-u / sqrt(2)) / 2, the distribution function of a standard normal number.
KERNEL_INLINE f32x16 normal_cdf(f32x16 u) {
  const i32x16 negative = less(u, zero());
  const f32x16 tail = all(0.5f) * erfc_positive(all(0.70710678f) * select(negative, -u, u));
  return select(negative, tail, all(1) - tail);
}

/// tanh:  u + u^3 p(u^2) below 5/8 (Cephes, tanhf), then 1 - 2 / (e^(2 u) + 1).
KERNEL_INLINE f32x16 tanh(f32x16 u) {
  const i32x16 negative = less(u, zero());
  const f32x16 size = select(negative, -u, u), z = u * u;
  f32x16 p = fma(z, -5.70498872745e-3f, all(2.06390887954e-2f));
  p = fma(p, z, all(-5.37397155531e-2f));
  p = fma(p, z, all(1.33314422036e-1f));
  p = fma(p, z, all(-3.33332819422e-1f));
  const f32x16 large = all(1) - all(2) / (exp(size + size) + all(1));
  return select(less(size, all(0.625f)), fma(p * z, u, u), select(negative, -large, large));
}

/// mish(u) = u q, q = tanh(ln(1 + e^u)), in e = exp(-|u|):  q = (e^2 + 2e) / (e^2 + 2e + 2) below 0, else
/// (1 + 2e) / (1 + 2e + 2e^2)  (Misra 2019).
struct Mish {
  f32x16 e, d, q;
  i32x16 negative;
};
KERNEL_INLINE Mish mish(f32x16 u) {
  const i32x16 negative = less(u, zero());
  const f32x16 e = exp(select(negative, u, -u)), small = fma(e, e, e + e), large = all(1) + (e + e);
  const f32x16 d = select(negative, small + all(2), fma(e + e, e, large));
  return {e, d, select(negative, small, large) / d, negative};
}

template <Act act>
KERNEL_INLINE f32x16 activate(f32x16 u) {
  if constexpr (act == Act::silu) return u / (all(1) + exp(-u));
  if constexpr (act == Act::gelu) return u * normal_cdf(u);
  if constexpr (act == Act::tanh) return tanh(u);
  if constexpr (act == Act::relu) return select(less(u, zero()), zero(), u);
  if constexpr (act == Act::mish) return u * mish(u).q;
  return u;
}

/// act(u), and act'(u) in `slope`:  silu s + u s (1 - s);  gelu Phi + u phi;  tanh 1 - y^2;  mish q + u q', with
/// q' = 4 e (1 + e) / d^2 below 0, else e times that.
template <Act act>
KERNEL_INLINE f32x16 activate(f32x16 u, f32x16& slope) {
  if constexpr (act == Act::silu) {
    const f32x16 d = all(1) + exp(-u), s = all(1) / d;
    slope = fma(u * s, all(1) - s, s);
    return u / d;  // the bits of the other form
  }
  if constexpr (act == Act::gelu) {
    const f32x16 cdf = normal_cdf(u);
    slope = fma(u * all(0.39894228f), exp(all(-0.5f) * u * u), cdf);
    return u * cdf;
  }
  if constexpr (act == Act::tanh) {
    const f32x16 y = tanh(u);
    slope = fma(-y, y, all(1));
    return y;
  }
  if constexpr (act == Act::relu) {
    slope = select(less(u, zero()), zero(), all(1));
    return select(less(u, zero()), zero(), u);
  }
  if constexpr (act == Act::mish) {
    const Mish m = mish(u);
    const f32x16 f = all(4) * m.e * (all(1) + m.e) / (m.d * m.d);
    slope = fma(u, select(m.negative, f, f * m.e), m.q);
    return u * m.q;
  }
  slope = all(1);
  return u;
}

/// f(Activation<act>{}) for the act of a table call.
template <Act value>
struct Activation {
  static constexpr Act act = value;
};
template <class F>
KERNEL_INLINE void with_activation(Act act, F&& f) {
  switch (act) {
    case Act::identity: f(Activation<Act::identity>{}); return;
    case Act::silu: f(Activation<Act::silu>{}); return;
    case Act::gelu: f(Activation<Act::gelu>{}); return;
    case Act::tanh: f(Activation<Act::tanh>{}); return;
    case Act::relu: f(Activation<Act::relu>{}); return;
    case Act::mish: f(Activation<Act::mish>{}); return;
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
