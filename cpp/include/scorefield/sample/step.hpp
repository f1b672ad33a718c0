#pragma once
#include <span>

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

/// Everything that one step of a sampler may read, theory 7. A sampler is a formula in these letters and keeps nothing
/// of its own.
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
  /// The same call, and share := that of the learned variance, theory 2.
  Matrix<double> denoise(In<double> x, const Level& p, Out<double> share) const {
    Matrix<double> x0(x.rows(), x.cols());
    denoiser_.denoise_with_variance(x, {&p, 1}, first_, x0, share);
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
  const Denoiser& denoiser() const { return denoiser_; }  ///< to ask for rows at levels of their own
  mutable Evaluation first_evaluation;                    ///< kept by the loop
  bool keeps_x = false;                                   ///< whether later steps want its x too
  mutable Matrix<double> accepted;  ///< (N, 1) of 0 and 1, set by methods that accept or reject; counted by the loop

 private:
  const Denoiser& denoiser_;
  Index first_;
};

}  // namespace scorefield
