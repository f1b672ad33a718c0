#include <gtest/gtest.h>

#include <cmath>

#include "sampler_cases.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/heun.hpp"

namespace scorefield {
namespace {

// The ODE map of one Gaussian is linear, theory 12: x_s = alpha_s mu + sqrt(V_s / V_t) (x_t - alpha_t mu). Errors at
// 160 and 320 steps.
TEST(SamplerOrder, OnOneGaussianEachSolverHasItsOrder) {
  const ExactDenoiser exact = gaussian();
  const Matrix<double> x = prior(64);
  const auto error = [&](const Sampler& sampler, int steps) {
    const Times t = log_snr_grid(steps, 0.01);
    const Level a = vp.at(t.front()), b = vp.at(t.back());
    const Matrix<double> truth =
        (b.alpha * mu + std::sqrt(variance(b) / variance(a)) * (x.array() - a.alpha * mu)).matrix();
    return median_distance(end(sampler, exact, t, x), truth);
  };
  const auto order = [&](const Sampler& sampler) { return std::log2(error(sampler, 160) / error(sampler, 320)); };
  EXPECT_NEAR(order(Ddim()), 1, 0.1);
  EXPECT_NEAR(order(DpmSolverPp(1)), 1, 0.1);
  EXPECT_NEAR(order(DpmSolverPp(2)), 2, 0.1);
  EXPECT_NEAR(order(Heun()), 2, 0.1);
  EXPECT_GT(order(DpmSolverPp(3)), 2.9);  // 3.2 here: errors of two orders cancel in part
  EXPECT_LT(order(DpmSolverPp(3)), 3.5);
}

// On the three-mode mixture against a run of order 3 with 1024 steps (its error is 8^3 times smaller than at 128); the
// median, since a mean is ruled by the few samples between modes.
TEST(SamplerOrder, OnAMixtureToo) {
  const ExactDenoiser exact = three();
  const Matrix<double> x = prior(200), truth = end(DpmSolverPp(3), exact, log_snr_grid(1024, 0.01), x);
  const auto order = [&](const Sampler& sampler) {
    const auto error = [&](int steps) {
      return median_distance(end(sampler, exact, log_snr_grid(steps, 0.01), x), truth);
    };
    return std::log2(error(64) / error(128));
  };
  EXPECT_NEAR(order(Ddim()), 1, 0.15);
  EXPECT_NEAR(order(DpmSolverPp(2)), 2, 0.25);
  EXPECT_GT(order(DpmSolverPp(3)), 2.6);
}

}  // namespace
}  // namespace scorefield
