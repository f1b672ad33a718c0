#include <gtest/gtest.h>

#include "random_plan.hpp"
#include "reference_bench.hpp"
#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/engine/recording.hpp"
#include "scorefield/engine/reference.hpp"

namespace scorefield::testing {
namespace {

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
    for (std::size_t i = 0; i < x_dot.size(); ++i) {
      if (x_dot[i].size() > 0) transposed += b.dinputs[i].cwiseProduct(x_dot[i]).sum();
    }
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

}  // namespace
}  // namespace scorefield::testing
