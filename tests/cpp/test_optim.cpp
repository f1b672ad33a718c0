#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/optim/adam.hpp"
#include "scorefield/optim/clip.hpp"
#include "scorefield/optim/ema.hpp"
#include "scorefield/optim/lr_schedule.hpp"
#include "scorefield/optim/recipe.hpp"
#include "scorefield/optim/sgd.hpp"

namespace scorefield {
namespace {

std::vector<float> wave(std::size_t n, double shift) {
  std::vector<float> a(n);
  for (std::size_t i = 0; i < n; ++i) a[i] = static_cast<float>(std::sin(1.7 * static_cast<double>(i) + shift));
  return a;
}

TEST(LearningRate, WarmsUpThenDecaysToZeroAtDecaySteps) {
  const LearningRate cosine{2.0, 4, Decay::cosine, 12}, linear{2.0, 4, Decay::linear, 12};
  for (std::uint64_t k = 0; k < 4; ++k) EXPECT_EQ(cosine.at(k), 2.0 * static_cast<double>(k + 1) / 4);
  EXPECT_EQ(cosine.at(4), 2.0);
  EXPECT_NEAR(cosine.at(8), 1.0, 1e-15);
  EXPECT_NEAR(cosine.at(6), 1 + std::numbers::sqrt2 / 2, 1e-15);  // p = 1/4
  EXPECT_EQ(linear.at(6), 1.5);
  EXPECT_EQ(linear.at(12), 0);
  EXPECT_EQ(cosine.at(1000), 0);
  EXPECT_EQ(LearningRate{3.0}.at(1u << 30), 3.0);
}

TEST(LearningRate, RefusesADecayThatEndsInTheWarmUp) {
  EXPECT_THROW(check(LearningRate{1e-3, 10, Decay::linear, 10}), std::invalid_argument);
  EXPECT_THROW(check(LearningRate{std::numeric_limits<double>::quiet_NaN()}), std::invalid_argument);
}

// m / (1 - beta1) = g and sqrt(v / (1 - beta2)) = |g| at k = 1: the step is -lr sign(g) while |g| >> eps.
TEST(Adam, FirstStepIsMinusTheRateTimesTheSign) {
  std::vector<float> theta(5, 0.0f);
  const std::vector<float> dtheta{3e-3f, -7, 1e4f, -0.5f, 0};
  Adam adam({.rate = {0.01}}, 5);
  step(adam, theta, dtheta);
  const float expected[] = {-0.01f, 0.01f, -0.01f, 0.01f, 0};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(theta[i], expected[i], 0.01 * 4e-6);  // eps / 3e-3 and rounding
}

TEST(Adam, TenStepsOnAQuadraticAreThoseOfThePaperInDouble) {
  const double lr = 0.05, beta1 = 0.8, beta2 = 0.95, eps = 1e-8, decay = 0.1;
  std::vector<float> theta{1.5f}, dtheta(1);
  Adam adam({{lr}, beta1, beta2, eps, decay}, 1);
  double w = 1.5, m = 0, v = 0;
  for (int k = 1; k <= 10; ++k) {
    dtheta[0] = 3 * theta[0];
    step(adam, theta, dtheta);
    const double g = 3 * w;
    m = beta1 * m + (1 - beta1) * g, v = beta2 * v + (1 - beta2) * g * g;
    w = (1 - lr * decay) * w - lr * (m / (1 - std::pow(beta1, k))) / (std::sqrt(v / (1 - std::pow(beta2, k))) + eps);
  }
  EXPECT_NEAR(theta[0], w, 10 * 4 * 1.5 * 6e-8);  // ten steps, four roundings each
}

TEST(Sgd, MomentumOnAConstantGradientIsAGeometricSum) {
  std::vector<float> theta{0};
  const std::vector<float> dtheta{1};
  Sgd sgd({{0.5}, 0.5}, 1);
  for (int k = 0; k < 3; ++k) step(sgd, theta, dtheta);  // m = 1, 1.5, 1.75
  EXPECT_EQ(theta[0], -0.5f * (1 + 1.5f + 1.75f));
}

TEST(Sgd, WeightDecayIsDecoupled) {
  std::vector<float> theta{2};
  const std::vector<float> dtheta{0};
  Sgd sgd({{0.5}, 0.9, 0.25}, 1);
  step(sgd, theta, dtheta);
  EXPECT_EQ(theta[0], 2 * (1 - 0.5f * 0.25f));
}

TEST(Ema, OfAConstantIsTheConstant) {
  const std::vector<float> start = wave(100, 1), zero(100, 0.0f);
  std::vector<float> theta = start;
  Ema ema(0.9, theta, std::make_unique<Sgd>(Sgd::Settings{{1.0}, 0}, 100));
  for (int k = 0; k < 20; ++k) step(ema, theta, zero);
  EXPECT_TRUE(std::ranges::equal(ema.average(), start));
}

TEST(Ema, WarmsUpByOnePlusKOverTenPlusK) {
  std::vector<float> theta{0};
  const std::vector<float> dtheta{-1};  // theta = 1, 2, 3, ...
  Ema ema(0.3, theta, std::make_unique<Sgd>(Sgd::Settings{{1.0}, 0}, 1));
  double average = 0;
  for (int k = 0; k < 30; ++k) {
    step(ema, theta, dtheta);
    const double d = std::min(0.3, (1.0 + k) / (10.0 + k));
    average = d * average + (1 - d) * (k + 1);
    EXPECT_NEAR(ema.average()[0], average, 30 * 2e-6);
  }
}

TEST(Clip, KeepsTheDirectionAndBoundsTheNorm) {
  const std::vector<float> dtheta{3, -4};
  std::vector<float> theta{0, 0}, unclipped{0, 0};
  Clip clip(1, std::make_unique<Sgd>(Sgd::Settings{{1.0}, 0}, 2));
  EXPECT_EQ(step(clip, theta, dtheta), 5);  // the norm before clipping
  EXPECT_NEAR(theta[0], -0.6, 1e-7);
  EXPECT_NEAR(theta[1], 0.8, 1e-7);
  Clip wide(6, std::make_unique<Sgd>(Sgd::Settings{{1.0}, 0}, 2));
  step(wide, unclipped, dtheta);
  EXPECT_EQ(unclipped[0], -3);
}

TEST(Clip, LeavesAZeroGradientAlone) {
  std::vector<float> theta{1};
  const std::vector<float> dtheta{0};
  Clip clip(1, std::make_unique<Sgd>(Sgd::Settings{{1.0}, 0}, 1));
  step(clip, theta, dtheta);
  EXPECT_EQ(theta[0], 1);
}

TEST(Optimizer, RefusesANonFiniteGradientBeforeAnythingChanges) {
  std::vector<float> theta = wave(40000, 0);
  const std::vector<float> start = theta;
  std::vector<float> dtheta = wave(40000, 1);
  Ema ema(0.9, theta, make_optimizer({Adam::Settings{}, 1}, 40000));
  step(ema, theta, dtheta);
  const std::vector<float> after = theta;
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    dtheta[33333] = bad;
    EXPECT_THROW(step(ema, theta, dtheta), NonFiniteError);
    EXPECT_EQ(theta, after);
  }
  dtheta = wave(40000, 1);  // goes on as if the refused steps had never been asked for
  step(ema, theta, dtheta);
  std::vector<float> other = start;
  Ema fresh(0.9, other, make_optimizer({Adam::Settings{}, 1}, 40000));
  step(fresh, other, dtheta), step(fresh, other, dtheta);
  EXPECT_EQ(theta, other);
}

TEST(Optimizer, BitsDoNotDependOnThreads) {
  const auto run = [](Index cap) {
    set_thread_cap(cap);
    std::vector<float> theta = wave(100003, 0);
    Ema ema(0.99, theta, make_optimizer({Adam::Settings{.weight_decay = 0.01}, 1}, 100003));
    for (int k = 0; k < 3; ++k) step(ema, theta, wave(100003, k));
    set_thread_cap(0);
    theta.insert(theta.end(), ema.average().begin(), ema.average().end());
    return theta;
  };
  EXPECT_EQ(run(1), run(3));
}

TEST(Optimizer, SquaredNormIsTheSumOfSquares) {
  const std::vector<float> g = wave(50001, 2);
  double expected = 0;
  for (float x : g) expected += static_cast<double>(x) * static_cast<double>(x);
  EXPECT_NEAR(squared_norm(g), expected, 1e-11 * expected);  // 50001 roundings of 1e-16
}

TEST(Optimizer, StateMovesARunToAnotherObject) {
  std::vector<float> theta = wave(100, 0);
  const std::vector<float> dtheta = wave(100, 1);
  Ema first(0.9, theta, make_optimizer({Adam::Settings{}, 1}, 100));
  for (int k = 0; k < 5; ++k) step(first, theta, dtheta);
  std::vector<float> other = theta;
  Ema second(0.9, other, make_optimizer({Adam::Settings{}, 1}, 100));
  const auto from = first.state(), to = second.state();
  ASSERT_EQ(from.size(), to.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    EXPECT_EQ(from[i].name, to[i].name);
    std::visit([&](auto values) { std::ranges::copy(values, std::get<decltype(values)>(to[i].values).begin()); },
               from[i].values);
  }
  step(first, theta, dtheta), step(second, other, dtheta);
  EXPECT_EQ(theta, other);
  EXPECT_TRUE(std::ranges::equal(first.average(), second.average()));
}

TEST(Optimizer, RefusesBadSettingsWithAReason) {
  EXPECT_THROW(Adam({.beta1 = 1}, 1), std::invalid_argument);
  EXPECT_THROW(Adam({.eps = 0}, 1), std::invalid_argument);
  EXPECT_THROW(Sgd({.momentum = 1}, 1), std::invalid_argument);
  EXPECT_THROW(Clip(-1, nullptr), std::invalid_argument);
  EXPECT_THROW(Ema(1, {}, nullptr), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
