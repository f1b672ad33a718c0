#pragma once
#include <memory>
#include <string>

#include "scorefield/base/ode.hpp"
#include "scorefield/process/denoiser.hpp"
#include "scorefield/schedule/schedule.hpp"

/// The probability-flow ODE, theory (24), in the variables in which it is integrated. Song et al. 2021
/// (arXiv:2011.13456), section 4.3.
namespace scorefield {

/// One time tau of the ODE:   x = scale y,     dy/dtau = y y + x0 x0_hat(x, level)
struct FlowPoint {
  Level level;
  double scale, y, x0;
};

/// A choice of tau and scale. `tau` is exact at the level that is given, `at` stays within the schedule.
class Flow {
 public:
  virtual ~Flow() = default;
  virtual double tau(const Level& t) const = 0;
  virtual double scale(const Level& t) const = 0;
  virtual FlowPoint at(double tau) const = 0;
  virtual bool serial() const = 0;  ///< as the schedule's: never ask from within a parallel region
};

/// Black box: tau = t and x itself, theory (24).
///   dx/dt = alpha' x0_hat + sigma' eps_hat = (sigma'/sigma) x + (alpha' - alpha sigma'/sigma) x0_hat
/// Every corner of a discrete schedule is one of the right-hand side, and where alpha = 0 rates may be infinite.
class TimeFlow final : public Flow {
 public:
  explicit TimeFlow(const Schedule& schedule) : schedule_(schedule) {}
  double tau(const Level& t) const override { return t.t; }
  double scale(const Level&) const override { return 1; }
  FlowPoint at(double tau) const override;
  bool serial() const override { return schedule_.serial(); }

 private:
  const Schedule& schedule_;
};

/// Semi-linear: what is known of the linear part is taken out by the scale, and time is the angle phi between signal
/// and noise, a function of half_log_snr alone: tan phi = sigma / alpha. Salimans & Ho 2022 (arXiv:2202.00512),
/// appendix D, for any schedule.
///   x = sqrt(alpha^2 + sigma^2) y,     dy/dphi = cos phi eps_hat - sin phi x0_hat = (cos phi y - x0_hat) / sin phi
/// Finite at both ends, sigma = 0 and alpha = 0; the schedule's own speed, its corners included, has no part in it.
class AngleFlow final : public Flow {
 public:
  explicit AngleFlow(const Schedule& schedule)
      : schedule_(schedule), end_(schedule.at(schedule.t_max())), last_(tau(end_)) {}
  double tau(const Level& t) const override;
  double scale(const Level& t) const override;
  FlowPoint at(double tau) const override;
  bool serial() const override { return schedule_.serial(); }

 private:
  const Schedule& schedule_;
  Level end_;
  double last_;
};

enum class FlowForm { angle, time };
std::unique_ptr<const Flow> make_flow(FlowForm form, const Schedule& schedule);

/// Rows of a batch on their way, each at its own time.
class FlowRows {
 public:
  explicit FlowRows(const Flow& flow) : flow_(flow) {}
  /// tau: (m), y: (m, D).
  void set(std::span<const double> tau, In<double> y);
  const FlowPoint& point(Index i) const { return points_[static_cast<std::size_t>(i)]; }
  Levels levels() const { return levels_; }
  const Matrix<double>& x() const { return x_; }  ///< (m, D) scale y
  Matrix<double>& x0() { return x0_; }            ///< (m, D) for x0_hat(x, level), which the caller asks for
  /// dy := y y + x0 x0_hat, (m, D).
  void slopes(In<double> y, Out<double> dy) const;

 private:
  const Flow& flow_;
  std::vector<FlowPoint> points_;
  std::vector<Level> levels_;
  Matrix<double> x_, x0_;
};

/// x0 := x0_hat of rows `rows` of a batch whose row 0 is sample `first`: asked together where samples are alike, else
/// in runs of neighbours.  x, x0: (rows, D), t: one for each.
void denoise_rows(const Denoiser& denoiser, Index first, std::span<const Index> rows, In<double> x, Levels t,
                  Out<double> x0);
/// f(begin, count, first) for each part of `rows` that may be asked together.
void for_askable(const Denoiser& denoiser, Index first, std::span<const Index> rows,
                 const std::function<void(Index begin, Index count, Index first)>& f);

/// x := the state at `to`, given row i at from[i], along the ODE in either direction.  x: (N, D), row 0 is sample
/// `first`. NonFiniteError where the answer is not finite; std::runtime_error where no step meets the tolerance; both
/// name t and sample.
OdeWork follow_flow(const Flow& flow, const Denoiser& denoiser, Levels from, const Level& to,
                    const OdeTolerance& tolerance, Index first, Out<double> x, const Interrupt* interrupt = nullptr);

/// `failure` in the words of the process: t for tau, samples for rows.
[[noreturn]] void rethrow(const OdeFailure& failure, const Flow& flow, Index first);

}  // namespace scorefield
