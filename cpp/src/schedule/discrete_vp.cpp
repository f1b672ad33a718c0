#include "scorefield/schedule/discrete_vp.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

/// k with t in (k - 1, k]: the interval below an entry is the entry's; t = 0 belongs to the first.
std::size_t interval(double t) { return std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(t))); }

}  // namespace

DiscreteVp DiscreteVp::of_betas(const std::vector<double>& betas) {
  require(!betas.empty(), "betas must have at least one entry");
  std::vector<double> log_alpha_bar{0};
  for (std::size_t i = 0; i < betas.size(); ++i) {
    require(0 < betas[i] && betas[i] < 1, "betas must lie between 0 and 1, but the one of t = ", i + 1, " is ",
            betas[i]);
    log_alpha_bar.push_back(log_alpha_bar.back() + std::log1p(-betas[i]));
  }
  return DiscreteVp(std::move(log_alpha_bar));
}

DiscreteVp DiscreteVp::of_alpha_bars(const std::vector<double>& alpha_bars) {
  require(!alpha_bars.empty(), "alpha_bars must have at least one entry");
  std::vector<double> log_alpha_bar{0};
  double before = 1;
  for (std::size_t i = 0; i < alpha_bars.size(); ++i) {
    require(0 <= alpha_bars[i] && alpha_bars[i] < before,
            "alpha_bars must fall from below 1 and stay >= 0, but the one of t = ", i + 1, " is ", alpha_bars[i],
            " after ", before);
    log_alpha_bar.push_back(std::log(alpha_bars[i]));
    before = alpha_bars[i];
  }
  return DiscreteVp(std::move(log_alpha_bar));
}

double DiscreteVp::log_alpha_bar(double t) const {
  const std::size_t k = interval(require_time(*this, t));
  const double low = log_alpha_bar_[k - 1], high = log_alpha_bar_[k], u = t - static_cast<double>(k - 1);
  if (std::isinf(high)) return low + std::log1p(-u);  // alpha_bar linear down to 0
  return u == 1 ? high : low + u * (high - low);
}

Level DiscreteVp::at(double t) const {
  const double l = log_alpha_bar(t);
  return {t, std::exp(l / 2), std::sqrt(0 - std::expm1(l))};  // 0 - 0 is 0, but -0 would be a negative zero
}

double DiscreteVp::f(double t) const {
  const std::size_t k = interval(require_time(*this, t));
  if (std::isinf(log_alpha_bar_[k])) return -0.5 / (static_cast<double>(k) - t);
  return (log_alpha_bar_[k] - log_alpha_bar_[k - 1]) / 2;
}

Rates DiscreteVp::rates(double t) const {
  const Level p = at(t);
  const double slope = f(t);
  if (p.alpha > 0) return {slope * p.alpha, -slope * p.alpha * p.alpha / p.sigma};
  // alpha = 0: alpha ~ sqrt(T - t) falls infinitely fast, while 2 sigma sigma' = alpha_bar_{T-1} stays.
  return {-std::numeric_limits<double>::infinity(), std::exp(log_alpha_bar_[log_alpha_bar_.size() - 2]) / 2};
}

double DiscreteVp::time_of_half_log_snr(double l) const {
  const double value = -std::log1p(std::exp(-2 * require_half_log_snr(*this, l)));  // log alpha_bar = -log(1 + 1/snr)
  const auto entry = std::lower_bound(log_alpha_bar_.begin() + 1, log_alpha_bar_.end() - 1, value, std::greater<>());
  const double high = *entry, low = *(entry - 1), t = static_cast<double>(entry - log_alpha_bar_.begin()) - 1;
  const double u = std::isinf(high) ? -std::expm1(value - low) : (value - low) / (high - low);
  return t + std::clamp(u, 0.0, 1.0);
}

std::vector<double> zero_terminal_snr(const std::vector<double>& alpha_bars) {
  require(alpha_bars.size() >= 2, "zero terminal SNR needs a schedule of at least 2 steps, got ", alpha_bars.size());
  const double first = std::sqrt(alpha_bars.front()), last = std::sqrt(alpha_bars.back());
  std::vector<double> out;
  for (const double a : alpha_bars) {
    const double root = (std::sqrt(a) - last) * first / (first - last);
    out.push_back(root * root);
  }
  out.front() = alpha_bars.front();
  return out;
}

}  // namespace scorefield
