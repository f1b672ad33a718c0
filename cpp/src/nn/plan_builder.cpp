#include "scorefield/nn/plan_builder.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield::nn {

Index default_groups(const std::vector<Index>& widths) {
  require(!widths.empty(), "default_groups needs at least one width");
  Index g = 1;
  const Index most = std::min<Index>(32, *std::ranges::min_element(widths) / 4);
  while (2 * g <= most && std::ranges::all_of(widths, [&](Index w) { return w % (2 * g) == 0; })) g *= 2;
  return g;
}

Tensor PlanBuilder::input(const std::string& name, Shape shape) {
  plan_.inputs.push_back({name, tensor(shape)});
  return plan_.inputs.back().tensor;
}

Index PlanBuilder::channels(Tensor x, Tensor x2) const {
  return shape(x).channels + (x2 == none ? 0 : shape(x2).channels);
}

Norm PlanBuilder::group_norm(const std::string& name, Index channels, Index groups, double eps) {
  const Slice gamma = parameter(name + ".weight", {channels}, {Init::Kind::ones});
  return {Norm::Kind::group, groups, eps, gamma, parameter(name + ".bias", {channels}, {})};
}

Norm PlanBuilder::layer_norm(const std::string& name, Index channels) {
  const Slice gamma = parameter(name + ".weight", {channels}, {Init::Kind::ones});
  return {Norm::Kind::layer, 1, 1e-5, gamma, parameter(name + ".bias", {channels}, {})};
}

Tensor PlanBuilder::conv(const std::string& name, Index out, Conv c, Tensor like) {
  return conv(std::vector<Part>{{name, out}}, c, like);
}

Tensor PlanBuilder::conv(const std::vector<Part>& parts, Conv c, Tensor like) {
  const Index in = channels(c.x, c.x2), across = c.sequence ? 1 : c.kernel;
  const Init init{Init::Kind::uniform, 1 / std::sqrt(static_cast<double>(in * c.kernel * across))};
  c.weight.begin = plan_.parameter_count;
  Index out = 0;
  for (const Part& part : parts) {
    const bool matrix = c.kernel == 1;
    const auto dims =
        matrix ? std::vector<Index>{part.channels, in} : std::vector<Index>{part.channels, in, c.kernel, across};
    c.weight.size += parameter(part.name + ".weight", dims, init).size;
    out += part.channels;
  }
  c.bias.begin = plan_.parameter_count;
  for (const Part& part : parts) c.bias.size += parameter(part.name + ".bias", {part.channels}, init).size;
  const Shape s = resampled(c.x, c.resample, like);
  c.y = tensor({out, (s.height + c.stride - 1) / c.stride, (s.width + c.stride - 1) / c.stride});
  plan_.ops.push_back(c);
  return c.y;
}

Tensor PlanBuilder::attention(Attention a, Index channels) {
  const Shape s = shape(a.q.tensor);
  a.y = tensor({channels, s.height, s.width});
  plan_.ops.push_back(a);
  return a.y;
}

Tensor PlanBuilder::embedding(const std::string& name, Tensor ids, Index rows, Index channels, bool positions) {
  const Shape s = shape(ids);
  const Init init{Init::Kind::normal, 0.02};
  Embedding e{ids, tensor({channels, s.height, s.width}), parameter(name + ".weight", {rows, channels}, init), {}};
  if (positions) e.position = parameter(name + ".position", {s.positions(), channels}, init);
  plan_.ops.push_back(e);
  return e.y;
}

Tensor PlanBuilder::embedding(Slice table, Tensor ids, Index channels) {
  const Shape s = shape(ids);
  const Embedding e{ids, tensor({channels, s.height, s.width}), table, {}};
  plan_.ops.push_back(e);
  return e.y;
}

Slice PlanBuilder::table(const std::string& name, std::vector<Index> dims, double scale) {
  return parameter(name + ".weight", std::move(dims), {Init::Kind::normal, scale});
}

Tensor PlanBuilder::sinusoid(Sinusoid s, Index channels, const std::string& learned) {
  if (!learned.empty()) s.frequencies = table(learned, {channels / 2}, 1);
  s.y = tensor({channels});
  plan_.ops.push_back(s);
  return s.y;
}

Tensor PlanBuilder::resize(Tensor x, Resample kind, Tensor like) {
  Shape s = resampled(x, kind, like);
  s.channels = shape(x).channels;
  const Resize r{.x = x, .y = tensor(s), .resample = kind};
  plan_.ops.push_back(r);
  return r.y;
}

Tensor PlanBuilder::rescale(Tensor x, double factor, double offset, Tensor divisor) {
  const Resize r{.x = x, .y = tensor(shape(x)), .factor = factor, .offset = offset, .divisor = divisor};
  plan_.ops.push_back(r);
  return r.y;
}

Plan PlanBuilder::finish(Tensor output) {
  plan_.output = output;
  check(plan_);
  return std::move(plan_);
}

Tensor PlanBuilder::tensor(Shape s) {
  plan_.tensors.push_back(s);
  return static_cast<Tensor>(plan_.tensors.size()) - 1;
}

Slice PlanBuilder::parameter(std::string name, std::vector<Index> dims, Init init) {
  Slice s{plan_.parameter_count, 1};
  for (const Index d : dims) s.size *= d;
  plan_.parameter_count += s.size;
  plan_.parameters.push_back({std::move(name), std::move(dims), s, init});
  return s;
}

Shape PlanBuilder::resampled(Tensor x, Resample kind, Tensor like) const {
  const Shape s = shape(x);
  if (kind == Resample::none) return s;
  if (kind == Resample::down) return {s.channels, (s.height + 1) / 2, (s.width + 1) / 2};
  if (like != none) return shape(like);
  return {s.channels, 2 * s.height, s.width == 1 && s.height > 1 ? 1 : 2 * s.width};
}

}  // namespace scorefield::nn
