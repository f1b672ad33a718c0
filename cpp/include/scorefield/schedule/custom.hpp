#pragma once
#include <functional>

#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// A schedule of which only alpha(t) and sigma(t) are known: its rates, f and g^2 (theory 21) come by differences, its
/// inverse by bisection. The functions are asked for t in 0..t_max only. Differences have five points (error O(h^4))
/// with h = t / 1000, so that roots at t = 0, such as sigma ~ sqrt(t), do no harm; g^2 is made of the differences of
/// log alpha and sigma^2, which are smooth there.
class CustomSchedule : public Schedule {
 public:
  virtual double alpha(double t) const = 0;
  virtual double sigma(double t) const = 0;

  Level at(double t) const final { return {require_time(*this, t), alpha(t), sigma(t)}; }
  Rates rates(double t) const final;
  double f(double t) const final;
  double g2(double t) const final;
  double time_of_half_log_snr(double l) const final;
};

/// dy/dt at t in 0..t_max by five points that stay inside: central, or backward near t_max, or forward at 0.
double derivative(const std::function<double(double)>& y, double t, double t_max);

}  // namespace scorefield
