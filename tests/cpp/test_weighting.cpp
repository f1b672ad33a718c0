#include <gtest/gtest.h>

#include <cmath>

#include "schedules_for_tests.hpp"
#include "scorefield/process/forward.hpp"
#include "scorefield/process/precondition.hpp"
#include "scorefield/process/weighting.hpp"
#include "scorefield/schedule/single.hpp"

namespace scorefield {
namespace {

const std::vector<Weight> weights{Weight::vlb, Weight::snr,        Weight::min_snr,
                                  Weight::p2,  Weight::likelihood, Weight::edm};

double snr(const Level& p) { return p.alpha * p.alpha / (p.sigma * p.sigma); }

// A weight means the same whatever the network predicts: an error r of x0_hat costs w r^2 for outputs x0, eps, v, score
// and flow alike.
TEST(Weighting, EveryOutputPaysTheSameForAnErrorOfX0) {
  for (const Named& named : all_schedules()) {
    const Schedule& s = *named.schedule;
    for (const double t : inner_times(s, 9)) {
      const Level p = s.at(t);
      for (const Weight weight : weights) {
        const double expected = loss_weight(weight, Prediction::x0, s, t);
        for (const Prediction kind :
             {Prediction::eps, Prediction::v, Prediction::score, Prediction::flow, Prediction::energy}) {
          const double output_error = 1 / network_to_x0(kind, p, s).y;  // what an error of 1 in x0_hat is in the output
          const double paid = loss_weight(weight, kind, s, t) * output_error * output_error;
          EXPECT_NEAR(paid, expected, 1e-12 * expected) << named.name << name(kind) << t;
        }
      }
    }
  }
}

// Theory 4: eps-loss = snr r^2, v-loss (VP) = (snr + 1) r^2, so one weight on each obeys these ratios.
TEST(Weighting, RatiosBetweenLosses) {
  const DiscreteVp s = linear_schedule();
  for (const double t : {1.0, 100.0, 999.0}) {
    const double r = snr(s.at(t)), x0 = loss_weight(Weight::min_snr, Prediction::x0, s, t);
    EXPECT_NEAR(loss_weight(Weight::min_snr, Prediction::eps, s, t) * r, x0, 1e-12 * x0);
    EXPECT_NEAR(loss_weight(Weight::min_snr, Prediction::v, s, t) * (r + 1), x0, 1e-12 * x0);
  }
}

// The published forms, each on the loss that its paper weights.
TEST(Weighting, ThePublishedForms) {
  const std::vector<double> table = betas::linear(1000, 1e-4, 0.02);
  const DiscreteVp s = DiscreteVp::of_betas(table);
  for (const double t : {2.0, 50.0, 500.0, 1000.0}) {
    const Level p = s.at(t);
    const double beta_t = table[static_cast<std::size_t>(t) - 1], r = snr(p), bar = p.alpha * p.alpha;
    // DDPM (12) with sigma_t^2 = beta_t
    EXPECT_NEAR(loss_weight(Weight::vlb, Prediction::eps, s, t),
                beta_t * beta_t / (2 * beta_t * (1 - beta_t) * (1 - bar)), 1e-9)
        << t;
    EXPECT_NEAR(loss_weight(Weight::snr, Prediction::x0, s, t), std::max(r, 1.0), 1e-12 * r + 1e-15);
    EXPECT_NEAR(loss_weight(Weight::min_snr, Prediction::eps, s, t), std::min(r, 5.0) / r, 1e-12);
    EXPECT_NEAR(loss_weight(Weight::p2, Prediction::eps, s, t), 1 / (1 + r), 1e-12);
    EXPECT_NEAR(loss_weight(Weight::likelihood, Prediction::score, s, t), s.g2(t) / (p.sigma * p.sigma),
                1e-12);  // output = -sigma score
  }
  const Edm edm;
  for (const double sigma : {0.002, 0.5, 80.0}) {
    const double lambda = (sigma * sigma + 0.25) / std::pow(sigma * 0.5, 2);
    EXPECT_NEAR(loss_weight(Weight::edm, Prediction::x0, edm, sigma), lambda, 1e-12 * lambda);
    EXPECT_NEAR(loss_weight(Weight::edm, Prediction::edm, edm, sigma), 1, 1e-12);  // table 1: the effective weight on F
  }
}

// The vlb weight is the KL between two Gaussians of variance v that differ in mean by the error of x0_hat, theory (16).
TEST(Weighting, VlbIsTheKlOfAStep) {
  for (const Named& named : all_schedules()) {
    const Schedule& s = *named.schedule;
    if (s.steps() == 0) continue;
    for (const double t : {1.0, 2.0, s.t_max()}) {
      const Level before = s.at(t - 1), p = s.at(t);
      const double mean = posterior(before, p).x0, kl = mean * mean / (2 * step_variance(before, p));
      EXPECT_NEAR(loss_weight(Weight::vlb, Prediction::x0, s, t), kl, 1e-12 * kl) << named.name << t;
    }
  }
}

// With T steps in unit time the discrete vlb weight, times T, tends to the continuous one, half of `likelihood`.
TEST(Weighting, VlbTendsToHalfTheLikelihoodWeight) {
  const Vp limit;
  const double exact = loss_weight(Weight::vlb, Prediction::eps, limit, 0.5);
  EXPECT_NEAR(exact, loss_weight(Weight::likelihood, Prediction::eps, limit, 0.5) / 2, 1e-15);
  const auto error = [&](Index T) {
    const double n = static_cast<double>(T);
    return loss_weight(Weight::vlb, Prediction::eps, DiscreteVp::of_betas(betas::linear(T, 0.1 / n, 20 / n)), n / 2) *
               n -
           exact;
  };
  EXPECT_NEAR(std::log2(error(1000) / error(2000)), 1, 0.1);
}

TEST(Weighting, SimpleIsOneAndInfiniteOnesAreRefused) {
  for (const Named& named : all_schedules()) {
    for (const Prediction kind : {Prediction::eps, Prediction::v})
      EXPECT_EQ(loss_weight(Weight::simple, kind, *named.schedule, 0), 1);
  }
  EXPECT_NE(refusal([] {
              loss_weight(Weight::snr, Prediction::v, Vp(), 0);
            }).find("sigma is 0 at t = 0; use weight \"simple\""),
            std::string::npos);
  EXPECT_NE(refusal([] { loss_weight(Weight::edm, Prediction::v, Single(0), 0); }).find("needs noise"),
            std::string::npos);
  const RectifiedFlow flow;  // finite at alpha = 0
  for (const Weight weight : weights) EXPECT_TRUE(std::isfinite(loss_weight(weight, Prediction::flow, flow, 1)));
  EXPECT_EQ(refusal([] { parse_weight("vlbx"); }),
            "unknown weight 'vlbx'; known: simple, vlb, snr, min_snr, p2, likelihood, edm");
  EXPECT_EQ(parse_weight("p2"), Weight::p2);
}

}  // namespace
}  // namespace scorefield
