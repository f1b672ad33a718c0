#include "scorefield/likelihood/log_density.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

constexpr Index block_numbers = 1 << 20;  // of probes that are held at a time

/// Traces of d x0_hat / dx for the rows of one block, whose row 0 is sample `first`.
class Traces {
 public:
  Traces(const SmoothDenoiser& denoiser, const Divergence& divergence, Index first, Index rows, Index dimension)
      : denoiser_(denoiser), exact_(divergence.kind == Divergence::Kind::exact), first_(first), D_(dimension) {
    count_ = exact_ ? D_ : divergence.probes;
    if (exact_) return;
    probes_.resize(rows, count_ * D_);
    Matrix<double> v(rows, D_);
    const Noise noise = divergence.noise.at_sample(first);
    for (Index p = 0; p < count_; ++p) {
      const auto draw = static_cast<std::uint32_t>(p);
      if (divergence.kind == Divergence::Kind::gaussian) {
        noise.normal(v, draw);
      } else {
        noise.uniform(v, draw);
        v = v.unaryExpr([](double u) { return u < 0.5 ? -1.0 : 1.0; });
      }
      probes_.middleCols(p * D_, D_) = v;
    }
  }

  /// x0 := x0_hat alone.
  void ask(std::span<const Index> rows, In<double> x, Levels t, Out<double> x0) const {
    denoise_rows(denoiser_, first_, rows, x, t, x0);
  }
  /// x0 := x0_hat, trace[i] := that of row rows[i].
  void ask(std::span<const Index> rows, In<double> x, Levels t, Out<double> x0, std::vector<double>& trace) const {
    trace.assign(rows.size(), 0);
    for_askable(denoiser_, first_, rows, [&](Index begin, Index count, Index sample) {
      const Levels part = t.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
      const Index together = std::clamp<Index>(block_numbers / (count * D_), 1, count_);
      for (Index p = 0; p < count_; p += together) {
        const Index m = std::min(together, count_ - p);
        const Matrix<double> v = vectors(rows.subspan(static_cast<std::size_t>(begin)), count, p, m);
        Matrix<double> product(count, m * D_);
        denoiser_.pullbacks(x.middleRows(begin, count), part, sample, v, x0.middleRows(begin, count), product);
        for (Index i = 0; i < count; ++i) {
          double& sum = trace[static_cast<std::size_t>(begin + i)];
          for (Index j = 0; j < m * D_; ++j) sum += v(i, j) * product(i, j);
        }
      }
    });
    if (exact_) return;
    for (double& sum : trace) sum /= static_cast<double>(count_);
  }

 private:
  /// Probes p .. p + m - 1 of the first `count` rows of `rows`.
  Matrix<double> vectors(std::span<const Index> rows, Index count, Index p, Index m) const {
    Matrix<double> v = Matrix<double>::Zero(count, m * D_);
    for (Index i = 0; i < count; ++i) {
      if (!exact_) v.row(i) = probes_.row(rows[static_cast<std::size_t>(i)]).segment(p * D_, m * D_);
      for (Index k = 0; exact_ && k < m; ++k) v(i, k * D_ + p + k) = 1;
    }
    return v;
  }

  const SmoothDenoiser& denoiser_;
  bool exact_;
  Index first_, D_, count_ = 0;
  Matrix<double> probes_;
};

/// The ODE with the integral of its divergence as last column:
///   d log p_y / dtau = -div(y x0_hat-form of dy/dtau) = -(D p.y + p.x0 scale tr J)
class DensityField {
 public:
  DensityField(const Flow& flow, const Traces& traces) : at_(flow), traces_(traces) {}

  void operator()(std::span<const Index> rows, std::span<const double> tau, In<double> now, Out<double> slope) {
    const Index D = now.cols() - 1;
    at_.set(tau, now.leftCols(D));
    if (slope.cols() == D) {
      traces_.ask(rows, at_.x(), at_.levels(), at_.x0());
    } else {
      traces_.ask(rows, at_.x(), at_.levels(), at_.x0(), trace_);
      for (Index i = 0; i < now.rows(); ++i) {
        const FlowPoint& p = at_.point(i);
        slope(i, D) = static_cast<double>(D) * p.y + p.x0 * p.scale * trace_[static_cast<std::size_t>(i)];
      }
    }
    at_.slopes(now.leftCols(D), slope.leftCols(D));
  }

 private:
  FlowRows at_;
  const Traces& traces_;
  std::vector<double> trace_;
};

}  // namespace

Transport transport(const Flow& flow, const SmoothDenoiser& denoiser, Levels from, const Level& to,
                    const Divergence& divergence, const OdeTolerance& tolerance, Index first, In<double> x,
                    const Interrupt* interrupt) {
  const Index N = x.rows(), D = x.cols();
  require(D == denoiser.dimension(), "the denoiser takes ", denoiser.dimension(), " features but x has shape (", N,
          ", ", D, ")");
  require(divergence.probes >= 1, "probes must be >= 1, got ", divergence.probes);
  Transport out{Matrix<double>(N, D), Eigen::VectorXd(N), {}};
  const Index held = divergence.kind == Divergence::Kind::exact ? D : divergence.probes * D;
  const Index most = std::clamp<Index>(block_numbers / held, 1, 4096);
  for (Index begin = 0; begin < N; begin += most) {
    const Index n = std::min(most, N - begin);
    Matrix<double> y(n, D + 1);
    std::vector<double> starts;
    for (Index i = 0; i < n; ++i) {
      const Level& p = level(from, begin + i);
      starts.push_back(flow.tau(p));
      y.row(i).head(D) = x.row(begin + i) / flow.scale(p);
      y(i, D) = 0;
    }
    const Traces traces(denoiser, divergence, first + begin, n, D);
    try {
      const OdeWork work = integrate(DensityField(flow, traces), starts, flow.tau(to), tolerance, y, interrupt, 1);
      out.work.evaluations += work.evaluations;
      out.work.accepted += work.accepted;
      out.work.rejected += work.rejected;
    } catch (const OdeFailure& failure) {
      rethrow(failure, flow, first + begin);
    }
    out.end.middleRows(begin, n) = flow.scale(to) * y.leftCols(D);
    for (Index i = 0; i < n; ++i) {
      const double scales = std::log(flow.scale(to) / flow.scale(level(from, begin + i)));
      out.change[begin + i] = y(i, D) + static_cast<double>(D) * scales;
    }
  }
  return out;
}

Eigen::VectorXd log_prior(In<double> x, double sigma) {
  Eigen::VectorXd out(x.rows());
  const double constant = -0.5 * static_cast<double>(x.cols()) * std::log(2 * std::numbers::pi * sigma * sigma);
  for (Index i = 0; i < x.rows(); ++i) {
    double square = 0;
    for (Index j = 0; j < x.cols(); ++j) square += x(i, j) * x(i, j);
    out[i] = constant - square / (2 * sigma * sigma);
  }
  return out;
}

}  // namespace scorefield
