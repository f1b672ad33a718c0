#pragma once
#include <random>
#include <string>
#include <vector>

#include "scorefield/nn/plan_builder.hpp"

/// Networks that nobody would design: every flag of every operation, odd sizes, widths that 16 does not divide. A seed
/// is a plan.
namespace scorefield::testing {

class WildPlan {
 public:
  explicit WildPlan(unsigned seed) : random_(seed) {}

  nn::Plan write() {
    sequence_ = chance(0.2);
    const Index height = between(1, 17), width = sequence_ ? 1 : between(1, 17);
    images_ = {b_.input("x", {between(1, 40), height, width})};
    const nn::Tensor time = b_.input("time", {1});
    const bool of_log = chance(0.3);
    vectors_ = {b_.sinusoid({.t = time, .shift = chance(0.5) ? 1.0 : 0.0, .cos_first = chance(0.5), .of_log = of_log},
                            2 * between(2, 20), chance(0.3) ? "waves" : "")};
    time_ = time;
    if (chance(0.5)) vectors_.push_back(b_.embedding("classes", b_.input("label", {1}), 3, between(1, 40)));
    if (chance(0.3)) ids_ = b_.input("text_ids", {1, between(2, 20)});
    if (ids_ != nn::none) text_ = b_.embedding("tokens", ids_, 3, between(2, 30), true);
    const Index steps = between(2, 6);
    for (Index i = 0; i < steps; ++i) step();
    return finish();
  }

 private:
  Index between(Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random_); }
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  std::string name() { return "op" + std::to_string(count_++); }
  template <class T>
  const T& pick(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(between(0, static_cast<Index>(all.size()) - 1))];
  }

  Index divisor(Index n) {
    std::vector<Index> all;
    for (Index d = 1; d <= n; ++d) {
      if (n % d == 0 && n / d > 1) all.push_back(d);  // groups of one channel make gradients that are 0 by theory
    }
    return all.empty() ? 1 : pick(all);
  }
  nn::Activation activation() { return static_cast<nn::Activation>(between(0, 5)); }

  bool grows(nn::Tensor x) const { return b_.shape(x).height < 10 && (!sequence_ || b_.shape(x).height > 1); }

  nn::Tensor project(Index out) {  // a vector of `out` channels
    nn::Conv c{.x = pick(vectors_), .act = activation()};
    if (chance(0.3)) c.x2 = pick(vectors_);
    return b_.conv(name(), out, c);
  }
  std::vector<nn::Tensor> like(nn::Shape s, bool channels) {
    std::vector<nn::Tensor> all;
    for (const nn::Tensor t : images_) {
      const nn::Shape o = b_.shape(t);
      if (o.height == s.height && o.width == s.width && (!channels || o.channels == s.channels)) all.push_back(t);
    }
    return all;
  }

  void step() {
    const nn::Tensor x = chance(0.7) ? images_.back() : pick(images_);
    const double kind = std::uniform_real_distribution<>(0, 1)(random_);
    if (kind < 0.15 && b_.shape(x).positions() <= 81) return attend(x);
    if (kind < 0.25)
      return images_.push_back(b_.resize(x, chance(0.5) && grows(x) ? nn::Resample::up : nn::Resample::down));
    if (kind < 0.35 && text_ != nn::none) return cross(x);
    if (kind > 0.93) return images_.push_back(b_.rescale(x, 0.7, 0.2));
    if (kind > 0.86) return images_.push_back(b_.rescale(x, 400, 100, time_));  // time is about 500
    convolve(x);
  }

  void prologue(nn::Conv& c) {
    if (chance(0.3)) c.x2 = pick(like(b_.shape(c.x), false));
    const Index channels = b_.channels(c.x, c.x2);
    if (chance(0.6)) c.norm = b_.group_norm(name(), channels, divisor(channels), 1e-5);
    if (chance(0.2)) c.norm.scale_shift = project(2 * channels);
    c.act = activation();
    if (chance(0.15)) c.dropout = 0.3;
  }

  void convolve(nn::Tensor x) {
    nn::Conv c{.x = x};
    prologue(c);
    c.sequence = sequence_;
    c.kernel = pick(std::vector<Index>{1, 3, 3, 3, 3, 5});
    if (c.kernel > 1) c.pad = chance(0.8) ? c.kernel / 2 : between(0, c.kernel - 1);
    const double resolution = std::uniform_real_distribution<>(0, 1)(random_);
    if (c.kernel > 1 && resolution < 0.15) c.stride = 2;
    if (resolution > 0.9 && grows(x)) c.resample = nn::Resample::up;
    if (resolution > 0.8 && resolution < 0.9) c.resample = nn::Resample::down;
    nn::Shape y = b_.shape(x);
    if (c.stride == 2 || c.resample == nn::Resample::down) y.height = (y.height + 1) / 2, y.width = (y.width + 1) / 2;
    y.channels = between(1, 70);
    if (chance(0.4) && c.resample != nn::Resample::up) {
      const auto residuals = like(y, false);
      if (!residuals.empty()) c.residual = pick(residuals), y.channels = b_.shape(c.residual).channels;
    }
    if (chance(0.4)) c.vector = project(y.channels);
    if (chance(0.3)) c.gain = 0.7;
    images_.push_back(b_.conv(name(), y.channels, c));
  }

  void attend(nn::Tensor x) {
    const Index heads = between(1, 3), d = chance(0.4) ? 16 : between(1, 20), c = heads * d;
    const nn::Tensor all = b_.conv(name(), 3 * c + (chance(0.3) ? 5 : 0), {.x = x});
    images_.push_back(b_.attention({.q = {all, 0}, .k = {all, c}, .v = {all, 2 * c}, .heads = heads}, c));
  }

  void cross(nn::Tensor x) {
    const Index heads = between(1, 2), c = heads * between(1, 18);
    const nn::Tensor q = b_.conv(name(), c, {.x = x});
    nn::Conv k{.x = text_};
    if (chance(0.7)) k.norm = b_.layer_norm(name(), b_.channels(text_)), k.act = activation();
    const nn::Tensor kv = b_.conv(name(), 2 * c, k);
    images_.push_back(b_.attention({.q = {q, 0}, .k = {kv, 0}, .v = {kv, c}, .ids = ids_, .heads = heads}, c));
  }

  /// Joins everything that was made, so that nothing is unused.
  nn::Plan finish() {
    nn::Tensor h = images_.back();
    for (nn::Tensor t : std::vector<nn::Tensor>(images_.begin(), images_.end() - 1)) {
      const nn::Shape s = b_.shape(t), o = b_.shape(h);
      if (s.height == o.height && s.width == o.width) {
        h = b_.conv(name(), between(1, 40),
                    {.x = h, .x2 = t, .act = nn::Activation::silu, .kernel = 3, .pad = 1, .sequence = sequence_});
      } else {
        while (b_.shape(t).positions() > 1) t = b_.resize(t, nn::Resample::down);
        vectors_.push_back(t);
      }
    }
    if (text_ != nn::none) {
      while (b_.shape(text_).positions() > 1) text_ = b_.resize(text_, nn::Resample::down);
      vectors_.push_back(text_);
    }
    for (const nn::Tensor v : vectors_) {
      const nn::Tensor p = b_.conv(name(), 8, {.x = v, .act = nn::Activation::silu});
      h = b_.conv(name(), 8, {.x = h, .vector = p});
    }
    return b_.finish(
        b_.conv(name(), between(1, 20),
                {.x = h, .norm = b_.group_norm(name(), 8, 2, 1e-5), .kernel = 3, .pad = 1, .sequence = sequence_}));
  }

  std::mt19937 random_;
  nn::PlanBuilder b_;
  std::vector<nn::Tensor> images_, vectors_;
  nn::Tensor time_ = nn::none, ids_ = nn::none, text_ = nn::none;
  bool sequence_ = false;
  int count_ = 0;
};

}  // namespace scorefield::testing
