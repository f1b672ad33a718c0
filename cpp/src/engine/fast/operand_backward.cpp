#include <algorithm>

#include "operand.hpp"

/// From the gradient of a product's operand to those of the sources, gamma, beta and the modulation: span by span, so
/// that a plane whose groups lie inside 16 channels never leaves the first-level cache.
namespace scorefield::fast {
namespace {

class OperandBackward {
 public:
  OperandBackward(const Pass& pass, const ConvLayout& f)
      : pass_(pass),
        tape_(pass.tape),
        k_(pass.k),
        f_(f),
        w_(pass.weights.convs[f.index]),
        first_(pass.tape.layout.writers[f.index]) {}

  void run(Index n, float* dV, const Extent& e) {
    if (f_.layer_norm()) return layer_norm_gradient(n, dV, e);
    const Moments m = moments_place(pass_, f_, n);
    const float* mask = dropout_mask(pass_, f_, n);
    for (const Span& span : f_.spans) {
      for (Index b = span.first; b < span.last; ++b) through_prologue(n, b, span, m, mask, dV, e);
      if (normalised()) through_norm(n, span, m);
    }
  }

 private:
  bool normalised() const { return f_.group_norm() || f_.modulated(); }
  bool first_writer(const InputBlock& in) const {
    return in.tensor == f_.op.x && in.channel == in.block * lanes ? first_.x : first_.x2;
  }
  float* dx(const InputBlock& in, Index n) const {
    return tape_.grad(in.tensor, n) + in.block * tape_.grad_block(in.tensor);
  }
  const float* x(const InputBlock& in, Index n) const {
    return tape_.value(in.tensor, n) + in.block * tape_.value_block(in.tensor);
  }
  Index plane_positions() const { return f_.x.positions() * lanes; }

  /// dz of block b, into scratch if a norm follows, else straight into the source's gradient; its sums for gamma and
  /// beta.
  void through_prologue(Index n, Index b, const Span& span, const Moments& m, const float* mask, const float* dV,
                        const Extent& e) {
    const InputBlock& in = f_.in[count(b)];
    if (!normalised() && !tape_.needs(in.tensor)) return;
    Index stride = f_.mid.width * lanes;
    const float* d = operand_plane(b, dV, e, stride);
    float* dz = normalised() ? tape_.scratch(tape_.layout.at.dz) + (b - span.first) * plane_positions() : dx(in, n);
    const bool add = !normalised() && !first_writer(in);
    k_.prologue_backward(x(in, n), {narrow(f_.x.height), narrow(f_.x.width)}, m.mean + b * lanes, m.scale + b * lanes,
                         m.shift + b * lanes, m.rstd + b * lanes, f_.act(),
                         mask == nullptr ? nullptr : mask + b * plane_positions(), f_.resize(),
                         {narrow(f_.mid.height), narrow(f_.mid.width)}, d, count(stride), add, dz,
                         tape_.lane_array(kSum) + b * lanes, tape_.lane_array(kSumX) + b * lanes);
  }

  /// The gradient of the resampled operand: block b of dV as it is, or the adjoint of the transform or of the copies.
  const float* operand_plane(Index b, const float* dV, const Extent& e, Index& stride) {
    if (f_.method == Method::linear) return dV + b * e.V_block;
    float* plane = tape_.scratch(tape_.layout.at.plane) + tape_.layout.sizes.plane;
    stride = f_.plane_stride();
    if (f_.method == Method::winograd) {
      k_.winograd_input_adjoint(dV + b * e.V_block, count(e.V_xs), f_.tiles, plane, count(stride));
    } else {
      std::fill_n(plane, f_.plane_size(), 0.f);
      k_.scatter(dV + b * f_.taps * e.V_block, count(e.V_block), f_.window, plane, count(stride));
    }
    return plane + f_.pad * stride + f_.pad_across * lanes;
  }

  /// With x_hat = (x - mean) rstd, u = scale (x - mean) + shift and sums over a group of size N:
  ///   dx = scale dz - rstd (S1 + x_hat S2) / N,   S1 = sum gamma' s1,  S2 = sum gamma' s2,  gamma' = scale / rstd
  ///   (theory 6)
  void through_norm(Index n, const Span& span, const Moments& m) {
    const float* s1 = tape_.lane_array(kSum);
    const float* s2 = tape_.lane_array(kSumX);
    give_affine(n, span, s1, s2);
    group_sums(n, span, m, s1, s2);
    for (Index b = span.first; b < span.last; ++b) {
      const InputBlock& in = f_.in[count(b)];
      if (!tape_.needs(in.tensor)) continue;
      k_.norm_backward(tape_.scratch(tape_.layout.at.dz) + (b - span.first) * plane_positions(), x(in, n),
                       m.mean + b * lanes, m.scale + b * lanes, tape_.lane_array(kKx) + b * lanes,
                       tape_.lane_array(kK0) + b * lanes, count(f_.x.positions()), !first_writer(in), dx(in, n));
    }
  }

  /// kx = -rstd^2 S2 / N,  k0 = -rstd S1 / N of each lane.
  void group_sums(Index n, const Span& span, const Moments& m, const float* s1, const float* s2) {
    float* kx = tape_.lane_array(kKx);
    float* k0 = tape_.lane_array(kK0);
    const Index begin = span.first * lanes, end = span.last * lanes;
    std::fill(kx + begin, kx + end, 0.f);
    std::fill(k0 + begin, k0 + end, 0.f);
    if (!f_.group_norm()) return;
    double* first = tape_.groups.data();
    double* second = first + f_.op.norm.groups;
    for (Index i = begin; i < end; ++i) {
      if (f_.group[count(i)] >= 0) first[f_.group[count(i)]] = second[f_.group[count(i)]] = 0;
    }
    for (Index i = begin; i < end; ++i) {
      const Index g = f_.group[count(i)];
      if (g < 0) continue;
      const InputBlock& in = f_.in[count(i / lanes)];
      const float gamma = w_.gamma[i] * (f_.modulated() ? 1 + *modulation(n, in.channel + i % lanes, false) : 1);
      first[g] += static_cast<double>(gamma * s1[i]), second[g] += static_cast<double>(gamma * s2[i]);
    }
    const double inverse = f_.group_inverse;
    for (Index i = begin; i < end; ++i) {
      const Index g = f_.group[count(i)];
      if (g < 0) continue;
      const double r = static_cast<double>(m.rstd[i]) * inverse;
      kx[i] = static_cast<float>(-r * static_cast<double>(m.rstd[i]) * second[g]),
      k0[i] = static_cast<float>(-r * first[g]);
    }
  }

  /// With h = gamma x_hat + beta and u = h (1 + a) + c:  dgamma += (1 + a) s2, dbeta += (1 + a) s1, da = gamma s2 +
  /// beta s1, dc = s1.
  void give_affine(Index n, const Span& span, const float* s1, const float* s2) {
    if (f_.modulated()) return give_modulated(n, span, s1, s2);
    if (pass_.row == nullptr) return;
    const std::size_t size = count((span.last - span.first) * lanes);
    k_.add_scaled(s2 + span.first * lanes, size, 1, pass_.row + f_.row_gamma + span.first * lanes);
    k_.add_scaled(s1 + span.first * lanes, size, 1, pass_.row + f_.row_beta + span.first * lanes);
  }
  void give_modulated(Index n, const Span& span, const float* s1, const float* s2) {
    for (Index b = span.first; b < span.last; ++b) {
      const InputBlock& in = f_.in[count(b)];
      for (Index l = 0; l < in.valid; ++l) {
        const Index i = b * lanes + l;
        const float factor = 1 + *modulation(n, in.channel + l, false);
        if (pass_.row != nullptr && f_.group_norm()) {
          pass_.row[f_.row_gamma + i] += factor * s2[i], pass_.row[f_.row_beta + i] += factor * s1[i];
        }
        if (!tape_.needs(f_.op.norm.scale_shift)) continue;
        const float gamma = f_.group_norm() ? w_.gamma[i] : 1, beta = f_.group_norm() ? w_.beta[i] : 0;
        float &scale = *modulation(n, in.channel + l, true),
              &offset = *modulation(n, f_.channels + in.channel + l, true);
        scale = (first_.modulation ? 0 : scale) + (gamma * s2[i] + beta * s1[i]);
        offset = (first_.modulation ? 0 : offset) + s1[i];
      }
    }
  }
  float* modulation(Index n, Index channel, bool gradient) const {
    const Tensor t = f_.op.norm.scale_shift;
    float* v = gradient ? tape_.grad(t, n) : tape_.value(t, n);
    return v + channel / lanes * (gradient ? tape_.grad_block(t) : tape_.value_block(t)) + channel % lanes;
  }

  void layer_norm_gradient(Index n, float* dV, const Extent& e) {
    for (Index b = 0; b < f_.in_blocks(); ++b) {
      const InputBlock& in = f_.in[count(b)];
      tape_.pointers[count(b)] = x(in, n);
      tape_.targets[count(b)] = dx(in, n);
    }
    float* unused = tape_.lane_array(kK1);
    float* dgamma = pass_.row == nullptr ? unused : pass_.row + f_.row_gamma;
    float* dbeta = pass_.row == nullptr ? tape_.lane_array(kKx) : pass_.row + f_.row_beta;
    k_.layer_norm_backward(tape_.pointers.data(), narrow(f_.in_blocks()), narrow(f_.rows), narrow(f_.channels),
                           w_.gamma, w_.beta, static_cast<float>(f_.op.norm.eps), f_.act(), dV, count(e.V_block),
                           !first_.x, tape_.targets.data(), dgamma, dbeta);
  }

  const Pass& pass_;
  FastTape& tape_;
  const kernels::Table& k_;
  const ConvLayout& f_;
  const FastWeights::Conv& w_;
  const Writers& first_;
};

}  // namespace

void operand_backward(const Pass& pass, const ConvLayout& f, Index n, float* dV, const Extent& e) {
  OperandBackward(pass, f).run(n, dV, e);
}

}  // namespace scorefield::fast
