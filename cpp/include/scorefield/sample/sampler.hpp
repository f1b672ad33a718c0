#pragma once
#include <functional>
#include <span>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/process/denoiser.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// An answer of the denoiser that later steps may use.
struct Evaluation {
  Level at;
  Matrix<double> x0;
  Matrix<double> x;  ///< where it was asked; kept only for samplers that remembers_x()
};

/// Everything that one step may read. A sampler is a formula in these letters and keeps nothing of its own.
class Step {
 public:
  Level t, s;  ///< from t to s; s.t <= t.t (equal: Langevin; above only if the sampler rises())
  /// First evaluations of earlier steps, latest first; shorter than history() at the start.
  std::span<const Evaluation> past;
  int steps, steps_left;  ///< steps of the grid; those after this one, 0 on the last
  const Schedule& schedule;
  Noise noise;  ///< of this step and these samples; noise.normal(z, draw)

  Step(Level from, Level to, std::span<const Evaluation> earlier, int count, int left, const Schedule& law,
       const Noise& source, const Denoiser& denoiser, Index first)
      : t(from),
        s(to),
        past(earlier),
        steps(count),
        steps_left(left),
        schedule(law),
        noise(source),
        denoiser_(denoiser),
        first_(first) {}

  /// x0_hat at (x, p): one network call. The first call of a step is what later steps see in `past`.
  Matrix<double> denoise(In<double> x, const Level& p) const {
    Matrix<double> x0(x.rows(), x.cols());
    denoiser_.denoise(x, {&p, 1}, first_, x0);
    if (first_evaluation.x0.size() == 0) first_evaluation = {p, x0, keeps_x ? Matrix<double>(x) : Matrix<double>()};
    return x0;
  }
  Matrix<double> score(In<double> x, const Level& p) const {
    Matrix<double> out(x.rows(), x.cols());
    denoiser_.score(x, {&p, 1}, first_, out);
    return out;
  }
  /// log p_t(x) up to a constant, (N, 1); std::invalid_argument from denoisers that do not know it.
  Matrix<double> log_density(In<double> x, const Level& p) const {
    Matrix<double> out(x.rows(), 1);
    denoiser_.log_density(x, {&p, 1}, first_, out);
    return out;
  }
  Matrix<double> z(In<double> like, std::uint32_t draw = 0) const {
    Matrix<double> out(like.rows(), like.cols());
    noise.normal(out, draw);
    return out;
  }
  /// The same step from or to another point: for wrappers (churn, ancestral, restart) that call an inner sampler.
  Step between(const Level& from, const Level& to) const {
    return {from, to, past, steps, steps_left, schedule, noise, denoiser_, first_};
  }
  const Denoiser& denoiser() const { return denoiser_; }  ///< to ask for rows at levels of their own
  mutable Evaluation first_evaluation;                    ///< kept by the loop
  bool keeps_x = false;                                   ///< whether later steps want its x too
  mutable Matrix<double> accepted;  ///< (N, 1) of 0 and 1, set by methods that accept or reject; counted by the loop

 private:
  const Denoiser& denoiser_;
  Index first_;
};

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
  Level level(Index i) const { return schedule_.at(times_[static_cast<std::size_t>(i)]); }
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
