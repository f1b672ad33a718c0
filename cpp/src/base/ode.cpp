#include "scorefield/base/ode.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

constexpr std::array<double, 7> c = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1};
constexpr std::array<std::array<double, 6>, 7> a = {
    {{},
     {1.0 / 5},
     {3.0 / 40, 9.0 / 40},
     {44.0 / 45, -56.0 / 15, 32.0 / 9},
     {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
     {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
     {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}}};  // the last row is b
constexpr std::array<double, 7> b_minus_b4 = {71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                              -17253.0 / 339200, 22.0 / 525, -1.0 / 40};

constexpr Index most_attempts = 100'000;  // of one row
constexpr Index block_numbers = 1 << 20;  // numbers of y that are worked on at a time
constexpr Index worth_a_thread = 1024;    // numbers of y
constexpr double least_step = 1e-13;      // of the whole way
constexpr double order = 5;
constexpr double memory = 0.04;  // of the error before, in the choice of a step

}  // namespace

DormandPrince::DormandPrince(Index rows, Index dimension) : next_(rows, dimension) {
  for (auto& k : k_) k.resize(rows, dimension);
}

double DormandPrince::stage(std::size_t i, Index row, Index column, In<double> k1) const {
  return i == 0 ? k1(row, column) : k_[i - 1](row, column);
}

void DormandPrince::step(const OdeField& f, std::span<const Index> rows, std::span<const double> t,
                         std::span<const double> h, In<double> y, In<double> k1, Index integrals) {
  const Index n = y.rows(), D = y.cols();
  k_[0].rightCols(integrals).setZero();
  at_.resize(static_cast<std::size_t>(n));
  for (std::size_t i = 1; i < 7; ++i) {
    parallel_blocks(n, std::max<Index>(1, worth_a_thread / D), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const double step = h[static_cast<std::size_t>(r)];
        for (Index j = 0; j < D; ++j) {
          double slope = 0;
          for (std::size_t s = 0; s < i; ++s) slope += a[i][s] * stage(s, r, j, k1);
          next_(r, j) = y(r, j) + step * slope;
        }
        at_[static_cast<std::size_t>(r)] = t[static_cast<std::size_t>(r)] + c[i] * step;
      }
    });
    f(rows, at_, next_.topRows(n), k_[i - 1].topLeftCorner(n, i == 1 ? D - integrals : D));
  }
}

double DormandPrince::error(Index i, double h, In<double> y, In<double> k1, const OdeTolerance& tolerance) const {
  double sum = 0;
  for (Index j = 0; j < y.cols(); ++j) {
    double e = 0;
    for (std::size_t s = 0; s < 7; ++s) e += b_minus_b4[s] * stage(s, i, j, k1);
    const double size = std::max(std::abs(y(i, j)), std::abs(next_(i, j)));
    const double ratio = h * e / (tolerance.absolute + tolerance.relative * size);
    sum += ratio * ratio;
  }
  return std::sqrt(sum / static_cast<double>(y.cols()));
}

namespace {

/// Rows begin .. end - 1 of the batch, with the active ones kept dense.
class Block {
 public:
  Block(const OdeField& f, const OdeTolerance& tolerance, double to, const Interrupt* interrupt, Index integrals,
        OdeWork& work)
      : f_(f), tolerance_(tolerance), to_(to), interrupt_(interrupt), integrals_(integrals), work_(work) {}

  void run(std::span<const double> from, Index begin, Index end, Out<double> y) {
    start(from, begin, end, y);
    DormandPrince method(count(), y.cols());
    while (count() > 0) {
      method.step(counted(), rows_, t_, h_, y_, k1_, integrals_);
      judge(method, y);
    }
  }

 private:
  struct Past {
    Index attempts = 0;
    bool rejected = false;
    double error = 1e-4;  // of the step before
  };
  Index count() const { return static_cast<Index>(rows_.size()); }

  /// f, which polls and counts.
  OdeField counted() {
    return [this](std::span<const Index> rows, std::span<const double> t, In<double> y, Out<double> dy) {
      if (interrupt_) interrupt_->check();
      f_(rows, t, y, dy);
      work_.evaluations += y.rows();
    };
  }

  void start(std::span<const double> from, Index begin, Index end, In<double> y) {
    for (Index r = begin; r < end; ++r) {
      const double t = from[static_cast<std::size_t>(r)];
      if (t == to_) continue;
      rows_.push_back(r);
      t_.push_back(t);
      way_.push_back(to_ - t);
    }
    past_.resize(rows_.size());
    y_.resize(count(), y.cols());
    for (Index i = 0; i < count(); ++i) y_.row(i) = y.row(rows_[static_cast<std::size_t>(i)]);
    k1_.resize(count(), y.cols());
    if (count() == 0) return;
    counted()(rows_, t_, y_, k1_);
    for (Index i = 0; i < count(); ++i) {
      if (!k1_.row(i).allFinite()) fail(static_cast<std::size_t>(i), false);
    }
    first_steps();
  }

  double norm(In<double> v, Index i) const {
    double sum = 0;
    for (Index j = 0; j < v.cols(); ++j) {
      const double ratio = v(i, j) / (tolerance_.absolute + tolerance_.relative * std::abs(y_(i, j)));
      sum += ratio * ratio;
    }
    return std::sqrt(sum / static_cast<double>(v.cols()));
  }

  /// Hairer, Norsett & Wanner, II.4.14: Euler's step shows how fast f changes.
  ///   h0 = 0.01 |y| / |f|,     h1 = (0.01 / max(|f|, |f' - f| / h0))^(1/5),     h = min(100 h0, h1)
  void first_steps() {
    h_.resize(rows_.size());
    std::vector<double> at(rows_.size());
    Matrix<double> moved(y_.rows(), y_.cols()), k2(y_.rows(), y_.cols());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto row = static_cast<Index>(i);
      const double size = norm(y_, row), slope = norm(k1_, row), way = std::abs(way_[i]);
      const double h0 = size < 1e-5 || slope < 1e-5 ? 1e-6 * way : 0.01 * size / slope;
      h_[i] = std::copysign(std::min(h0, way), way_[i]);
      at[i] = t_[i] + h_[i];
      for (Index j = 0; j < y_.cols(); ++j) moved(row, j) = y_(row, j) + h_[i] * k1_(row, j);
    }
    counted()(rows_, at, moved, k2);
    for (Index r = 0; r < k2.rows(); ++r) {
      for (Index j = 0; j < k2.cols(); ++j) k2(r, j) -= k1_(r, j);
    }
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto row = static_cast<Index>(i);
      const double h0 = std::abs(h_[i]), change = norm(k2, row) / h0, most = std::max(norm(k1_, row), change);
      const double h1 = most <= 1e-15 ? std::max(1e-6, 1e-3 * h0) : std::pow(0.01 / most, 1 / order);
      const double h = std::isfinite(change) ? std::min(100 * h0, h1) : h0;
      h_[i] = std::copysign(std::min(h, std::abs(way_[i])), way_[i]);
    }
  }

  /// Accepts or rejects the step of each row; rows that have arrived go to `y` and out of the block.
  void judge(const DormandPrince& method, Out<double> y) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto row = static_cast<Index>(i);
      const double error = method.error(row, h_[i], y_, k1_, tolerance_), left = to_ - t_[i];
      if (error <= 1) {
        ++work_.accepted;
        if (std::abs(h_[i]) >= std::abs(left)) {
          y.row(rows_[i]) = method.next().row(row);
          continue;
        }
        keep(i, kept, t_[i] + h_[i], method.next(), method.last());
      } else {
        ++work_.rejected;
        keep(i, kept, t_[i], y_, k1_);
      }
      renew(kept++, error);
    }
    shrink(kept);
  }

  void keep(std::size_t i, std::size_t to, double t, const Matrix<double>& y, const Matrix<double>& k1) {
    const auto source = static_cast<Index>(i), target = static_cast<Index>(to);
    rows_[to] = rows_[i];
    way_[to] = way_[i];
    past_[to] = past_[i];
    h_[to] = h_[i];
    t_[to] = t;
    y_.row(target) = y.row(source).eval();
    k1_.row(target) = k1.row(source).eval();
  }

  /// h := 0.9 error^(-1/5 + 3/4 m) before^m h, m = 0.04, within 0.2..5; after a rejection 0.9 error^(-1/5) h, and then
  /// no growth; never past the end.
  void renew(std::size_t i, double error) {
    const bool accepted = error <= 1, finite = std::isfinite(error);
    const double power = accepted ? 0.75 * memory - 1 / order : -1 / order;
    const double before = accepted ? std::pow(past_[i].error, memory) : 1;
    const double wanted = !finite ? 0.1 : error == 0 ? 5 : 0.9 * std::pow(error, power) * before;
    const double factor = finite ? std::clamp(wanted, 0.2, accepted && past_[i].rejected ? 1.0 : 5.0) : wanted;
    if (accepted) past_[i].error = std::max(error, 1e-4);
    past_[i].rejected = !accepted;
    const double left = to_ - t_[i];
    h_[i] *= factor;
    if (!accepted && (std::abs(h_[i]) < least_step * std::abs(way_[i]) || t_[i] + h_[i] == t_[i])) fail(i, finite);
    if (++past_[i].attempts >= most_attempts) fail(i, true);
    if (std::abs(h_[i]) >= std::abs(left)) h_[i] = left;
  }

  void shrink(std::size_t kept) {
    rows_.resize(kept);
    t_.resize(kept);
    h_.resize(kept);
    way_.resize(kept);
    past_.resize(kept);
    y_.conservativeResize(static_cast<Index>(kept), Eigen::NoChange);
    k1_.conservativeResize(static_cast<Index>(kept), Eigen::NoChange);
  }

  [[noreturn]] void fail(std::size_t i, bool finite) const {
    std::ostringstream message;
    if (!finite) {
      message << "the derivative is not finite at time " << t_[i] << " in row " << rows_[i];
    } else if (past_[i].attempts >= most_attempts) {
      message << "row " << rows_[i] << " has not arrived after " << most_attempts << " steps, it stands at time "
              << t_[i];
    } else {
      message << "no step is short enough for the tolerance at time " << t_[i] << " in row " << rows_[i];
    }
    throw OdeFailure(message.str(), rows_[i], t_[i], finite);
  }

  const OdeField& f_;
  OdeTolerance tolerance_;
  double to_;
  const Interrupt* interrupt_;
  Index integrals_;
  OdeWork& work_;
  std::vector<Index> rows_;
  std::vector<double> t_, h_, way_;
  std::vector<Past> past_;
  Matrix<double> y_, k1_;
};

}  // namespace

OdeWork integrate(const OdeField& f, std::span<const double> from, double to, const OdeTolerance& tolerance,
                  Out<double> y, const Interrupt* interrupt, Index integrals) {
  require(static_cast<Index>(from.size()) == y.rows(), "need a time for each of the ", y.rows(), " rows, got ",
          from.size());
  require(tolerance.relative >= 1e-13 && tolerance.relative < 1, "rtol must be in [1e-13, 1), got ",
          tolerance.relative);
  require(tolerance.absolute > 0 && tolerance.absolute < 1, "atol must be in (0, 1), got ", tolerance.absolute);
  OdeWork work;
  const Index rows = std::clamp<Index>(block_numbers / std::max<Index>(1, y.cols()), 1, 4096);
  for (Index begin = 0; begin < y.rows(); begin += rows) {
    Block(f, tolerance, to, interrupt, integrals, work).run(from, begin, std::min(begin + rows, y.rows()), y);
  }
  return work;
}

}  // namespace scorefield
