#include "scorefield/train/score_matching.hpp"

#include <stdexcept>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/process/precondition.hpp"

namespace scorefield {

double DerivativeObjective::value(const Batch&, Index, In<float>, Out<float>) const {
  throw std::logic_error("a loss of derivatives asks the network itself");
}

template <class S>
void draw_directions(Trace trace, const Noise& noise, Index samples, Out<S> v) {
  const Index D = v.cols(), K = v.rows() / samples;
  if (trace == Trace::exact) {
    for (Index r = 0; r < samples; ++r) v.middleRows(r * K, K).setIdentity();
    return;
  }
  Matrix<S> z(samples, K * D);  // a sample's directions are its own numbers, whatever the batch
  noise.normal(z);
  v = OutMap<S>(z.data(), v.rows(), D);
  if (trace == Trace::rademacher) v = v.unaryExpr([](const S& e) { return e < 0 ? S(-1) : S(1); }).eval();
}

template <class S>
void score_matching(const DerivativePass<S>& pass, std::span<const double> factor, double share, In<S> v,
                    std::span<double> value) {
  const auto n = static_cast<Index>(factor.size());
  const Index K = v.rows() / n, D = v.cols();
  Matrix<S> y(n, D), y_dot(v.rows(), D), dy(n, D), dy_dot(v.rows(), D);
  pass.engine.forward(pass.weights, pass.in, v, pass.tape, y, y_dot);
  for (Index r = 0; r < n; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const double trace = y_dot.middleRows(r * K, K)
                             .template cast<double>()
                             .cwiseProduct(v.middleRows(r * K, K).template cast<double>())
                             .sum();
    value[i] =
        (factor[i] * share * trace + 0.5 * y.row(r).template cast<double>().squaredNorm()) / static_cast<double>(D);
    const double scale = pass.scale[i] / static_cast<double>(D);
    dy.row(r) = static_cast<S>(scale) * y.row(r);
    dy_dot.middleRows(r * K, K) = static_cast<S>(scale * factor[i] * share) * v.middleRows(r * K, K);
  }
  if (pass.row == nullptr) return;
  Matrix<S> none(0, D);
  pass.engine.backward(pass.weights, pass.in, v, pass.tape, dy, dy_dot, pass.row, none);
}

ScoreMatching::ScoreMatching(std::shared_ptr<const Schedule> schedule, Prediction prediction, Trace trace, Index probes,
                             Times times)
    : schedule_(std::move(schedule)), trace_(trace), probes_(probes), times_(times) {
  require(schedule_ != nullptr, "score matching needs a schedule; for the data's own score Single(0)");
  require(prediction == Prediction::score, "implicit and sliced score matching train a score: make the model with ",
          "prediction=\"score\", not \"", name(prediction), "\"");
  require(probes >= 1, "probes must be >= 1, got ", probes);
  require_serves(prediction, *schedule_);
}

void ScoreMatching::check(const TrainingData& data, Index in, Index out) const {
  require(data.x.cols() == in, "the network takes ", in, " numbers per sample, x has ", data.x.cols());
  require(out == in, "a score has the shape of x: the network takes ", in, " numbers and puts out ", out);
  require(trace_ != Trace::exact || in <= 256, "the exact trace asks for one derivative per number of a sample, here ",
          in, "; use Sliced()");
}

void ScoreMatching::target(Batch& batch, Index r, In<double>, In<double>) const { batch.target.row(r).setZero(); }

void ScoreMatching::differentiate(const DerivativePass<float>& pass, const Noise& probes, Batch& batch,
                                  Index first) const {
  const auto n = static_cast<Index>(pass.scale.size());
  std::vector<double> factor(pass.scale.size());
  for (std::size_t i = 0; i < factor.size(); ++i) {
    const std::size_t r = static_cast<std::size_t>(first) + i;
    factor[i] = batch.c_in[r] / output_scale(Prediction::score, batch.levels[r], *schedule_);
  }
  const Index D = batch.target.cols(), K = directions(D);
  Matrix<float> v(n * K, D);
  draw_directions<float>(trace_, probes.at_sample(probes.first() + first), n, v);
  score_matching<float>(pass, factor, trace_ == Trace::exact ? 1.0 : 1.0 / static_cast<double>(K), v,
                        std::span(batch.value).subspan(static_cast<std::size_t>(first), factor.size()));
}

template void draw_directions<float>(Trace, const Noise&, Index, Out<float>);
template void draw_directions<double>(Trace, const Noise&, Index, Out<double>);
template void score_matching<float>(const DerivativePass<float>&, std::span<const double>, double, In<float>,
                                    std::span<double>);
template void score_matching<double>(const DerivativePass<double>&, std::span<const double>, double, In<double>,
                                     std::span<double>);

}  // namespace scorefield
