#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "scorefield/nn/encoder.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/plan_builder.hpp"
#include "scorefield/nn/unet.hpp"
#include "scorefield/nn/vae.hpp"

/// Every kind of operation with each of its flags, and whole networks, by names that a failing test can print.
namespace scorefield::testing {

using nn::Activation;
using nn::Conv;
using nn::PlanBuilder;
using nn::Resample;
using nn::Shape;
using PlanPtr = std::shared_ptr<const nn::Plan>;

inline PlanPtr own(nn::Plan p) { return std::make_shared<const nn::Plan>(std::move(p)); }

inline PlanPtr small_unet(double dropout = 0) {
  return own(nn::plan(
      nn::UNet{.shape = {1, 8, 8}, .widths = {8, 16}, .depth = 1, .attention = {4}, .classes = 3, .dropout = dropout}));
}

/// One convolution with what `set` chooses, between linear layers so that its input has a gradient too.
inline PlanPtr conv_plan(Shape s, Index out, const std::function<void(PlanBuilder&, Conv&)>& set) {
  PlanBuilder b;
  Conv c{.x = b.input("x", s)};
  set(b, c);
  return own(b.finish(b.conv("conv", out, c)));
}

struct Named {
  const char* name;
  PlanPtr plan;
};

inline std::vector<Named> operations() {
  const auto three = [](Conv& c) { c.kernel = 3, c.pad = 1; };
  std::vector<Named> all{
      {"linear", conv_plan({3}, 4, [](auto&, Conv&) {})},
      {"kernel 3", conv_plan({2, 5, 4}, 3, [&](auto&, Conv& c) { three(c); })},
      {"kernel 3 on one position", conv_plan({2, 1, 1}, 3, [&](auto&, Conv& c) { three(c); })},
      {"kernel 3 on one row", conv_plan({2, 1, 6}, 3, [&](auto&, Conv& c) { three(c); })},
      {"sequence", conv_plan({2, 7, 1}, 3, [&](auto&, Conv& c) { three(c), c.sequence = true; })},
      {"stride 2", conv_plan({2, 7, 5}, 3, [&](auto&, Conv& c) { three(c), c.stride = 2; })},
      {"shifted", conv_plan({2, 6, 5}, 3, [&](auto&, Conv& c) { three(c), c.stride = 2, c.pad = 0; })},
      {"up", conv_plan({2, 3, 2}, 3, [&](auto&, Conv& c) { three(c), c.resample = Resample::up; })},
      {"down", conv_plan({2, 5, 4}, 3, [&](auto&, Conv& c) { three(c), c.resample = Resample::down; })},
      {"gain", conv_plan({3}, 2, [](auto&, Conv& c) { c.gain = 0.7; })},
      {"groups",
       conv_plan({6, 3, 3}, 2, [&](PlanBuilder& b, Conv& c) { three(c), c.norm = b.group_norm("norm", 6, 3, 1e-5); })},
      {"layer", conv_plan({6, 3, 1}, 2, [](PlanBuilder& b, Conv& c) { c.norm = b.layer_norm("norm", 6); })},
      {"groups across two sources", conv_plan({4, 3, 3}, 2,
                                              [&](PlanBuilder& b, Conv& c) {
                                                three(c), c.act = Activation::silu;
                                                c.x2 = b.input("image", {2, 3, 3}),
                                                c.norm = b.group_norm("norm", 6, 2, 1e-5);
                                              })},
      {"vector and residual",
       conv_plan({3, 2, 2}, 3, [](PlanBuilder& b, Conv& c) { c.vector = b.input("vector", {3}), c.residual = c.x; })},
      {"scale_shift", conv_plan({4, 3, 3}, 2,
                                [&](PlanBuilder& b, Conv& c) {
                                  three(c), c.act = Activation::silu, c.norm = b.group_norm("norm", 4, 2, 1e-5);
                                  c.norm.scale_shift = b.conv("modulation", 8, {.x = b.input("vector", {3})});
                                })},
      {"scale_shift without norm", conv_plan({2, 2, 2}, 2,
                                             [](PlanBuilder& b, Conv& c) {
                                               c.norm.scale_shift =
                                                   b.conv("modulation", 4, {.x = b.input("vector", {3})});
                                             })},
  };
  for (const auto act : {Activation::silu, Activation::gelu, Activation::tanh, Activation::relu, Activation::mish}) {
    all.push_back({"activation", conv_plan({5}, 3, [&](auto&, Conv& c) { c.act = act; })});
  }
  return all;
}

inline std::vector<Named> other_operations() {
  std::vector<Named> all;
  const auto add = [&](const char* name, const std::function<nn::Tensor(PlanBuilder&)>& write) {
    PlanBuilder b;
    all.push_back({name, own(b.finish(write(b)))});
  };
  add("one head", [](PlanBuilder& b) {
    const auto x = b.input("x", {6, 3, 2});
    return b.attention({.q = {x, 0}, .k = {x, 2}, .v = {x, 4}}, 2);
  });
  add("three heads, overlapping", [](PlanBuilder& b) {
    const auto x = b.input("x", {8, 4, 1});
    return b.attention({.q = {x, 0}, .k = {x, 1}, .v = {x, 2}, .heads = 3}, 6);
  });
  add("one position", [](PlanBuilder& b) {
    const auto x = b.input("x", {3});
    return b.attention({.q = {x, 0}, .k = {x, 0}, .v = {x, 0}}, 3);
  });
  add("cross attention with padding", [](PlanBuilder& b) {
    const auto x = b.input("x", {4, 3, 3}), ids = b.input("text_ids", {1, 5});
    const auto text = b.embedding("tokens", ids, 3, 8, true);
    return b.attention({.q = {x, 0}, .k = {text, 0}, .v = {text, 4}, .ids = ids, .heads = 2}, 4);
  });
  add("learned waves",
      [](PlanBuilder& b) { return b.sinusoid({.t = b.input("x", {1}), .cos_first = true}, 7, "time_proj"); });
  add("fixed waves", [](PlanBuilder& b) { return b.sinusoid({.t = b.input("time", {1}), .shift = 1}, 8); });
  add("waves of the logarithm", [](PlanBuilder& b) {
    return b.sinusoid({.t = b.input("time", {1}), .of_log = true, .frequencies = b.table("time_proj", {3}, 1)}, 7);
  });
  add("two readers of one table", [](PlanBuilder& b) {
    const nn::Slice rows = b.table("rows", {3, 5}, 1);
    const auto first = b.embedding(rows, b.input("label", {1}), 5);
    return b.conv("join", 5, {.x = b.embedding(rows, b.input("time", {1}), 5), .residual = first});
  });
  add("centred", [](PlanBuilder& b) { return b.rescale(b.input("x", {3, 2, 5}), 2, -1); });
  add("divided", [](PlanBuilder& b) {
    const auto x = b.input("x", {5, 3, 2});  // first: the order in which arguments are evaluated is the compiler's
    return b.rescale(x, 300, 7, b.input("time", {1}));
  });
  add("resize down", [](PlanBuilder& b) { return b.resize(b.input("x", {2, 5, 4}), Resample::down); });
  add("resize up", [](PlanBuilder& b) { return b.resize(b.input("x", {2, 1, 3}), Resample::up); });
  return all;
}

inline std::vector<Named> networks() {
  const nn::TextEncoder text{.vocabulary = 5, .length = 5, .width = 6, .depth = 1, .heads = 2};
  const nn::UNet everything{.shape = {2, 7, 5},
                            .widths = {8, 12},
                            .depth = 1,
                            .attention = {7, 4},
                            .head_channels = 4,
                            .groups = 2,
                            .classes = 3,
                            .image_channels = 2,
                            .vector_channels = 3,
                            .text = text};
  const nn::UNet of_noise{.shape = {2, 6, 4},
                          .widths = {8, 12},
                          .depth = 1,
                          .attention = {6},
                          .attention_up = std::vector<Index>{3},
                          .middle_groups = 0,
                          .groups = 2,
                          .image_channels = 1,
                          .residual_down = {6},
                          .middle_scale = 1.5,
                          .act = Activation::mish,
                          .time = nn::UNet::Time::fourier,
                          .time_width = 10,
                          .centred = true};
  nn::UNet of_numbers = of_noise, of_rows{.shape = {1, 4, 4}, .widths = {8, 8}, .depth = 1, .middle = false};
  of_numbers.vector_channels = 1, of_numbers.joining = nn::UNet::Joining::sinusoid;
  of_numbers.residual_down = {}, of_numbers.residual_up = {3}, of_numbers.middle_groups = 4;
  of_rows.time = nn::UNet::Time::table, of_rows.time_rows = 3, of_rows.act = Activation::gelu;
  nn::UNet of_sums = of_rows, two_tables = of_rows;
  of_sums.classes = 3, of_sums.vector_channels = 32, of_sums.joining = nn::UNet::Joining::identity;
  two_tables.vector_channels = 1, two_tables.joining = nn::UNet::Joining::sinusoid, two_tables.act = Activation::mish;
  return {
      {"UNet that hears sigma, other ways up than down", own(nn::plan(of_noise))},
      {"UNet that hears sigma and a number", own(nn::plan(of_numbers))},
      {"UNet with a row for each time, no middle", own(nn::plan(of_rows))},
      {"UNet with a class and a condition as it is", own(nn::plan(of_sums))},
      {"UNet with two numbers of one table", own(nn::plan(two_tables))},
      {"UNet with every condition", own(nn::plan(everything))},
      {"UNet, two channels in a head that does not divide",
       own(nn::plan(nn::UNet{.shape = {3, 4, 4}, .widths = {8}, .depth = 1, .head_channels = 3}))},
      {"UNet of a sequence, shifted",
       own(nn::plan(nn::UNet{
           .shape = {1, 9, 1}, .widths = {8, 8}, .depth = 1, .attention = {5}, .shifted_downsampling = true}))},
      {"UNet of one pixel", own(nn::plan(nn::UNet{.shape = {2, 1, 1}, .widths = {8, 8}, .depth = 1}))},
      {"Encoder", own(nn::plan(nn::Encoder{.shape = {1, 7, 6}, .widths = {8, 8}, .out = 3}))},
      {"MLP", own(nn::plan(nn::MLP{.in = 3, .out = 2, .widths = {12, 9}, .classes = 3, .vector_channels = 2}))},
      {"affine map", own(nn::plan(nn::MLP{.in = 3, .out = 2, .widths = {}}))},
      {"VAE encoder", own(nn::encoder(nn::VAE{.shape = {1, 9, 10}, .widths = {8, 8}, .latent = 2}))},
      {"VAE decoder", own(nn::decoder(nn::VAE{.shape = {1, 8, 8}, .widths = {8, 8}, .latent = 2}))},
  };
}

}  // namespace scorefield::testing
