#include "scorefield/optim/lr_schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "scorefield/base/check.hpp"

namespace scorefield {

double LearningRate::at(std::uint64_t step) const {
  const double k = static_cast<double>(step), w = static_cast<double>(warmup);
  const double rise = step < warmup ? (k + 1) / w : 1;
  if (decay == Decay::constant) return peak * rise;
  const double p = std::clamp((k - w) / (static_cast<double>(decay_steps) - w), 0.0, 1.0);
  return peak * rise * (decay == Decay::linear ? 1 - p : (1 + std::cos(std::numbers::pi * p)) / 2);
}

void check(const LearningRate& rate) {
  require(std::isfinite(rate.peak) && rate.peak > 0, "lr must be a positive number, got ", rate.peak);
  require(rate.decay == Decay::constant || rate.decay_steps > rate.warmup, "decay_steps (", rate.decay_steps,
          ") must be greater than warmup (", rate.warmup, "): the warm-up is part of it");
}

}  // namespace scorefield
