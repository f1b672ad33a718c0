#include "scorefield/process/flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "schedules_for_tests.hpp"
#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/schedule/single.hpp"

namespace scorefield {
namespace {

constexpr double mu = 0.7, c = 0.4;  // the data N(mu, c^2) in each of two dimensions

ExactDenoiser gaussian() { return ExactDenoiser(Mixture({{mu, mu}}, {c})); }
double variance(const Level& p) { return p.alpha * p.alpha * c * c + p.sigma * p.sigma; }
Matrix<double> prior(Index rows) {
  Matrix<double> x(rows, 2);
  Noise(1, Stream::prior).normal(x);
  return x;
}

constexpr OdeTolerance fine{1e-8, 1e-8};

/// The ODE map of one Gaussian is linear, theory 12: x_s = alpha_s mu + sqrt(V_s / V_t) (x_t - alpha_t mu).
Matrix<double> mapped(const Matrix<double>& x, const Level& t, const Level& s) {
  return (s.alpha * mu + std::sqrt(variance(s) / variance(t)) * (x.array() - t.alpha * mu)).matrix();
}

Matrix<double> followed(FlowForm form, const Schedule& schedule, const Level& t, const Level& s, Matrix<double> x,
                        const OdeTolerance& tolerance = fine) {
  follow_flow(*make_flow(form, schedule), gaussian(), {&t, 1}, s, tolerance, 0, x);
  return x;
}

// Errors are measured in units of the marginal deviations at their end; some 50 steps of one tolerance each.
TEST(Flow, TheAngleFormSolvesEverySchedule) {
  for (const auto& [name, schedule] : all_schedules()) {
    const Level low = schedule->at(schedule->t_min()), high = schedule->at(schedule->t_max());
    const Matrix<double> x = high.sigma * prior(20), down = followed(FlowForm::angle, *schedule, high, low, x);
    EXPECT_LT((down - mapped(x, high, low)).cwiseAbs().maxCoeff(), 100 * 1e-8) << name;
    const Matrix<double> up = followed(FlowForm::angle, *schedule, low, high, down);
    EXPECT_LT((up - mapped(down, low, high)).cwiseAbs().maxCoeff() / high.sigma, 100 * 1e-8) << name;
  }
}

TEST(Flow, TheTimeFormSolvesContinuousSchedules) {
  for (const auto& [name, schedule] : all_schedules()) {
    if (schedule->steps() > 0) continue;  // its rates jump at every entry
    const Level low = schedule->at(schedule->t_min()), high = schedule->at(schedule->t_max());
    const Matrix<double> x = high.sigma * prior(20), down = followed(FlowForm::time, *schedule, high, low, x);
    // x itself, up to sigma_T, is what the relative tolerance holds
    EXPECT_LT((down - mapped(x, high, low)).cwiseAbs().maxCoeff(), 200 * 1e-8 * std::max(1.0, high.sigma)) << name;
  }
}

TEST(Flow, BothFormsAreOneOde) {
  const Vp vp;
  const Level t = vp.at(0.9), s = vp.at(0.01);
  const ExactDenoiser three(Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2}));
  Matrix<double> a = prior(50), b = a;
  follow_flow(*make_flow(FlowForm::angle, vp), three, {&t, 1}, s, fine, 0, a);
  follow_flow(*make_flow(FlowForm::time, vp), three, {&t, 1}, s, fine, 0, b);
  EXPECT_LT((a - b).cwiseAbs().maxCoeff(), 1e-5);  // samples between modes enlarge 1e-8 most
}

TEST(Flow, ASingleLevelHasNone) {
  EXPECT_NE(refusal([] { make_flow(FlowForm::angle, Single(0.5)); }).find("one noise level"), std::string::npos);
}

// Where samples are told apart, neighbours are asked together and no others.
TEST(Flow, AsksForRunsOfNeighbours) {
  const std::vector<Index> rows{0, 1, 4, 7, 8, 9};
  std::vector<std::vector<Index>> seen;
  const auto note = [&](Index begin, Index count, Index first) { seen.push_back({begin, count, first}); };
  for_askable(ExactDenoiser(Mixture({{0, 0}}, {1}), std::vector<Index>(20, 0)), 5, rows, note);
  EXPECT_EQ(seen, (std::vector<std::vector<Index>>{{0, 2, 5}, {2, 1, 9}, {3, 3, 12}}));
  seen.clear();
  for_askable(gaussian(), 5, rows, note);
  EXPECT_EQ(seen, (std::vector<std::vector<Index>>{{0, 6, 5}}));
}

}  // namespace
}  // namespace scorefield
