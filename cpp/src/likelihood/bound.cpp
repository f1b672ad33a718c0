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
#include "scorefield/process/variance_bound.hpp"

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
  Looks(const Denoiser& denoiser, ReverseVariance variance, In<double> x0, const BoundRun& run, Index begin, Index n)
      : denoiser_(denoiser),
        x0_(x0.middleRows(begin, n)),
        run_(run),
        first_(run.first + begin),
        learned_(variance == ReverseVariance::learned) {
    x_t_.resize(n, x0.cols());
    x0_hat_.resize(n, x0.cols());
    share_ = Matrix<double>::Constant(n, x0.cols(), variance == ReverseVariance::beta ? 1 : 0);
  }
  const Matrix<double>& x0() const { return x0_; }
  Noise noise(Index look) const { return run_.noise.at_sample(first_).at_step(static_cast<std::uint32_t>(look)); }

  /// x0_hat of x_t = alpha x0 + sigma eps with the noise of this look; with it the shares of term() and decoder().
  const Matrix<double>& at(Levels t, Index look) {
    if (run_.interrupt) run_.interrupt->check();
    noise(look).normal(x_t_);
    add_noise<double>(x0_, t, x_t_, x_t_);
    if (learned_) {
      denoiser_.denoise_with_variance(x_t_, t, first_, x0_hat_, share_);
    } else {
      denoiser_.denoise(x_t_, t, first_, x0_hat_);
    }
    for (Index i = 0; i < x0_hat_.rows(); ++i) {
      if (x0_hat_.row(i).allFinite() && share_.row(i).allFinite()) continue;
      std::ostringstream message;
      message << "the denoiser's answer is not finite at t = " << level(t, i).t << " in sample " << first_ + i;
      throw NonFiniteError(message.str());
    }
    return x0_hat_;
  }

  /// The term of a row at the latest look.
  double term(const ReverseStep& step, Index row) const {
    double sum = 0;
    for (Index j = 0; j < x0_.cols(); ++j) sum += step.term(x0_hat_(row, j) - x0_(row, j), share_(row, j)).value;
    return sum;
  }

  /// -log p of a row at the latest look: of its grey levels, else as a density.
  double decoder(const ReverseStep& step, Index row, const std::optional<GreyLevels>& grey) const {
    if (!grey) return term(step, row);
    double sum = 0;
    for (Index j = 0; j < x0_.cols(); ++j) {
      const double x = x0_(row, j), half = grey->half[j], mean = x0_hat_(row, j);
      const double deviation = std::exp(step.variance.log_variance(share_(row, j)) / 2);
      const double low = x < grey->low[j] + half ? -infinity : (x - half - mean) / deviation;
      const double high = x > grey->high[j] - half ? infinity : (x + half - mean) / deviation;
      sum -= log_normal_interval(low, high);
    }
    return sum;
  }

 private:
  const Denoiser& denoiser_;
  Matrix<double> x0_, x_t_, x0_hat_, share_;
  const BoundRun& run_;
  Index first_;
  bool learned_;
};

/// Where a bound begins and ends: the level of the decoder and its step, and the last level.
struct Ends {
  Level lowest, last;
  ReverseStep decoder;
};

/// Terms that both bounds share, and the blocks of rows. `terms`: writes those of a block.
template <class Terms>
Bound bound(const Denoiser& denoiser, const Ends& ends, ReverseVariance variance, Index columns,
            const std::optional<GreyLevels>& grey, In<double> x0, const BoundRun& run, const Terms& terms) {
  require(x0.cols() == denoiser.dimension(), "the denoiser takes ", denoiser.dimension(), " features but x has shape (",
          x0.rows(), ", ", x0.cols(), ")");
  Bound out{Eigen::VectorXd(x0.rows()), Eigen::VectorXd(x0.rows()), Matrix<double>(x0.rows(), columns)};
  const Index most = std::max<Index>(1, block_numbers / x0.cols());
  for (Index begin = 0; begin < x0.rows(); begin += most) {
    const Index n = std::min(most, x0.rows() - begin);
    Looks looks(denoiser, variance, x0, run, begin, n);
    const Matrix<double> origin = Matrix<double>::Zero(n, x0.cols());
    const double gap = ends.last.alpha * ends.last.alpha / (2 * ends.last.sigma * ends.last.sigma);
    for (Index i = 0; i < n; ++i) out.prior[begin + i] = gap * distance2(looks.x0(), origin, i);
    looks.at({&ends.lowest, 1}, 0);
    for (Index i = 0; i < n; ++i) out.decoder[begin + i] = looks.decoder(ends.decoder, i, grey);
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
  const std::vector<ReverseStep> steps = reverse_steps(p);
  const auto terms = [&](Looks& looks, Out<double> out) {
    for (std::size_t i = 1; i < steps.size(); ++i) {
      looks.at({&p[i + 1], 1}, static_cast<Index>(i));
      for (Index r = 0; r < out.rows(); ++r) out(r, static_cast<Index>(i) - 1) = looks.term(steps[i], r);
    }
  };
  const Ends ends{p[1], p.back(), steps[0]};
  return bound(denoiser, ends, variance, static_cast<Index>(steps.size()) - 1, grey, x0, run, terms);
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
  const Ends ends{lowest, last, reverse_steps(std::vector{schedule.at(0), lowest})[0]};
  return bound(denoiser, ends, ReverseVariance::beta, strata, grey, x0, run, terms);
}

}  // namespace scorefield
