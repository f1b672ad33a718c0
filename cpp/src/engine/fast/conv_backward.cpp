#include <algorithm>

#include "ahead.hpp"
#include "operand.hpp"

/// The adjoint of conv_forward.cpp. For a block of samples: dM from dy (and what dy gives to bias, vector and
/// residual); the operand again; dU += V^T dM; dV = dM U^T; then the prologue and the norm backwards
/// (operand_backward.cpp).
namespace scorefield::fast {
namespace {

/// Output gradients as the operand of the two products: blocks M_block apart, points M_xs.
struct OutputGradient {
  const float* M;
  Index block, xs;
};

class ConvBackward {
 public:
  ConvBackward(const Pass& pass, const ConvLayout& f)
      : pass_(pass),
        tape_(pass.tape),
        k_(pass.k),
        f_(f),
        w_(pass.weights.convs[f.index]),
        first_(pass.tape.layout.writers[f.index]) {}

  void run(Index n0, Index n1) {
    const bool whole = f_.vectors && f_.method == Method::linear;
    begin_filters();
    for (Index n = n0; n < n1;) {
      const Index samples = whole ? n1 - n : std::min(f_.block_samples(), n1 - n);
      block(n, samples, std::min(f_.block_samples(), n1 - n - samples));
      n += samples;
    }
    end_filters();
  }

 private:
  bool wants_operand() const {
    const bool norm = pass_.row != nullptr && f_.op.norm.kind != nn::Norm::Kind::none;
    return norm || tape_.needs(f_.op.x) || tape_.needs(f_.op.x2) || tape_.needs(f_.op.norm.scale_shift);
  }

  void block(Index n, Index samples, Index next) {
    const Extent e(f_, samples);
    const OutputGradient d = output_gradient(n, samples, e);
    if (pass_.row != nullptr) {
      const kernels::Blocks V = operand(pass_, f_, n, samples);
      multiply_gradient(V, d, e, ahead_of_next(n + samples, next));
      dU_begun_ = true;
    }
    if (!wants_operand()) return;
    if (f_.operand == Operand::source) return source_gradient(n, e, d);
    float* dV = tape_.scratch(tape_.layout.at.V);
    multiply_back(e, d, 0, f_.operand_blocks(), false, dV, e.V_block, f_.points > 1 ? e.V_xs : 0);
    if (f_.operand == Operand::kept) return kept_gradient(n, samples, dV, e.V_block);
    for (Index i = 0; i < samples; ++i) operand_backward(pass_, f_, n + i, dV + i * f_.rows * lanes, e);
  }

  /// What the next samples are made from.
  Ahead ahead_of_next(Index n, Index samples) const {
    Ahead ahead;
    if (samples <= 0) return ahead;
    ahead.add(tape_.grad(f_.op.y, n), samples * f_.out_blocks * f_.y.positions() * lanes);
    add_sources(pass_, f_, n, samples, ahead);
    return ahead;
  }
  void multiply_gradient(const kernels::Blocks& V, const OutputGradient& d, const Extent& e, const Ahead& ahead) {
    ahead.during(f_.points, [&](Index first, Index points) {
      k_.gemm_gradient(narrow(points), narrow(e.rows), V, d.M + first * d.xs, count(d.block), count(d.xs),
                       narrow(f_.out_blocks), dU_begun_, dU_ + first * f_.filter_xs(), count(f_.filter_xs()));
      for (Index b = 0; b < V.count; ++b) tape_.pointers[count(b)] += points * static_cast<Index>(V.xs);
    });
  }

  // ---- dU

  /// dU is accumulated over the samples of a shard. Without Winograd it is the row itself; with it, it lies in a place
  /// of its own if the samples come in several chunks, else in scratch.
  void begin_filters() {
    if (pass_.row == nullptr) return;
    const Index own = tape_.layout.own_dU[f_.index];
    if (f_.method != Method::winograd) {
      dU_ = pass_.row + f_.row_filter;
    } else {
      dU_ = tape_.scratch(own >= 0 ? own : tape_.layout.at.dU);
    }
    dU_begun_ = tape_.begun[f_.index] != 0;
  }
  void end_filters() {
    if (pass_.row == nullptr) return;
    tape_.begun[f_.index] = 1;
    if (f_.method == Method::winograd && tape_.layout.own_dU[f_.index] < 0) flush(pass_, f_, dU_);
  }

  // ---- dy

  float* dy(Index n, Index kb) const { return tape_.grad(f_.op.y, n) + kb * tape_.grad_block(f_.op.y); }

  /// dM, after bias, vector and residual have taken their share of gain dy.
  OutputGradient output_gradient(Index n, Index samples, const Extent& e) {
    const float gain = static_cast<float>(f_.op.gain);
    if (f_.vectors) {
      give_residual(n, samples, gain);
    } else {
      for (Index i = 0; i < samples; ++i) give_residual(n + i, f_.y.positions(), gain);
    }
    if (f_.method == Method::winograd) {
      float* M = tape_.scratch(tape_.layout.at.M);
      float* sum = tape_.lane_array(kSum);
      for (Index i = 0; i < samples; ++i) {
        for (Index kb = 0; kb < f_.out_blocks; ++kb) {
          k_.winograd_output_adjoint(dy(n + i, kb), f_.tiles, gain, M + kb * e.M_block + i * f_.rows * lanes,
                                     count(e.M_xs), sum);
          give_sum(n + i, kb, sum);
        }
      }
      return {M, e.M_block, e.M_xs};
    }
    OutputGradient d{dy(n, 0), tape_.grad_block(f_.op.y), 0};
    if (f_.op.gain != 1) {
      float* M = tape_.scratch(tape_.layout.at.M);
      for (Index kb = 0; kb < f_.out_blocks; ++kb) {
        std::fill_n(M + kb * e.M_block, e.rows * lanes, 0.f);
        k_.add_scaled(dy(n, kb), count(e.rows * lanes), gain, M + kb * e.M_block);
      }
      d = {M, e.M_block, 0};
    }
    if (f_.vectors) return vector_sums(n, samples, d);
    for (Index i = 0; i < samples; ++i) {
      for (Index kb = 0; kb < f_.out_blocks; ++kb) {
        float* sum = tape_.lane_array(kSum);
        std::fill_n(sum, lanes, 0.f);
        k_.add_rows(d.M + kb * d.block + i * f_.rows * lanes, count(f_.rows), sum);
        give_sum(n + i, kb, sum);
      }
    }
    return d;
  }

  /// Rows are samples: what bias and vector get lies in d as it is.
  OutputGradient vector_sums(Index n, Index samples, const OutputGradient& d) {
    for (Index kb = 0; kb < f_.out_blocks; ++kb) {
      const float* rows = d.M + kb * d.block;
      if (pass_.row != nullptr) k_.add_rows(rows, count(samples), pass_.row + f_.row_bias + kb * lanes);
      if (!tape_.needs(f_.op.vector)) continue;
      assign_or_add(rows, samples * lanes, 1, first_.vector,
                    tape_.grad(f_.op.vector, n) + kb * tape_.grad_block(f_.op.vector));
    }
    return d;
  }

  void give_sum(Index n, Index kb, const float* sum) {
    if (pass_.row != nullptr) k_.add_scaled(sum, count(lanes), 1, pass_.row + f_.row_bias + kb * lanes);
    if (!tape_.needs(f_.op.vector)) return;
    float* to = tape_.grad(f_.op.vector, n) + kb * tape_.grad_block(f_.op.vector);
    assign_or_add(sum, lanes, 1, first_.vector, to);
  }

  void give_residual(Index n, Index rows, float gain) {
    if (!tape_.needs(f_.op.residual)) return;
    const Index size = rows * lanes;
    for (Index kb = 0; kb < f_.out_blocks; ++kb) {
      assign_or_add(dy(n, kb), size, gain, first_.residual,
                    tape_.grad(f_.op.residual, n) + kb * tape_.grad_block(f_.op.residual));
    }
  }

  void assign_or_add(const float* x, Index size, float factor, bool assign, float* y) {
    if (assign) std::fill_n(y, size, 0.f);
    k_.add_scaled(x, count(size), factor, y);
  }

  // ---- the operand

  /// dV (+)= dM U^T for input blocks first .. first + blocks - 1.
  void multiply_back(const Extent& e, const OutputGradient& d, Index first, Index operand_blocks, bool add, float* dV,
                     Index dV_block, Index dV_xs) {
    for (Index kb = 0; kb < f_.out_blocks; ++kb) tape_.pointers[count(kb)] = d.M + kb * d.block;
    const kernels::Blocks dM{tape_.pointers.data(), count(d.xs), narrow(f_.out_blocks), f_.out_quarters.data()};
    k_.gemm(narrow(f_.points), narrow(e.rows), dM, w_.U_transposed + first * f_.out_blocks * lanes * lanes,
            count(f_.filter_xs()), nullptr, add, dV, count(dV_block), count(dV_xs), narrow(operand_blocks));
  }

  /// The operand was the sources themselves: the product writes their gradients.
  void source_gradient(Index n, const Extent& e, const OutputGradient& d) {
    Index first = 0;
    for (const Tensor t : {f_.op.x, f_.op.x2}) {
      if (t == none) continue;
      const Index own = blocks(pass_.shape(t).channels);
      if (tape_.needs(t))
        multiply_back(e, d, first, own, !(first == 0 ? first_.x : first_.x2), tape_.grad(t, n), tape_.grad_block(t), 0);
      first += own;
    }
  }

  void kept_gradient(Index n, Index samples, const float* dV, Index dV_block) {
    const Place& slope = tape_.layout.slopes[f_.index];
    for (Index b = 0; b < f_.in_blocks(); ++b) {
      k_.multiply_add(dV + b * dV_block, tape_.at(slope, n) + b * slope.block, count(samples * lanes), !first_.x,
                      tape_.grad(f_.op.x, n) + b * tape_.grad_block(f_.op.x));
    }
  }

  const Pass& pass_;
  FastTape& tape_;
  const kernels::Table& k_;
  const ConvLayout& f_;
  const FastWeights::Conv& w_;
  const Writers& first_;
  float* dU_ = nullptr;
  bool dU_begun_ = false;
};

}  // namespace

void backward(const Pass& pass, const ConvLayout& f, Index n0, Index n1) { ConvBackward(pass, f).run(n0, n1); }

void flush(const Pass& pass, const ConvLayout& f, const float* dU) {
  float* row = pass.row + f.row_filter;
  for (Index i = 0; i < f.out_blocks * f.in_blocks(); ++i) {
    pass.k.winograd_filter_adjoint(dU + i * lanes * lanes, count(f.filter_xs()), row + i * lanes * 9 * lanes);
  }
}

}  // namespace scorefield::fast
