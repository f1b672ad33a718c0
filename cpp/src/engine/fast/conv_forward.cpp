#include <algorithm>

#include "ahead.hpp"
#include "operand.hpp"

/// y = gain (W * resample(dropout(act(norm([x, x2])))) + bias + vector + residual), block of samples by block of
/// samples.
namespace scorefield::fast {
namespace {

/// Where the sums of one block of one sample go: kept if a norm reads y, else dropped.
float* sums_place(const Pass& pass, Tensor y, Index n, Index kb) {
  return pass.program.has_sums_of(y) ? pass.tape.sums(y, n) + kb * 3 * lanes : pass.tape.lane_array(kIgnored);
}

/// bias and vector of one output block of one sample.
const float* shift(const Pass& pass, const ConvLayout& f, Index n, Index kb, const float* bias) {
  if (f.op.vector == none) return bias;
  const float* v = pass.tape.value(f.op.vector, n) + kb * pass.tape.value_block(f.op.vector);
  float* both = pass.tape.lane_array(kEpilogue);
  for (Index l = 0; l < lanes; ++l) both[l] = bias[l] + v[l];
  return both;
}

const float* residual(const Pass& pass, const ConvLayout& f, Index n, Index kb) {
  if (f.op.residual == none) return nullptr;
  return pass.tape.value(f.op.residual, n) + kb * pass.tape.value_block(f.op.residual);
}

/// What the epilogue reads and writes, and what the next samples are made from.
Ahead ahead_of_product(const Pass& pass, const ConvLayout& f, Index n, Index samples, Index next) {
  Ahead ahead;
  const Index size = f.out_blocks * f.y.positions() * lanes;
  ahead.add(pass.tape.value(f.op.y, n), samples * size);
  if (f.op.residual != none) ahead.add(pass.tape.value(f.op.residual, n), samples * size);
  add_sources(pass, f, n + samples, next, ahead);
  return ahead;
}

void winograd_block(const Pass& pass, const ConvLayout& f, Index n, Index samples, Index next) {
  const Extent e(f, samples);
  const FastWeights::Conv& w = pass.weights.convs[f.index];
  float* M = pass.tape.scratch(pass.tape.layout.at.M);
  const kernels::Blocks V = operand(pass, f, n, samples);
  ahead_of_product(pass, f, n, samples, next).during(f.points, [&](Index first, Index points) {
    pass.k.gemm(narrow(points), narrow(e.rows), V, w.U + first * f.filter_xs(), count(f.filter_xs()), nullptr, false,
                M + first * e.M_xs, count(e.M_block), count(e.M_xs), narrow(f.out_blocks));
    for (Index b = 0; b < f.in_blocks(); ++b) pass.tape.pointers[count(b)] += points * e.V_xs;
  });
  for (Index i = 0; i < samples; ++i) {
    for (Index kb = 0; kb < f.out_blocks; ++kb) {
      float* y = pass.tape.value(f.op.y, n + i) + kb * pass.tape.value_block(f.op.y);
      pass.k.winograd_output(M + kb * e.M_block + i * f.rows * lanes, count(e.M_xs), f.tiles,
                             shift(pass, f, n + i, kb, w.bias + kb * lanes), residual(pass, f, n + i, kb),
                             static_cast<float>(f.op.gain), y, sums_place(pass, f.op.y, n + i, kb));
    }
  }
}

/// The product straight into y (bias first), then what is left of the epilogue, in place.
void image_sample(const Pass& pass, const ConvLayout& f, Index n) {
  const FastWeights::Conv& w = pass.weights.convs[f.index];
  float* y = pass.tape.value(f.op.y, n);
  const Index block = pass.tape.value_block(f.op.y);
  const kernels::Blocks V = operand(pass, f, n, 1);
  pass.k.gemm(1, narrow(f.rows), V, w.U, 0, w.bias, false, y, count(block), 0, narrow(f.out_blocks));
  const bool rest = f.op.vector != none || f.op.residual != none || f.op.gain != 1 || pass.program.has_sums_of(f.op.y);
  if (!rest) return;
  for (Index kb = 0; kb < f.out_blocks; ++kb) {
    pass.k.epilogue(y + kb * block, count(f.rows), shift(pass, f, n, kb, pass.tape.lane_array(kZeros)),
                    residual(pass, f, n, kb), static_cast<float>(f.op.gain), sums_place(pass, f.op.y, n, kb));
  }
}

/// Rows are samples: one product for all of them.
void vector_rows(const Pass& pass, const ConvLayout& f, Index n, Index samples) {
  const FastWeights::Conv& w = pass.weights.convs[f.index];
  FastTape& tape = pass.tape;
  float* y = tape.value(f.op.y, n);
  const Index block = tape.value_block(f.op.y), size = samples * lanes;
  const kernels::Blocks V = operand(pass, f, n, samples);
  pass.k.gemm(1, narrow(samples), V, w.U, 0, w.bias, false, y, count(block), 0, narrow(f.out_blocks));
  for (Index kb = 0; kb < f.out_blocks; ++kb) {
    float* rows = y + kb * block;
    if (f.op.vector != none)
      pass.k.add_scaled(tape.value(f.op.vector, n) + kb * tape.value_block(f.op.vector), count(size), 1, rows);
    if (f.op.residual == none && f.op.gain == 1) continue;
    pass.k.epilogue(rows, count(samples), tape.lane_array(kZeros), residual(pass, f, n, kb),
                    static_cast<float>(f.op.gain), tape.lane_array(kIgnored));
  }
  if (pass.program.has_sums_of(f.op.y)) sum_tensor(pass, f.op.y, n, n + samples);
}

/// act(x), and act'(x) in training, of rows n0 .. n1 - 1.
void keep_operand(const Pass& pass, const ConvLayout& f, Index n0, Index n1) {
  const Place &kept = pass.tape.layout.kept[f.index], &slope = pass.tape.layout.slopes[f.index];
  for (Index b = 0; b < f.in_blocks(); ++b) {
    const float* x = pass.tape.value(f.op.x, n0) + b * pass.tape.value_block(f.op.x);
    pass.k.activation(x, count((n1 - n0) * lanes), f.act(), pass.tape.at(kept, n0) + b * kept.block,
                      slope.exists() ? pass.tape.at(slope, n0) + b * slope.block : nullptr);
  }
}

}  // namespace

void forward(const Pass& pass, const ConvLayout& f, Index n0, Index n1) {
  if (pass.tape.layout.keeps[f.index] != 0) keep_operand(pass, f, n0, n1);
  if (pass.tape.layout.moments[f.index].exists()) {
    for (Index n = n0; n < n1; ++n) fold(pass, f, n, moments_place(pass, f, n));
  }
  if (f.vectors && f.method == Method::linear) return vector_rows(pass, f, n0, n1 - n0);
  for (Index n = n0; n < n1;) {
    const Index samples = std::min(f.block_samples(), n1 - n);
    if (f.method == Method::winograd) {
      winograd_block(pass, f, n, samples, std::min(f.block_samples(), n1 - n - samples));
    } else {
      image_sample(pass, f, n);
    }
    n += samples;
  }
}

void sum_tensor(const Pass& pass, Tensor t, Index n0, Index n1) {
  if (!pass.program.has_sums_of(t)) return;
  const Shape s = pass.shape(t);
  for (Index n = n0; n < n1; ++n) {
    for (Index b = 0; b < blocks(s.channels); ++b) {
      pass.k.sums(pass.tape.value(t, n) + b * pass.tape.value_block(t), count(s.positions()),
                  pass.tape.sums(t, n) + b * 3 * lanes);
    }
  }
}

}  // namespace scorefield::fast
