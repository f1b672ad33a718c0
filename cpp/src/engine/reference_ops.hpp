#pragma once
#include "reference_conv.hpp"
#include "scorefield/nn/attention.hpp"
#include "scorefield/nn/embedding.hpp"
#include "scorefield/nn/sinusoid.hpp"

/// What each operation of a plan means, forward and backward, in terms of the layers of nn/.
namespace scorefield::reference {

template <class S>
void forward(const Pass<S>& pass, const nn::Conv& c) {
  ConvPass<S>(pass, c).forward();
}
template <class S>
void backward(const Pass<S>& pass, const nn::Conv& c) {
  ConvPass<S>(pass, c).backward();
}

/// The channels of one head of q, k or v of sample n, as a view.
template <class S>
Out<S> head(OutMap<S> all, const nn::Attention::Part& part, Index h, Index d) {
  return all.middleCols(part.first + h * d, d);
}
template <class S>
InMap<S> mask(const Pass<S>& pass, const nn::Attention& a, Index n) {
  if (a.ids == nn::none) return {nullptr, 0, 0};
  const OutMap<S> ids = pass.value(a.ids, n, 1);
  return {ids.data(), ids.size(), 1};
}
template <class S>
OutMap<S> square(std::vector<S>& buffer, const Pass<S>& pass, const nn::Attention& a) {
  return {buffer.data(), pass.plan.shape(a.q.tensor).positions(), pass.plan.shape(a.k.tensor).positions()};
}

template <class S>
void forward(const Pass<S>& pass, const nn::Attention& a) {
  const Index d = pass.plan.shape(a.y).channels / a.heads;
  OutMap<S> weights = square(pass.tape.weights, pass, a);
  for (Index n = 0; n < pass.samples; ++n) {
    const auto q = pass.value(a.q.tensor, n, 1), k = pass.value(a.k.tensor, n, 1), v = pass.value(a.v.tensor, n, 1);
    const auto ids = mask(pass, a, n);
    for (Index h = 0; h < a.heads; ++h) {
      nn::attention<S>(head<S>(q, a.q, h, d), head<S>(k, a.k, h, d), head<S>(v, a.v, h, d), ids, weights,
                       pass.value(a.y, n, 1).middleCols(h * d, d));
    }
  }
}
/// The weights are made again: they would be the largest thing on the tape. All three gradients share a tensor or none
/// is missing.
template <class S>
void backward(const Pass<S>& pass, const nn::Attention& a) {
  const Index d = pass.plan.shape(a.y).channels / a.heads;
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  OutMap<S> weights = square(pass.tape.weights, pass, a), dweights = square(pass.tape.dweights, pass, a);
  for (Index n = 0; n < pass.samples; ++n) {
    const auto q = pass.value(a.q.tensor, n, 1), k = pass.value(a.k.tensor, n, 1), v = pass.value(a.v.tensor, n, 1);
    const auto dq = pass.grad(a.q.tensor, n, 1), dk = pass.grad(a.k.tensor, n, 1), dv = pass.grad(a.v.tensor, n, 1);
    const auto dy = pass.grad(a.y, n, 1);
    for (Index h = 0; h < a.heads; ++h) {
      const Out<S> q_h = head<S>(q, a.q, h, d), k_h = head<S>(k, a.k, h, d), v_h = head<S>(v, a.v, h, d);
      nn::product<S>(q_h, nn::Transpose::no, k_h, nn::Transpose::yes, weights);
      nn::softmax<S>(scale, mask(pass, a, n), weights);
      nn::attention_backward<S>(q_h, k_h, v_h, weights, dy.middleCols(h * d, d), head<S>(dq, a.q, h, d),
                                head<S>(dk, a.k, h, d), head<S>(dv, a.v, h, d), dweights);
    }
  }
}

template <class S>
void forward(const Pass<S>& pass, const nn::Embedding& e) {
  const Index c = pass.plan.shape(e.y).channels, rows = e.table.size / c, length = e.position.size / c;
  OutMap<S> ids = pass.value(e.ids);
  nn::embedding<S>(ids, pass.parameter(e.table, rows), pass.parameter(e.position, std::max<Index>(length, 1)),
                   pass.value(e.y));
}
template <class S>
void backward(const Pass<S>& pass, const nn::Embedding& e) {
  if (pass.row == nullptr) return;
  const Index c = pass.plan.shape(e.y).channels, rows = e.table.size / c, length = e.position.size / c;
  OutMap<S> ids = pass.value(e.ids);
  nn::embedding_backward<S>(ids, pass.grad(e.y), pass.dparameter(e.table, rows),
                            pass.dparameter(e.position, std::max<Index>(length, 1)));
}

template <class S>
void forward(const Pass<S>& pass, const nn::Sinusoid& s) {
  nn::sinusoid<S>(s, s.frequencies.of(pass.theta), pass.value(s.t), pass.value(s.y));
}
template <class S>
void backward(const Pass<S>& pass, const nn::Sinusoid& s) {
  S* const dlearned = pass.row == nullptr ? nullptr : s.frequencies.of(pass.row);
  OutMap<S> dt(nullptr, 0, 0);
  if (pass.needs(s.t)) new (&dt) OutMap<S>(pass.grad(s.t));
  nn::sinusoid_backward<S>(s, s.frequencies.of(pass.theta), pass.value(s.t), pass.grad(s.y), dt, dlearned);
}

template <class S>
S divisor(const Pass<S>& pass, const nn::Resize& r, Index n) {
  return r.divisor == nn::none ? S(1) : pass.value(r.divisor, n, 1)(0, 0);
}
template <class S>
void forward(const Pass<S>& pass, const nn::Resize& r) {
  for (Index n = 0; n < pass.samples; ++n) {
    nn::resample<S>(r.resample, pass.plan.shape(r.x), pass.plan.shape(r.y), pass.value(r.x, n, 1),
                    pass.value(r.y, n, 1));
    if (r.rescales()) nn::rescale<S>(r, divisor(pass, r, n), pass.value(r.y, n, 1));
  }
}
template <class S>
void backward(const Pass<S>& pass, const nn::Resize& r) {
  for (Index n = 0; n < pass.samples; ++n) {
    if (r.rescales()) {
      const S d = nn::rescale_backward<S>(r, divisor(pass, r, n), pass.value(r.y, n, 1), pass.grad(r.y, n, 1));
      if (pass.needs(r.divisor)) pass.grad(r.divisor, n, 1)(0, 0) += d;
    }
    if (!pass.needs(r.x)) continue;
    nn::resample_backward<S>(r.resample, pass.plan.shape(r.x), pass.plan.shape(r.y), pass.grad(r.y, n, 1),
                             pass.grad(r.x, n, 1));
  }
}

}  // namespace scorefield::reference
