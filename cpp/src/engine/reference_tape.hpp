#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "scorefield/engine/reference.hpp"

namespace scorefield::reference {

/// theta with filters as (out, ky, kx, in).
template <class S>
struct PackedWeights final : Weights {
  std::vector<S> theta;
};

/// The buffers that a convolution works in, for one block of samples.
enum class Buffer {
  joined,
  hat,
  operand,
  slope,
  resampled,
  columns,
  dcolumns,
  dresampled,
  doperand,
  dx,
  dy,
  mean,
  rstd,
  count
};
using BufferSizes = std::array<Index, static_cast<std::size_t>(Buffer::count)>;

/// How a convolution goes through the samples: blocks of whole samples whose activations stay in cache, and within
/// them, if the kernel is larger than 1, blocks of output positions whose columns do. Only speed depends on it.
struct Blocking {
  Index samples, column_rows;
  static Blocking of(const nn::Plan& plan, const nn::Conv& c, Index rows);
};

/// The numbers of scratch that the operations of a plan need at most.
struct ScratchSizes {
  BufferSizes buffers{};
  Index weights = 0, channels = 0, mask = 0;  // attention weights; moments of a row; dropout
  static ScratchSizes of(const nn::Plan& plan, Index rows, bool training);
  Index total() const;
};

/// Where the tensors of a plan live. Training keeps them all; inference gives the place of a tensor that nobody reads
/// any more to a later one (the smallest that fits, else the largest, which grows).
struct Places {
  std::vector<std::size_t> place;  // of each tensor
  std::vector<Index> numbers;      // per sample, of each place
  static Places of(const nn::Plan& plan, bool training);
  Index total() const;
};

template <class S>
class ReferenceTape final : public Tape {
 public:
  ReferenceTape(const nn::Plan& plan, Index rows, bool training) : rows_(rows), training_(training) {
    const ScratchSizes sizes = ScratchSizes::of(plan, rows, training);
    const Places places = Places::of(plan, training);
    for (const Index numbers : places.numbers) {
      value_memory_.emplace_back(static_cast<std::size_t>(rows * numbers));
      if (training) grad_memory_.emplace_back(static_cast<std::size_t>(rows * numbers));
    }
    for (const std::size_t p : places.place) {
      values.push_back(value_memory_[p].data());
      grads.push_back(training ? grad_memory_[p].data() : nullptr);
    }
    for (std::size_t i = 0; i < sizes.buffers.size(); ++i)
      buffers[i].resize(static_cast<std::size_t>(sizes.buffers[i]));
    weights.resize(static_cast<std::size_t>(sizes.weights));
    dweights.resize(training ? static_cast<std::size_t>(sizes.weights) : 0);
    moments.resize(4, sizes.channels);
    mask.resize(1, sizes.mask);
    needed.resize(plan.tensors.size());
  }
  Index rows() const override { return rows_; }
  bool training() const { return training_; }

  OutMap<S> buffer(Buffer which, Index rows, Index cols) {
    std::vector<S>& b = buffers[static_cast<std::size_t>(which)];
    eigen_assert(rows * cols <= static_cast<Index>(b.size()));
    return {b.data(), rows, cols};
  }

  std::vector<S*> values, grads;  // per tensor: (samples positions, channels)
  std::array<std::vector<S>, static_cast<std::size_t>(Buffer::count)> buffers;
  std::vector<S> weights, dweights;
  Matrix<S> moments;         // four rows: mean, rstd, two sums
  Matrix<double> mask;       // of one sample
  std::vector<char> needed;  // per tensor: does anything that is asked for depend on its gradient

 private:
  std::vector<std::vector<S>> value_memory_, grad_memory_;  // per place
  Index rows_;
  bool training_;
};

/// One pass over a plan: what operations read and where they write.
template <class S>
struct Pass {
  const nn::Plan& plan;
  const S* theta;
  const Inputs<S>& in;
  ReferenceTape<S>& tape;
  Index samples;
  S* row = nullptr;  // of gradients; null if none are wanted
  Index op = 0;      // which operation, for dropout

  OutMap<S> value(nn::Tensor t, Index first, Index count) const { return part(tape.values, t, first, count); }
  OutMap<S> grad(nn::Tensor t, Index first, Index count) const { return part(tape.grads, t, first, count); }
  OutMap<S> value(nn::Tensor t) const { return value(t, 0, samples); }
  OutMap<S> grad(nn::Tensor t) const { return grad(t, 0, samples); }
  bool needs(nn::Tensor t) const { return t != nn::none && tape.needed[static_cast<std::size_t>(t)] != 0; }

  /// A slice of theta, or of the row of gradients (empty if there is none), as a matrix.
  InMap<S> parameter(const nn::Slice& s, Index rows) const {
    return {s.of(theta), s.size == 0 ? 0 : rows, s.size / rows};
  }
  OutMap<S> dparameter(const nn::Slice& s, Index rows) const {
    const bool exists = row != nullptr && s.size > 0;
    return {exists ? row + s.begin : nullptr, exists ? rows : 0, exists ? s.size / rows : 0};
  }

 private:
  OutMap<S> part(const std::vector<S*>& all, nn::Tensor t, Index first, Index count) const {
    const nn::Shape& s = plan.shape(t);
    const Index p = s.positions();
    return {all[static_cast<std::size_t>(t)] + first * p * s.channels, count * p, s.channels};
  }
};

}  // namespace scorefield::reference
