#include <algorithm>
#include <cmath>

#include "pass.hpp"

/// Attention of one sample, head by head, by the products of the convolutions. The weights are kept transposed, p:
/// [queries / 16][keys][16], so that they are at once the rows of one product and the filters of another, and softmax
/// runs down the keys:
///   p = softmax(k q^T / sqrt(d)),  y = p^T v;      dv = p dy,  dp = v dy^T,  dq = ds^T k,  dk = ds q   (Vaswani et al.
///   2017, eq. 1)
namespace scorefield::fast {
namespace {

/// d channels of a tensor at all positions: in place if they are whole blocks and positions come in sixteens (or need
/// not), else a copy.
struct Head {
  float* data;
  Index block;
};

class AttentionPass {
 public:
  AttentionPass(const Pass& pass, const nn::Attention& a)
      : pass_(pass),
        tape_(pass.tape),
        k_(pass.k),
        a_(a),
        queries_(pass.shape(a.y).positions()),
        keys_(pass.shape(a.k.tensor).positions()),
        d_(pass.shape(a.y).channels / a.heads),
        scale_(static_cast<float>(1 / std::sqrt(static_cast<double>(d_)))) {}

  void forward(Index n) {
    const Index last = blocks(pass_.shape(a_.y).channels) - 1;  // its lanes beyond the channels stay 0
    std::fill_n(tape_.value(a_.y, n) + last * tape_.value_block(a_.y), queries_ * lanes, 0.f);
    for (Index h = 0; h < a_.heads; ++h) {
      weights(n, h);
      const Head v = head(a_.v, n, h, false, keys_, kCopyV), y = target(a_.y, h * d_, queries_, kCopyY, n, false);
      gradient_product(p(), v, y, false);
      put(y, a_.y, h * d_, queries_, n, false, true);
    }
  }

  void backward(Index n, const Writers& first) {
    if (first.clear_q) clear(a_.q.tensor, n);
    if (first.clear_k && a_.k.tensor != a_.q.tensor) clear(a_.k.tensor, n);
    if (first.clear_v && a_.v.tensor != a_.q.tensor && a_.v.tensor != a_.k.tensor) clear(a_.v.tensor, n);
    for (Index h = 0; h < a_.heads; ++h) head_backward(n, h, first);
  }

 private:
  enum Array : Index { kP, kDs, kTransposed, kCopyQ, kCopyK, kCopyV, kCopyY, kCopyD };

  Index query_blocks() const { return blocks(queries_); }
  Index head_blocks() const { return blocks(d_); }
  float* array(Array i) const { return tape_.scratch(tape_.layout.at.attention + i * tape_.layout.sizes.attention); }
  float* p() const { return array(kP); }
  bool in_place(Index first, Index positions) const {
    return d_ % lanes == 0 && first % lanes == 0 && positions % lanes == 0;
  }

  /// Channels of head h of a part (of its gradient), copied with zeros around them if they cannot be used in place.
  Head head(const nn::Attention::Part& part, Index n, Index h, bool gradient, Index positions, Array copy) {
    return channels(part.tensor, part.first + h * d_, n, gradient, positions, copy);
  }
  Head channels(Tensor t, Index first, Index n, bool gradient, Index positions, Array copy) {
    float* from = gradient ? tape_.grad(t, n) : tape_.value(t, n);
    const Index block = gradient ? tape_.grad_block(t) : tape_.value_block(t);
    if (in_place(first, positions)) return {from + first / lanes * block, block};
    float* to = array(copy);
    const Index stride = padded(positions) * lanes;
    std::fill_n(to, head_blocks() * stride, 0.f);
    for (Index c = 0; c < d_; ++c) {
      const float* x = from + (first + c) / lanes * block + (first + c) % lanes;
      float* y = to + c / lanes * stride + c % lanes;
      for (Index i = 0; i < positions; ++i) y[i * lanes] = x[i * lanes];
    }
    return {to, stride};
  }
  /// Where a result of head h goes: in place, or a copy that put() brings home.
  Head target(Tensor t, Index first, Index positions, Array copy, Index n, bool gradient) {
    float* to = gradient ? tape_.grad(t, n) : tape_.value(t, n);
    const Index block = gradient ? tape_.grad_block(t) : tape_.value_block(t);
    if (in_place(first, positions)) return {to + first / lanes * block, block};
    return {array(copy), padded(positions) * lanes};
  }
  void put(const Head& from, Tensor t, Index first, Index positions, Index n, bool gradient, bool assign) {
    if (in_place(first, positions)) return;
    float* to = gradient ? tape_.grad(t, n) : tape_.value(t, n);
    const Index block = gradient ? tape_.grad_block(t) : tape_.value_block(t);
    for (Index c = 0; c < d_; ++c) {
      const float* x = from.data + c / lanes * from.block + c % lanes;
      float* y = to + (first + c) / lanes * block + (first + c) % lanes;
      for (Index i = 0; i < positions; ++i) y[i * lanes] = (assign ? 0 : y[i * lanes]) + x[i * lanes];
    }
  }
  void clear(Tensor t, Index n) {
    const Shape s = pass_.shape(t);
    for (Index b = 0; b < blocks(s.channels); ++b)
      std::fill_n(tape_.grad(t, n) + b * tape_.grad_block(t), s.positions() * lanes, 0.f);
  }

  kernels::Blocks rows(const float* data, Index block, Index number) {
    for (Index b = 0; b < number; ++b) tape_.pointers[count(b)] = data + b * block;
    return {tape_.pointers.data(), 0, narrow(number)};
  }
  /// out [queries / 16][keys][16] := x (keys, d) z^T for z (queries, d).
  void outer(const Head& x, const Head& z, float* out) {
    const kernels::Blocks zs = rows(z.data, z.block, head_blocks());
    k_.transpose(zs.block, zs.count, narrow(queries_), array(kTransposed));
    k_.gemm(1, narrow(keys_), rows(x.data, x.block, head_blocks()), array(kTransposed), 0, nullptr, false, out,
            count(keys_ * lanes), 0, narrow(query_blocks()));
  }
  /// out (keys, d) := or += w (keys, queries) z (queries, d)
  void product(const float* w, const Head& z, const Head& out, bool add) {
    k_.gemm(1, narrow(keys_), rows(w, keys_ * lanes, query_blocks()), z.data, 0, nullptr, add, out.data,
            count(out.block), 0, narrow(head_blocks()));
  }
  /// out (queries, d) := or += w^T (queries, keys) x (keys, d)
  void gradient_product(const float* w, const Head& x, const Head& out, bool add) {
    k_.gemm_gradient(1, narrow(keys_), rows(w, keys_ * lanes, query_blocks()), x.data, count(x.block), 0,
                     narrow(head_blocks()), add, out.data, 0);
  }

  void weights(Index n, Index h) {
    outer(head(a_.k, n, h, false, keys_, kCopyK), head(a_.q, n, h, false, queries_, kCopyQ), p());
    const float* mask = a_.ids == none ? nullptr : tape_.value(a_.ids, n);
    for (Index i = 0; i < query_blocks(); ++i)
      k_.softmax(p() + i * keys_ * lanes, narrow(keys_), scale_, mask, count(lanes));
  }

  void head_backward(Index n, Index h, const Writers& first) {
    weights(n, h);
    const Head k = head(a_.k, n, h, false, keys_, kCopyK), q = head(a_.q, n, h, false, queries_, kCopyQ),
               v = head(a_.v, n, h, false, keys_, kCopyV);
    const Head dy = channels(a_.y, h * d_, n, true, queries_, kCopyY);
    outer(v, dy, array(kDs));
    const auto give = [&](const nn::Attention::Part& part, Index positions, bool assign, auto&& make) {
      if (!tape_.needs(part.tensor)) return;
      const Index channel = part.first + h * d_;
      const Head out = target(part.tensor, channel, positions, kCopyD, n, true);
      make(out, in_place(channel, positions) && !assign);
      put(out, part.tensor, channel, positions, n, true, assign);
    };
    give(a_.v, keys_, first.v, [&](const Head& out, bool add) { product(p(), dy, out, add); });
    for (Index i = 0; i < query_blocks(); ++i) {
      k_.softmax_backward(p() + i * keys_ * lanes, array(kDs) + i * keys_ * lanes, narrow(keys_), scale_);
    }
    give(a_.q, queries_, first.q, [&](const Head& out, bool add) { gradient_product(array(kDs), k, out, add); });
    give(a_.k, keys_, first.k, [&](const Head& out, bool add) { product(array(kDs), q, out, add); });
  }

  const Pass& pass_;
  FastTape& tape_;
  const kernels::Table& k_;
  const nn::Attention& a_;
  Index queries_, keys_, d_;
  float scale_;
};

}  // namespace

void forward(const Pass& pass, const nn::Attention& a, Index n0, Index n1) {
  AttentionPass attention(pass, a);
  for (Index n = n0; n < n1; ++n) attention.forward(n);
  sum_tensor(pass, a.y, n0, n1);
}

void backward(const Pass& pass, const nn::Attention& a, const Writers& first, Index n0, Index n1) {
  AttentionPass attention(pass, a);
  for (Index n = n0; n < n1; ++n) attention.backward(n, first);
}

}  // namespace scorefield::fast
