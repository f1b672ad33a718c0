#pragma once
#include "simd.hpp"

/// Elementary functions of 16 lanes, the same bits on every level: no libm, explicit fma. NaN goes in and comes out.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

/// e^x, x limited to [-87, 88]; error below 1 unit in the last place.
///   n = round(x / ln 2),  r = x - n ln 2 (two parts, Cody and Waite),  e^x = 2^n (1 + r + r^2 p(r))
/// The rounding constant carries the exponent's bias, so that its low bits, shifted, are 2^n.
KERNEL_INLINE f32x16 exp(f32x16 x) {
  constexpr float magic = 12582912.f + 127.f;
  x = at_most(at_least(x, all(-87)), all(88));
  const f32x16 t = fma(x, 1.44269504088896341f, all(magic));
  const f32x16 n = t - all(magic);
  f32x16 r = fma(n, -0.693145751953125f, x);
  r = fma(n, -1.428606765330187e-06f, r);
  f32x16 p = fma(r, 0.00138145382f, all(0.00836874532f));
  p = fma(p, r, all(0.0416683908f));
  p = fma(p, r, all(0.166665204f));
  p = fma(p, r, all(0.499999934f));
  p = fma(p, r * r, r) + all(1);
  return p * bits<f32x16>(bits<i32x16>(t) << 23);
}

/// ln x for positive normal x, about 1 unit in the last place.
///   x = 2^e m with m in [sqrt(1/2), sqrt(2)),  f = m - 1,  ln x = e ln 2 + f - f^2 / 2 + f^3 p(f)
KERNEL_INLINE f32x16 log(f32x16 x) {
  const i32x16 i = bits<i32x16>(x);
  const i32x16 e = (i - i32x16::all(0x3f3504f3)) >> 23;
  const f32x16 f = bits<f32x16>(i - (e << 23)) - all(1), n = to_float(e);
  f32x16 p = fma(f, 7.0376836292e-2f, all(-1.1514610310e-1f));
  p = fma(p, f, all(1.1676998740e-1f));
  p = fma(p, f, all(-1.2420140846e-1f));
  p = fma(p, f, all(1.4249322787e-1f));
  p = fma(p, f, all(-1.6668057665e-1f));
  p = fma(p, f, all(2.0000714765e-1f));
  p = fma(p, f, all(-2.4999993993e-1f));
  p = fma(p, f, all(3.3333331174e-1f));
  const f32x16 f2 = f * f;
  f32x16 y = fma(n, -2.12194440e-4f, f * f2 * p);
  y = fma(f2, -0.5f, y);
  return fma(n, 0.693359375f, f + y);
}

/// sin and cos of 2 pi w / 2^32. The reduction is exact, in integers: quadrant q, rest in [-1/8, 1/8] turn.
KERNEL_INLINE void sincos_turns(u32x16 w, f32x16& sine, f32x16& cosine) {
  const u32x16 q = (w + u32x16::all(0x20000000u)) >> 30;
  const f32x16 t = to_float(bits<i32x16>(w - (q << 30))) * all(static_cast<float>(6.283185307179586 / 4294967296.0));
  const f32x16 z = t * t;
  f32x16 s = fma(z, -1.9515295891e-4f, all(8.3321608736e-3f));
  s = fma(s, z, all(-1.6666654611e-1f));
  s = fma(s * z, t, t);
  f32x16 c = fma(z, 2.443315711809948e-5f, all(-1.388731625493765e-3f));
  c = fma(c, z, all(4.166664568298827e-2f));
  c = fma(c * z, z, fma(z, -0.5f, all(1)));
  const i32x16 odd = i32x16::all(0) - bits<i32x16>(q & u32x16::all(1));
  const u32x16 sine_sign = (q & u32x16::all(2)) << 30, cosine_sign = ((q + u32x16::all(1)) & u32x16::all(2)) << 30;
  sine = bits<f32x16>(bits<u32x16>(select(odd, c, s)) ^ sine_sign);
  cosine = bits<f32x16>(bits<u32x16>(select(odd, s, c)) ^ cosine_sign);
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
