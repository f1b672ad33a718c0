#pragma once
#include <cmath>

#include "scorefield/base/dual.hpp"
#include "scorefield/base/matrix.hpp"
#include "scorefield/nn/pieces.hpp"

namespace scorefield::nn {

/// mean and rstd = 1 / sqrt(variance + eps), each (1, C), over all rows of x: (P, C) and the C / groups channels of a
/// channel's group; the variance is biased. Wu & He 2018, eqs. 1-3.
template <class S>
void group_moments(In<S> x, Index groups, double eps, Out<S> mean, Out<S> rstd) {
  using std::sqrt;
  const Index c = x.cols() / groups;
  const S n = static_cast<S>(static_cast<double>(x.rows() * c));
  mean.setZero();
  for (Index p = 0; p < x.rows(); ++p) mean.row(0) += x.row(p);
  for (Index g = 0; g < groups; ++g) {
    const S m = sum_in_lanes<S>(mean.row(0).segment(g * c, c).array()) / n;
    mean.row(0).segment(g * c, c).setConstant(m);
  }
  rstd.setZero();
  for (Index p = 0; p < x.rows(); ++p) rstd.row(0).array() += (x.row(p) - mean.row(0)).array().square();
  for (Index g = 0; g < groups; ++g) {
    const S r = S(1) / sqrt(sum_in_lanes<S>(rstd.row(0).segment(g * c, c).array()) / n + S(eps));
    rstd.row(0).segment(g * c, c).setConstant(r);
  }
}

/// Group normalisation of one sample. Wu & He 2018, eq. 4.   x, y: (P, C); the others: (1, C).
///   x_hat = (x - mean) rstd,    y = gamma x_hat + beta
/// Layer normalisation (Ba, Kiros & Hinton 2016) is the same with one group, once per position.
template <class S>
void group_norm(In<S> x, In<S> mean, In<S> rstd, In<S> gamma, In<S> beta, Out<S> y) {
  for (Index p = 0; p < x.rows(); ++p) {
    y.row(p) =
        ((x.row(p) - mean.row(0)).array() * rstd.row(0).array() * gamma.row(0).array() + beta.row(0).array()).matrix();
  }
}

/// With d = gamma dy and means over the group:   dx += (d - mean(d) - x_hat mean(d x_hat)) rstd,
/// dgamma += sum_p dy x_hat,   dbeta += sum_p dy   (unless empty).   sums: (2, C), scratch.
template <class S>
void group_norm_backward(In<S> x, Index groups, In<S> mean, In<S> rstd, In<S> gamma, In<S> dy, Out<S> dx, Out<S> dgamma,
                         Out<S> dbeta, Out<S> sums) {
  const Index c = x.cols() / groups;
  const S n = static_cast<S>(static_cast<double>(x.rows() * c));
  const auto x_hat = [&](Index p) { return (x.row(p) - mean.row(0)).array() * rstd.row(0).array(); };
  sums.setZero();
  for (Index p = 0; p < x.rows(); ++p) {
    sums.row(0) += dy.row(p);
    sums.row(1).array() += dy.row(p).array() * x_hat(p);
  }
  if (dgamma.size() > 0) dgamma.row(0) += sums.row(1);
  if (dbeta.size() > 0) dbeta.row(0) += sums.row(0);
  for (Index g = 0; g < groups; ++g) {
    for (Index k = 0; k < 2; ++k) {
      auto s = sums.row(k).segment(g * c, c);
      const S m = sum_in_lanes<S>(s.array() * gamma.row(0).segment(g * c, c).array()) / n;
      s.setConstant(m);
    }
  }
  for (Index p = 0; p < x.rows(); ++p) {
    const auto d = gamma.row(0).array() * dy.row(p).array();
    dx.row(p).array() += (d - sums.row(0).array() - x_hat(p) * sums.row(1).array()) * rstd.row(0).array();
  }
}

/// y = normalised (1 + scale) + shift, with modulation = [scale, shift]: (1, 2C). FiLM, Perez et al. 2018.   x, y: (P,
/// C)
template <class S>
void scale_shift(In<S> x, In<S> modulation, Out<S> y) {
  const Index c = x.cols();
  for (Index p = 0; p < x.rows(); ++p) {
    y.row(p) =
        (x.row(p).array() * (modulation.row(0).head(c).array() + S(1)) + modulation.row(0).tail(c).array()).matrix();
  }
}

/// dmodulation += [sum_p dy x, sum_p dy]  (unless empty);   dy := dy (1 + scale), the gradient of x.
template <class S>
void scale_shift_backward(In<S> x, In<S> modulation, Out<S> dy, Out<S> dmodulation) {
  const Index c = x.cols();
  for (Index p = 0; p < x.rows(); ++p) {
    if (dmodulation.size() > 0) {
      dmodulation.row(0).head(c).array() += dy.row(p).array() * x.row(p).array();
      dmodulation.row(0).tail(c) += dy.row(p);
    }
    dy.row(p).array() *= modulation.row(0).head(c).array() + S(1);
  }
}

}  // namespace scorefield::nn
