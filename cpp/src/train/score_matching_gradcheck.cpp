#include "scorefield/train/score_matching_gradcheck.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/nn/mlp.hpp"

namespace scorefield {
namespace {

constexpr Index rows = 5, dimension = 3;

/// The loss at a point, and its gradient.
class Question {
 public:
  Question(Trace trace, Index probes, std::uint64_t seed)
      : directions_(trace == Trace::exact ? dimension : probes),
        v_(rows * directions_, dimension),
        engine_(make_tangent_engine<double>(nn::plan(nn::MLP{.in = dimension, .out = dimension, .widths = {8, 8}}))),
        weights_(engine_->weights()),
        tape_(engine_->tape(rows, directions_)) {
    draw_directions<double>(trace, Noise(seed, Stream::probe), rows, v_);
    share_ = trace == Trace::exact ? 1 : 1 / static_cast<double>(probes);
  }
  const nn::Plan& plan() const { return engine_->plan(); }
  double ask(const GradcheckPoint& point, double* gradient) {
    const Inputs<double> in = point.view();
    const std::vector<double> one(static_cast<std::size_t>(rows), 1.0);
    std::vector<double> value(one.size());
    engine_->load(point.theta.data(), *weights_);
    score_matching<double>({*engine_, *weights_, in, *tape_, one, gradient}, one, share_, v_, value);
    return std::accumulate(value.begin(), value.end(), 0.0);
  }

 private:
  Index directions_;
  Matrix<double> v_;
  std::shared_ptr<const TangentEngine<double>> engine_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Tape> tape_;
  double share_;
};

}  // namespace

double gradcheck_score_matching(Trace trace, Index probes, std::uint64_t seed) {
  Question question(trace, probes, seed);
  const GradcheckPoint point = gradcheck_point(question.plan(), seed, rows);
  std::vector<double> gradient(point.theta.size());
  question.ask(point, gradient.data());
  Matrix<double> d(1, static_cast<Index>(gradient.size()));
  Noise(seed, Stream::probe, 1).normal(d);
  const auto at = [&](double h) {
    GradcheckPoint moved = point;
    for (std::size_t i = 0; i < gradient.size(); ++i) moved.theta[i] += h * d(0, static_cast<Index>(i));
    return question.ask(moved, nullptr);
  };
  constexpr double h = 1e-4;
  const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);  // as gradcheck() of networks
  return std::abs(InMap<double>(gradient.data(), 1, d.cols()).cwiseProduct(d).sum() / slope - 1);
}

}  // namespace scorefield
