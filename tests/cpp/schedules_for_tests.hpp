#pragma once
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "refusal.hpp"
#include "scorefield/schedule/betas.hpp"
#include "scorefield/schedule/custom.hpp"
#include "scorefield/schedule/discrete_ve.hpp"
#include "scorefield/schedule/discrete_vp.hpp"
#include "scorefield/schedule/edm.hpp"
#include "scorefield/schedule/rectified_flow.hpp"
#include "scorefield/schedule/sub_vp.hpp"
#include "scorefield/schedule/ve.hpp"
#include "scorefield/schedule/vp.hpp"

namespace scorefield {

/// 1 - t^2, t sqrt(2 - t^2): variance preserving, known by its two functions only.
struct Parabola final : CustomSchedule {
  double alpha(double t) const override { return 1 - t * t; }
  double sigma(double t) const override { return t * std::sqrt(2 - t * t); }
  double t_min() const override { return 1e-3; }
  double t_max() const override { return 0.999; }
};

inline DiscreteVp linear_schedule(Index T = 1000) {
  const double scale = 1000.0 / static_cast<double>(T);  // the improved-DDPM habit, so that any T ends in noise
  return DiscreteVp::of_betas(betas::linear(T, 1e-4 * scale, 0.02 * scale));
}

inline std::vector<double> alpha_bars(const Schedule& schedule) {
  std::vector<double> out;
  for (Index t = 1; t <= schedule.steps(); ++t) out.push_back(std::pow(schedule.at(static_cast<double>(t)).alpha, 2));
  return out;
}

struct Named {
  std::string name;
  std::shared_ptr<const Schedule> schedule;
};

/// One of each kind, and each again where a parameter has another value.
inline std::vector<Named> all_schedules() {
  const auto vp = [](std::vector<double> table) { return std::make_shared<DiscreteVp>(DiscreteVp::of_betas(table)); };
  return {{"Linear", std::make_shared<DiscreteVp>(linear_schedule())},
          {"ScaledLinear", vp(betas::scaled_linear(1000, 8.5e-4, 0.012))},
          {"Cosine", vp(betas::cosine(1000, 0.008, 0.999))},
          {"Cosine10", vp(betas::cosine(10, 0.008, 0.999))},
          {"Sigmoid", vp(betas::sigmoid(1000, -3, 3, 1))},
          {"ZeroTerminalSnr",
           std::make_shared<DiscreteVp>(DiscreteVp::of_alpha_bars(zero_terminal_snr(alpha_bars(linear_schedule()))))},
          {"Geometric", std::make_shared<DiscreteVe>(geometric_sigmas(10, 0.01, 1))},
          {"Sigmas", std::make_shared<DiscreteVe>(std::vector<double>{0.1, 0.5, 3})},
          {"Vp", std::make_shared<Vp>()},
          {"VpSlow", std::make_shared<Vp>(0.5, 5)},
          {"SubVp", std::make_shared<SubVp>()},
          {"Ve", std::make_shared<Ve>()},
          {"Edm", std::make_shared<Edm>()},
          {"RectifiedFlow", std::make_shared<RectifiedFlow>()},
          {"RectifiedFlowShifted", std::make_shared<RectifiedFlow>(3)},
          {"Custom", std::make_shared<Parabola>()}};
}

/// Times over the whole range, with t_min but not t_max, where alpha may be 0 and the rates infinite.
inline std::vector<double> inner_times(const Schedule& schedule, int n = 41) {
  std::vector<double> out;
  for (int i = 0; i < n; ++i) {
    out.push_back(schedule.t_min() + (schedule.t_max() - schedule.t_min()) * std::pow((i + 0.0) / (n + 1), 1.5));
  }
  return out;
}

}  // namespace scorefield
