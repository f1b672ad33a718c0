#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>
#include <vector>

#include "scorefield/base/parallel.hpp"
#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/nn/unet.hpp"
#include "scorefield/schedule/single.hpp"
#include "scorefield/schedule/vp.hpp"
#include "scorefield/train/energy_matching.hpp"
#include "scorefield/train/score_matching.hpp"
#include "toy_training.hpp"

namespace scorefield {
namespace {

Matrix<double> normal(std::uint32_t draw, Index n, Index cols) {
  Matrix<double> z(n, cols);
  Noise(8, Stream::probe).normal(z, draw);
  return z;
}

/// A loss of derivatives in double at one point: its value sum and the gradient in theta.
struct Sum {
  double value = 0;
  std::vector<double> gradient;
};
template <class F>
Sum run(const nn::Plan& plan, const GradcheckPoint& point, Index directions, F loss) {
  const auto engine = make_tangent_engine<double>(plan);
  const auto weights = engine->weights();
  engine->load(point.theta.data(), *weights);
  const Index n = point.inputs[0].rows();
  const auto tape = engine->tape(n, directions);
  const Inputs<double> in = point.view();
  Sum sum{0, std::vector<double>(point.theta.size())};
  const std::vector<double> scale(static_cast<std::size_t>(n), 1.0);
  std::vector<double> value(scale.size());
  loss(DerivativePass<double>{*engine, *weights, in, *tape, scale, sum.gradient.data()}, value);
  for (const double v : value) sum.value += v;
  return sum;
}

/// Relative error of <gradient, d> for a random direction d, by central differences: h^2 + 1e-16 / h, 1e-9 at h = 1e-5.
template <class F>
double error(const nn::Plan& plan, Index directions, F loss) {
  const GradcheckPoint point = gradcheck_point(plan, 4, 5);
  const Matrix<double> d = normal(20, 1, plan.parameter_count);
  const auto moved = [&](double h) {
    GradcheckPoint p = point;
    for (std::size_t i = 0; i < p.theta.size(); ++i) p.theta[i] += h * d(0, static_cast<Index>(i));
    return run(plan, p, directions, loss).value;
  };
  const double slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
  const std::vector<double> g = run(plan, point, directions, loss).gradient;
  return std::abs(InMap<double>(g.data(), 1, d.cols()).cwiseProduct(d).sum() / slope - 1);
}

auto implicit_loss(Index n, Index D) {
  return [=](const DerivativePass<double>& pass, std::vector<double>& value) {
    Matrix<double> v(n * D, D);
    draw_directions<double>(Trace::exact, Noise(1, Stream::probe), n, v);
    const std::vector<double> factor(static_cast<std::size_t>(n), 0.7);
    score_matching<double>(pass, factor, 1, v, value);
  };
}

TEST(ScoreMatching, GradientsAgreeWithDifferences) {
  const nn::Plan deep = nn::plan(nn::MLP{.in = 3, .out = 3, .widths = {8, 6}, .time_channels = 4});
  EXPECT_LT(error(deep, 3, implicit_loss(5, 3)), 1e-6);
  for (const Trace trace : {Trace::rademacher, Trace::gaussian}) {
    const auto sliced = [=](const DerivativePass<double>& pass, std::vector<double>& value) {
      Matrix<double> v(5 * 2, 3);
      draw_directions<double>(trace, Noise(1, Stream::probe), 5, v);
      const std::vector<double> factor(5, 1.0);
      score_matching<double>(pass, factor, 0.5, v, value);
    };
    EXPECT_LT(error(deep, 2, sliced), 1e-6);
  }
}

TEST(ScoreMatching, GradientsOfImagesToo) {
  const nn::Plan unet = nn::plan(nn::UNet{.shape = {1, 4, 4}, .widths = {4, 8}, .depth = 1});
  const auto sliced = [](const DerivativePass<double>& pass, std::vector<double>& value) {
    Matrix<double> v(5, 16);
    draw_directions<double>(Trace::rademacher, Noise(1, Stream::probe), 5, v);
    const std::vector<double> factor(5, 1.0);
    score_matching<double>(pass, factor, 1, v, value);
  };
  EXPECT_LT(error(unet, 1, sliced), 1e-6);
}

TEST(EnergyMatching, GradientsAgreeWithDifferences) {
  const Matrix<double> target = normal(1, 5, 3);
  const auto loss = [&](const DerivativePass<double>& pass, std::vector<double>& value) {
    const std::vector<double> c_in{0.3, 0.5, 0.7, 0.9, 1.1}, weight{1, 2, 3, 4, 5};
    energy_matching<double>(pass, c_in, weight, target, value);
  };
  EXPECT_LT(error(nn::plan(nn::MLP{.in = 3, .out = 1, .widths = {8, 6}, .time_channels = 4}), 1, loss), 1e-6);
}

/// A linear score s = W x + b on n points with mean m and covariance S (both of these points): (17) is least at
///   W = -S^-1,  b = S^-1 m,
/// so its gradient is 0 there; and (18) is the same function for probes with mean v v^T = I. Denoising, (19), with
/// noise
/// +-sqrt(D) e_j on every point, whose covariance is I, is least at -(S + sigma^2 I)^-1, the other two at sigma = 0.
struct Linear {
  Linear() {
    mean = x.colwise().mean().transpose();
    const Matrix<double> centred = x.rowwise() - mean.transpose();
    covariance = centred.transpose() * centred / static_cast<double>(x.rows());
  }
  GradcheckPoint at(const Eigen::MatrixXd& S, const Matrix<double>& points) const {
    const Matrix<double> W = -S.inverse();
    const Eigen::VectorXd b = -W * mean;
    GradcheckPoint p;
    p.theta.assign(W.data(), W.data() + 4);
    p.theta.insert(p.theta.end(), b.data(), b.data() + 2);
    p.inputs = {points};
    return p;
  }
  nn::Plan plan = nn::plan(nn::MLP{.in = 2, .out = 2, .widths = {}});
  Matrix<double> x = 1.5 * normal(2, 12, 2) + Matrix<double>::Constant(12, 2, 0.4);
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
};

double largest(const std::vector<double>& g) {
  return InMap<double>(g.data(), 1, static_cast<Index>(g.size())).cwiseAbs().maxCoeff();
}

TEST(ScoreMatching, AllThreeObjectivesAreLeastAtTheAnalyticScoreOfTheirData) {
  const Linear line;
  const Index n = line.x.rows();
  const std::vector<double> one(static_cast<std::size_t>(n), 1.0);
  const auto trace = [&](const Matrix<double>& v, double share) {
    return [&, share](const DerivativePass<double>& pass, std::vector<double>& value) {
      score_matching<double>(pass, one, share, v, value);
    };
  };
  Matrix<double> unit(2 * n, 2);
  for (Index r = 0; r < n; ++r) unit.middleRows(2 * r, 2).setIdentity();
  const Matrix<double> probes = std::sqrt(2.0) * unit;
  const GradcheckPoint least = line.at(line.covariance, line.x);
  const Sum implicit = run(line.plan, least, 2, trace(unit, 1)), sliced = run(line.plan, least, 2, trace(probes, 0.5));
  EXPECT_LT(largest(implicit.gradient), 1e-8);
  EXPECT_LT(largest(sliced.gradient), 1e-8);
  EXPECT_NEAR(implicit.value, sliced.value, 1e-8 * std::abs(implicit.value));
  GradcheckPoint elsewhere = least;
  elsewhere.theta[1] += 0.1;
  EXPECT_GT(largest(run(line.plan, elsewhere, 2, trace(unit, 1)).gradient), 0.1);

  for (const double sigma : {0.5, 1e-5}) {
    Matrix<double> noisy(4 * n, 2), eps(4 * n, 2);
    for (Index r = 0; r < n; ++r) {
      for (Index k = 0; k < 4; ++k) {
        eps.row(4 * r + k) = (k < 2 ? 1 : -1) * probes.row(k % 2);
        noisy.row(4 * r + k) = line.x.row(r) + sigma * eps.row(4 * r + k);
      }
    }
    const Eigen::MatrixXd S = line.covariance + sigma * sigma * Eigen::MatrixXd::Identity(2, 2);
    const auto denoising = [&](const DerivativePass<double>& pass, std::vector<double>&) {
      Matrix<double> y(4 * n, 2), none(0, 2), no_dx(0, 2);
      const Matrix<double> no_direction(0, 2);
      pass.engine.forward(pass.weights, pass.in, no_direction, pass.tape, y, none);
      const Matrix<double> dy = (y + eps / sigma) / static_cast<double>(4 * n);
      pass.engine.backward(pass.weights, pass.in, no_direction, pass.tape, dy, none, pass.row, no_dx);
    };
    EXPECT_LT(largest(run(line.plan, line.at(S, noisy), 0, denoising).gradient), 1e-8) << sigma;
  }
}

std::vector<float> trained(std::shared_ptr<const Objective> objective, Index out, Index steps = 5) {
  const auto engine = toy::engine({.in = 2, .out = out, .widths = {16, 16}, .time_channels = 8});
  const Matrix<float> x = toy::normal_data(150, {1, -2}, {0.5, 1.5});
  Trainer trainer(engine, toy::theta(*engine), std::move(objective),
                  {.optimizer = {Adam::Settings{{3e-3}}, 1}, .seed = 5, .batch_size = 64, .shards = 4});
  trainer.set_data({toy::rows(x)}, {});
  toy::run(trainer, steps);
  return {trainer.theta().begin(), trainer.theta().end()};
}

TEST(ScoreMatching, BitsDoNotDependOnThreads) {
  const auto vp = std::make_shared<Vp>();
  const std::vector<std::pair<std::shared_ptr<const Objective>, Index>> all{
      {std::make_shared<ScoreMatching>(vp, Prediction::score, Trace::exact), 2},
      {std::make_shared<ScoreMatching>(vp, Prediction::score, Trace::rademacher, 2), 2},
      {std::make_shared<EnergyMatching>(vp, Weight::simple, Times::uniform), 1}};
  for (const auto& [objective, out] : all) {
    std::vector<std::vector<float>> seen;
    for (const Index cap : {1, 2, 3}) {
      set_thread_cap(cap);
      seen.push_back(trained(objective, out));
    }
    set_thread_cap(0);
    EXPECT_EQ(seen[0], seen[1]);
    EXPECT_EQ(seen[0], seen[2]);
  }
}

TEST(ScoreMatching, RefusesWhatItCannotTrain) {
  const auto clean = std::make_shared<Single>(0.0);
  EXPECT_THROW(ScoreMatching(clean, Prediction::v, Trace::exact), std::invalid_argument);
  EXPECT_THROW(ScoreMatching(clean, Prediction::score, Trace::gaussian, 0), std::invalid_argument);
  EXPECT_THROW(EnergyMatching(clean, Weight::simple, Times::uniform), std::invalid_argument);
  EXPECT_THROW(trained(std::make_shared<EnergyMatching>(std::make_shared<Vp>(), Weight::simple, Times::uniform), 2),
               std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
