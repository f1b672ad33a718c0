#pragma once
#include <memory>
#include <vector>

#include "arena.hpp"
#include "program.hpp"

namespace scorefield::fast {

using Use = Engine<float>::Use;

/// Where a tensor (or its gradient) lies: the 16 numbers of position p in block b of sample n are at
/// begin + n sample + b block + 16 p. A local one holds the samples of one chunk only.
struct Place {
  Index begin = -1;  // in the arena
  Index sample = 0, block = 0;
  bool local = false;
  bool exists() const { return begin >= 0; }
};

/// Who writes a gradient: the first in the order of backward assigns, later ones add. `clear`: the parts of an
/// Attention do not fill their tensor, so it is zeroed first.
struct Writers {
  bool x = false, x2 = false, vector = false, residual = false, modulation = false;
  bool q = false, k = false, v = false, clear_q = false, clear_k = false, clear_v = false;
};

/// Scratch of one operation at a time, shared by all.
struct Scratch {
  Index V = 0, M = 0, plane = 0, dz = 0, lanes = 0, groups = 0, mask = 0, attention = 0, dU = 0, pointers = 0;
  void cover(const Scratch& other);
};

inline constexpr Index attention_arrays = 8;

/// Sizes and places of a tape for `rows` samples, computed without allocating.
struct TapeLayout {
  std::vector<Place> values, grads, sums;  // by tensor
  std::vector<Place> kept, slopes;         // by operation: the operand that a vector Conv keeps, and act'
  std::vector<char> keeps;                 // by operation: it makes its kept operand; else an earlier one did
  std::vector<Place> moments;              // by operation: mean, scale, shift, rstd of each input lane
  std::vector<Writers> writers;            // by operation
  std::vector<Index> own_dU;               // by operation, where dU lives as long as the shard; -1: scratch serves
  Scratch sizes, at;
  Index floats = 0;

  TapeLayout(const Program& program, Index rows, Use use);
};

/// The memory of one run.
struct FastTape final : Tape {
  static constexpr Index lane_arrays = 16;

  const Program& program;
  Index capacity;
  Use use;
  TapeLayout layout;
  Floats arena;
  std::vector<const float*> pointers;
  std::vector<float*> targets;
  std::vector<double> groups;
  std::vector<char> needed;  // by tensor: its gradient is wanted in this backward
  std::vector<char> begun;   // by operation: its dU has been assigned in this backward
  Matrix<double> uniform;    // dropout's numbers of one sample
  Index base = 0;            // first sample of the chunk that local places hold

  FastTape(const Program& program, Index rows, Use use);
  Index rows() const override { return capacity; }

  float* at(const Place& p, Index n) const { return arena.data() + p.begin + (p.local ? n - base : n) * p.sample; }
  float* value(Tensor t, Index n) const { return at(layout.values[count(t)], n); }
  float* grad(Tensor t, Index n) const { return at(layout.grads[count(t)], n); }
  float* sums(Tensor t, Index n) const { return at(layout.sums[count(t)], n); }
  Index value_block(Tensor t) const { return layout.values[count(t)].block; }
  Index grad_block(Tensor t) const { return layout.grads[count(t)].block; }
  float* scratch(Index begin) const { return arena.data() + begin; }
  /// One of the lane arrays, long enough for the lanes of any operation.
  float* lane_array(Index i) const { return scratch(layout.at.lanes + i * layout.sizes.lanes); }
  bool training() const { return use == Use::training; }
  bool needs(Tensor t) const { return t != none && needed[count(t)] != 0; }
};

}  // namespace scorefield::fast
