#pragma once
#include <memory>
#include <span>
#include <vector>

#include "scorefield/train/derivative_objective.hpp"

namespace scorefield {

/// Where the trace of ds/dx comes from: every unit vector, or random v with E[v v^T] = I.
enum class Trace { exact, rademacher, gaussian };

/// Score matching without noise levels to compare with, for networks that put out a score:
///   implicit   tr(ds/dx) + 1/2 |s|^2               Hyvarinen 2005, eq. 4; theory (17)
///   sliced     mean_v v^T (ds/dx) v + 1/2 |s|^2    Song et al. 2019 (UAI), eq. 8, variance-reduced; theory (18)
/// With s = k F(c_in x_t), k = 1/sigma (Single: 1), times 1/k^2 as in theory (20), so that all levels weigh about the
/// same; and as a mean over the elements of a sample, like every loss here:
///   value = (c_in / k tr F' + 1/2 |F|^2) / D
class ScoreMatching final : public DerivativeObjective {
 public:
  /// probes: directions per sample where the trace is estimated.
  ScoreMatching(std::shared_ptr<const Schedule> schedule, Prediction prediction, Trace trace, Index probes = 1,
                Times times = Times::uniform);
  const std::shared_ptr<const Schedule>& schedule() const override { return schedule_; }
  Times times() const override { return times_; }
  void check(const TrainingData& data, Index in, Index out) const override;
  void prepare(Batch& batch) const override { noise_levels(batch); }
  void target(Batch& batch, Index r, In<double> x0, In<double> eps) const override;
  Index directions(Index dimension) const override { return trace_ == Trace::exact ? dimension : probes_; }
  void differentiate(const DerivativePass<float>& pass, const Noise& probes, Batch& batch, Index first) const override;

 private:
  std::shared_ptr<const Schedule> schedule_;
  Trace trace_;
  Index probes_;
  Times times_;
};

/// Rows r K .. r K + K - 1 of v := the directions of sample r, K = directions per sample.
template <class S>
void draw_directions(Trace trace, const Noise& noise, Index samples, Out<S> v);

/// value_r := (factor_r share sum_k <v_rk, F'(x_r) v_rk> + 1/2 |F(x_r)|^2) / D, and its gradient. share: 1 for all unit
/// vectors, 1/K for K probes.
template <class S>
void score_matching(const DerivativePass<S>& pass, std::span<const double> factor, double share, In<S> v,
                    std::span<double> value);

}  // namespace scorefield
