#include <gtest/gtest.h>

#include "random_plan.hpp"
#include "reference_bench.hpp"
#include "refusal.hpp"
#include "scorefield/engine/make_engine.hpp"

namespace scorefield::testing {
namespace {

TEST(ReferenceEngine, FloatAgreesWithDoubleToRounding) {
  auto plans = networks();
  for (std::uint64_t seed = 0; seed < 30; ++seed) plans.push_back({"random plan", own(RandomPlan(seed, 20, 9).make())});
  for (std::size_t k = 0; k < plans.size(); ++k) {
    Bench<double> d(plans[k].plan);
    Bench<float> f(plans[k].plan);
    d.forward();
    f.forward();
    EXPECT_LT((f.y.cast<double>() - d.y).norm() / d.y.norm(), 1e-5) << plans[k].name << " " << k;
    const M c = normal(d.y.rows(), d.y.cols(), 9);
    const auto exact = d.backward(c);
    const auto single = f.backward(c.cast<float>());
    const InMap<double> a(exact.data(), 1, static_cast<Index>(exact.size()));
    const InMap<float> s(single.data(), 1, a.size());
    EXPECT_LT((s.cast<double>() - a).norm() / a.norm(), 1e-5) << plans[k].name << " " << k;
  }
}

TEST(ReferenceEngine, TheRowAndInputGradientsAreAssigned) {
  Bench<double> b(networks()[0].plan);
  b.forward();
  const M c = normal(b.y.rows(), b.y.cols(), 9);
  const auto dtheta = b.backward(c);
  const M dx = b.dinputs[0];
  std::vector<double> row(b.theta.size(), 0.25), again(row.size());
  b.engine.backward(*b.weights, b.in(), *b.tape, c, row.data(), {});
  b.engine.collect(row.data(), again.data());
  EXPECT_EQ(again, dtheta);
  std::vector<OutMap<double>> maps;
  for (M& d : b.dinputs) maps.emplace_back(d.data(), d.rows(), d.cols());
  b.engine.backward(*b.weights, b.in(), *b.tape, c, nullptr, maps);  // inputs alone
  EXPECT_EQ(b.dinputs[0], dx);
}

TEST(ReferenceEngine, AsksForInterruptsBetweenOperations) {
  Bench<double> b(small_unet());
  Inputs<double> in = b.in();
  int calls = 0;
  const Interrupt stop([&] {
    ++calls;
    throw std::runtime_error("stop");
  });
  in.interrupt = &stop;
  EXPECT_THROW(b.engine.forward(*b.weights, in, *b.tape, b.y), std::runtime_error);
  EXPECT_EQ(calls, 1);
}

TEST(ReferenceEngine, NanInOneSampleStaysInThatSample) {
  Bench<float> b(small_unet());
  b.values[0](1, 30) = std::numeric_limits<float>::quiet_NaN();
  b.forward();
  EXPECT_TRUE(b.y.row(1).array().isNaN().any());
  EXPECT_TRUE(b.y.row(0).allFinite() && b.y.row(2).allFinite());
}

TEST(ReferenceEngine, RefusesWhatDoesNotFit) {
  Bench<double> b(small_unet());
  const auto forward = [&](const Inputs<double>& in) {
    return refusal([&] { b.engine.forward(*b.weights, in, *b.tape, b.y); });
  };
  Inputs<double> in = b.in();
  in.values.pop_back();
  EXPECT_EQ(forward(in), "the network takes 3 inputs, got 2");
  in = b.in().rows(0, 2);
  EXPECT_EQ(forward(in), "input x must have shape (3, 64), got (2, 64)");
  b.values[2](0, 0) = 3;
  EXPECT_EQ(forward(b.in()),
            "labels, token ids and times of a table must be whole numbers below 3 (or negative for none), got 3");
  EXPECT_EQ(refusal([] { make_engine(small_unet(), "quick"); }).find("engine must be"), 0u);
}

TEST(ReferenceEngine, SaysHowMuchMemoryATapeTakes) {
  const ReferenceEngine<float> engine(small_unet());
  const auto bytes = [&](Index rows, Engine<float>::Use use) { return engine.tape_bytes(rows, use); };
  EXPECT_GT(bytes(8, Engine<float>::Use::training), bytes(8, Engine<float>::Use::inference));
  EXPECT_GT(bytes(16, Engine<float>::Use::training), bytes(8, Engine<float>::Use::training));
}

// Masks keep a number with probability 1 - p and divide it by that: the mean stays, the variance grows by p / (1 - p).
TEST(Dropout, KeepsTheMeanAndIsAFunctionOfSampleAndStep) {
  PlanBuilder builder;
  Conv c{.x = builder.input("x", {400}), .dropout = 0.25};
  const PlanPtr plan = own(builder.finish(builder.conv("sum", 1, c)));
  Bench<double> b(plan, 50);
  b.values[0].setOnes();
  std::fill(b.theta.begin(), b.theta.end(), 1.0);
  b.theta.back() = 0;
  b.engine.load(b.theta.data(), *b.weights);
  Inputs<double> in = b.in();
  in.dropout = Noise(1, Stream::dropout, 3);
  b.engine.forward(*b.weights, in, *b.tape, b.y);
  EXPECT_NEAR(b.y.mean() / 400, 1, 5 * std::sqrt(0.25 / 0.75 / 400 / 50));
  const M whole = b.y;
  b.engine.forward(*b.weights, in.rows(20, 5), *b.tape, b.y.topRows(5));
  EXPECT_EQ(b.y.topRows(5), whole.middleRows(20, 5));
  b.engine.forward(*b.weights, in.rows(10, 30).rows(10, 5), *b.tape, b.y.topRows(5));  // a part of a part
  EXPECT_EQ(b.y.topRows(5), whole.middleRows(20, 5));
  in.dropout = in.dropout->at_step(4);
  b.engine.forward(*b.weights, in, *b.tape, b.y);
  EXPECT_NE(b.y, whole);
  // Backward sees the same masks: y is linear in x, so <dx, x> = y for dy = 1.
  M dx(50, 400);
  std::vector<OutMap<double>> maps{OutMap<double>(dx.data(), 50, 400)};
  b.engine.backward(*b.weights, in, *b.tape, M::Ones(50, 1), nullptr, maps);
  EXPECT_LT((dx.rowwise().sum() - b.y).norm(), 1e-9);
}

}  // namespace
}  // namespace scorefield::testing
