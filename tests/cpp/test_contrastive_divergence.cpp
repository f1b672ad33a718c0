#include "scorefield/train/contrastive_divergence.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/schedule/single.hpp"
#include "scorefield/schedule/vp.hpp"

namespace scorefield {
namespace {

/// A network with weights and inputs, ready for a pass in double.
struct Question {
  std::shared_ptr<const TangentEngine<double>> engine;
  GradcheckPoint point;
  std::unique_ptr<Weights> weights;
  std::unique_ptr<Tape> tape;
  Inputs<double> in;
  std::vector<double> scale, value, gradient;

  Question(const nn::MLP& m, Index rows, bool by_dual_numbers = false)
      : engine(by_dual_numbers ? dual_tangents<double>(nn::plan(m)) : make_tangent_engine<double>(nn::plan(m))),
        point(gradcheck_point(engine->plan(), 3, rows)),
        weights(engine->weights()),
        tape(engine->tape(rows, 0)),
        in(point.view()),
        scale(static_cast<std::size_t>(rows), 1.0),
        value(scale.size()),
        gradient(point.theta.size()) {}
  DerivativePass<double> pass(bool with_gradient) {
    engine->load(point.theta.data(), *weights);
    return {*engine, *weights, in, *tape, scale, with_gradient ? gradient.data() : nullptr};
  }
  Matrix<double> x() const { return in.values[static_cast<std::size_t>(engine->plan().find_input("x"))]; }
};

Matrix<double> numbers(Index rows, Index columns, std::uint64_t seed) {
  Matrix<double> z(rows, columns);
  Noise(seed, Stream::probe).normal(z);
  return z;
}

// Central differences of fourth order at fixed ends: error h^4 = 1e-16 of the fifth derivative, rounding 1e-12. Images
// go by dual numbers.
class Contrast : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(BothEngines, Contrast, testing::Bool());

TEST_P(Contrast, GradientIsThatOfItsDifferences) {
  Question q({.in = 3, .out = 1, .widths = {8, 8}}, 5, GetParam());
  q.scale = {1, 0.5, 2, 0, 1};
  const Matrix<double> ends = numbers(5, 3, 1);
  contrast<double>(q.pass(true), ends, q.value);
  const std::vector<double> theta = q.point.theta, gradient = q.gradient;
  const Matrix<double> d = numbers(1, static_cast<Index>(theta.size()), 2);
  const auto at = [&](double h) {
    for (std::size_t i = 0; i < theta.size(); ++i) q.point.theta[i] = theta[i] + h * d(0, static_cast<Index>(i));
    contrast<double>(q.pass(false), ends, q.value);
    return std::inner_product(q.value.begin(), q.value.end(), q.scale.begin(), 0.0);
  };
  constexpr double h = 1e-4;
  const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  EXPECT_NEAR(InMap<double>(gradient.data(), 1, d.cols()).cwiseProduct(d).sum(), slope, 1e-9 * std::abs(slope));
}

// Without hidden layers E = w x + b: the proposal is y = x - a/2 w + sqrt(a) z, and the ratio of the densities that of
// the test, by hand:  log p(y) - log p(x) + log q(x | y) - log q(y | x) = 0, so every move is taken.
TEST(ContrastiveDivergence, ChainsDriftDownALinearEnergy) {
  Question q({.in = 2, .out = 1, .widths = {}}, 4);
  const ShortChain chain{3, 0.2};
  const Noise noise(5, Stream::probe, 0, 10);
  Matrix<double> x = q.x();
  run_chains<double>(q.pass(false), chain, noise, x);
  const auto w = InMap<double>(q.point.theta.data(), 1, 2);
  Matrix<double> expected = q.x(), z(4, 2);
  for (std::uint32_t k = 0; k < 3; ++k) {
    noise.normal(z, 2 * k);
    expected += std::sqrt(0.2) * z - Matrix<double>(0.1 * w.replicate(4, 1));
  }
  EXPECT_TRUE(x.isApprox(expected, 1e-12));
}

// Long chains sample exp(-E), whatever the step size: moments against sums over a grid, within 5 standard errors (of
// correlated time 3 at most, since rows are independent and each chain is 200 steps long).
TEST(ContrastiveDivergence, ChainsKeepTheDensityOfTheEnergy) {
  const Index n = 4000;
  Question q({.in = 1, .out = 1, .widths = {2}, .time_channels = 0}, n);
  // E = 2 (silu(3 x) + silu(-3 x)) = 6 x tanh(1.5 x), whose tails are those of exp(-6 |x|)
  q.point.theta = {3, -3, 0, 0, 2, 2, 0};
  ASSERT_EQ(q.engine->plan().parameter_count, 7);
  const auto E = [](double x) { return 6 * x * std::tanh(1.5 * x); };
  double Z = 0, second = 0, fourth = 0;
  for (double x = -8; x <= 8; x += 1e-3) {
    const double p = std::exp(-E(x));
    Z += p, second += p * x * x, fourth += p * x * x * x * x;
  }
  second /= Z, fourth /= Z;
  for (const double step_size : {0.02, 0.15}) {
    Matrix<double> x = numbers(n, 1, 7);
    run_chains<double>(q.pass(false), {200, step_size}, Noise(8, Stream::probe), x);
    const double deviation = std::sqrt((fourth - second * second) / static_cast<double>(n));
    EXPECT_NEAR(x.array().square().mean(), second, 5 * deviation) << step_size;
    EXPECT_NEAR(x.mean(), 0, 5 * std::sqrt(second / static_cast<double>(n))) << step_size;
  }
}

TEST(ContrastiveDivergence, RefusesWhatMakesNoSense) {
  const auto single = std::make_shared<const Single>(0.0);
  EXPECT_THROW(ContrastiveDivergence(std::make_shared<const Vp>(), {1, 0.1}), std::invalid_argument);
  EXPECT_THROW(ContrastiveDivergence(single, {0, 0.1}), std::invalid_argument);
  EXPECT_THROW(ContrastiveDivergence(single, {1, 0}), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
