#include "blocks.hpp"

#include <algorithm>

#include "scorefield/base/check.hpp"

namespace scorefield::nn {
namespace {

const UNet& checked(const UNet& u) {
  require(u.shape.channels >= 1 && u.shape.height >= 1 && u.shape.width >= 1,
          "the shape of x must have positive sizes, got height ", u.shape.height, ", width ", u.shape.width,
          ", channels ", u.shape.channels);
  require(!u.widths.empty() && u.depth >= 1, "needs at least one width and one block per resolution");
  require(std::ranges::all_of(u.widths, [](Index w) { return w >= 2; }), "widths must be >= 2");
  require(u.head_channels >= 0 && u.head_channels <= *std::ranges::min_element(u.widths),
          "head_channels must be at most the least width, ", *std::ranges::min_element(u.widths), ", got ",
          u.head_channels);
  require(u.groups >= 0, "groups must be >= 1 (or 0 for the default), got ", u.groups);
  for (const Index w : u.widths) {
    require(u.groups == 0 || w % u.groups == 0, "groups must divide every width: ", u.groups, " does not divide ", w);
  }
  require(u.dropout >= 0 && u.dropout < 1, "dropout must be in [0, 1), got ", u.dropout);
  require(u.eps > 0, "eps must be > 0, got ", u.eps);
  require(u.frequency_shift >= 0 && u.frequency_shift < u.widths[0] / 2,
          "frequency_shift must be at least 0 and less than half of the first width, ", u.widths[0], ", got ",
          u.frequency_shift);
  require(u.middle_scale > 0, "middle_scale must be > 0, got ", u.middle_scale);
  Index height = u.shape.height;
  std::vector<Index> heights;
  for (std::size_t i = 0; i < u.widths.size(); ++i, height = (height + 1) / 2) heights.push_back(height);
  for (const Index a : u.attention) {
    require(std::ranges::count(heights, a) > 0, "attention at height ", a, ", but the heights are ", heights.front(),
            " to ", heights.back(), ", each half of the one before");
  }
  return u;
}

}  // namespace

BlockWriter::BlockWriter(const UNet& u)
    : spec(checked(u)), groups_(spec.groups > 0 ? spec.groups : default_groups(spec.widths)) {}

bool BlockWriter::attends(Tensor x) const { return std::ranges::count(spec.attention, b.shape(x).height) > 0; }

void BlockWriter::write_time(Tensor time, Tensor extra) {
  const Sinusoid s{.t = time, .shift = static_cast<double>(spec.frequency_shift), .cos_first = spec.cosine_first};
  const Tensor hidden = b.conv("time_embedding.linear_1", 4 * width(0), {.x = b.sinusoid(s, width(0))});
  embedding_ =
      b.conv("time_embedding.linear_2", 4 * width(0), {.x = hidden, .act = Activation::silu, .residual = extra});
}

void BlockWriter::write_text() {
  ids_ = b.input("text_ids", {1, spec.text->length});
  text_ = nn::write(b, *spec.text, ids_);
}

Tensor BlockWriter::write_down(Tensor x, Tensor image) {
  Tensor h = conv3("conv_in", width(0), {.x = x, .x2 = image});
  skips.push_back(h);
  for (Index i = 0; i < levels(); ++i) {
    const std::string name = "down_blocks." + std::to_string(i);
    for (Index j = 0; j < spec.depth; ++j) skips.push_back(h = block(name, j, h, none, width(i), attends(h)));
    if (i + 1 == levels()) break;
    skips.push_back(h = halve(name + ".downsamplers.0", h, width(i)));
  }
  return h;
}

Tensor BlockWriter::conv3(const std::string& name, Index out, Conv c, Tensor like) {
  c.kernel = 3;
  c.pad = 1;
  c.sequence = sequence();
  return b.conv(name, out, c, like);
}

Tensor BlockWriter::block(const std::string& name, Index j, Tensor x, Tensor skip, Index out, bool attention) {
  const Tensor h = res(name + ".resnets." + std::to_string(j), x, skip, out);
  return attention ? attend(name + ".attentions." + std::to_string(j), h) : h;
}

Tensor BlockWriter::halve(const std::string& name, Tensor x, Index out) {
  if (spec.residual_resampling) return res(name, x, none, out, {.resample = Resample::down});
  const Conv half{.x = x, .kernel = 3, .stride = 2, .pad = spec.shifted_downsampling ? 0 : 1, .sequence = sequence()};
  return b.conv(name + ".conv", out, half);
}

Tensor BlockWriter::twice(const std::string& name, Tensor x, Index out, Tensor like) {
  if (spec.residual_resampling) return res(name, x, none, out, {.resample = Resample::up, .like = like});
  return conv3(name + ".conv", out, {.x = x, .resample = Resample::up}, like);
}

/// h = conv1(resample(silu(norm1([x, skip])))) + W_e silu(e),   y = gain (conv2(silu(norm2(h))) + shortcut([x, skip]));
/// with scale_shift time enters later: (a, b) = W_e silu(e),   y = gain (conv2(silu(norm2(h) (1 + a) + b)) + ...).
Tensor BlockWriter::res(const std::string& name, Tensor x, Tensor skip, Index out, Residual how) {
  const Index in = b.channels(x, skip);
  Conv first{.x = x, .x2 = skip, .norm = norm(name + ".norm1", in), .act = Activation::silu, .resample = how.resample};
  const Tensor time =
      b.conv(name + ".time_emb_proj", spec.scale_shift ? 2 * out : out, {.x = embedding_, .act = Activation::silu});
  if (!spec.scale_shift) first.vector = time;
  const Tensor h = conv3(name + ".conv1", out, first, how.like);
  const Tensor same = how.resample == Resample::none ? x : b.resize(x, how.resample, how.like);
  const Tensor residual = in == out ? same : b.conv(name + ".conv_shortcut", out, {.x = same, .x2 = skip});
  Conv second{.x = h, .norm = norm(name + ".norm2", out), .act = Activation::silu, .dropout = spec.dropout};
  if (spec.scale_shift) second.norm.scale_shift = time;
  second.residual = residual;
  second.gain = how.gain;
  return conv3(name + ".conv2", out, second);
}

/// gain (x + W_o attention(W_q norm(x), W_k norm(x), W_v norm(x))); then, given a text, the same with k and v from it
Tensor BlockWriter::attend(const std::string& name, Tensor x, double gain) {
  const Index c = b.channels(x), heads = spec.head_channels > 0 ? c / spec.head_channels : 1;
  const Index inner = spec.head_channels > 0 ? heads * spec.head_channels : c;
  const Tensor qkv = b.conv({{name + ".to_q", inner}, {name + ".to_k", inner}, {name + ".to_v", inner}},
                            {.x = x, .norm = norm(name + ".group_norm", c)});
  const Tensor o = b.attention({.q = {qkv, 0}, .k = {qkv, inner}, .v = {qkv, 2 * inner}, .heads = heads}, inner);
  const Tensor y = b.conv(name + ".to_out.0", c, {.x = o, .residual = x, .gain = gain});
  return text_ == none ? y : cross_attend(name + ".text", y, inner, heads);
}

Tensor BlockWriter::cross_attend(const std::string& name, Tensor x, Index inner, Index heads) {
  const Index c = b.channels(x);
  const Tensor q = b.conv(name + ".to_q", inner, {.x = x, .norm = norm(name + ".group_norm", c)});
  const Tensor kv = b.conv({{name + ".to_k", inner}, {name + ".to_v", inner}},
                           {.x = text_, .norm = b.layer_norm(name + ".norm", b.channels(text_))});
  const Tensor o = b.attention({.q = {q, 0}, .k = {kv, 0}, .v = {kv, inner}, .ids = ids_, .heads = heads}, inner);
  return b.conv(name + ".to_out.0", c, {.x = o, .residual = x});
}

}  // namespace scorefield::nn
