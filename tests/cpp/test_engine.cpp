#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "random_plan.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/engine/make_engine.hpp"
#include "scorefield/engine/recording.hpp"
#include "scorefield/engine/reference.hpp"
#include "scorefield/nn/encoder.hpp"
#include "scorefield/nn/init.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/unet.hpp"
#include "scorefield/nn/vae.hpp"

namespace scorefield {
namespace {

using nn::Activation;
using nn::Conv;
using nn::PlanBuilder;
using nn::Resample;
using nn::Shape;
using PlanPtr = std::shared_ptr<const nn::Plan>;
using M = Matrix<double>;

PlanPtr own(nn::Plan p) { return std::make_shared<const nn::Plan>(std::move(p)); }

M normal(Index rows, Index cols, std::uint32_t draw) {
  M z(rows, cols);
  Noise(5, Stream::probe).normal(z, draw);
  return z;
}

/// One convolution with what `set` chooses, between linear layers so that its input has a gradient too.
PlanPtr conv_plan(Shape s, Index out, const std::function<void(PlanBuilder&, Conv&)>& set) {
  PlanBuilder b;
  Conv c{.x = b.input("x", s)};
  set(b, c);
  return own(b.finish(b.conv("conv", out, c)));
}

struct Named {
  const char* name;
  PlanPtr plan;
};

std::vector<Named> operations() {
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
  for (const auto act : {Activation::silu, Activation::gelu, Activation::tanh, Activation::relu}) {
    all.push_back({"activation", conv_plan({5}, 3, [&](auto&, Conv& c) { c.act = act; })});
  }
  return all;
}

std::vector<Named> other_operations() {
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
  add("resize down", [](PlanBuilder& b) { return b.resize(b.input("x", {2, 5, 4}), Resample::down); });
  add("resize up", [](PlanBuilder& b) { return b.resize(b.input("x", {2, 1, 3}), Resample::up); });
  return all;
}

std::vector<Named> networks() {
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
  return {
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

// Central differences of fourth order reach about 1e-9 here; 1e-6 is what the project promises.
TEST(Gradcheck, EveryOperationWithEachOfItsFlags) {
  for (const auto& list : {operations(), other_operations()}) {
    for (const Named& n : list) {
      const Gradcheck g = gradcheck(n.plan, 1);
      EXPECT_LE(g.worst, 1e-7) << n.name << " in " << g.where;
    }
  }
}

TEST(Gradcheck, WholeNetworks) {
  for (const Named& n : networks()) {
    const Gradcheck g = gradcheck(n.plan, 2);
    EXPECT_LE(g.worst, 1e-6) << n.name << " in " << g.where;
  }
}

TEST(Gradcheck, RandomPlans) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Gradcheck g = gradcheck(own(RandomPlan(seed, 9, 6).make()), seed);
    EXPECT_LE(g.worst, 1e-6) << "plan " << seed << " in " << g.where;
  }
}

/// An engine, a random point, one tape: what the tests below run.
template <class S>
struct Bench {
  explicit Bench(PlanPtr plan, Index rows = 3, std::uint64_t seed = 7)
      : engine(plan), point(gradcheck_point(*plan, seed, rows)) {
    for (const M& x : point.inputs) values.push_back(x.template cast<S>());
    for (const double t : point.theta) theta.push_back(static_cast<S>(t));
    weights = engine.weights();
    tape = engine.tape(rows, Engine<S>::Use::training);
    y.resize(rows, plan->shape(plan->output).size());
    engine.load(theta.data(), *weights);
  }
  Inputs<S> in() const {
    Inputs<S> all;
    for (const Matrix<S>& v : values) all.values.emplace_back(v.data(), v.rows(), v.cols());
    return all;
  }
  void forward() { engine.forward(*weights, in(), *tape, y); }
  std::vector<S> backward(const Matrix<S>& dy) {
    std::vector<S> row(theta.size(), S(0)), dtheta(theta.size());
    dinputs.clear();
    std::vector<OutMap<S>> maps;
    for (std::size_t i = 0; i < values.size(); ++i) {
      dinputs.push_back(Matrix<S>::Constant(point.real[i] ? values[i].rows() : 0, values[i].cols(), S(0.25)));
    }
    for (Matrix<S>& d : dinputs) maps.emplace_back(d.data(), d.rows(), d.cols());
    engine.backward(*weights, in(), *tape, dy, row.data(), maps);
    engine.collect(row.data(), dtheta.data());
    return dtheta;
  }

  ReferenceEngine<S> engine;
  GradcheckPoint point;
  std::vector<Matrix<S>> values, dinputs;
  std::vector<S> theta;
  std::unique_ptr<Weights> weights;
  std::unique_ptr<Tape> tape;
  Matrix<S> y;
};

std::vector<M> directions(const GradcheckPoint& point) {
  std::vector<M> all;
  for (std::size_t i = 0; i < point.inputs.size(); ++i) {
    const M& x = point.inputs[i];
    all.push_back(point.real[i] ? normal(x.rows(), x.cols(), static_cast<std::uint32_t>(50 + i)) : M(0, 0));
  }
  return all;
}
std::vector<InMap<double>> maps(const std::vector<M>& all) {
  std::vector<InMap<double>> views;
  for (const M& m : all) views.emplace_back(m.data(), m.rows(), m.cols());
  return views;
}

// <c, J x_dot> = <J^T c, x_dot>, to rounding: forward on dual numbers against backward on real ones.
TEST(Tangent, IsTheTransposeOfBackward) {
  for (const Named& n : networks()) {
    Bench<double> b(n.plan);
    const auto x_dot = directions(b.point);
    const M c = normal(b.y.rows(), b.y.cols(), 9);
    b.forward();
    b.backward(c);
    double transposed = 0;
    for (std::size_t i = 0; i < x_dot.size(); ++i) transposed += b.dinputs[i].cwiseProduct(x_dot[i]).sum();
    const M y_dot = tangent(n.plan, b.theta.data(), nullptr, maps(b.values), maps(x_dot));
    EXPECT_NEAR(y_dot.cwiseProduct(c).sum() / transposed, 1, 1e-11) << n.name;
  }
}

TEST(Tangent, IsTheDifferenceAlongInputsAndParameters) {
  const PlanPtr plan = networks()[0].plan;
  Bench<double> b(plan);
  const auto x_dot = directions(b.point);
  const M theta_dot = normal(1, plan->parameter_count, 3);
  const M y_dot = tangent(plan, b.theta.data(), theta_dot.data(), maps(b.values), maps(x_dot));
  const auto at = [&](double h) {
    Bench<double> moved(plan);
    for (std::size_t i = 0; i < x_dot.size(); ++i) {
      if (x_dot[i].size() > 0) moved.values[i] += h * x_dot[i];
    }
    for (Index i = 0; i < theta_dot.size(); ++i) moved.theta[static_cast<std::size_t>(i)] += h * theta_dot(0, i);
    moved.engine.load(moved.theta.data(), *moved.weights);
    moved.forward();
    return moved.y;
  };
  const double h = 1e-4;
  const M difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  EXPECT_LT((difference - y_dot).norm() / y_dot.norm(), 1e-7);
}

// Backward on dual numbers: its slopes are the derivative of the gradient along x_dot, which training through
// derivatives needs.
TEST(Tangent, ItsGradientIsTheDifferenceOfGradients) {
  const PlanPtr plan = networks()[0].plan;
  Bench<double> b(plan);
  Bench<Dual> d(plan);
  const auto x_dot = directions(b.point);
  for (std::size_t i = 0; i < x_dot.size(); ++i) {
    for (Index k = 0; k < x_dot[i].size(); ++k) d.values[i].data()[k].slope = x_dot[i].data()[k];
  }
  const M c = normal(b.y.rows(), b.y.cols(), 9);
  d.forward();
  const std::vector<Dual> dual = d.backward(c.cast<Dual>());
  const auto at = [&](double h) {
    Bench<double> moved(plan);
    for (std::size_t i = 0; i < x_dot.size(); ++i) {
      if (x_dot[i].size() > 0) moved.values[i] += h * x_dot[i];
    }
    moved.forward();
    const std::vector<double> g = moved.backward(c);
    return M(InMap<double>(g.data(), 1, plan->parameter_count));
  };
  const double h = 1e-4;
  const M difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  double error = 0;
  for (Index i = 0; i < difference.size(); ++i)
    error += std::pow(difference(0, i) - dual[static_cast<std::size_t>(i)].slope, 2);
  EXPECT_LT(std::sqrt(error) / difference.norm(), 1e-7);
}

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

TEST(ReferenceEngine, TheRowIsAddedToAndInputGradientsAreAssigned) {
  Bench<double> b(networks()[0].plan);
  b.forward();
  const M c = normal(b.y.rows(), b.y.cols(), 9);
  const auto dtheta = b.backward(c);
  const M dx = b.dinputs[0];
  std::vector<double> row(b.theta.size(), 0.25), sum(row.size());
  b.engine.backward(*b.weights, b.in(), *b.tape, c, row.data(), {});
  for (double& r : row) r -= 0.25;
  b.engine.collect(row.data(), sum.data());
  for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(sum[i], dtheta[i], 1e-12 * (1 + std::abs(dtheta[i])));
  std::vector<OutMap<double>> maps;
  for (M& d : b.dinputs) maps.emplace_back(d.data(), d.rows(), d.cols());
  b.engine.backward(*b.weights, b.in(), *b.tape, c, nullptr, maps);  // inputs alone
  EXPECT_EQ(b.dinputs[0], dx);
}

PlanPtr small_unet(double dropout = 0) {
  return own(nn::plan(
      nn::UNet{.shape = {1, 8, 8}, .widths = {8, 16}, .depth = 1, .attention = {4}, .classes = 3, .dropout = dropout}));
}

struct Threads {
  explicit Threads(Index n) { set_thread_cap(n); }
  ~Threads() { set_thread_cap(0); }
};

std::vector<float> gradient_with(Index threads, std::optional<Noise> dropout, double& loss) {
  const Threads cap(threads);
  const Bench<float> b(small_unet(0.3), 37);
  Inputs<float> in = b.in();
  in.dropout = dropout;
  GradientWorkspace<float> work;
  std::vector<float> dtheta(b.theta.size());
  const Loss<float> squares = [](Index, In<float> y, Out<float> dy) {
    dy = 2 * y;
    return y.cast<double>().squaredNorm();
  };
  loss = gradient<float>(b.engine, *b.weights, in, Shards::of(37, 1000, 1000), squares, work, dtheta.data());
  return dtheta;
}

TEST(Gradient, HasTheSameBitsForAnyNumberOfThreads) {
  double one = 0, more = 0;
  const auto first = gradient_with(1, Noise(3, Stream::dropout, 2), one);
  for (const Index t : {2, 3}) {
    EXPECT_EQ(gradient_with(t, Noise(3, Stream::dropout, 2), more), first) << t << " threads";
    EXPECT_EQ(more, one);
  }
  EXPECT_NE(gradient_with(1, Noise(4, Stream::dropout, 2), more), first);  // another seed, other masks
  EXPECT_NE(gradient_with(1, std::nullopt, more), first);
}

TEST(Gradient, IsThatOfOneTapeForTheWholeBatch) {
  const PlanPtr plan = small_unet();
  Bench<double> b(plan, 20);
  b.forward();
  const auto whole = b.backward(2 * b.y);
  GradientWorkspace<double> work;
  std::vector<double> dtheta(b.theta.size());
  const Loss<double> squares = [](Index, In<double> y, Out<double> dy) {
    dy = 2 * y;
    return y.squaredNorm();
  };
  for (const Index shards : {1, 3, 8}) {
    const double loss = gradient<double>(b.engine, *b.weights, b.in(), {20, shards}, squares, work, dtheta.data());
    EXPECT_NEAR(loss / b.y.squaredNorm(), 1, 1e-13);
    const InMap<double> a(whole.data(), 1, plan->parameter_count), s(dtheta.data(), 1, plan->parameter_count);
    EXPECT_LT((a - s).norm() / a.norm(), 1e-13);
  }
}

TEST(Infer, HasTheSameBitsForAnySplitAndAnyNumberOfThreads) {
  const Bench<float> b(small_unet(), 37);
  Matrix<float> whole(37, 64), split(37, 64);
  infer<float>(b.engine, *b.weights, b.in(), inference_tapes<float>(b.engine, 37), whole);
  for (const Index rows : {1, 5, 37}) {
    std::vector<std::unique_ptr<Tape>> tapes;
    for (int i = 0; i < 3; ++i) tapes.push_back(b.engine.tape(rows, Engine<float>::Use::inference));
    split.setZero();
    infer<float>(b.engine, *b.weights, b.in(), tapes, split);
    EXPECT_EQ(split, whole) << rows;
    for (Index i = 0; i < 37; i += 11) {  // any sample alone
      infer<float>(b.engine, *b.weights, b.in().rows(i, 1), tapes, split.topRows(1));
      EXPECT_EQ(split.row(0), whole.row(i));
    }
  }
}

TEST(Shards, FollowTheFormula) {  // largest power of two <= min(n, clamp(min(n / samples, 2^25 / P), 4, 64))
  const auto images = [](Index n, Index p) { return Shards::of(n, p, 20 * p).count; };  // 16 samples a shard
  EXPECT_EQ(images(64, 1000000), 4);
  EXPECT_EQ(images(128, 1000000), 8);
  EXPECT_EQ(images(1024, 2000000), 16);
  EXPECT_EQ(images(4096, 1000), 64);
  EXPECT_EQ(images(3, 1000), 2);
  EXPECT_EQ(images(1, 1000), 1);
  EXPECT_EQ(images(4096, 114000000), 4);
  const auto vectors = [](Index n, Index p) { return Shards::of(n, p, p).count; };  // 64
  EXPECT_EQ(vectors(256, 40000), 4);
  EXPECT_EQ(vectors(1024, 60000), 16);
  EXPECT_EQ(vectors(4096, 1350000), 16);
  const nn::Plan mlp = nn::plan(nn::MLP{.in = 2, .out = 2});
  EXPECT_EQ(Shards::of(1024, mlp).count, 16);
  const Shards s{10, 4};
  EXPECT_EQ(s.first(0), 0);
  EXPECT_EQ(s.first(4), 10);
}

TEST(Shards, AreSummedByAFixedTree) {
  Matrix<float> rows(5, 3);
  rows << 1e8f, 1, 2, 1, 1, 3, -1e8f, 1, 5, 1, 1, 7, 0.5f, 1, 11;
  Matrix<float> expected = ((rows.row(0) + rows.row(1)) + (rows.row(2) + rows.row(3))) + rows.row(4);
  sum_shards<float>(rows);
  EXPECT_EQ(rows.row(0), expected.row(0));
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

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "accepted";
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
  EXPECT_EQ(forward(b.in()), "labels and token ids must be whole numbers below 3 (or negative for none), got 3");
  EXPECT_EQ(refusal([] { make_engine(small_unet(), "quick"); }).find("engine must be"), 0u);
}

TEST(ReferenceEngine, SaysHowMuchMemoryATapeTakes) {
  const ReferenceEngine<float> engine(small_unet());
  const auto bytes = [&](Index rows, Engine<float>::Use use) { return engine.tape_bytes(rows, use); };
  EXPECT_GT(bytes(8, Engine<float>::Use::training), bytes(8, Engine<float>::Use::inference));
  EXPECT_GT(bytes(16, Engine<float>::Use::training), bytes(8, Engine<float>::Use::training));
}

}  // namespace
}  // namespace scorefield
