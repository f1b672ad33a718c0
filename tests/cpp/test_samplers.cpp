#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "sampler_cases.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/sample/annealed_langevin.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/ddim_inversion.hpp"
#include "scorefield/sample/deis.hpp"
#include "scorefield/sample/dpm2.hpp"
#include "scorefield/sample/dpm_solver.hpp"
#include "scorefield/sample/dpm_solver_ancestral.hpp"
#include "scorefield/sample/dpm_solver_on_grid.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/euler_maruyama.hpp"
#include "scorefield/sample/heun.hpp"
#include "scorefield/sample/lms.hpp"
#include "scorefield/sample/pndm.hpp"
#include "scorefield/sample/predictor_corrector.hpp"
#include "scorefield/sample/renoise.hpp"
#include "scorefield/sample/uni_pc.hpp"

namespace scorefield {
namespace {

std::vector<std::shared_ptr<const Sampler>> all_samplers() {
  return {std::make_shared<Ancestral>(),
          std::make_shared<Ancestral>(Variance::beta),
          std::make_shared<Ddim>(),
          std::make_shared<Ddim>(0.5),
          std::make_shared<Ddim>(1),
          std::make_shared<Deis>(2),
          std::make_shared<Deis>(3, DeisVariable::log_rho, 2),
          std::make_shared<Dpm2>(),
          std::make_shared<Dpm2>(true),
          std::make_shared<DpmSolver>(1),
          std::make_shared<DpmSolver>(2),
          std::make_shared<DpmSolver>(3),
          std::make_shared<DpmSolver>(2, Predicts::data),
          std::make_shared<DpmSolver>(3, Predicts::data),
          std::make_shared<DpmSolverAncestral>(),
          std::make_shared<DpmSolverOnGrid>(2),
          std::make_shared<DpmSolverOnGrid>(3, Predicts::data, true, 2),
          std::make_shared<DpmSolverOnGrid>(3, Predicts::noise),
          std::make_shared<DpmSolverPp>(1),
          std::make_shared<DpmSolverPp>(),
          std::make_shared<DpmSolverPp>(3),
          std::make_shared<DpmSolverPp>(3, Multistep{.predicts = Predicts::noise, .half_D2 = true}),
          std::make_shared<DpmSolverPp>(2, Multistep{.heun = true, .lower_order_final = 1}),
          std::make_shared<DpmSolverPp>(1, Multistep{.stochastic = true}),
          std::make_shared<DpmSolverPp>(3, Multistep{.stochastic = true}),
          std::make_shared<Heun>(),
          std::make_shared<Heun>(Churn{10}),
          std::make_shared<Heun>(Churn{}, HeunForm::time),
          std::make_shared<Lms>(4),
          std::make_shared<Lms>(4, true),
          std::make_shared<Pndm>(),
          std::make_shared<Pndm>(Pndm::Start::heun, true),
          std::make_shared<Renoise>(),
          std::make_shared<UniPc>(1),
          std::make_shared<UniPc>(3),
          std::make_shared<UniPc>(2, UniPc::B::h, 1),
          std::make_shared<UniPc>(3, UniPc::B::e_h, 0, Predicts::noise, std::vector<int>{0, 2}),
          std::make_shared<EulerMaruyama>(0),
          std::make_shared<EulerMaruyama>(),
          std::make_shared<PredictorCorrector>(),
          std::make_shared<PredictorCorrector>(Predictor::ancestral, 2),
          std::make_shared<PredictorCorrector>(Predictor::reverse_diffusion, 0),
          std::make_shared<AnnealedLangevin>(0.2, 3)};
}

TEST(Samplers, DdimWithEtaOneIsTheAncestralSampler) {
  const Times t = with_end(log_snr_grid(40, 1e-3));
  const Matrix<double> a = end(Ddim(1), three(), t, prior(100)), b = end(Ancestral(), three(), t, prior(100));
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-12);  // rounding of 40 steps
}

TEST(Samplers, TheFirstOrderSolverIsDdim) {
  const Times t = with_end(log_snr_grid(40, 1e-3));
  const Matrix<double> a = end(Ddim(), three(), t, prior(100)), b = end(DpmSolverPp(1), three(), t, prior(100));
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-12);
}

// (with churn, from a level above)
TEST(Samplers, AStepToSigmaZeroGivesTheDenoisersAnswer) {
  const Matrix<double> x = prior(10);
  for (const double from : {1.0, 0.3}) {
    const Level p = vp.at(from);
    Matrix<double> x0(10, 2);
    three().denoise(x, {&p, 1}, 0, x0);
    for (const auto& sampler : all_samplers()) {
      if (dynamic_cast<const Heun*>(sampler.get()) && sampler->stochastic() && from < 1) continue;
      if (dynamic_cast<const AnnealedLangevin*>(sampler.get())) continue;  // moves at this level before
      EXPECT_LT((end(*sampler, three(), {from, 0}, x) - x0).cwiseAbs().maxCoeff(), 1e-14);  // also: one step only
    }
  }
}

TEST(Samplers, AStepOfNoLengthIsTheIdentity) {
  const Matrix<double> x = prior(10);
  for (const auto& sampler : all_samplers()) {
    if (dynamic_cast<const Renoise*>(sampler.get())) continue;                        // draws its noise anew
    if (dynamic_cast<const Heun*>(sampler.get()) && sampler->stochastic()) continue;  // adds noise and takes it away
    if (sampler->stochastic() && sampler->calls() > 1) continue;                      // Langevin steps stay at a level
    EXPECT_LT((end(*sampler, three(), {0.6, 0.6}, x) - x).cwiseAbs().maxCoeff(), 1e-14);
    EXPECT_LT((end(*sampler, three(), {0.6, 0.6, 0.6, 0.6}, x) - x).cwiseAbs().maxCoeff(), 1e-14);
  }
}

TEST(Samplers, PartsAndThreadsGiveTheBytesOfTheWhole) {
  const Times t = with_end(log_snr_grid(10, 1e-2));
  const Matrix<double> x = prior(300);
  for (const auto& sampler : all_samplers()) {
    const Matrix<double> whole = end(*sampler, three(), t, x);
    Matrix<double> parts(300, 2);
    for (Index first = 0; first < 300; first += 110) {
      const Index rows = std::min<Index>(110, 300 - first);
      parts.middleRows(first, rows) = end(*sampler, three(), t, x.middleRows(first, rows), first);
    }
    EXPECT_EQ(whole, parts);
    set_thread_cap(1);
    EXPECT_EQ(whole, end(*sampler, three(), t, x));
    set_thread_cap(0);
  }
}

// A rising pair draws from q(x_s | x_t), theory (5): N(a x_t, sigma_s^2 - a^2 sigma_t^2).
TEST(Samplers, ARisingPairOfTimesIsAForwardStep) {
  const Index n = 50000;
  const Matrix<double> x = end(Ddim(), three(), {0.2, 0.5}, Matrix<double>::Constant(n, 2, 1.5));
  const Level t = vp.at(0.2), s = vp.at(0.5);
  const double a = s.alpha / t.alpha, v = s.sigma * s.sigma - a * a * t.sigma * t.sigma, N = 2 * static_cast<double>(n);
  EXPECT_NEAR(x.mean(), a * 1.5, 5 * std::sqrt(v / N));
  EXPECT_NEAR((x.array() - x.mean()).square().mean(), v, 5 * v * std::sqrt(2 / N));
}

// Data of the mixture to noise and back: both maps are of order 1, so the root mean square error at least halves, less
// 0.2 in log2.
TEST(Samplers, InversionThenDdimReturns) {
  Matrix<double> x(300, 2);
  Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}).sample(Noise(3, Stream::dataset), x);
  const auto error = [&](int steps) {
    const Times down = with_end(log_snr_grid(steps, 1e-3));
    const Times up(down.rbegin(), down.rend());
    return median_distance(end(Ddim(), three(), down, end(DdimInversion(), three(), up, x)), x);
  };
  const double coarse = error(50), middle = error(100), fine = error(200);
  EXPECT_LT(fine, 0.05);
  EXPECT_GT(std::log2(coarse / middle), 0.8);
  EXPECT_GT(std::log2(middle / fine), 0.8);
}

TEST(Samplers, TheObserverSeesEveryStepAndMayStop) {
  std::vector<Index> seen;
  scorefield::Run run{Noise(0, Stream::sampler), 0, nullptr, nullptr};
  run.observer = [&](const Seen& now) {
    seen.push_back(now.index);
    EXPECT_EQ(now.count, 5);
    EXPECT_EQ(now.x0.rows(), 4);
    return now.index < 2;
  };
  Matrix<double> x = prior(4);
  sample(DpmSolverPp(), three(), vp, with_end(log_snr_grid(4, 0.1)), run, x);
  EXPECT_EQ(seen, (std::vector<Index>{0, 1, 2}));
}

/// A denoiser that is broken below some time.
class Broken final : public Denoiser {
 public:
  Index dimension() const override { return 2; }
  void denoise(In<double> x, Levels t, Index, Out<double> x0) const override {
    x0 = x;
    if (t[0].t < 0.5) x0(1, 0) = std::nan("");
  }
};

TEST(Samplers, ANonFiniteAnswerNamesStepAndSample) {
  try {
    end(Ddim(), Broken(), {1, 0.7, 0.4, 0}, prior(3), 20);
    FAIL();
  } catch (const NonFiniteError& e) {
    EXPECT_STREQ(e.what(), "the denoiser's answer is not finite at step 3 of 3 (t = 0.4 -> 0), first in sample 21");
  }
}

TEST(Samplers, AnInterruptStopsBetweenSteps) {
  struct Stop {};
  int asked = 0;
  const Interrupt interrupt([&] {
    if (++asked > 1) throw Stop();
  });
  scorefield::Run run{Noise(0, Stream::sampler), 0, nullptr, &interrupt};
  Matrix<double> x = prior(4);
  const Matrix<double> before = x;
  EXPECT_NO_THROW(sample(Ddim(), three(), vp, Times{1.0, 0.5}, run, x));
  EXPECT_NE(x, before);
}

TEST(Samplers, RefuseWhatTheyCannotDo) {
  Matrix<double> x = prior(4), wide(4, 3);
  EXPECT_THROW(end(Ddim(), three(), {1}, x), std::invalid_argument);
  EXPECT_THROW(end(Ddim(), three(), {1.5, 0}, x), std::invalid_argument);
  EXPECT_THROW(end(Ddim(), three(), {1, 0}, wide), std::invalid_argument);
  EXPECT_THROW(Ddim(1.5), std::invalid_argument);
  EXPECT_THROW(DpmSolverPp(4), std::invalid_argument);
  EXPECT_THROW(DpmSolverOnGrid(4), std::invalid_argument);
  EXPECT_THROW(Heun(Churn{-1}), std::invalid_argument);
  EXPECT_THROW(Heun(Churn{1}, HeunForm::time), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
