#pragma once
#include <array>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"

/// Ordinary differential equations dy/dt = f(t, y) for batches whose rows know nothing of each other: every row has its
/// own time and its own step size, so its result is the same in any batch, bit for bit.
namespace scorefield {

/// dy := f(t, y).  rows: (m), rising, numbers of the rows in the whole batch; t: (m), a time for each; y: (m, D), dy:
/// (m, D), or narrower where the last columns are not asked for. Must treat each row by itself.
using OdeField =
    std::function<void(std::span<const Index> rows, std::span<const double> t, In<double> y, Out<double> dy)>;

/// Accepted error of one step: sqrt(mean_j (error_j / (absolute + relative |y_j|))^2) <= 1.
struct OdeTolerance {
  double relative = 1e-5, absolute = 1e-5;
};

/// Why a row cannot go on: f is not finite there, or no step is short enough.
struct OdeFailure : std::runtime_error {
  OdeFailure(const std::string& message, Index at_row, double at_time, bool was_finite)
      : std::runtime_error(message), row(at_row), time(at_time), finite(was_finite) {}
  Index row;
  double time;
  bool finite;
};

/// The pair of orders 5 and 4 with seven stages. Dormand & Prince 1980, J. Comput. Appl. Math. 6, table 2:
///   k_i = f(t + c_i h, y + h sum_{j<i} a_ij k_j),     y' = y + h sum_i b_i k_i,     error = h sum_i (b_i - b*_i) k_i
/// The last stage is f at y': the first stage of the next step. b_2 = b*_2 = 0, so where the last `integrals` columns
/// of y are integrals, which f does not read, the second stage does not ask for their slopes.
class DormandPrince {
 public:
  DormandPrince(Index rows, Index dimension);
  /// One step of every row i from t[i] to t[i] + h[i].  k1: f(t, y).  Afterwards next() holds y' and last() f there.
  void step(const OdeField& f, std::span<const Index> rows, std::span<const double> t, std::span<const double> h,
            In<double> y, In<double> k1, Index integrals = 0);
  const Matrix<double>& next() const { return next_; }
  const Matrix<double>& last() const { return k_.back(); }
  /// The error of row i in the units of the tolerance; at most 1 is accepted. y: the state before the step.
  double error(Index i, double h, In<double> y, In<double> k1, const OdeTolerance& tolerance) const;

 private:
  double stage(std::size_t i, Index row, Index column, In<double> k1) const;

  std::array<Matrix<double>, 6> k_;  // k_2 .. k_7
  Matrix<double> next_;
  std::vector<double> at_;
};

/// Work of a run: what f was asked for, in rows.
struct OdeWork {
  Index evaluations = 0, accepted = 0, rejected = 0;
};

/// y := y(to), given row i at from[i]; rows that stand at `to` stay as they are. Step sizes: Hairer, Norsett & Wanner
/// 1993, section II.4 (first step by II.4.14, factors in 0.2..5 with safety 0.9), with the memory of their DOPRI5 for
/// the error of the step before. Rows are worked on in blocks whose memory is bounded; those that are done leave the
/// block. integrals: how many of the last columns of y f does not read. Throws OdeFailure, and what f and the interrupt
/// throw.
OdeWork integrate(const OdeField& f, std::span<const double> from, double to, const OdeTolerance& tolerance,
                  Out<double> y, const Interrupt* interrupt = nullptr, Index integrals = 0);

}  // namespace scorefield
