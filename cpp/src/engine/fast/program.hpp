#pragma once
#include <initializer_list>
#include <vector>

#include "scorefield/engine/fast.hpp"
#include "scorefield/kernels/table.hpp"
#include "scorefield/nn/plan.hpp"

/// What the fast engine derives from a plan, once: blocks of 16 channels, kinds of convolution, places in a gradient
/// row, stages.
namespace scorefield::fast {

using kernels::Act;
using kernels::Size;
using kernels::Tiles;
using kernels::Window;
using nn::none;
using nn::Shape;
using nn::Tensor;

inline constexpr Index lanes = 16;
inline Index blocks(Index channels) { return (channels + lanes - 1) / lanes; }
inline Index padded(Index n) { return blocks(n) * lanes; }
inline int narrow(Index n) { return static_cast<int>(n); }
inline std::size_t count(Index n) { return static_cast<std::size_t>(n); }

/// Sixteen input channels of a Conv: block `block` of a source. `channel` is the first one's number along the joined
/// axis.
struct InputBlock {
  Tensor tensor;
  Index block, channel, valid;
};

/// A run of input blocks that no group of a norm crosses.
struct Span {
  Index first, last;
};

enum class Method { linear, winograd, gathered };

/// How the operand of a product comes to be: the source itself, its activation kept from forward, or made by the
/// prologue.
enum class Operand { source, kept, made };

struct ConvLayout {
  nn::Conv op;
  std::size_t index;  // among the plan's operations
  Shape x, mid, y;    // mid: the resampled operand
  Index channels, out_blocks;
  std::vector<InputBlock> in;
  std::vector<unsigned char> operand_quarters, out_quarters;  // of 16 lanes of each block: those that have channels
  std::vector<Span> spans;
  std::vector<Index> group;  // of each input lane, if there is a group norm; -1 beyond the channels
  double group_inverse = 0;  // 1 / numbers in a group
  Method method;
  Operand operand;
  bool vectors;  // x and y have one position: rows are samples
  Tiles tiles{};
  Window window{};
  Index taps = 1, points = 1;
  Index rows;  // of the product, per sample: tiles or positions
  Index plane_height = 0, plane_width = 0, pad = 0, pad_across = 0;
  Index row_filter = 0, row_bias = 0, row_gamma = 0, row_beta = 0;  // places in a gradient row, filters of all first

  Index in_blocks() const { return static_cast<Index>(in.size()); }
  Index in_lanes() const { return in_blocks() * lanes; }
  Index operand_blocks() const { return in_blocks() * taps; }
  Index filter_xs() const { return operand_blocks() * out_blocks * lanes * lanes + (points > 1 ? lanes : 0); }  // U's
  Index filter_size() const { return points * filter_xs(); }
  Index row_filter_size() const {
    return in_blocks() * out_blocks * lanes * lanes * (method == Method::winograd ? 9 : taps);
  }
  Index plane_size() const { return plane_height * plane_width * lanes; }
  Index plane_stride() const { return plane_width * lanes; }
  bool group_norm() const { return op.norm.kind == nn::Norm::Kind::group; }
  bool layer_norm() const { return op.norm.kind == nn::Norm::Kind::layer; }
  bool modulated() const { return op.norm.scale_shift != none; }
  Act act() const { return static_cast<Act>(op.act); }
  kernels::Resize resize() const { return static_cast<kernels::Resize>(op.resample); }
  Index block_samples() const;  // samples that share one product
};

/// A run of operations that a chunk of samples goes through together.
struct Stage {
  std::vector<std::size_t> ops;
  Index chunk;  // by formula; 0: all samples
};

/// f(t) for each tensor that an operation sends gradients to.
template <class F>
void for_sources(const nn::Op& op, F f) {
  const auto each = [&f](std::initializer_list<Tensor> all) {
    for (const Tensor t : all) {
      if (t != none) f(t);
    }
  };
  if (const auto* c = std::get_if<nn::Conv>(&op)) each({c->x, c->x2, c->norm.scale_shift, c->vector, c->residual});
  if (const auto* a = std::get_if<nn::Attention>(&op)) each({a->q.tensor, a->k.tensor, a->v.tensor});
  if (const auto* s = std::get_if<nn::Sinusoid>(&op)) each({s->t});
  if (const auto* r = std::get_if<nn::Resize>(&op)) each({r->x, r->divisor});
}

/// Where the gradients of an Embedding or Sinusoid lie in a row; two operations with one parameter share the place.
struct RowSlices {
  Index table = 0, position = 0, frequencies = 0;
  bool shared = false;  // an earlier operation hands them on
};

struct Program {
  const nn::Plan& plan;
  FastEngine::Options options;
  std::vector<ConvLayout> convs;  // by operation; `in` is empty for other kinds
  std::vector<RowSlices> slices;  // by operation
  std::vector<Stage> stages;
  std::vector<char> has_sums;           // by tensor: a group norm reads it
  Index row_filters = 0, row_size = 0;  // of a gradient row: what products assign, and with what is added up

  Program(const nn::Plan& plan, FastEngine::Options options);
  const ConvLayout& conv(std::size_t op) const { return convs[op]; }
  const Shape& shape(Tensor t) const { return plan.shape(t); }
  bool has_sums_of(Tensor t) const { return has_sums[count(t)] != 0; }
  /// Samples of a tape for `rows` that go through a stage together: nearly equal chunks, no longer than the formula
  /// says.
  Index chunk(const Stage& stage, Index rows, Engine<float>::Use use) const;

 private:
  void add_conv(std::size_t op, const nn::Conv& conv);
  void add_stages();
  void lay_out_row();
  void lay_out_slices(std::size_t op);
};

}  // namespace scorefield::fast
