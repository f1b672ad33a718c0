#include "scorefield/optim/adam.hpp"

#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {

Adam::Adam(Settings settings, Index size)
    : settings_(settings), m_(static_cast<std::size_t>(size)), v_(static_cast<std::size_t>(size)) {
  check(settings.rate);
  require(settings.beta1 >= 0 && settings.beta1 < 1 && settings.beta2 >= 0 && settings.beta2 < 1,
          "betas must be in [0, 1), got (", settings.beta1, ", ", settings.beta2, ")");
  require(std::isfinite(settings.eps) && settings.eps > 0, "eps must be a positive number, got ", settings.eps);
  require(std::isfinite(settings.weight_decay) && settings.weight_decay >= 0, "weight_decay must be >= 0, got ",
          settings.weight_decay);
}

void Adam::begin(double) {
  const double lr = settings_.rate.at(step_++), k = static_cast<double>(step_);
  keep_ = static_cast<float>(1 - lr * settings_.weight_decay);
  rate_ = static_cast<float>(lr / (1 - std::pow(settings_.beta1, k)));
  root_ = static_cast<float>(std::sqrt(1 - std::pow(settings_.beta2, k)));
}

void Adam::update(std::span<float> theta, std::span<const float> dtheta, Index begin, Index end, float scale) {
  const float beta1 = static_cast<float>(settings_.beta1), beta2 = static_cast<float>(settings_.beta2);
  const float one_minus_beta1 = static_cast<float>(1 - settings_.beta1),
              one_minus_beta2 = static_cast<float>(1 - settings_.beta2);
  const float eps = static_cast<float>(settings_.eps), keep = keep_, rate = rate_, root = root_;
  float *w = theta.data(), *m = m_.data(), *v = v_.data();
  const float* dw = dtheta.data();
  for (Index i = begin; i < end; ++i) {
    const float g = scale * dw[i];
    m[i] = beta1 * m[i] + one_minus_beta1 * g;
    v[i] = beta2 * v[i] + one_minus_beta2 * g * g;
    w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i]) / root + eps);
  }
}

std::vector<NamedState> Adam::state() {
  return {{"adam.m", std::span(m_)}, {"adam.v", std::span(v_)}, {"adam.step", std::span(&step_, 1)}};
}

}  // namespace scorefield
