#include "scorefield/nn/mlp.hpp"

#include <algorithm>
#include <string>

#include "scorefield/base/check.hpp"

namespace scorefield::nn {

Plan plan(const MLP& m) {
  require(m.in >= 1 && m.out >= 1, "an MLP needs at least one number in and one out, got ", m.in, " and ", m.out);
  require(std::ranges::all_of(m.widths, [](Index w) { return w >= 1; }), "the widths of an MLP must be >= 1");
  require(m.time_channels >= 0 && m.time_channels % 2 == 0, "time_channels must be even and >= 0, got ",
          m.time_channels);
  require(m.classes >= 0 && m.vector_channels >= 0, "classes and vector_channels must be >= 0");
  PlanBuilder b;
  const Tensor x = b.input("x", {m.in});
  const std::size_t depth = m.widths.size();
  const Index first = depth > 0 ? m.widths[0] : m.out;
  const bool hears_time = m.time_channels > 0 && depth > 0;
  const Tensor wave = hears_time ? b.sinusoid({.t = b.input("time", {1})}, m.time_channels) : none;
  Tensor extra = m.classes > 0 ? b.embedding("class_embedding", b.input("label", {1}), m.classes, first) : none;
  if (m.vector_channels > 0) {
    const Tensor condition = b.input("vector", {m.vector_channels});
    extra = b.conv("condition_embedding", first, {.x = condition, .residual = extra});
  }
  Tensor h = b.conv("layers.0", first, {.x = x, .x2 = wave, .residual = extra});
  for (std::size_t i = 1; i <= depth; ++i) {
    h = b.conv("layers." + std::to_string(i), i < depth ? m.widths[i] : m.out, {.x = h, .act = m.act});
  }
  return b.finish(h);
}

}  // namespace scorefield::nn
