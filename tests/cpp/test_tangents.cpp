#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/engine/reference.hpp"
#include "scorefield/engine/tangent.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/unet.hpp"

namespace scorefield {
namespace {

constexpr Index rows = 3, K = 2;

const nn::Plan mlp(nn::Activation act) {
  return nn::plan(
      nn::MLP{.in = 4, .out = 3, .widths = {7, 9}, .time_channels = 6, .classes = 2, .vector_channels = 2, .act = act});
}

Matrix<double> normal(std::uint32_t draw, Index n, Index cols) {
  Matrix<double> z(n, cols);
  Noise(3, Stream::probe).normal(z, draw);
  return z;
}

/// All that an engine says of one point: values, tangents, and both gradients of <dy, y> + <dy_dot, y_dot>.
template <class S>
struct Answer {
  Matrix<S> y, y_dot, dx;
  std::vector<S> row;
};

template <class S>
Answer<S> ask(const TangentEngine<S>& engine, const GradcheckPoint& point, Index directions = K) {
  const nn::Plan& plan = engine.plan();
  const Index out = plan.shape(plan.output).size();
  const auto x = static_cast<std::size_t>(plan.find_input("x"));
  const Index in = point.inputs[x].cols();
  std::vector<Matrix<S>> values;
  for (const auto& input : point.inputs) values.push_back(input.cast<S>());
  Inputs<S> inputs;
  for (const auto& v : values) inputs.values.emplace_back(v.data(), v.rows(), v.cols());
  const std::vector<S> theta(point.theta.begin(), point.theta.end());
  const Matrix<S> x_dot = normal(1, rows * directions, in).cast<S>(), dy = normal(2, rows, out).cast<S>(),
                  dy_dot = normal(3, rows * directions, out).cast<S>();
  const auto weights = engine.weights();
  engine.load(theta.data(), *weights);
  const auto tape = engine.tape(rows + 1, directions);  // larger than needed
  Answer<S> a{Matrix<S>(rows, out), Matrix<S>(rows * directions, out), Matrix<S>(rows, in),
              std::vector<S>(theta.size())};
  engine.forward(*weights, inputs, x_dot, *tape, a.y, a.y_dot);
  engine.backward(*weights, inputs, x_dot, *tape, dy, dy_dot, a.row.data(), a.dx);
  return a;
}

template <class A, class B>
double distance(const A& a, const B& b) {
  double error = 0, size = 0;
  for (Index i = 0; i < static_cast<Index>(a.size()); ++i) {
    error = std::max(error, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
    size = std::max(size, std::abs(static_cast<double>(b.data()[i])));
  }
  return error / size;
}

template <class S, class R>
void expect_near(const Answer<S>& a, const Answer<R>& b, double tolerance) {
  EXPECT_LT(distance(a.y, b.y), tolerance);
  if (a.y_dot.size() > 0) {
    EXPECT_LT(distance(a.y_dot, b.y_dot), tolerance);
  }
  EXPECT_LT(distance(a.dx, b.dx), tolerance);
  EXPECT_LT(distance(a.row, b.row), tolerance);
}

TEST(Tangents, NetworksOfVectorsAgreeWithDualNumbers) {
  for (const auto act :
       {nn::Activation::silu, nn::Activation::gelu, nn::Activation::tanh, nn::Activation::relu, nn::Activation::mish}) {
    const nn::Plan plan = mlp(act);
    ASSERT_TRUE(is_vector_plan(plan));
    const GradcheckPoint point = gradcheck_point(plan, 5, rows);
    for (const Index directions : {0, 1, 2, 5}) {
      const auto exact = ask<double>(*dual_tangents<double>(plan), point, directions);
      expect_near(ask<double>(*vector_tangents<double>(plan), point, directions), exact, 1e-12);
      expect_near(ask<float>(*vector_tangents<float>(plan), point, directions), exact, 1e-5);
    }
  }
}

// Values and input gradients of the ordinary reference engine; tangents by differences of it, whose error is h^2 and
// rounding / h: 1e-9.
TEST(Tangents, AgreeWithDifferencesOfTheNetwork) {
  const nn::Plan plan = nn::plan(nn::UNet{.shape = {1, 4, 4}, .widths = {4, 8}, .depth = 1, .classes = 2});
  EXPECT_FALSE(is_vector_plan(plan));
  const GradcheckPoint point = gradcheck_point(plan, 7, rows);
  const auto a = ask<double>(*make_tangent_engine<double>(plan), point);
  const ReferenceEngine<double> engine(std::make_shared<const nn::Plan>(plan));
  const auto weights = engine.weights();
  engine.load(point.theta.data(), *weights);
  const auto tape = engine.tape(rows, ReferenceEngine<double>::Use::inference);
  const auto x = static_cast<std::size_t>(plan.find_input("x"));
  const Matrix<double> x_dot = normal(1, rows * K, point.inputs[x].cols());
  const auto at = [&](double h, Index k) {
    GradcheckPoint moved = point;
    for (Index r = 0; r < rows; ++r) moved.inputs[x].row(r) += h * x_dot.row(r * K + k);
    Matrix<double> y(rows, a.y.cols());
    engine.forward(*weights, moved.view(), *tape, y);
    return y;
  };
  EXPECT_LT(distance(a.y, at(0, 0)), 1e-12);
  for (Index k = 0; k < K; ++k) {
    const Matrix<double> slope = (at(1e-4, k) - at(-1e-4, k)) / 2e-4;
    for (Index r = 0; r < rows; ++r)
      EXPECT_LT((slope.row(r) - a.y_dot.row(r * K + k)).norm() / slope.row(r).norm(), 1e-6);
  }
}

// The gradients by central differences of f(theta, x) = <dy, y> + <dy_dot, y_dot> itself.
TEST(Tangents, GradientsAreThoseOfValuesAndTangents) {
  const nn::Plan plan = mlp(nn::Activation::silu);
  const auto engine = make_tangent_engine<double>(plan);
  const GradcheckPoint point = gradcheck_point(plan, 11, rows);
  const auto a = ask<double>(*engine, point);
  const Matrix<double> dy = normal(2, rows, 3), dy_dot = normal(3, rows * K, 3);
  const auto f = [&](const GradcheckPoint& p) {
    const auto b = ask<double>(*engine, p);
    return dy.cwiseProduct(b.y).sum() + dy_dot.cwiseProduct(b.y_dot).sum();
  };
  const auto slope = [&](auto move) {
    GradcheckPoint up = point, down = point;
    move(up, 1e-5), move(down, -1e-5);
    return (f(up) - f(down)) / 2e-5;
  };
  const Matrix<double> d = normal(4, 1, plan.parameter_count), e = normal(5, rows, 4);
  const double by_theta = slope([&](GradcheckPoint& p, double h) {
    for (std::size_t i = 0; i < p.theta.size(); ++i) p.theta[i] += h * d(0, static_cast<Index>(i));
  });
  const double by_x = slope([&](GradcheckPoint& p, double h) { p.inputs[0] += h * e; });
  const double theta_hand = InMap<double>(a.row.data(), 1, plan.parameter_count).cwiseProduct(d).sum(),
               x_hand = a.dx.cwiseProduct(e).sum();
  EXPECT_NEAR(theta_hand / by_theta, 1, 1e-7);
  EXPECT_NEAR(x_hand / by_x, 1, 1e-7);
}

}  // namespace
}  // namespace scorefield
