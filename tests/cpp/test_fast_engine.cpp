#include <gtest/gtest.h>

#include "engine_case.hpp"
#include "named_plans.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/kernels/table.hpp"
#include "scorefield/nn/encoder.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/unet.hpp"
#include "wild_plan.hpp"

namespace scorefield {
namespace {

using testing::CaseInputs;
using testing::EngineCase;
using testing::expect_agree;
using testing::run;

constexpr double tolerance =
    1e-5;  // of float32 against double: rounding of a few hundred sums, 1.8 times it under Winograd

void expect_fast_agrees(const EngineCase& c, const std::string& what, bool winograd = true, double cancels = 1) {
  const FastEngine fast(c.plan, {.winograd = winograd});
  const ReferenceEngine<double> reference(c.plan);
  expect_agree(run<float>(fast, c), run<double>(reference, c), c, tolerance, what, cancels);
}

TEST(FastEngine, MultilayerPerceptrons) {
  expect_fast_agrees({nn::plan(nn::MLP{.in = 2, .out = 2}), 70, 1}, "time");
  expect_fast_agrees({nn::plan(nn::MLP{.in = 5,
                                       .out = 19,
                                       .widths = {33, 70},
                                       .time_channels = 10,
                                       .classes = 3,
                                       .vector_channels = 4,
                                       .act = nn::Activation::tanh}),
                      9, 2},
                     "everything");
  expect_fast_agrees({nn::plan(nn::MLP{.in = 20, .out = 3, .widths = {}, .time_channels = 0}), 4, 3}, "linear");
  expect_fast_agrees({nn::plan(nn::MLP{.in = 3, .out = 3, .widths = {16}, .act = nn::Activation::gelu}), 130, 4},
                     "gelu");
  expect_fast_agrees({nn::plan(nn::MLP{.in = 3, .out = 3, .widths = {16, 16}, .act = nn::Activation::relu}), 5, 4},
                     "relu");
}

TEST(FastEngine, UNets) {
  for (const bool winograd : {true, false}) {
    expect_fast_agrees({nn::plan(nn::UNet{.shape = {1, 8, 8},
                                          .widths = {32, 64},
                                          .attention = {8, 4},
                                          .head_channels = 16,
                                          .groups = 8,
                                          .classes = 10}),
                        5, 1},
                       "8x8", winograd);
    expect_fast_agrees(
        {nn::plan(nn::UNet{
             .shape = {1, 14, 14}, .widths = {24, 48}, .depth = 1, .attention = {7}, .head_channels = 16, .groups = 8}),
         3, 2},
        "14 -> 7, groups across sources", winograd);
    expect_fast_agrees(
        {nn::plan(nn::UNet{.shape = {3, 16, 16}, .widths = {32, 64}, .depth = 1, .attention = {8}, .groups = 16}), 2,
         3},
        "two channels a group", winograd, 5);  // the time's gradient: 2.2e-5
  }
}

// What users can describe has no other engine behind its back.
TEST(FastEngine, RunsEveryKindOfNetwork) {
  for (const testing::Named& network : testing::networks()) {
    EXPECT_EQ(FastEngine::unsupported(*network.plan), "") << network.name;
    expect_fast_agrees({*network.plan, 3, 1}, network.name);
  }
}

// Forty plans here; the nightly run asks for more by --gtest_repeat with another first seed.
TEST(FastEngine, RandomPlans) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    EngineCase c{testing::WildPlan(seed).write(), 3, seed};
    if (seed % 3 == 0) c.dropout = Noise(seed, Stream::dropout, 1, 5);
    for (const bool winograd : {true, false}) expect_fast_agrees(c, "seed " + std::to_string(seed), winograd);
  }
}

bool same(const testing::EngineResult<float>& a, const testing::EngineResult<float>& b) {
  return a.y == b.y && a.dtheta == b.dtheta && a.dinputs == b.dinputs;
}

TEST(FastEngine, SameBitsOnEveryLevelAndForAnyChunk) {
  const std::string before = kernels::table().name;
  for (unsigned seed = 0; seed < 12; ++seed) {
    EngineCase c{testing::WildPlan(seed).write(), 4, seed};
    if (seed % 3 == 0) c.dropout = Noise(seed, Stream::dropout, 1, 5);
    const auto truth = run<float>(FastEngine(c.plan, {}), c);
    for (const Index chunk : {1, 3, 4})
      EXPECT_TRUE(same(run<float>(FastEngine(c.plan, {.chunk = chunk}), c), truth)) << seed << " chunk " << chunk;
    for (const char* const* level = kernels::names(); *level != nullptr; ++level) {
      kernels::select(*level);
      EXPECT_TRUE(same(run<float>(FastEngine(c.plan, {}), c), truth)) << seed << " " << *level;
    }
    kernels::select(before.c_str());
  }
}

EngineCase small_unet(Index n) {
  return {nn::plan(nn::UNet{
              .shape = {1, 8, 8}, .widths = {16, 32}, .depth = 1, .attention = {4}, .groups = 4, .classes = 3}),
          n, 9};
}

TEST(FastEngine, SameBitsForAnyNumberOfThreadsAndAnySplitOfInference) {
  const EngineCase c = small_unet(13);
  const FastEngine engine(c.plan, {});
  std::vector<float> theta(c.theta.begin(), c.theta.end());
  const CaseInputs<float> inputs(c);
  const auto weights = engine.weights();
  engine.load(theta.data(), *weights);
  const Loss<float> loss = [&](Index, In<float> y, Out<float> dy) {
    dy = y;
    return 0.5 * y.cast<double>().squaredNorm();
  };
  std::vector<float> truth(theta.size()), dtheta(theta.size());
  Matrix<float> one(13, 64), y(13, 64);
  for (const Index cap : {1, 2, 3}) {
    set_thread_cap(cap);
    GradientWorkspace<float> work;
    gradient<float>(engine, *weights, inputs.in, {13, 4}, loss, work, dtheta.data());
    if (cap == 1) truth = dtheta;
    EXPECT_TRUE(dtheta == truth) << cap;
    for (const Index rows : {1, 2, 5, 13}) {
      std::vector<std::unique_ptr<Tape>> tapes;
      for (Index i = 0; i < cap; ++i) tapes.push_back(engine.tape(rows, Engine<float>::Use::inference));
      infer<float>(engine, *weights, inputs.in, tapes, y);
      if (cap == 1 && rows == 1) one = y;
      EXPECT_TRUE(y == one) << cap << " " << rows;
    }
  }
  set_thread_cap(0);
  EXPECT_TRUE(run<float>(engine, c).y == one);  // a training tape gives the values of an inference tape
}

TEST(FastEngine, ATapeHoldsFewerSamplesToo) {
  const EngineCase c = small_unet(19);
  const FastEngine engine(c.plan, {});
  const Matrix<float> truth = run<float>(engine, c).y;
  std::vector<float> theta(c.theta.begin(), c.theta.end());
  const auto weights = engine.weights();
  engine.load(theta.data(), *weights);
  const CaseInputs<float> inputs(c);
  for (const auto use : {Engine<float>::Use::training, Engine<float>::Use::inference}) {
    for (const Index capacity : {5, 11, 19}) {
      const auto tape = engine.tape(capacity, use);
      for (Index n = 1; n <= capacity; ++n) {
        Matrix<float> y(n, 64);
        engine.forward(*weights, inputs.in.rows(0, n), *tape, y);
        EXPECT_TRUE(y == truth.topRows(n)) << n << " of " << capacity;
      }
    }
  }
}

TEST(FastEngine, InputGradientsWithoutParameterGradients) {
  const EngineCase c = small_unet(3);
  const FastEngine engine(c.plan, {});
  const auto truth = run<float>(engine, c);
  std::vector<float> theta(c.theta.begin(), c.theta.end());
  const auto weights = engine.weights();
  engine.load(theta.data(), *weights);
  const auto tape = engine.tape(3, Engine<float>::Use::training);
  const CaseInputs<float> inputs(c);
  Matrix<float> y(3, 64), dx(3, 64);
  engine.forward(*weights, inputs.in, *tape, y);
  std::vector<OutMap<float>> maps{{dx.data(), 3, 64}, {nullptr, 0, 0}, {nullptr, 0, 0}};
  engine.backward(*weights, inputs.in, *tape, c.dy.cast<float>(), nullptr, maps);
  EXPECT_TRUE(dx == truth.dinputs[0]);
}

TEST(FastEngine, NotANumberReachesTheOutputOfItsSampleOnly) {
  for (const float bad : {NAN, INFINITY}) {
    EngineCase c = small_unet(3);
    const auto before = run<float>(FastEngine(c.plan, {}), c).y;
    c.inputs[0](1, 20) = static_cast<double>(bad);
    const auto after = run<float>(FastEngine(c.plan, {}), c).y;
    EXPECT_TRUE(after.row(0) == before.row(0));
    EXPECT_TRUE(after.row(2) == before.row(2));
    EXPECT_FALSE(after.row(1).allFinite());
    c = small_unet(3);
    c.inputs[1](2, 0) = static_cast<double>(bad);  // time
    EXPECT_FALSE(run<float>(FastEngine(c.plan, {}), c).y.row(2).allFinite());
    c = small_unet(3);
    c.theta[c.theta.size() / 2] = static_cast<double>(bad);
    EXPECT_FALSE(run<float>(FastEngine(c.plan, {}), c).y.allFinite());
  }
}

TEST(FastEngine, RefusesAPlanWithAnUnusedTensor) {
  nn::Plan plan = nn::plan(nn::MLP{.in = 2, .out = 2});
  EXPECT_NO_THROW(FastEngine(std::make_shared<const nn::Plan>(plan), {}));
  plan.tensors.push_back(plan.shape(plan.output));
  EXPECT_THROW(FastEngine(std::make_shared<const nn::Plan>(plan), {}), std::invalid_argument);
}

TEST(FastEngine, TapeBytesAreWhatATapeTakesAndInferenceTakesLess) {
  const EngineCase c = small_unet(1);
  const FastEngine engine(c.plan, {});
  const auto training = engine.tape_bytes(16, Engine<float>::Use::training),
             inference = engine.tape_bytes(16, Engine<float>::Use::inference);
  EXPECT_LT(inference, training / 2);
  EXPECT_LT(engine.tape_bytes(8, Engine<float>::Use::training), training);
}

}  // namespace
}  // namespace scorefield
