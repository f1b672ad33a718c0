#include "scorefield/optim/ema.hpp"

#include <algorithm>
#include <utility>

#include "scorefield/base/check.hpp"

namespace scorefield {

Ema::Ema(double decay, std::span<const float> theta, std::unique_ptr<Optimizer> inner)
    : decay_(decay), average_(theta.begin(), theta.end()), inner_(std::move(inner)) {
  require(decay > 0 && decay < 1, "ema must be in [0, 1), got ", decay);
}

void Ema::begin(double squared_norm) {
  const double k = static_cast<double>(step_++);
  gain_ = static_cast<float>(1 - std::min(decay_, (1 + k) / (10 + k)));
  inner_->begin(squared_norm);
}

void Ema::update(std::span<float> theta, std::span<const float> dtheta, Index begin, Index end, float scale) {
  inner_->update(theta, dtheta, begin, end, scale);
  for (Index i = begin; i < end; ++i) {
    float& average = average_[static_cast<std::size_t>(i)];
    average += gain_ * (theta[static_cast<std::size_t>(i)] - average);
  }
}

std::vector<NamedState> Ema::state() {
  std::vector<NamedState> all = inner_->state();
  all.push_back({"ema.average", std::span(average_)});
  all.push_back({"ema.step", std::span(&step_, 1)});
  return all;
}

}  // namespace scorefield
