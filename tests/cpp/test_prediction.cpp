#include <gtest/gtest.h>

#include <cmath>

#include "schedules_for_tests.hpp"
#include "scorefield/process/precondition.hpp"
#include "scorefield/process/prediction.hpp"
#include "scorefield/schedule/single.hpp"

namespace scorefield {
namespace {

constexpr double x0 = 0.8, eps = -1.7;
const std::vector<Prediction> kinds{Prediction::x0, Prediction::eps,  Prediction::score,
                                    Prediction::v,  Prediction::flow, Prediction::energy};

std::vector<Prediction> kinds_of(const Schedule& schedule) {
  std::vector<Prediction> out = kinds;
  if (schedule.exploding()) out.push_back(Prediction::edm);
  return out;
}

// target, then to_x0 or to_eps at the x_t of theory (1), gives back x0 and eps: for every kind, schedule and time.
TEST(Prediction, EveryKindGivesBackItsX0AndEps) {
  for (const Named& named : all_schedules()) {
    const Schedule& s = *named.schedule;
    for (const double t : inner_times(s)) {
      const Level p = s.at(t);
      const Rates rates = s.rates(t);
      const double x_t = p.alpha * x0 + p.sigma * eps;
      for (const Prediction kind : kinds_of(s)) {
        const auto [a, b] = target(kind, p, rates, s.sigma_data());
        const double y = a * x0 + b * eps;
        const ToX0 clean = to_x0(kind, p, rates, s.sigma_data());
        const ToEps noise = to_eps(kind, p, rates, s.sigma_data());
        // rounding of x_t is divided by alpha in x0 and by sigma in eps
        EXPECT_NEAR(clean.x * x_t + clean.y * y, x0, 1e-14 * (1 + p.sigma / p.alpha))
            << named.name << " " << name(kind) << " " << t;
        EXPECT_NEAR(noise.x * x_t + noise.y * y, eps, 1e-14 * (1 + p.alpha / p.sigma))
            << named.name << " " << name(kind) << " " << t;
      }
    }
  }
}

// The closed forms in print: (9), (13), the inverse of (11) on VP, and Karras et al. 2022, table 1.
TEST(Prediction, TheFormulasInPrint) {
  const Vp vp;
  const Level p = vp.at(0.3);
  const ToX0 from_eps = to_x0(Prediction::eps, p, vp.rates(0.3), 1),
             from_score = to_x0(Prediction::score, p, vp.rates(0.3), 1),
             from_v = to_x0(Prediction::v, p, vp.rates(0.3), 1);
  EXPECT_NEAR(from_eps.x, 1 / p.alpha, 1e-15);
  EXPECT_NEAR(from_eps.y, -p.sigma / p.alpha, 1e-15);
  EXPECT_NEAR(from_score.x, 1 / p.alpha, 1e-15);  // Tweedie
  EXPECT_NEAR(from_score.y, p.sigma * p.sigma / p.alpha, 1e-15);
  EXPECT_NEAR(from_v.x, p.alpha, 1e-15);
  EXPECT_NEAR(from_v.y, -p.sigma, 1e-15);
  const double sigma = 1.7, s_d = 0.5;
  const ToX0 edm = to_x0(Prediction::edm, Edm().at(sigma), {0, 1}, s_d);
  EXPECT_NEAR(edm.x, s_d * s_d / (sigma * sigma + s_d * s_d), 1e-15);             // c_skip
  EXPECT_NEAR(edm.y, sigma * s_d / std::sqrt(sigma * sigma + s_d * s_d), 1e-15);  // c_out
}

// alpha' x0 + sigma' eps is the velocity of x_t along the path: a difference of x_t.
TEST(Prediction, FlowIsTheVelocityOfThePath) {
  for (const char* which : {"Vp", "SubVp", "RectifiedFlowShifted", "Custom"}) {
    for (const Named& named : all_schedules()) {
      if (named.name != which) continue;
      const auto x = [&](double t) { return named.schedule->at(t).alpha * x0 + named.schedule->at(t).sigma * eps; };
      const auto [a, b] = target(Prediction::flow, named.schedule->at(0.4), named.schedule->rates(0.4), 1);
      EXPECT_NEAR(a * x0 + b * eps, (x(0.4 + 1e-5) - x(0.4 - 1e-5)) / 2e-5, 1e-7) << which;  // h^2 and 1e-16 / h
    }
  }
}

TEST(Prediction, ConversionIsTheIdentityForOneKindAndComposes) {
  const Vp vp;
  const Level p = vp.at(0.6);
  const Rates rates = vp.rates(0.6);
  const double x_t = p.alpha * x0 + p.sigma * eps;
  for (const Prediction a : kinds) {
    EXPECT_EQ(conversion(a, a, p, rates, 1).x, 0);
    EXPECT_EQ(conversion(a, a, p, rates, 1).y, 1);
    for (const Prediction b : kinds) {
      const Target from = target(a, p, rates, 1), to = target(b, p, rates, 1);
      const Conversion c = conversion(a, b, p, rates, 1);
      const double expected = to.x0 * x0 + to.eps * eps;
      EXPECT_NEAR(c.x * x_t + c.y * (from.x0 * x0 + from.eps * eps), expected, 1e-12 * (1 + std::abs(expected)))
          << name(a) << name(b);
    }
  }
}

TEST(Prediction, FiniteAtTheEndsOrARefusalWithAWayOut) {
  const RectifiedFlow flow;
  const Level end = flow.at(1), start = flow.at(0);
  const Rates rates = flow.rates(1);
  EXPECT_EQ(refusal([&] { to_x0(Prediction::eps, end, rates, 1); }),
            "alpha is 0 at t = 1, so x0 cannot be found from eps; use prediction=\"v\" or \"x0\"");
  EXPECT_NE(refusal([&] { to_x0(Prediction::score, end, rates, 1); }).find("from score"), std::string::npos);
  EXPECT_NEAR(to_x0(Prediction::v, end, rates, 1).y, -1, 1e-15);     // v = -x0
  EXPECT_NEAR(to_x0(Prediction::flow, end, rates, 1).y, -1, 1e-15);  // u = eps - x0, x_t = eps
  EXPECT_NEAR(to_x0(Prediction::flow, end, rates, 1).x, 1, 1e-15);
  EXPECT_EQ(to_eps(Prediction::score, end, rates, 1).y, -1);  // needs no x0
  EXPECT_EQ(conversion(Prediction::score, Prediction::eps, end, rates, 1).y, -1);

  EXPECT_NE(refusal([&] { to_eps(Prediction::x0, start, flow.rates(0), 1); }).find("ask at a time t > 0"),
            std::string::npos);
  EXPECT_NE(refusal([&] { target(Prediction::score, start, flow.rates(0), 1); }).find("does not exist"),
            std::string::npos);
  EXPECT_NE(refusal([&] { conversion(Prediction::x0, Prediction::score, start, flow.rates(0), 1); }).find("sigma is 0"),
            std::string::npos);
  for (const Named& named : all_schedules()) {  // every x0_hat at t = 0 is x_t itself or what the network says
    const Level zero = named.schedule->at(0);
    for (const Prediction kind : kinds_of(*named.schedule)) {
      const ToX0 c = to_x0(kind, zero, named.schedule->rates(0), named.schedule->sigma_data());
      EXPECT_EQ(c.x, kind == Prediction::x0 ? 0 : 1) << named.name << name(kind);
      EXPECT_EQ(std::abs(c.y), kind == Prediction::x0 ? 1 : 0) << named.name << name(kind);
    }
  }
  const DiscreteVp zero = DiscreteVp::of_alpha_bars({0.9, 0.5, 0});
  EXPECT_NE(refusal([&] { to_x0(Prediction::flow, zero.at(3), zero.rates(3), 1); }).find("flow velocity is infinite"),
            std::string::npos);
  EXPECT_NE(refusal([] { target(Prediction::edm, Vp().at(0.5), {}, 1); }).find("needs alpha = 1"), std::string::npos);
}

TEST(Prediction, ArraysAreConvertedRowByRow) {
  Matrix<float> y(2, 2), x_t(2, 2), out(2, 2);
  y << 1, 2, 3, 4;
  x_t << 0.5, 0.25, -1, 2;
  const std::vector<Conversion> c{{2, 3}, {0, -1}};
  convert<float>(y, x_t, c, out);
  EXPECT_EQ(out, (Matrix<float>(2, 2) << 4, 6.5, -3, -4).finished());
  x_t.row(1).setConstant(std::nanf(""));  // with x = 0 the state is not read
  convert<float>(y, x_t, c, out);
  EXPECT_EQ(out(1, 0), -3);
}

TEST(Prediction, NamesRoundTripAndUnknownOnesAreListed) {
  for (const Prediction kind : {Prediction::x0, Prediction::eps, Prediction::score, Prediction::v, Prediction::flow,
                                Prediction::edm, Prediction::energy}) {
    EXPECT_EQ(parse_prediction(name(kind)), kind);
  }
  EXPECT_EQ(refusal([] { parse_prediction("epsilon"); }),
            "unknown prediction 'epsilon'; known: x0, eps, score, v, flow, edm, energy");
}

// Karras et al. 2022, table 1: inputs and training targets of prediction edm have unit variance for data of deviation
// s_d.
TEST(Precondition, EdmKeepsInputsAndTargetsAtUnitVariance) {
  const Edm edm;
  const double s_d = edm.sigma_data();
  for (const double sigma : {0.002, 0.1, 0.5, 3.0, 80.0}) {
    const Level p = edm.at(sigma);
    const double in = c_in(edm, p);
    const Target y = network_target(Prediction::edm, p, edm);
    EXPECT_NEAR(in * in * (s_d * s_d + sigma * sigma), 1, 1e-14);
    EXPECT_NEAR(y.x0 * y.x0 * s_d * s_d + y.eps * y.eps, 1, 1e-14);
    EXPECT_NEAR(c_noise(edm, sigma), std::log(sigma) / 4, 1e-15);
  }
}

TEST(Precondition, WhatTheNetworkHears) {
  EXPECT_EQ(c_noise(linear_schedule(), 1000), 999);  // the timestep of diffusers
  EXPECT_EQ(c_noise(linear_schedule(), 0.5), 0);     // below t_min that of t_min
  EXPECT_EQ(c_noise(Vp(), 0.25), 250);
  EXPECT_EQ(c_noise(Vp(), 0), 1);
  EXPECT_EQ(c_noise(Single(0.3), 0.5), 0);
  EXPECT_NEAR(c_noise(Ve(), 0), std::log(0.01) / 4, 1e-14);
  EXPECT_NEAR(c_noise(DiscreteVe({0.1, 0.5}), 2), std::log(0.5) / 4, 1e-15);
  EXPECT_EQ(c_in(Vp(), Vp().at(1)), 1);
  EXPECT_EQ(c_in(Single(0.3), Single(0.3).at(0)), 1);
  EXPECT_NEAR(c_in(DiscreteVe({0.1, 0.5}), DiscreteVe({0.1, 0.5}).at(2)), 1 / std::sqrt(1.25), 1e-15);
}

// network_to_x0 and network_target are to_x0 and target with output_scale in between, and stay finite at sigma = 0.
TEST(Precondition, NetworkOutputIsThePredictionOverItsScale) {
  for (const Named& named : all_schedules()) {
    const Schedule& s = *named.schedule;
    for (const Prediction kind : kinds_of(s)) {
      for (const double t : inner_times(s, 9)) {
        const Level p = s.at(t);
        const double scale = output_scale(kind, p, s);
        EXPECT_EQ(scale, kind == Prediction::score || kind == Prediction::energy ? 1 / p.sigma : 1);
        const ToX0 whole = network_to_x0(kind, p, s), parts = to_x0(kind, p, s.rates(t), s.sigma_data());
        EXPECT_EQ(whole.x, parts.x);
        EXPECT_NEAR(whole.y, parts.y * scale, 1e-14 * std::abs(whole.y)) << named.name << name(kind);
        const Target own = network_target(kind, p, s), full = target(kind, p, s.rates(t), s.sigma_data());
        EXPECT_NEAR(own.x0, full.x0 / scale, 1e-14 * std::abs(own.x0));
        EXPECT_NEAR(own.eps, full.eps / scale, 1e-14 * std::abs(own.eps));
      }
    }
    EXPECT_EQ(network_to_x0(Prediction::score, s.at(0), s).x, 1);
    EXPECT_EQ(network_to_x0(Prediction::score, s.at(0), s).y, 0);
    EXPECT_EQ(network_target(Prediction::score, s.at(0), s).eps, -1);
  }
  EXPECT_EQ(output_scale(Prediction::score, Single(0).at(0), Single(0)), 1);
  EXPECT_NE(refusal([] { output_scale(Prediction::score, Vp().at(0), Vp()); }).find("ask at a time t > 0"),
            std::string::npos);
}

TEST(Precondition, KindsThatCannotServeAScheduleAreRefused) {
  const RectifiedFlow flow;
  for (const Prediction kind : {Prediction::eps, Prediction::score, Prediction::energy}) {
    EXPECT_NE(refusal([&] { require_serves(kind, flow); }).find("use prediction=\"v\" or \"x0\""), std::string::npos);
  }
  EXPECT_NE(refusal([] { require_serves(Prediction::edm, Vp()); }).find("needs alpha = 1"), std::string::npos);
  EXPECT_NE(refusal([] { require_serves(Prediction::flow, DiscreteVp::of_alpha_bars({0.9, 0})); }).find("infinite"),
            std::string::npos);
  for (const Prediction kind : {Prediction::x0, Prediction::v, Prediction::flow})
    EXPECT_EQ(refusal([&] { require_serves(kind, flow); }), "");
  EXPECT_EQ(refusal([] { require_serves(Prediction::edm, Edm()); }), "");
  EXPECT_EQ(refusal([] { require_serves(Prediction::eps, linear_schedule()); }), "");
}

}  // namespace
}  // namespace scorefield
