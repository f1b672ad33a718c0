#pragma once
#include <cmath>
#include <type_traits>

#include "scorefield/base/check.hpp"
#include "scorefield/base/dual.hpp"
#include "scorefield/nn/plan.hpp"

namespace scorefield::nn {

/// Angles are as large as c_noise, up to 1000, so float ones are formed in double.
template <class S>
using Angle = std::conditional_t<std::is_same_v<S, float>, double, S>;

/// w_k = max_period^(-k / (half - shift)), k < half   (Vaswani et al. 2017, section 3.5), or w_k = 2 pi f_k with
/// learned f (Tancik et al. 2020) if `learned` is not null.
template <class S>
Angle<S> frequency(const Sinusoid& s, const S* learned, Index k, Index half) {
  if (learned != nullptr) return Angle<S>(6.283185307179586) * Angle<S>(learned[k]);
  return Angle<S>(std::pow(s.max_period, -static_cast<double>(k) / (static_cast<double>(half) - s.shift)));
}

/// What the waves are waves of: t, or ln t (Song et al. 2021 give it sigma).
template <class A>
A phase(const Sinusoid& s, const A& t) {
  using std::log;
  if (!s.of_log) return t;
  require(!(value(t) <= 0), "a network that hears the logarithm of time needs times above 0, got ", value(t));
  return log(t);
}

/// y := [sin(w t), cos(w t)], the other way round with cos_first; an odd last channel is 0.   t: (N, 1), y: (N, C)
template <class S>
void sinusoid(const Sinusoid& s, const S* learned, In<S> t, Out<S> y) {
  using std::cos, std::sin;
  const Index half = y.cols() / 2, sines = s.cos_first ? half : 0, cosines = s.cos_first ? 0 : half;
  y.setZero();
  for (Index k = 0; k < half; ++k) {
    const Angle<S> w = frequency(s, learned, k, half);
    for (Index n = 0; n < y.rows(); ++n) {
      const Angle<S> angle = w * phase(s, Angle<S>(t(n, 0)));
      y(n, sines + k) = S(sin(angle));
      y(n, cosines + k) = S(cos(angle));
    }
  }
}

/// With a_k = dy_sin cos(w t) - dy_cos sin(w t):   dt += sum_k w_k a_k,   df_k += 2 pi sum_n t_n a_k   (each unless
/// empty / null). With u = ln t in place of t, du / dt = 1 / t comes in.
template <class S>
void sinusoid_backward(const Sinusoid& s, const S* learned, In<S> t, In<S> dy, Out<S> dt, S* dlearned) {
  using std::cos, std::sin;
  const Index half = dy.cols() / 2, sines = s.cos_first ? half : 0, cosines = s.cos_first ? 0 : half;
  for (Index k = 0; k < half; ++k) {
    const Angle<S> w = frequency(s, learned, k, half);
    for (Index n = 0; n < dy.rows(); ++n) {
      const Angle<S> time(t(n, 0)), u = phase(s, time), angle = w * u;
      const Angle<S> a = Angle<S>(dy(n, sines + k)) * cos(angle) - Angle<S>(dy(n, cosines + k)) * sin(angle);
      if (dt.size() > 0) dt(n, 0) += S(s.of_log ? w * a / time : w * a);
      if (dlearned != nullptr) dlearned[k] += S(Angle<S>(6.283185307179586) * u * a);
    }
  }
}

}  // namespace scorefield::nn
