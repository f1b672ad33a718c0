#include "scorefield/model/network_denoiser.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "scorefield/base/parallel.hpp"
#include "scorefield/process/precondition.hpp"
#include "scorefield/schedule/edm.hpp"
#include "scorefield/schedule/single.hpp"
#include "scorefield/schedule/vp.hpp"
#include "toy_training.hpp"

namespace scorefield {
namespace {

const nn::MLP spec{.in = 3, .out = 3, .widths = {12}, .time_channels = 8, .classes = 4};

std::shared_ptr<const Inference> network() {
  const auto engine = toy::engine(spec);
  return std::make_shared<Inference>(engine, toy::theta(*engine, 3));
}

Matrix<double> normal(Index n, Index d) {
  Matrix<double> z(n, d);
  Noise(2, Stream::probe).normal(z);
  return z;
}

std::vector<Level> levels(const Schedule& schedule, Index n) {
  std::vector<Level> t;
  for (Index i = 0; i < n; ++i) {
    const double u = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
    t.push_back(schedule.at(schedule.t_min() + u * (schedule.t_max() - schedule.t_min())));
  }
  return t;
}

const std::vector<std::int64_t> labels{0, 1, 2, 3, -1, 2, 0};

Matrix<double> denoise(const Denoiser& denoiser, In<double> x, Levels t, Index first) {
  Matrix<double> x0(x.rows(), x.cols());
  denoiser.denoise(x, t, first, x0);
  return x0;
}

TEST(NetworkDenoiser, IsTheFormulaAroundTheNetwork) {
  const auto schedule = std::make_shared<Edm>();
  const auto inference = network();
  const NetworkDenoiser denoiser(inference, schedule, Prediction::edm);
  const Matrix<double> x = normal(5, 3);
  const auto t = levels(*schedule, 5);
  const Matrix<double> x0 = denoise(denoiser, x, t, 0);
  for (Index r = 0; r < 5; ++r) {
    const double sigma = t[static_cast<std::size_t>(r)].sigma, s_d = 0.5, norm = std::hypot(sigma, s_d);
    NetworkInputs inputs(inference->plan(), 1);
    inputs.x().row(0) = (x.row(r) / norm).cast<float>();
    inputs.set_time(0, std::log(sigma) / 4);
    Matrix<float> y(1, 3);
    const auto tape = inference->engine().tape(1, Inference::Use::inference);
    inference->engine().forward(inference->weights(), inputs.first(1), *tape, y);
    const Matrix<double> expected =
        s_d * s_d / (norm * norm) * x.row(r) + sigma * s_d / norm * y.cast<double>();  // theory (14)
    EXPECT_LT((x0.row(r) - expected).cwiseAbs().maxCoeff(), 1e-12 * (1 + sigma));
  }
}

TEST(NetworkDenoiser, BitsDoNotDependOnTheSplitOrTheThreads) {
  const auto schedule = std::make_shared<Vp>();
  const NetworkDenoiser denoiser(network(), schedule, Prediction::eps);
  const Matrix<double> x = normal(101, 3);
  const auto t = levels(*schedule, 101);
  const Matrix<double> whole = denoise(denoiser, x, t, 0);
  for (Index r = 0; r < 101; ++r)
    EXPECT_EQ(denoise(denoiser, x.row(r), Levels(t).subspan(static_cast<std::size_t>(r), 1), r), whole.row(r));
  set_thread_cap(1);
  EXPECT_EQ(denoise(denoiser, x, t, 0), whole);
  set_thread_cap(0);
}

TEST(NetworkDenoiser, ConditionsBelongToGlobalSamples) {
  const auto schedule = std::make_shared<Vp>();
  const auto inference = network();
  const NetworkDenoiser all(inference, schedule, Prediction::v, {labels}, 10), none(inference, schedule, Prediction::v);
  const Matrix<double> x = normal(7, 3);
  const Level t = schedule->at(0.5);
  const Matrix<double> whole = denoise(all, x, {&t, 1}, 10);
  EXPECT_EQ(denoise(all, x.bottomRows(3), {&t, 1}, 14), whole.bottomRows(3));
  const Matrix<double> without = denoise(none, x, {&t, 1}, 0);
  EXPECT_EQ(without.row(4), whole.row(4));  // label -1
  EXPECT_NE(without.row(3), whole.row(3));
  EXPECT_THROW(denoise(all, x, {&t, 1}, 11), std::invalid_argument);
  EXPECT_THROW(denoise(all, x, {&t, 1}, 9), std::invalid_argument);
}

// One pass forward serves several passes backward: the tape outlives them, in both engines.
TEST(NetworkDenoiser, SeveralPullbacksAreEachOfThem) {
  const auto schedule = std::make_shared<Vp>();
  const NetworkDenoiser denoiser(network(), schedule, Prediction::eps, {labels});
  const Matrix<double> x = normal(7, 3), c = normal(7, 9);
  const auto t = levels(*schedule, 7);
  Matrix<double> x0(7, 3), all(7, 9), again(7, 3), one(7, 3);
  denoiser.pullbacks(x, t, 0, c, x0, all);
  for (Index p = 0; p < 3; ++p) {
    denoiser.pullback(x, t, 0, c.middleCols(3 * p, 3), again, one);
    EXPECT_EQ(one, all.middleCols(3 * p, 3));
    EXPECT_EQ(again, x0);
  }
}

void expect_pullback(const std::shared_ptr<const Schedule>& schedule, Prediction prediction) {
  const NetworkDenoiser denoiser(network(), schedule, prediction, {labels});
  const Matrix<double> x = normal(7, 3), c = normal(14, 3).bottomRows(7), along = normal(21, 3).bottomRows(7);
  const auto t = levels(*schedule, 7);
  Matrix<double> x0(7, 3), dx(7, 3);
  denoiser.pullback(x, t, 0, c, x0, dx);
  EXPECT_EQ(x0, denoise(denoiser, x, t, 0));
  const double h = 1e-2;
  const Matrix<double> difference = denoise(denoiser, x + h * along, t, 0) - denoise(denoiser, x - h * along, t, 0);
  for (Index r = 0; r < 7; ++r) {
    // float32 answers to 1e-7 times their scale b, over h; third derivatives times h^2.
    const double scale = network_to_x0(prediction, t[static_cast<std::size_t>(r)], *schedule).y;
    EXPECT_NEAR(dx.row(r).dot(along.row(r)), difference.row(r).dot(c.row(r)) / (2 * h), 3e-4 * (1 + std::abs(scale)));
  }
}

TEST(NetworkDenoiser, PullbackIsTheTransposedDerivative) {
  expect_pullback(std::make_shared<Vp>(), Prediction::v);
  expect_pullback(std::make_shared<Edm>(0.5, 4, 1), Prediction::edm);  // where c_in is not 1
}

TEST(NetworkDenoiser, KnowsItsScoreWithoutNoise) {
  const auto engine = toy::engine({.in = 2, .out = 2, .widths = {}});
  const std::vector<float> theta{-0.5f, 0, 0, -2, 1, 0};  // s(x) = W x + b
  const NetworkDenoiser denoiser(std::make_shared<Inference>(engine, theta), std::make_shared<Single>(),
                                 Prediction::score);
  const Level t{0, 1, 0};
  Matrix<double> x(1, 2), s(1, 2);
  x << 3, 4;
  denoiser.score(x, {&t, 1}, 0, s);
  EXPECT_EQ(s(0, 0), -0.5);
  EXPECT_EQ(s(0, 1), -8);
  EXPECT_EQ(denoise(denoiser, x, {&t, 1}, 0), x);  // nothing is unknown at sigma = 0
}

TEST(NetworkDenoiser, RefusesWhatDoesNotFitWithAReason) {
  const auto schedule = std::make_shared<Vp>();
  const std::vector<std::int64_t> bad{4};
  EXPECT_THROW(NetworkDenoiser(network(), schedule, Prediction::eps, {bad}), std::invalid_argument);
  EXPECT_THROW(NetworkDenoiser(network(), schedule, Prediction::edm), std::invalid_argument);
  EXPECT_THROW(NetworkDenoiser(network(), schedule, Prediction::energy), std::invalid_argument);
  const auto classifier = toy::engine({.in = 3, .out = 2, .widths = {4}});
  const auto inference = std::make_shared<Inference>(classifier, toy::theta(*classifier));
  EXPECT_THROW(NetworkDenoiser(inference, schedule, Prediction::eps), std::invalid_argument);
  EXPECT_THROW(Inference(classifier, std::vector<float>(3)), std::invalid_argument);
  const Level t = schedule->at(0.5);
  EXPECT_THROW(denoise(NetworkDenoiser(network(), schedule, Prediction::eps), normal(2, 4), {&t, 1}, 0),
               std::invalid_argument);
}

TEST(NetworkInputs, WhatIsNotSetIsNone) {
  const nn::Plan plan =
      nn::plan({.in = 2, .out = 2, .widths = {4}, .time_channels = 4, .classes = 3, .vector_channels = 2});
  NetworkInputs inputs(plan, 2);
  EXPECT_TRUE(inputs.conditional());
  Matrix<float> values(1, 2);
  values << 5, 6;
  const std::vector<std::int64_t> one{2};
  inputs.set_condition(1, {one, toy::rows(values)}, 0);
  const Inputs<float> in = inputs.first(2);
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const auto& name = plan.inputs[i].name;
    if (name == "label") {
      EXPECT_EQ(in.values[i], (Matrix<float>(2, 1) << -1, 2).finished());
    }
    if (name == "vector") {
      EXPECT_EQ(in.values[i], (Matrix<float>(2, 2) << 0, 0, 5, 6).finished());
    }
    if (name == "x") {
      EXPECT_TRUE(in.values[i].isZero());
    }
  }
  inputs.drop_condition(1);
  EXPECT_EQ(inputs.condition(1)[0], 0);
  EXPECT_THROW(check(plan, {one}, 2), std::invalid_argument);
  EXPECT_THROW(check(nn::plan({.in = 2, .out = 2}), {one}, 1), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
