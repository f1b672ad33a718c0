#include "program.hpp"

#include <algorithm>
#include <utility>

namespace scorefield::fast {
namespace {

std::vector<InputBlock> input_blocks(const nn::Plan& plan, const nn::Conv& c) {
  std::vector<InputBlock> in;
  Index first = 0;
  for (const Tensor t : {c.x, c.x2}) {
    if (t == none) continue;
    const Index channels = plan.shape(t).channels;
    for (Index b = 0; b < blocks(channels); ++b) {
      in.push_back({t, b, first + b * lanes, std::min(lanes, channels - b * lanes)});
    }
    first += channels;
  }
  return in;
}

/// The shortest runs of blocks that no group crosses. Channels rise along the list, so a group crosses from block b to
/// b + 1 if the last channel of one and the first of the other share it.
std::vector<Span> spans(const std::vector<InputBlock>& in, Index channels_per_group) {
  std::vector<Span> all;
  Index first = 0;
  for (Index b = 0; b < static_cast<Index>(in.size()); ++b) {
    const InputBlock& here = in[count(b)];
    const bool last = b + 1 == static_cast<Index>(in.size());
    if (!last && (here.channel + here.valid - 1) / channels_per_group == in[count(b + 1)].channel / channels_per_group)
      continue;
    all.push_back({first, b + 1});
    first = b + 1;
  }
  return all;
}

Method method(const nn::Conv& c, bool winograd) {
  if (c.kernel == 1) return Method::linear;
  return winograd && c.kernel == 3 && c.stride == 1 && c.pad == 1 && !c.sequence ? Method::winograd : Method::gathered;
}

Operand operand(const ConvLayout& f) {
  const nn::Conv& c = f.op;
  const bool plain =
      c.norm.kind == nn::Norm::Kind::none && !f.modulated() && c.dropout == 0 && c.resample == nn::Resample::none;
  if (f.method != Method::linear || !plain) return Operand::made;
  if (c.act == nn::Activation::identity) return Operand::source;
  return f.vectors && c.x2 == none ? Operand::kept : Operand::made;
}

/// The padded plane that a Winograd or gathered convolution reads.
void set_plane(ConvLayout& f) {
  const nn::Conv& c = f.op;
  if (f.method == Method::winograd) {
    f.tiles = {narrow(f.y.height), narrow(f.y.width), narrow((f.y.height + 3) / 4), narrow((f.y.width + 3) / 4)};
    f.points = 36, f.rows = f.tiles.rows * f.tiles.columns, f.pad = f.pad_across = 1;
    f.plane_height = 4 * f.tiles.rows + 2, f.plane_width = 4 * f.tiles.columns + 2;
  }
  if (f.method == Method::gathered) {
    const Index across = c.sequence ? 1 : c.kernel;
    f.window = {narrow(f.y.height), narrow(f.y.width), narrow(c.kernel),
                narrow(across),     narrow(c.stride),  narrow(c.sequence ? 1 : c.stride)};
    f.taps = c.kernel * across, f.pad = c.pad, f.pad_across = c.sequence ? 0 : c.pad;
    f.plane_height = std::max((f.y.height - 1) * c.stride + c.kernel, f.pad + f.mid.height);
    f.plane_width = std::max((f.y.width - 1) * f.window.step_across + across, f.pad_across + f.mid.width);
  }
}

unsigned char quarters(Index channels) { return static_cast<unsigned char>(std::min<Index>(4, (channels + 3) / 4)); }

/// What an Embedding or a Sinusoid has learnt; empty for other operations.
nn::Slice parameter(const nn::Op& op) {
  if (const auto* e = std::get_if<nn::Embedding>(&op)) return e->table;
  if (const auto* s = std::get_if<nn::Sinusoid>(&op)) return s->frequencies;
  return {};
}

/// What an operation multiplies: the bytes of its filters and of its output, for the chunk formula.
struct Weight {
  Index filter = 0, output = 0;
};
Weight weigh(const Program& p, std::size_t op) {
  const ConvLayout& f = p.conv(op);
  return f.in.empty() ? Weight{} : Weight{f.filter_size(), f.y.positions() * f.out_blocks * lanes};
}

}  // namespace

/// Filters are read once per product, so many rows are better than few: up to 64 while V and M fit a second-level cache
/// of a megabyte or take no more than the filters do.
Index ConvLayout::block_samples() const {
  constexpr Index cache = Index{1} << 18, most = 64;
  if (method != Method::winograd) return 1;
  const Index row = points * (in_lanes() + out_blocks * lanes), limit = std::max(cache, filter_size());
  Index together = 1;
  while (2 * together * rows <= most && 2 * together * rows * row <= limit) together *= 2;
  return together;
}

Program::Program(const nn::Plan& p, FastEngine::Options o)
    : plan(p), options(o), convs(p.ops.size()), slices(p.ops.size()), has_sums(p.tensors.size(), 0) {
  for (std::size_t i = 0; i < p.ops.size(); ++i) {
    if (const auto* c = std::get_if<nn::Conv>(&p.ops[i])) add_conv(i, *c);
  }
  lay_out_row();
  add_stages();
}

void Program::add_conv(std::size_t op, const nn::Conv& c) {
  ConvLayout& f = convs[op];
  f.op = c, f.index = op, f.x = shape(c.x), f.y = shape(c.y);
  f.in = input_blocks(plan, c);
  f.channels = f.in.back().channel + f.in.back().valid;
  f.out_blocks = blocks(f.y.channels);
  for (Index kb = 0; kb < f.out_blocks; ++kb) f.out_quarters.push_back(quarters(f.y.channels - kb * lanes));
  f.mid = f.x;
  if (c.resample != nn::Resample::none) f.mid.height = f.y.height, f.mid.width = f.y.width;
  f.vectors = f.x.positions() == 1 && f.y.positions() == 1;
  f.method = method(c, options.winograd);
  f.operand = operand(f);
  f.rows = f.y.positions();
  set_plane(f);
  for (const InputBlock& in : f.in)
    f.operand_quarters.insert(f.operand_quarters.end(), count(f.taps), quarters(in.valid));
  f.spans = spans(f.in, f.group_norm() ? f.channels / c.norm.groups : 1);
  if (f.group_norm()) {
    const Index per = f.channels / c.norm.groups;
    f.group_inverse = 1 / static_cast<double>(per * f.x.positions());
    for (const InputBlock& in : f.in) {
      for (Index l = 0; l < lanes; ++l) f.group.push_back(l < in.valid ? (in.channel + l) / per : -1);
    }
  }
  if (!f.group_norm()) return;
  for (const Tensor t : {c.x, c.x2}) {
    if (t != none) has_sums[count(t)] = 1;
  }
}

void Program::lay_out_row() {
  const auto take = [this](Index size) { return std::exchange(row_size, row_size + size); };
  for (ConvLayout& f : convs) {
    if (!f.in.empty()) f.row_filter = take(f.row_filter_size());
  }
  row_filters = row_size;
  for (std::size_t op = 0; op < convs.size(); ++op) {
    ConvLayout& f = convs[op];
    if (f.in.empty()) {
      lay_out_slices(op);
      continue;
    }
    const Index affine = f.op.norm.kind == nn::Norm::Kind::none ? 0 : f.in_lanes();
    f.row_bias = take(f.out_blocks * lanes), f.row_gamma = take(affine), f.row_beta = take(affine);
  }
}

void Program::lay_out_slices(std::size_t op) {
  const nn::Slice learnt = parameter(plan.ops[op]);
  for (std::size_t i = 0; i < op && learnt.size > 0; ++i) {
    if (const nn::Slice s = parameter(plan.ops[i]); s.size == 0 || s.begin != learnt.begin) continue;
    slices[op] = slices[i];
    slices[op].shared = true;
    return;
  }
  const auto take = [this](const nn::Slice& s) { return std::exchange(row_size, row_size + padded(s.size)); };
  if (const auto* e = std::get_if<nn::Embedding>(&plan.ops[op])) slices[op] = {take(e->table), take(e->position), 0};
  if (const auto* s = std::get_if<nn::Sinusoid>(&plan.ops[op])) slices[op].frequencies = take(s->frequencies);
}

/// Stage 0 holds what depends on vectors only; then each maximal run of operations whose outputs have one resolution.
void Program::add_stages() {
  std::vector<char> vector_only(plan.tensors.size(), 0);
  for (const nn::Input& i : plan.inputs) vector_only[count(i.tensor)] = shape(i.tensor).positions() == 1;
  stages.push_back({{}, 0});
  Shape last{-1, -1, -1};
  for (std::size_t i = 0; i < plan.ops.size(); ++i) {
    const Tensor y = nn::writes(plan.ops[i]);
    const Shape& s = shape(y);
    const auto sources = nn::reads(plan.ops[i]);
    if (s.positions() == 1 && std::ranges::all_of(sources, [&](Tensor t) { return vector_only[count(t)] != 0; })) {
      vector_only[count(y)] = 1;
      stages[0].ops.push_back(i);
      continue;
    }
    if (s.height != last.height || s.width != last.width) stages.push_back({{}, 0}), last = s;
    stages.back().ops.push_back(i);
  }
  for (Stage& stage : stages) {
    Weight most{0, 1};
    for (const std::size_t i : stage.ops) {
      const Weight w = weigh(*this, i);
      most = {std::max(most.filter, w.filter), std::max(most.output, w.output)};
    }
    stage.chunk = std::max<Index>(1, 2 * most.filter / most.output);
  }
}

Index Program::chunk(const Stage& stage, Index rows, Engine<float>::Use use) const {
  if (options.chunk > 0) return std::min(rows, options.chunk);
  const Index formula = use == Engine<float>::Use::training ? stage.chunk : std::max<Index>(1, stage.chunk / 4);
  const bool stage0 = &stage == stages.data();
  const Index most = std::clamp<Index>(stage0 ? std::max<Index>(64, formula) : formula, 1, rows);
  const Index parts = (rows + most - 1) / most;
  return (rows + parts - 1) / parts;
}

}  // namespace scorefield::fast
