#include "scorefield/nn/unet.hpp"

#include "blocks.hpp"

namespace scorefield::nn {
namespace {

/// What joins the time embedding: the class vector, plus what the vector condition becomes.
void write_embedding(BlockWriter& w, Tensor time, Tensor label, Tensor vector) {
  const Index c = w.time_width();
  Tensor extra = label == none ? none : w.b.embedding("class_embedding", label, w.spec.classes, c);
  if (vector != none && w.spec.joining == UNet::Joining::linear)
    extra = w.b.conv("condition_embedding", c, {.x = vector, .residual = extra});
  if (vector != none && w.spec.joining == UNet::Joining::sinusoid) extra = w.hear("class_embedding", vector, extra);
  w.write_time(time, extra, w.spec.joining == UNet::Joining::identity ? vector : none);
}

Tensor write_middle(BlockWriter& w, Tensor h) {
  if (!w.spec.middle) return h;
  const Index c = w.width(w.levels() - 1);
  const double gain = 1 / w.spec.middle_scale;
  h = w.res("mid_block.resnets.0", h, none, c, {.gain = gain});
  const std::string attention = "mid_block.attentions.0";
  if (w.spec.middle_attention) h = w.attend(attention, h, w.middle_norm(attention + ".group_norm"), gain);
  return w.res("mid_block.resnets.1", h, none, c, {.gain = gain});
}

Tensor write_up(BlockWriter& w, Tensor h) {
  for (Index i = w.levels() - 1; i >= 0; --i) {
    const std::string name = "up_blocks." + std::to_string(w.levels() - 1 - i);
    for (Index j = 0; j <= w.spec.depth; ++j) {
      h = w.block(name, j, h, w.skips.back(), w.width(i), w.attends_up(h));
      w.skips.pop_back();
    }
    if (i == 0) break;
    h = w.twice(name + ".upsamplers.0", h, w.width(i), w.skips.back());
  }
  return h;
}

}  // namespace

Plan plan(const UNet& spec) {
  BlockWriter w(spec);
  const Shape s = spec.shape;
  const Tensor x = w.b.input("x", s);
  const Tensor time = w.b.input("time", {1});
  const Tensor label = spec.classes > 0 ? w.b.input("label", {1}) : none;
  const Tensor image = spec.image_channels > 0 ? w.b.input("image", {spec.image_channels, s.height, s.width}) : none;
  const Tensor vector = spec.vector_channels > 0 ? w.b.input("vector", {spec.vector_channels}) : none;
  if (spec.text) w.write_text();
  write_embedding(w, time, label, vector);
  const Tensor h = write_up(w, write_middle(w, w.write_down(x, image)));
  const Conv last{.x = h, .norm = w.norm("conv_norm_out", w.width(0)), .act = Activation::silu};
  const Tensor y = w.conv3("conv_out", spec.out_channels > 0 ? spec.out_channels : s.channels, last);
  return w.b.finish(spec.time == UNet::Time::fourier ? w.b.rescale(y, 1, 0, time) : y);
}

}  // namespace scorefield::nn
