#pragma once
#include "weights.hpp"

namespace scorefield::fast {

/// What one run of a few samples works with. An operation is run for samples n0 .. n1 - 1.
struct Pass {
  const Program& program;
  const FastWeights& weights;
  const Inputs<float>& in;
  FastTape& tape;
  float* row = nullptr;  // of gradients; null: those of parameters are not wanted
  const kernels::Table& k = kernels::table();

  const Shape& shape(Tensor t) const { return program.shape(t); }
};

/// The whole network, for the samples that y (dy) has rows for.
void run_forward(const Pass& pass, Out<float> y);
void run_backward(const Pass& pass, In<float> dy, std::span<OutMap<float>> dinputs);

/// How an operation is run forward, and backward after it.
void forward(const Pass& pass, const ConvLayout& f, Index n0, Index n1);
void backward(const Pass& pass, const ConvLayout& f, Index n0, Index n1);
void forward(const Pass& pass, const nn::Attention& a, Index n0, Index n1);
void backward(const Pass& pass, const nn::Attention& a, const Writers& first, Index n0, Index n1);
void forward(const Pass& pass, const nn::Embedding& e, std::size_t op, Index n0, Index n1);
void backward(const Pass& pass, const nn::Embedding& e, std::size_t op, Index n0, Index n1);
void forward(const Pass& pass, const nn::Sinusoid& s, std::size_t op, Index n0, Index n1);
void backward(const Pass& pass, const nn::Sinusoid& s, std::size_t op, const Writers& first, Index n0, Index n1);
void forward(const Pass& pass, const nn::Resize& r, Index n0, Index n1);
void backward(const Pass& pass, const nn::Resize& r, const Writers& first, Index n0, Index n1);

/// The filters of the row := G^T dU G, for Winograd convolutions.
void flush(const Pass& pass, const ConvLayout& f, const float* dU);

/// NHWC rows of samples n0 .. n1 - 1 -> blocks, and back.
void to_blocks(const Shape& s, const float* nhwc, float* to, Index block);
void from_blocks(const Shape& s, const float* from, Index block, float* nhwc);

/// The sums of a tensor that a group norm reads, where its writer has no epilogue.
void sum_tensor(const Pass& pass, Tensor t, Index n0, Index n1);

}  // namespace scorefield::fast
