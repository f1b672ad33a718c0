#include "scorefield/nn/encoder.hpp"

#include "blocks.hpp"
#include "scorefield/base/check.hpp"

namespace scorefield::nn {

Plan plan(const Encoder& spec) {
  require(spec.out >= 1, "an Encoder needs out >= 1, got ", spec.out);
  UNet down{.shape = spec.shape, .widths = spec.widths, .depth = spec.depth, .attention = spec.attention};
  down.head_channels = spec.head_channels, down.groups = spec.groups, down.eps = spec.eps, down.dropout = spec.dropout;
  BlockWriter w(down);
  const Tensor x = w.b.input("x", spec.shape);
  w.write_time(w.b.input("time", {1}), none);
  Tensor h = w.write_down(x, none);
  while (w.b.shape(h).positions() > 1) h = w.b.resize(h, Resample::down);
  const Index c = w.b.channels(h);
  return w.b.finish(w.b.conv("out", spec.out, {.x = h, .norm = w.norm("norm_out", c), .act = Activation::silu}));
}

}  // namespace scorefield::nn
