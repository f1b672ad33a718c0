#pragma once
#include <functional>
#include <span>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/sample/step.hpp"

namespace scorefield {

/// One step of a method. Immutable: one object serves many runs and threads at once.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// x := x_s, given x = x_t.
  virtual void step(const Step& k, Out<double> x) const = 0;
  /// How many earlier evaluations `step` reads: 0 for one-step methods, p - 1 for a multistep method of order p.
  virtual std::size_t history() const { return 0; }
  virtual bool remembers_x() const { return false; }  ///< reads where they were asked too, `past[i].x`
  virtual int order() const = 0;                      ///< of the error in the step, measured by the law suite
  virtual int calls() const { return 1; }             ///< denoiser calls per step
  virtual int extra_calls() const { return 0; }       ///< those of a run's first steps beyond that
  virtual bool stochastic() const { return false; }
  virtual bool rises() const { return false; }  ///< rising times are its steps (inversion), not draws from q(x_s | x_t)
};

/// What an observer sees after each step (trajectory, progress bar, plot). Returning false ends the run early.
struct Seen {
  Index index, count;
  Level t, s;
  const Matrix<double>& x0;  ///< the step's first evaluation; empty if it asked nothing
  In<double> x;
};
using Observer = std::function<bool(const Seen&)>;

struct Run {
  Noise noise;      ///< noise.at_sample(first) moves a part of the batch to its global index
  Index first = 0;  ///< global sample index of row 0
  Observer observer = nullptr;
  const Interrupt* interrupt = nullptr;
};

/// The one loop, as an object that can pause between steps. `times` is the grid: one step per neighbouring pair.
/// A rising pair is a forward step, x := draw from q(x_s | x_t), theory (5): time travel and RePaint are grids, not
/// samplers. Borrows everything that it is given.
class Sampling {
 public:
  Sampling(const Sampler& sampler, const Denoiser& denoiser, const Schedule& schedule, std::span<const double> times,
           const Run& run);

  Index count() const { return static_cast<Index>(times_.size()) - 1; }
  Index index() const { return index_; }  ///< steps made so far
  bool done() const { return index_ == count(); }
  /// x := the state after one more step. NonFiniteError names the step whose answer or state is not finite.
  void next(Out<double> x);
  /// The first evaluation of the latest step; x0 is empty if that step asked nothing.
  const Evaluation& latest() const { return latest_; }
  /// Accepted proposals of each row in all steps so far, (N, 1); empty for methods that make none.
  const Matrix<double>& accepted() const { return accepted_; }

 private:
  Level level(Index i) const;
  void remember();
  void tally(In<double> accepted);
  void check(const Level& t, const Level& s, In<double> x) const;

  const Sampler& sampler_;
  const Denoiser& denoiser_;
  const Schedule& schedule_;
  std::vector<double> times_;
  Noise noise_;
  Index first_, index_ = 0;
  Evaluation latest_;
  std::vector<Evaluation> past_;  // latest first
  Matrix<double> accepted_;
};

/// x := samples, given x = x_T; rows are samples first, first + 1, ...: Sampling from the first step to the last.
void sample(const Sampler& sampler, const Denoiser& denoiser, const Schedule& schedule, std::span<const double> times,
            const Run& run, Out<double> x);

}  // namespace scorefield
