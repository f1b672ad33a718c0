#include "scorefield/train/energy_matching.hpp"

#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/process/precondition.hpp"
#include "scorefield/process/weighting.hpp"

namespace scorefield {

template <class S>
void energy_matching(const DerivativePass<S>& pass, std::span<const double> c_in, std::span<const double> weight,
                     In<S> target, std::span<double> value) {
  const Index n = target.rows(), D = target.cols();
  Matrix<S> F(n, 1), slope(n, 1), dF_dx(n, D), c(n, D), zero = Matrix<S>::Zero(n, 1);
  const Matrix<S> one = Matrix<S>::Ones(n, 1), no_direction(0, D);
  Matrix<S> none(0, 1), no_dx(0, D);
  pass.engine.forward(pass.weights, pass.in, no_direction, pass.tape, F, none);
  pass.engine.backward(pass.weights, pass.in, no_direction, pass.tape, one, none, nullptr, dF_dx);
  for (Index r = 0; r < n; ++r) {
    const auto i = static_cast<std::size_t>(r);
    const RowVector<double> error =
        c_in[i] * dF_dx.row(r).template cast<double>() - target.row(r).template cast<double>();
    value[i] = weight[i] * error.squaredNorm() / static_cast<double>(D);
    c.row(r) = (pass.scale[i] * weight[i] * c_in[i] * 2 / static_cast<double>(D) * error).template cast<S>();
  }
  if (pass.row == nullptr) return;
  pass.engine.forward(pass.weights, pass.in, c, pass.tape, F, slope);
  pass.engine.backward(pass.weights, pass.in, c, pass.tape, zero, one, pass.row, no_dx);
}

EnergyMatching::EnergyMatching(std::shared_ptr<const Schedule> schedule, Weight weight, Times times)
    : schedule_(std::move(schedule)), weight_(weight), times_(times) {
  require(schedule_ != nullptr, "a denoising loss needs a schedule");
  require_serves(Prediction::energy, *schedule_);
  require(!schedule_->single() || schedule_->at(schedule_->t_max()).sigma > 0,
          "an energy is learnt by denoising, which needs noise: use Single(sigma) with sigma > 0");
}

void EnergyMatching::check(const TrainingData& data, Index in, Index out) const {
  require(data.x.cols() == in, "the network takes ", in, " numbers per sample, x has ", data.x.cols());
  require(out == 1, "an energy is one number: make the network with out=1, not ", out);
}

void EnergyMatching::prepare(Batch& batch) const {
  noise_levels(batch);
  batch.target.resize(batch.size(), batch.inputs.x().cols());  // the network's own output is one number
  for (std::size_t i = 0; i < batch.t.size(); ++i) {
    batch.targets[i] = network_target(Prediction::energy, batch.levels[i], *schedule_);
    batch.weight[i] = loss_weight(weight_, Prediction::energy, *schedule_, batch.t[i]);
  }
}

void EnergyMatching::target(Batch& batch, Index r, In<double> x0, In<double> eps) const {
  const Target& of = batch.targets[static_cast<std::size_t>(r)];
  batch.target.row(r) = (of.x0 * x0 + of.eps * eps).cast<float>();
}

void EnergyMatching::differentiate(const DerivativePass<float>& pass, const Noise&, Batch& batch, Index first) const {
  const auto n = pass.scale.size(), begin = static_cast<std::size_t>(first);
  energy_matching<float>(pass, std::span(batch.c_in).subspan(begin, n), std::span(batch.weight).subspan(begin, n),
                         batch.target.middleRows(first, static_cast<Index>(n)),
                         std::span(batch.value).subspan(begin, n));
}

template void energy_matching<float>(const DerivativePass<float>&, std::span<const double>, std::span<const double>,
                                     In<float>, std::span<double>);
template void energy_matching<double>(const DerivativePass<double>&, std::span<const double>, std::span<const double>,
                                      In<double>, std::span<double>);

}  // namespace scorefield
