#include "scorefield/optim/sgd.hpp"

#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {

Sgd::Sgd(Settings settings, Index size) : settings_(settings), m_(static_cast<std::size_t>(size)) {
  check(settings.rate);
  require(settings.momentum >= 0 && settings.momentum < 1, "momentum must be in [0, 1), got ", settings.momentum);
  require(std::isfinite(settings.weight_decay) && settings.weight_decay >= 0, "weight_decay must be >= 0, got ",
          settings.weight_decay);
}

void Sgd::begin(double) {
  const double lr = settings_.rate.at(step_++);
  keep_ = static_cast<float>(1 - lr * settings_.weight_decay);
  rate_ = static_cast<float>(lr);
}

void Sgd::update(std::span<float> theta, std::span<const float> dtheta, Index begin, Index end, float scale) {
  const float momentum = static_cast<float>(settings_.momentum), keep = keep_, rate = rate_;
  float *w = theta.data(), *m = m_.data();
  const float* dw = dtheta.data();
  for (Index i = begin; i < end; ++i) {
    m[i] = momentum * m[i] + scale * dw[i];
    w[i] = keep * w[i] - rate * m[i];
  }
}

std::vector<NamedState> Sgd::state() { return {{"sgd.m", std::span(m_)}, {"sgd.step", std::span(&step_, 1)}}; }

}  // namespace scorefield
