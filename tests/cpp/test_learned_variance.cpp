#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>

#include "scorefield/nn/plan_builder.hpp"
#include "scorefield/process/forward.hpp"
#include "scorefield/process/variance_bound.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/schedule/betas.hpp"
#include "scorefield/schedule/discrete_vp.hpp"
#include "scorefield/schedule/vp.hpp"
#include "scorefield/train/hybrid.hpp"

namespace scorefield {
namespace {

DiscreteVp schedule() { return DiscreteVp::of_betas(betas::linear(20, 0.005, 0.4)); }

/// KL(N(a, v) || N(b, w)) of two normal distributions.
double kl(double a, double v, double b, double w) { return (std::log(w / v) + (v + (a - b) * (a - b)) / w - 1) / 2; }

TEST(VarianceBound, TermsAreTheDivergencesOfTheReverseSteps) {
  const DiscreteVp law = schedule();
  const VarianceBound bound(law);
  EXPECT_EQ(bound.steps(), 20);
  for (const Index t : {2, 7, 20}) {
    const Posterior q = posterior(law.at(static_cast<double>(t - 1)), law.at(static_cast<double>(t)));
    for (const double share : {-0.2, 0.0, 0.4, 1.0}) {
      const double beta = scorefield::beta(law, static_cast<double>(t)), x0 = 0.3, hat = -0.5, x_t = 1.1;
      const double w = std::exp(share * std::log(beta) + (1 - share) * std::log(q.variance));
      EXPECT_NEAR(bound.term(t, hat - x0, share).value,
                  kl(q.x0 * x0 + q.x_t * x_t, q.variance, q.x0 * hat + q.x_t * x_t, w), 1e-12);
    }
  }
  const Posterior second = posterior(law.at(1), law.at(2));
  EXPECT_NEAR(bound.term(1, 0.1, 0).value,
              (std::log(2 * std::numbers::pi * second.variance) + 0.01 / second.variance) / 2, 1e-12);
}

// Central differences in double: error h^2 = 1e-10 of the third derivative, rounding 1e-11.
TEST(VarianceBound, DerivativeInTheShare) {
  const VarianceBound bound(schedule());
  const double h = 1e-5;
  for (const Index t : {1, 2, 11, 20}) {
    for (const double gap : {0.0, 0.2, -3.0}) {
      for (const double share : {-0.1, 0.3, 0.9}) {
        const double numeric = (bound.term(t, gap, share + h).value - bound.term(t, gap, share - h).value) / (2 * h);
        EXPECT_NEAR(bound.term(t, gap, share).derivative, numeric, 1e-7 * (1 + std::abs(numeric)));
      }
    }
  }
}

// Against central differences of the loss. y is float, and h = 2^-8 is exact in it: h^2 is 1.5e-5. In the mean's half
// the derivative is that of the squared error alone.
TEST(Hybrid, DerivativesStopAtTheMean) {
  const auto law = std::make_shared<const DiscreteVp>(schedule());
  const Hybrid with(DenoisingTarget(law, Prediction::eps), 0.3, 2, Times::uniform);
  nn::PlanBuilder b;
  const nn::Tensor x = b.input("x", {2, 2, 1});
  Batch batch(b.finish(x), 1);
  batch.t = {7};
  batch.target = Matrix<float>::Zero(1, 4);
  batch.target << 0.5f, -0.25f, 1.0f, 0.0f;
  Matrix<float> y(1, 8), dy(1, 8), unused(1, 8);  // two positions: two channels of the mean, two of the variance
  y << 0.25f, 0.5f, -0.5f, 0.75f, 1.5f, -0.5f, 0.125f, -1.0f;
  with.value(batch, 0, y, dy);
  const float h = 1.0f / 256;
  for (Index e = 0; e < 8; ++e) {
    Matrix<float> up = y, down = y;
    up(0, e) += h, down(0, e) -= h;
    const double numeric = (with.value(batch, 0, up, unused) - with.value(batch, 0, down, unused)) / (2.0 * h);
    const bool mean = e % 4 < 2;
    if (mean) {
      const Index of = e / 4 * 2 + e % 4;
      EXPECT_NEAR(dy(0, e), 2.0 / 4 * (y(0, e) - batch.target(0, of)), 1e-6);
      EXPECT_GT(std::abs(dy(0, e) - numeric), 1e-3);  // the bound would pull at it, too
    } else {
      EXPECT_NEAR(dy(0, e), numeric, 1e-4 * (1 + std::abs(numeric)));
    }
  }
}

/// x0_hat of data in one point, with a share of its own for every number.
class Point final : public Denoiser {
 public:
  Index dimension() const override { return 2; }
  void denoise(In<double>, Levels, Index, Out<double> x0) const override { x0.setConstant(0.5); }
  void denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const override {
    denoise(x, t, first, x0);
    share.col(0).setConstant(0.25);
    share.col(1).setConstant(1);
  }
};

// One step from t to s has the variance beta^share beta_tilde^(1 - share): within 5 standard errors.
TEST(LearnedVariance, TheAncestralSamplerDrawsWithIt) {
  const DiscreteVp law = schedule();
  const Index n = 20000;
  Matrix<double> x = Matrix<double>::Constant(n, 2, -0.3);
  sample(Ancestral(Variance::learned), Point(), law, std::vector<double>{15, 11}, {Noise(3, Stream::sampler)}, x);
  const Posterior q = posterior(law.at(11), law.at(15));
  const double beta = step_variance(law.at(11), law.at(15)), mean = q.x0 * 0.5 + q.x_t * -0.3;
  for (const auto& [column, share] : {std::pair<Index, double>{0, 0.25}, {1, 1.0}}) {
    const double var = std::pow(beta, share) * std::pow(q.variance, 1 - share);
    EXPECT_NEAR(x.col(column).mean(), mean, 5 * std::sqrt(var / n));
    EXPECT_NEAR((x.col(column).array() - mean).square().mean(), var, 5 * var * std::sqrt(2.0 / n));
  }
}

TEST(LearnedVariance, NeedsADiscreteScheduleAndADenoiserThatKnowsIt) {
  EXPECT_THROW(VarianceBound{Vp()}, std::invalid_argument);
  struct Plain final : Denoiser {
    Index dimension() const override { return 2; }
    void denoise(In<double> x, Levels, Index, Out<double> x0) const override { x0 = x; }
  };
  Matrix<double> x = Matrix<double>::Zero(1, 2);
  EXPECT_THROW(sample(Ancestral(Variance::learned), Plain(), schedule(), std::vector<double>{15, 11},
                      {Noise(3, Stream::sampler)}, x),
               std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
