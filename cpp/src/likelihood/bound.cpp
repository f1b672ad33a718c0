#include "scorefield/likelihood/bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <sstream>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/process/forward.hpp"

namespace scorefield {
namespace {

constexpr Index block_numbers = 1 << 22;  // numbers of x that are noised at a time
constexpr double infinity = std::numeric_limits<double>::infinity();

/// log P(z < a), z ~ N(0, 1). Far down by the asymptotic series, where erfc is 0.
double log_tail(double a) {
  const double u = -a / std::numbers::sqrt2;
  if (u < 20) return std::log(std::erfc(u) / 2);
  const double v = 1 / (2 * u * u);  // erfc u = exp(-u^2) / (u sqrt(pi)) (1 - v + 3 v^2 - 15 v^3 + ...)
  return -u * u - std::log(2 * u * std::sqrt(std::numbers::pi)) + std::log1p(-v + 3 * v * v - 15 * v * v * v);
}

/// |a - b|^2 of a row, added in order.
double distance2(In<double> a, In<double> b, Index row) {
  double sum = 0;
  for (Index j = 0; j < a.cols(); ++j) sum += (a(row, j) - b(row, j)) * (a(row, j) - b(row, j));
  return sum;
}

/// One noisy look at the rows begin .. begin + n - 1 of x0.
class Looks {
 public:
  Looks(const Denoiser& denoiser, In<double> x0, const BoundRun& run, Index begin, Index n)
      : denoiser_(denoiser), x0_(x0.middleRows(begin, n)), run_(run), first_(run.first + begin) {
    x_t_.resize(n, x0.cols());
    x0_hat_.resize(n, x0.cols());
  }
  const Matrix<double>& x0() const { return x0_; }
  Noise noise(Index look) const { return run_.noise.at_sample(first_).at_step(static_cast<std::uint32_t>(look)); }

  /// x0_hat of x_t = alpha x0 + sigma eps with the noise of this look.
  const Matrix<double>& at(Levels t, Index look) {
    if (run_.interrupt) run_.interrupt->check();
    noise(look).normal(x_t_);
    add_noise<double>(x0_, t, x_t_, x_t_);
    denoiser_.denoise(x_t_, t, first_, x0_hat_);
    for (Index i = 0; i < x0_hat_.rows(); ++i) {
      if (x0_hat_.row(i).allFinite()) continue;
      std::ostringstream message;
      message << "the denoiser's answer is not finite at t = " << level(t, i).t << " in sample " << first_ + i;
      throw NonFiniteError(message.str());
    }
    return x0_hat_;
  }

 private:
  const Denoiser& denoiser_;
  Matrix<double> x0_, x_t_, x0_hat_;
  const BoundRun& run_;
  Index first_;
};

double log_decoder(In<double> x0, In<double> mean, Index row, double variance, const std::optional<GreyLevels>& grey) {
  const double deviation = std::sqrt(variance);
  if (!grey) {
    return -0.5 * (static_cast<double>(x0.cols()) * std::log(2 * std::numbers::pi * variance) +
                   distance2(x0, mean, row) / variance);
  }
  double sum = 0;
  for (Index j = 0; j < x0.cols(); ++j) {
    const double x = x0(row, j), half = grey->half[j];
    const double low = x < grey->low[j] + half ? -infinity : (x - half - mean(row, j)) / deviation;
    const double high = x > grey->high[j] - half ? infinity : (x + half - mean(row, j)) / deviation;
    sum += log_normal_interval(low, high);
  }
  return sum;
}

/// Terms that both bounds share, and the blocks of rows. `terms`: writes those of a block; `lowest`: level and variance
/// of the decoder.
template <class Terms>
Bound bound(const Denoiser& denoiser, const Level& last, const Level& lowest, double variance, Index columns,
            const std::optional<GreyLevels>& grey, In<double> x0, const BoundRun& run, const Terms& terms) {
  require(x0.cols() == denoiser.dimension(), "the denoiser takes ", denoiser.dimension(), " features but x has shape (",
          x0.rows(), ", ", x0.cols(), ")");
  Bound out{Eigen::VectorXd(x0.rows()), Eigen::VectorXd(x0.rows()), Matrix<double>(x0.rows(), columns)};
  const Index most = std::max<Index>(1, block_numbers / x0.cols());
  for (Index begin = 0; begin < x0.rows(); begin += most) {
    const Index n = std::min(most, x0.rows() - begin);
    Looks looks(denoiser, x0, run, begin, n);
    const Matrix<double> origin = Matrix<double>::Zero(n, x0.cols());
    const double gap = last.alpha * last.alpha / (2 * last.sigma * last.sigma);
    for (Index i = 0; i < n; ++i) out.prior[begin + i] = gap * distance2(looks.x0(), origin, i);
    const Matrix<double>& mean = looks.at({&lowest, 1}, 0);
    for (Index i = 0; i < n; ++i) out.decoder[begin + i] = -log_decoder(looks.x0(), mean, i, variance, grey);
    terms(looks, out.terms.middleRows(begin, n));
  }
  return out;
}

}  // namespace

double log_normal_interval(double low, double high) {
  if (low + high > 0) return log_normal_interval(-high, -low);  // the lower tail keeps its digits
  const double top = log_tail(high);
  return low == -infinity ? top : top + std::log(-std::expm1(log_tail(low) - top));
}

Bound discrete_bound(const Denoiser& denoiser, const Schedule& schedule, std::span<const double> times,
                     ReverseVariance variance, const std::optional<GreyLevels>& grey, In<double> x0,
                     const BoundRun& run) {
  require(times.size() >= 2 && times[0] == 0 && std::ranges::is_sorted(times, std::less_equal<>()),
          "times must rise from 0 and hold at least one step");
  std::vector<Level> p;
  for (const double t : times) p.push_back(schedule.at(t));
  const auto reverse = [&](std::size_t i) {  // of the step from p[i] to p[i - 1]
    return variance == ReverseVariance::beta ? step_variance(p[i - 1], p[i]) : posterior(p[i - 1], p[i]).variance;
  };
  const bool above = variance == ReverseVariance::beta_tilde && p.size() > 2;
  const double decoder = above ? reverse(2) : step_variance(p[0], p[1]);
  const auto D = static_cast<double>(x0.cols());
  const auto terms = [&](Looks& looks, Out<double> out) {
    for (std::size_t i = 2; i < p.size(); ++i) {
      const Posterior q = posterior(p[i - 1], p[i]);
      const double w = reverse(i), shape = D * (std::log(w / q.variance) + q.variance / w - 1);
      const Matrix<double>& x0_hat = looks.at({&p[i], 1}, static_cast<Index>(i) - 1);
      for (Index r = 0; r < out.rows(); ++r) {
        out(r, static_cast<Index>(i) - 2) = 0.5 * (shape + q.x0 * q.x0 / w * distance2(looks.x0(), x0_hat, r));
      }
    }
  };
  return bound(denoiser, p.back(), p[1], decoder, static_cast<Index>(p.size()) - 2, grey, x0, run, terms);
}

Bound continuous_bound(const Denoiser& denoiser, const Schedule& schedule, Index strata,
                       const std::optional<GreyLevels>& grey, In<double> x0, const BoundRun& run) {
  require(strata >= 1, "strata must be >= 1, got ", strata);
  const Level lowest = schedule.at(schedule.t_min()), last = schedule.at(schedule.t_max());
  const auto w_of = [](const Level& p) { return std::log1p(p.alpha * p.alpha / (p.sigma * p.sigma)); };
  const double top = w_of(lowest), part = (top - w_of(last)) / static_cast<double>(strata);
  const auto terms = [&](Looks& looks, Out<double> out) {
    Matrix<double> u(out.rows(), 1);
    std::vector<Level> levels(static_cast<std::size_t>(out.rows()));
    for (Index k = 0; k < strata; ++k) {
      looks.noise(k + 1).uniform(u, 1);
      for (Index r = 0; r < out.rows(); ++r) {
        const double w = top - part * (static_cast<double>(k) + u(r, 0));
        levels[static_cast<std::size_t>(r)] = schedule.at(schedule.time_of_half_log_snr(std::log(std::expm1(w)) / 2));
      }
      const Matrix<double>& x0_hat = looks.at(levels, k + 1);
      for (Index r = 0; r < out.rows(); ++r) {
        const double weight = std::exp(w_of(levels[static_cast<std::size_t>(r)]));
        out(r, k) = 0.5 * part * weight * distance2(looks.x0(), x0_hat, r);
      }
    }
  };
  return bound(denoiser, last, lowest, step_variance(schedule.at(0), lowest), strata, grey, x0, run, terms);
}

}  // namespace scorefield
