#include <gtest/gtest.h>

#include <functional>

#include "random_plan.hpp"
#include "refusal.hpp"
#include "scorefield/nn/encoder.hpp"
#include "scorefield/nn/init.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/text_encoder.hpp"
#include "scorefield/nn/unet.hpp"
#include "scorefield/nn/vae.hpp"

namespace scorefield::nn {
namespace {

// The published models of Ho et al. 2020 as diffusers counts them.
TEST(Plan, TheUNetHasTheParametersOfThePublishedModels) {
  const UNet cifar{.shape = {3, 32, 32},
                   .widths = {128, 256, 256, 256},
                   .attention = {16},
                   .groups = 32,
                   .shifted_downsampling = true};
  EXPECT_EQ(plan(cifar).parameter_count, 35746307);
  EXPECT_EQ(plan(cifar).parameters.size(), 328u);
  const UNet cat{.shape = {3, 256, 256}, .widths = {128, 128, 256, 256, 512, 512}, .attention = {16}, .groups = 32};
  EXPECT_EQ(plan(cat).parameter_count, 113673219);
  EXPECT_EQ(plan(cat).parameters.size(), 450u);
}

TEST(Plan, QueriesKeysAndValuesHaveNamesOfTheirOwnAndLieSideBySide) {
  const Plan p = plan(UNet{.shape = {1, 8, 8}, .widths = {8}, .depth = 1});
  const auto at = [&](const std::string& name) {
    const auto i = std::ranges::find_if(p.parameters,
                                        [&](const Parameter& q) { return q.name == "mid_block.attentions.0." + name; });
    return i == p.parameters.end() ? Slice{} : i->slice;
  };
  Index end = at("to_q.weight").begin;
  for (const char* name : {"to_q.weight", "to_k.weight", "to_v.weight", "to_q.bias", "to_k.bias", "to_v.bias"}) {
    EXPECT_EQ(at(name).begin, end) << name;
    EXPECT_EQ(at(name).size, std::string(name).ends_with("weight") ? 64 : 8) << name;
    end = at(name).begin + at(name).size;
  }
}

TEST(Plan, GroupsKeepAtLeastFourChannelsAndDivideEveryWidth) {
  EXPECT_EQ(default_groups({32, 64}), 8);
  EXPECT_EQ(default_groups({128, 256}), 32);
  EXPECT_EQ(default_groups({12, 20}), 2);
  EXPECT_EQ(default_groups({3}), 1);
}

TEST(Plan, HalvesRoundUpAndDoublesComeBack) {
  const Plan p = plan(UNet{.shape = {1, 7, 5}, .widths = {8, 8, 8}, .depth = 1});
  EXPECT_EQ(p.shape(p.output), (Shape{1, 7, 5}));
  const Plan line = plan(UNet{.shape = {2, 9, 1}, .widths = {8, 8}, .depth = 1, .attention = {5}});
  EXPECT_EQ(line.shape(line.output), (Shape{2, 9, 1}));
  for (const Op& op : line.ops) {
    if (const auto* c = std::get_if<Conv>(&op); c != nullptr && c->kernel == 3) {
      EXPECT_TRUE(c->sequence);
    }
  }
  const Plan e = plan(Encoder{.shape = {3, 7, 5}, .widths = {8, 8}, .out = 4});
  EXPECT_EQ(e.shape(e.output), (Shape{4, 1, 1}));
}

TEST(Plan, TheOtherNetworksAreWellFormed) {
  EXPECT_NO_THROW(encoder(VAE{.shape = {1, 14, 14}, .widths = {8, 16}}));
  EXPECT_NO_THROW(decoder(VAE{.shape = {1, 16, 16}, .widths = {8, 16}}));
  const TextEncoder text{.vocabulary = 5, .length = 6, .width = 8, .depth = 1, .heads = 2};
  EXPECT_NO_THROW(plan(UNet{.shape = {1, 8, 8}, .widths = {8, 16}, .depth = 1, .text = text}));
}

TEST(Plan, RandomPlansPassTheCheck) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) EXPECT_NO_THROW(RandomPlan(seed).make()) << seed;
}

Plan small() { return plan(MLP{.in = 8, .out = 8, .widths = {8}}); }

TEST(PlanCheck, SaysWhatIsWrong) {
  const auto spoiled = [](const std::function<void(Plan&)>& spoil) {
    Plan p = small();
    spoil(p);
    return refusal([&] { check(p); });
  };
  const auto first = [](Plan& p) -> Conv& { return std::get<Conv>(p.ops[1]); };
  EXPECT_EQ(spoiled([](Plan&) {}), "");
  EXPECT_NE(spoiled([&](Plan& p) { first(p).x2 = 17; }).find("names tensor 17"), std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).x2 = first(p).y; }).find("before it is written"), std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).x2 = none; }).find("weight must have"), std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).y = first(p).x; }).find("has been written before"), std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).dropout = 1; }).find("dropout must be in [0, 1)"), std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).norm = {Norm::Kind::group, 5}; }).find("divide the number of channels"),
            std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).bias.begin = p.parameter_count; }).find("bias must have"),
            std::string::npos);
  EXPECT_NE(spoiled([&](Plan& p) { first(p).residual = first(p).x2; }).find("residual must have the shape of y"),
            std::string::npos);
  EXPECT_NE(spoiled([](Plan& p) { p.tensors.push_back({3}); }).find("never written"), std::string::npos);
  EXPECT_NE(spoiled([](Plan& p) { p.parameter_count += 1; }).find("numbers of theta"), std::string::npos);
  EXPECT_NE(spoiled([](Plan& p) { p.parameters[1].slice.begin += 1; }).find("must fill theta from"), std::string::npos);
}

TEST(PlanCheck, SpecsRefuseWhatCannotBe) {
  const UNet good{.shape = {1, 8, 8}, .widths = {8, 16}};
  const auto spoiled = [&](const std::function<void(UNet&)>& spoil) {
    UNet u = good;
    spoil(u);
    return refusal([&] { plan(u); });
  };
  EXPECT_EQ(spoiled([](UNet&) {}), "");
  EXPECT_EQ(spoiled([](UNet& u) { u.attention = {5}; }),
            "attention at height 5, but the heights are 8 to 4, each half of the one before");
  EXPECT_NE(spoiled([](UNet& u) { u.attention_up = {{2}}; }).find("attention on the way up at height 2, but"),
            std::string::npos);
  EXPECT_NE(spoiled([](UNet& u) { u.residual_down = {3}; }).find("residual resampling on the way down at height 3"),
            std::string::npos);
  EXPECT_EQ(spoiled([](UNet& u) { u.middle_groups = 5; }),
            "middle_groups must divide the last width, 16, or be 0 for no norm; got 5");
  EXPECT_EQ(spoiled([](UNet& u) { u.vector_channels = 2, u.joining = UNet::Joining::sinusoid; }),
            "a condition that is heard as time is must be one number, got 2");
  EXPECT_EQ(spoiled([](UNet& u) { u.vector_channels = 8, u.joining = UNet::Joining::identity; }),
            "a condition that is added to the time embedding as it is must have its 32 numbers, got 8");
  EXPECT_EQ(spoiled([](UNet& u) { u.time = UNet::Time::table; }),
            "a table of times needs rows, and nothing else has any; got 0");
  EXPECT_EQ(spoiled([](UNet& u) { u.groups = 3; }), "groups must divide every width: 3 does not divide 8");
  EXPECT_EQ(spoiled([](UNet& u) { u.head_channels = 9; }), "head_channels must be at most the least width, 8, got 9");
  EXPECT_EQ(spoiled([](UNet& u) { u.dropout = 1; }), "dropout must be in [0, 1), got 1");
  EXPECT_EQ(spoiled([](UNet& u) { u.widths = {}; }), "needs at least one width and one block per resolution");
  EXPECT_EQ(refusal([] { plan(MLP{.in = 0, .out = 1}); }),
            "an MLP needs at least one number in and one out, got 0 and 1");
}

// PyTorch's default: uniform in +- 1 / sqrt(fan-in), of variance 1 / (3 fan-in). 5 standard errors of mean and
// variance.
TEST(Init, WeightsHaveTheVarianceThatKeepsActivationsAlive) {
  const Plan p = plan(MLP{.in = 2, .out = 2, .widths = {256, 256}});
  std::vector<float> theta(static_cast<std::size_t>(p.parameter_count)), again(theta.size()), other(theta.size());
  initialise(p, 3, theta);
  initialise(p, 3, again);
  initialise(p, 4, other);
  EXPECT_EQ(theta, again);
  EXPECT_NE(theta, other);
  const auto w =
      std::ranges::find_if(p.parameters, [](const Parameter& q) { return q.name == "layers.1.weight"; })->slice;
  double mean = 0, square = 0;
  for (Index i = w.begin; i < w.begin + w.size; ++i) mean += theta[static_cast<std::size_t>(i)];
  mean /= static_cast<double>(w.size);
  for (Index i = w.begin; i < w.begin + w.size; ++i) square += std::pow(theta[static_cast<std::size_t>(i)], 2);
  const double n = static_cast<double>(w.size), variance = 1.0 / (3 * 256);
  EXPECT_NEAR(mean, 0, 5 * std::sqrt(variance / n));
  EXPECT_NEAR(square / n / variance, 1, 5 * std::sqrt(0.8 / n));  // the kurtosis of a uniform number is 1.8
}

}  // namespace
}  // namespace scorefield::nn
