#include "blocks.hpp"

#include <algorithm>

#include "scorefield/base/check.hpp"

namespace scorefield::nn {
namespace {

void check_heights(const UNet& u) {
  Index height = u.shape.height;
  std::vector<Index> heights;
  for (std::size_t i = 0; i < u.widths.size(); ++i, height = (height + 1) / 2) heights.push_back(height);
  const auto known = [&](const std::vector<Index>& asked, const char* what) {
    for (const Index a : asked) {
      require(std::ranges::count(heights, a) > 0, what, " at height ", a, ", but the heights are ", heights.front(),
              " to ", heights.back(), ", each half of the one before");
    }
  };
  known(u.attention, "attention");
  known(u.attention_up.value_or(std::vector<Index>{}), "attention on the way up");
  known(u.residual_down, "residual resampling on the way down");
  known(u.residual_up, "residual resampling on the way up");
}

void check_embeddings(const UNet& u) {
  require(u.frequency_shift >= 0 && u.frequency_shift < u.widths[0] / 2,
          "frequency_shift must be at least 0 and less than half of the first width, ", u.widths[0], ", got ",
          u.frequency_shift);
  require(u.time_width >= 0, "time_width must be >= 1 (or 0 for the default), got ", u.time_width);
  require(u.time_rows >= 0 && (u.time_rows > 0) == (u.time == UNet::Time::table),
          "a table of times needs rows, and nothing else has any; got ", u.time_rows);
  const Index width = u.time_width > 0 ? u.time_width : 4 * u.widths[0];
  require(u.joining != UNet::Joining::sinusoid || u.vector_channels == 1,
          "a condition that is heard as time is must be one number, got ", u.vector_channels);
  require(u.joining != UNet::Joining::identity || u.vector_channels == width,
          "a condition that is added to the time embedding as it is must have its ", width, " numbers, got ",
          u.vector_channels);
}

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
  const Index middle = u.middle_groups.value_or(0);
  require(middle >= 0 && (middle == 0 || u.widths.back() % middle == 0), "middle_groups must divide the last width, ",
          u.widths.back(), ", or be 0 for no norm; got ", middle);
  require(u.dropout >= 0 && u.dropout < 1, "dropout must be in [0, 1), got ", u.dropout);
  require(u.eps > 0, "eps must be > 0, got ", u.eps);
  require(u.middle_scale > 0, "middle_scale must be > 0, got ", u.middle_scale);
  check_embeddings(u);
  check_heights(u);
  return u;
}

}  // namespace

BlockWriter::BlockWriter(const UNet& u)
    : spec(checked(u)), groups_(spec.groups > 0 ? spec.groups : default_groups(spec.widths)) {}

bool BlockWriter::among(const std::vector<Index>& heights, Tensor x) const {
  return std::ranges::count(heights, b.shape(x).height) > 0;
}

/// Song et al. 2021 draw the frequencies with deviation 16; a table starts with numbers as large as waves.
Tensor BlockWriter::waves(Tensor number) {
  if (spec.time == UNet::Time::table) {
    if (time_proj_.size == 0) time_proj_ = b.table("time_proj", {spec.time_rows, width(0)}, 1);
    return b.embedding(time_proj_, number, width(0));
  }
  if (spec.time == UNet::Time::fourier) {
    if (time_proj_.size == 0) time_proj_ = b.table("time_proj", {width(0)}, 16);
    return b.sinusoid({.t = number, .of_log = true, .frequencies = time_proj_}, 2 * width(0));
  }
  const auto shift = static_cast<double>(spec.frequency_shift);
  return b.sinusoid({.t = number, .shift = shift, .cos_first = spec.cosine_first}, width(0));
}

Tensor BlockWriter::hear(const std::string& name, Tensor number, Tensor extra, Tensor as_it_is) {
  const Tensor hidden = b.conv(name + ".linear_1", time_width(), {.x = waves(number)});
  return b.conv(name + ".linear_2", time_width(),
                {.x = hidden, .act = Activation::silu, .vector = as_it_is, .residual = extra});
}

void BlockWriter::write_time(Tensor time, Tensor extra, Tensor as_it_is) {
  embedding_ = hear("time_embedding", time, extra, as_it_is);
}

void BlockWriter::write_text() {
  ids_ = b.input("text_ids", {1, spec.text->length});
  text_ = nn::write(b, *spec.text, ids_);
}

Tensor BlockWriter::write_down(Tensor x, Tensor image) {
  if (spec.centred) x = b.rescale(x, 2, -1);
  if (spec.centred && image != none) image = b.rescale(image, 2, -1);
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
  if (spec.residual_resampling || among(spec.residual_down, x))
    return res(name, x, none, out, {.resample = Resample::down});
  const Conv half{.x = x, .kernel = 3, .stride = 2, .pad = spec.shifted_downsampling ? 0 : 1, .sequence = sequence()};
  return b.conv(name + ".conv", out, half);
}

Tensor BlockWriter::twice(const std::string& name, Tensor x, Index out, Tensor like) {
  if (spec.residual_resampling || among(spec.residual_up, x))
    return res(name, x, none, out, {.resample = Resample::up, .like = like});
  return conv3(name + ".conv", out, {.x = x, .resample = Resample::up}, like);
}

/// h = conv1(resample(act(norm1([x, skip])))) + W_e act(e),   y = gain (conv2(act(norm2(h))) + shortcut([x, skip]));
/// with scale_shift time enters later: (a, b) = W_e act(e),   y = gain (conv2(act(norm2(h) (1 + a) + b)) + ...).
Tensor BlockWriter::res(const std::string& name, Tensor x, Tensor skip, Index out, Residual how) {
  const Index in = b.channels(x, skip);
  Conv first{.x = x, .x2 = skip, .norm = norm(name + ".norm1", in), .act = spec.act, .resample = how.resample};
  const Tensor time =
      b.conv(name + ".time_emb_proj", spec.scale_shift ? 2 * out : out, {.x = embedding_, .act = spec.act});
  if (!spec.scale_shift) first.vector = time;
  const Tensor h = conv3(name + ".conv1", out, first, how.like);
  const Tensor same = how.resample == Resample::none ? x : b.resize(x, how.resample, how.like);
  const Tensor residual = in == out ? same : b.conv(name + ".conv_shortcut", out, {.x = same, .x2 = skip});
  Conv second{.x = h, .norm = norm(name + ".norm2", out), .act = spec.act, .dropout = spec.dropout};
  if (spec.scale_shift) second.norm.scale_shift = time;
  second.residual = residual;
  second.gain = how.gain;
  return conv3(name + ".conv2", out, second);
}

Norm BlockWriter::middle_norm(const std::string& name) {
  const Index groups = spec.middle_groups.value_or(groups_);
  return groups == 0 ? Norm{} : b.group_norm(name, spec.widths.back(), groups, spec.eps);
}

/// gain (x + W_o attention(W_q norm(x), W_k norm(x), W_v norm(x))); then, given a text, the same with k and v from it
Tensor BlockWriter::attend(const std::string& name, Tensor x, const Norm& norm, double gain) {
  const Index c = b.channels(x), heads = spec.head_channels > 0 ? c / spec.head_channels : 1;
  const Index inner = spec.head_channels > 0 ? heads * spec.head_channels : c;
  const Tensor qkv =
      b.conv({{name + ".to_q", inner}, {name + ".to_k", inner}, {name + ".to_v", inner}}, {.x = x, .norm = norm});
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
