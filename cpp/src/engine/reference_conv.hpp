#pragma once
#include "reference_tape.hpp"
#include "scorefield/nn/activation.hpp"
#include "scorefield/nn/conv.hpp"
#include "scorefield/nn/norm.hpp"
#include "scorefield/nn/resample.hpp"

namespace scorefield::reference {

/// y = gain (W * resample(dropout(act(norm([x, x2])))) + bias + vector + residual) in separate steps, a block of
/// samples at a time.
template <class S>
class ConvPass {
 public:
  ConvPass(const Pass<S>& pass, const nn::Conv& c)
      : pass_(pass),
        c_(c),
        x_(pass.plan.shape(c.x)),
        y_(pass.plan.shape(c.y)),
        mid_(c.resample == nn::Resample::none ? x_ : y_) {
    channels_ = x_.channels + (c.x2 == nn::none ? 0 : pass.plan.shape(c.x2).channels);
    blocking_ = Blocking::of(pass.plan, c, pass.tape.rows());
    weight_rows_ = y_.channels;
    const Index across = c.sequence ? 1 : c.kernel;
    window_ = {mid_.height, mid_.width, y_.height, y_.width, c.kernel, across, c.stride, c.pad, c.sequence ? 0 : c.pad};
  }

  void forward() {
    for (first_ = 0; first_ < pass_.samples; first_ += count_) {
      count_ = std::min(blocking_.samples, pass_.samples - first_);
      multiply(operand(false), pass_.value(c_.y, first_, count_));
      epilogue(pass_.value(c_.y, first_, count_));
    }
  }

  void backward() {
    for (first_ = 0; first_ < pass_.samples; first_ += count_) {
      count_ = std::min(blocking_.samples, pass_.samples - first_);
      const OutMap<S> dy = epilogue_backward(pass_.grad(c_.y, first_, count_));
      const bool wanted = wants_operand();
      const OutMap<S> mid = operand(wanted);
      OutMap<S> dmid = buffer(Buffer::dresampled, wanted ? count_ * mid_.positions() : 0);
      multiply_backward(mid, dy, dmid);
      if (wanted) operand_backward(dmid);
    }
  }

 private:
  OutMap<S> buffer(Buffer which, Index rows) { return pass_.tape.buffer(which, rows, channels_); }
  bool plain() const { return c_.norm.kind == nn::Norm::Kind::none && c_.norm.scale_shift == nn::none && pointwise(); }
  bool pointwise() const { return c_.act == nn::Activation::identity && !drops(); }
  bool drops() const { return c_.dropout > 0 && pass_.in.dropout.has_value(); }
  bool wants_operand() const {
    const bool norm = pass_.row != nullptr && c_.norm.kind != nn::Norm::Kind::none;
    return norm || pass_.needs(c_.x) || pass_.needs(c_.x2) || pass_.needs(c_.norm.scale_shift);
  }
  /// Rows of one sample of the block.
  OutMap<S> sample(OutMap<S>& block, Index n) const {
    return {block.data() + n * x_.positions() * block.cols(), x_.positions(), block.cols()};
  }

  /// [x, x2] of the block: (samples positions, channels)
  OutMap<S> source() {
    OutMap<S> x = pass_.value(c_.x, first_, count_);
    if (c_.x2 == nn::none) return x;
    OutMap<S> both = buffer(Buffer::joined, count_ * x_.positions());
    both.leftCols(x_.channels) = x;
    both.rightCols(channels_ - x_.channels) = pass_.value(c_.x2, first_, count_);
    return both;
  }

  /// resample(dropout(act(norm([x, x2])))), and in Buffer::slope the derivative of all but norm and resample.
  OutMap<S> operand(bool with_slope) {
    OutMap<S> x = source();
    const Index rows = count_ * x_.positions();
    OutMap<S> h = plain() ? x : buffer(Buffer::operand, rows);
    if (!plain()) {
      normalise(x, h);
      OutMap<S> slope = buffer(Buffer::slope, with_slope ? rows : 0);
      if (with_slope && !pointwise()) nn::activate_with_slope<S>(c_.act, h, h, slope);
      if (!with_slope) nn::activate<S>(c_.act, h, h);
      if (drops()) drop(h, slope);
    }
    if (c_.resample == nn::Resample::none) return h;
    OutMap<S> mid = buffer(Buffer::resampled, count_ * mid_.positions());
    for (Index n = 0; n < count_; ++n) {
      nn::resample<S>(c_.resample, x_, mid_, sample(h, n), mid.middleRows(n * mid_.positions(), mid_.positions()));
    }
    return mid;
  }

  void normalise(OutMap<S>& x, OutMap<S>& h) {
    const auto gamma = pass_.parameter(c_.norm.gamma, 1), beta = pass_.parameter(c_.norm.beta, 1);
    OutMap<S> mean = buffer(Buffer::mean, count_), rstd = buffer(Buffer::rstd, count_);
    if (c_.norm.kind == nn::Norm::Kind::none) h = x;
    if (c_.norm.kind == nn::Norm::Kind::group) {
      for (Index n = 0; n < count_; ++n) {
        nn::group_moments<S>(sample(x, n), c_.norm.groups, c_.norm.eps, mean.row(n), rstd.row(n));
        nn::group_norm<S>(sample(x, n), mean.row(n), rstd.row(n), gamma, beta, sample(h, n));
      }
    }
    if (c_.norm.kind == nn::Norm::Kind::layer) {
      for (Index p = 0; p < x.rows(); ++p) {
        nn::group_moments<S>(x.row(p), 1, c_.norm.eps, mean.row(0), rstd.row(0));
        nn::group_norm<S>(x.row(p), mean.row(0), rstd.row(0), gamma, beta, h.row(p));
      }
    }
    if (c_.norm.scale_shift == nn::none) return;
    buffer(Buffer::hat, x.rows()) = h;
    const OutMap<S> modulation = pass_.value(c_.norm.scale_shift, first_, count_);
    for (Index n = 0; n < count_; ++n) nn::scale_shift<S>(sample(h, n), modulation.row(n), sample(h, n));
  }

  /// Srivastava et al. 2014: with probability p a number is 0, else it is divided by 1 - p.
  void drop(OutMap<S>& h, OutMap<S>& slope) {
    const Index size = x_.positions() * channels_;
    Matrix<double>& mask = pass_.tape.mask;
    for (Index n = 0; n < count_; ++n) {
      auto u = mask.leftCols(size);
      pass_.in.dropout->at_sample(pass_.in.dropout->first() + first_ + n)
          .uniform(u, static_cast<std::uint32_t>(pass_.op));
      for (Index i = 0; i < size; ++i) {
        const S keep = static_cast<S>(u(0, i) < c_.dropout ? 0 : 1 / (1 - c_.dropout));
        h.data()[n * size + i] *= keep;
        if (slope.size() > 0) slope.data()[n * size + i] *= keep;
      }
    }
  }

  InMap<S> weight() const { return pass_.parameter(c_.weight, weight_rows_); }

  void multiply(OutMap<S> mid, OutMap<S> y) {
    const auto bias = pass_.parameter(c_.bias, 1);
    if (c_.kernel == 1) return nn::linear<S>(mid, weight(), bias, y);
    for (Index r = 0; r < y.rows(); r += blocking_.column_rows) {
      const Index rows = std::min(blocking_.column_rows, y.rows() - r);
      OutMap<S> cols = pass_.tape.buffer(Buffer::columns, rows, weight().cols());
      nn::columns<S>(mid, window_, r, cols);
      nn::linear<S>(cols, weight(), bias, y.middleRows(r, rows));
    }
  }

  /// dmid := W^T dy (unless empty), dW += dy^T mid, db += sum dy
  void multiply_backward(OutMap<S> mid, OutMap<S> dy, OutMap<S>& dmid) {
    OutMap<S> dW = pass_.dparameter(c_.weight, weight_rows_), db = pass_.dparameter(c_.bias, 1);
    if (c_.kernel == 1) return nn::linear_backward<S>(mid, weight(), dy, dmid, dW, db);
    dmid.setZero();
    for (Index r = 0; r < dy.rows(); r += blocking_.column_rows) {
      const Index rows = std::min(blocking_.column_rows, dy.rows() - r);
      OutMap<S> cols = pass_.tape.buffer(Buffer::columns, rows, weight().cols());
      OutMap<S> dcols = pass_.tape.buffer(Buffer::dcolumns, dmid.size() > 0 ? rows : 0, weight().cols());
      if (dW.size() > 0) nn::columns<S>(mid, window_, r, cols);
      nn::linear_backward<S>(cols, weight(), dy.middleRows(r, rows), dcols, dW, db);
      if (dmid.size() > 0) nn::columns_adjoint<S>(dcols, window_, r, dmid);
    }
  }

  void epilogue(OutMap<S> y) {
    const Index p = y_.positions();
    if (c_.vector != nn::none) {
      const OutMap<S> v = pass_.value(c_.vector, first_, count_);
      for (Index i = 0; i < y.rows(); ++i) y.row(i) += v.row(i / p);
    }
    if (c_.residual != nn::none) y += pass_.value(c_.residual, first_, count_);
    if (c_.gain != 1) y *= S(c_.gain);
  }

  OutMap<S> epilogue_backward(OutMap<S> dy) {
    OutMap<S> scaled = c_.gain == 1 ? dy : pass_.tape.buffer(Buffer::dy, dy.rows(), dy.cols());
    if (c_.gain != 1) scaled = S(c_.gain) * dy;
    if (pass_.needs(c_.vector)) {
      OutMap<S> dv = pass_.grad(c_.vector, first_, count_);
      for (Index i = 0; i < dy.rows(); ++i) dv.row(i / y_.positions()) += scaled.row(i);
    }
    if (pass_.needs(c_.residual)) pass_.grad(c_.residual, first_, count_) += scaled;
    return scaled;
  }

  /// From the gradient of the resampled operand to those of x, x2, gamma, beta and the modulation.
  void operand_backward(OutMap<S> dmid) {
    OutMap<S> du = dmid;
    if (c_.resample != nn::Resample::none) {
      new (&du) OutMap<S>(buffer(Buffer::doperand, count_ * x_.positions()));
      du.setZero();
      for (Index n = 0; n < count_; ++n) {
        nn::resample_backward<S>(c_.resample, x_, mid_, dmid.middleRows(n * mid_.positions(), mid_.positions()),
                                 sample(du, n));
      }
    }
    if (!pointwise()) du.array() *= buffer(Buffer::slope, du.rows()).array();
    if (c_.norm.scale_shift != nn::none) modulation_backward(du);
    add_to_sources(du);
  }

  void modulation_backward(OutMap<S>& du) {
    OutMap<S> hat = buffer(Buffer::hat, du.rows());
    const OutMap<S> modulation = pass_.value(c_.norm.scale_shift, first_, count_);
    const bool wanted = pass_.needs(c_.norm.scale_shift);
    OutMap<S> dm(wanted ? pass_.grad(c_.norm.scale_shift, first_, count_) : OutMap<S>(nullptr, 0, 0));
    for (Index n = 0; n < count_; ++n) {
      nn::scale_shift_backward<S>(sample(hat, n), modulation.row(n), sample(du, n),
                                  dm.middleRows(wanted ? n : 0, wanted ? 1 : 0));
    }
  }

  void add_to_sources(OutMap<S>& du) {
    const bool direct = c_.x2 == nn::none && pass_.needs(c_.x), norm = c_.norm.kind != nn::Norm::Kind::none;
    if (direct) {
      OutMap<S> dx = pass_.grad(c_.x, first_, count_);
      return norm ? normalise_backward(du, dx) : void(dx += du);
    }
    OutMap<S> dx = norm ? buffer(Buffer::dx, du.rows()) : du;
    if (norm) dx.setZero(), normalise_backward(du, dx);
    if (pass_.needs(c_.x)) pass_.grad(c_.x, first_, count_) += dx.leftCols(x_.channels);
    if (pass_.needs(c_.x2)) pass_.grad(c_.x2, first_, count_) += dx.rightCols(channels_ - x_.channels);
  }

  void normalise_backward(OutMap<S>& du, OutMap<S>& dx) {
    OutMap<S> x = c_.x2 == nn::none ? pass_.value(c_.x, first_, count_) : buffer(Buffer::joined, du.rows());
    const auto gamma = pass_.parameter(c_.norm.gamma, 1);
    OutMap<S> dgamma = pass_.dparameter(c_.norm.gamma, 1), dbeta = pass_.dparameter(c_.norm.beta, 1);
    OutMap<S> mean = buffer(Buffer::mean, count_), rstd = buffer(Buffer::rstd, count_);
    auto sums = pass_.tape.moments.topRows(2).leftCols(channels_);
    if (c_.norm.kind == nn::Norm::Kind::group) {
      for (Index n = 0; n < count_; ++n) {
        nn::group_norm_backward<S>(sample(x, n), c_.norm.groups, mean.row(n), rstd.row(n), gamma, sample(du, n),
                                   sample(dx, n), dgamma, dbeta, sums);
      }
      return;
    }
    for (Index p = 0; p < x.rows(); ++p) {
      nn::group_moments<S>(x.row(p), 1, c_.norm.eps, mean.row(0), rstd.row(0));
      nn::group_norm_backward<S>(x.row(p), 1, mean.row(0), rstd.row(0), gamma, du.row(p), dx.row(p), dgamma, dbeta,
                                 sums);
    }
  }

  const Pass<S>& pass_;
  const nn::Conv& c_;
  const nn::Shape x_, y_, mid_;
  nn::Window window_;
  Blocking blocking_;
  Index channels_, weight_rows_, first_ = 0, count_ = 0;
};

}  // namespace scorefield::reference
