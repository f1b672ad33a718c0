#pragma once
#include <cstdint>
#include <random>
#include <string>

#include "scorefield/nn/plan_builder.hpp"

namespace scorefield {

/// Plans nobody would write by hand: sizes 1 to 17, channels 1 to `most_channels`, any divisor as groups, one or two
/// sources, every flag of every operation. Two engines, or an engine and differences, are compared on them.
class RandomPlan {
 public:
  explicit RandomPlan(std::uint64_t seed, Index most_channels = 70, Index most_size = 17)
      : rng_(seed), channels_(most_channels), size_(most_size) {}

  nn::Plan make() {
    nn::Shape s{pick(1, channels_), pick(1, size_), pick(1, size_)};
    if (chance(0.2)) s.width = 1;
    const nn::Tensor x = b_.input("x", s);
    const nn::Tensor wave =
        b_.sinusoid({.t = b_.input("level", {1}), .shift = chance(0.5) ? 1.0 : 0.0, .cos_first = chance(0.5)},
                    2 * pick(2, 9), chance(0.5) ? "time_proj" : "");
    const nn::Tensor label = b_.embedding("label", b_.input("label", {1}), pick(1, 4), pick(1, channels_));
    vector_ = b_.conv("vector", pick(1, channels_), {.x = wave, .x2 = label, .act = nn::Activation::silu});
    nn::Tensor h = b_.conv("first", pick(1, channels_), {.x = x});
    for (int i = 0; i < 3; ++i) h = step("step" + std::to_string(i), h);
    const Index out = pick(1, 5);
    const nn::Tensor add = b_.conv("last.vector", out, {.x = vector_});
    return b_.finish(b_.conv("last", out, {.x = h, .act = nn::Activation::silu, .vector = add}));
  }

 private:
  Index pick(Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(rng_); }
  bool chance(double p) { return std::bernoulli_distribution(p)(rng_); }
  Index divisor(Index n) {
    Index d = pick(1, n);
    while (n % d != 0) --d;
    return d;
  }
  nn::Activation activation() {
    constexpr nn::Activation all[] = {nn::Activation::identity, nn::Activation::silu, nn::Activation::gelu,
                                      nn::Activation::tanh};
    return all[pick(0, 3)];
  }

  nn::Tensor step(const std::string& name, nn::Tensor h) {
    if (chance(0.25)) return attend(name, h);
    nn::Conv c{.x = h};
    if (chance(0.4)) c.x2 = b_.conv(name + ".skip", pick(1, channels_), {.x = h, .act = nn::Activation::tanh});
    const Index in = b_.channels(c.x, c.x2), out = pick(1, channels_);
    c.norm = norm(name + ".norm", in);
    c.act = activation();
    kernel(c);
    if (chance(0.6)) c.vector = b_.conv(name + ".vector", out, {.x = vector_, .act = nn::Activation::silu});
    if (chance(0.4)) c.residual = residual(name + ".residual", h, out, c);
    if (chance(0.3)) c.gain = 0.7;
    return b_.conv(name, out, c);
  }

  nn::Norm norm(const std::string& name, Index channels) {
    const Index kind = pick(0, 3);
    if (kind == 0) return {};
    // With one number per group the output is beta whatever x is: nothing to compare.
    nn::Norm n = kind == 1 ? b_.layer_norm(name, channels) : b_.group_norm(name, channels, divisor(channels), 1e-2);
    n.eps = 1e-2;
    if (chance(0.4)) n.scale_shift = b_.conv(name + ".modulation", 2 * channels, {.x = vector_});
    return n;
  }

  void kernel(nn::Conv& c) {
    if (chance(0.3)) return;
    c.kernel = 3, c.pad = 1;
    c.sequence = b_.shape(c.x).width == 1;
    const Index kind = pick(0, 4);
    if (kind == 0) c.stride = 2;
    if (kind == 1) c.stride = 2, c.pad = 0;
    if (kind == 2) c.resample = nn::Resample::up;
    if (kind == 3) c.resample = nn::Resample::down;
  }

  /// A branch beside c with its output shape: resized where c resamples, else by a convolution of the same geometry.
  nn::Tensor residual(const std::string& name, nn::Tensor h, Index out, const nn::Conv& c) {
    nn::Conv same{.x = h, .kernel = c.kernel, .stride = c.stride, .pad = c.pad, .sequence = c.sequence};
    if (c.resample != nn::Resample::none) {
      h = b_.resize(h, c.resample);
      same = {.x = h};
    }
    return b_.conv(name, out, same);
  }

  nn::Tensor attend(const std::string& name, nn::Tensor h) {
    const Index heads = pick(1, 3), c = heads * pick(1, std::max<Index>(1, channels_ / 6));
    const nn::Norm n = b_.layer_norm(name + ".norm", b_.channels(h));
    const nn::Tensor qkv =
        b_.conv({{name + ".to_q", c}, {name + ".to_k", c}, {name + ".to_v", c}}, {.x = h, .norm = n});
    const nn::Tensor o = b_.attention({.q = {qkv, 0}, .k = {qkv, c}, .v = {qkv, 2 * c}, .heads = heads}, c);
    return b_.conv(name + ".to_out", b_.channels(h), {.x = o, .residual = h});
  }

  std::mt19937_64 rng_;
  Index channels_, size_;
  nn::PlanBuilder b_;
  nn::Tensor vector_ = nn::none;
};

}  // namespace scorefield
