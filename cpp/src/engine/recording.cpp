#include "scorefield/engine/recording.hpp"

#include "scorefield/base/check.hpp"
#include "scorefield/engine/reference.hpp"

namespace scorefield {

template <class S>
Recording<S>::Recording(std::shared_ptr<const Engine<S>> engine, const S* theta, const Inputs<S>& in, Out<S> y)
    : engine_(std::move(engine)),
      weights_(engine_->weights()),
      dropout_(in.dropout),
      shards_(Shards::of(y.rows(), engine_->plan())) {
  engine_->load(theta, *weights_);
  for (const InMap<S>& v : in.values) values_.push_back(v);
  const Inputs<S> kept = inputs(in.interrupt);
  tapes_.resize(static_cast<std::size_t>(shards_.count));
  const auto one_shard = [&](Index i, Index) {
    const Index first = shards_.first(i), count = shards_.first(i + 1) - first;
    std::unique_ptr<Tape>& tape = tapes_[static_cast<std::size_t>(i)];
    tape = engine_->tape(count, Engine<S>::Use::training);
    engine_->forward(*weights_, kept.rows(first, count), *tape, y.middleRows(first, count));
  };
  parallel_for(shards_.count, one_shard, in.interrupt);
}

template <class S>
Inputs<S> Recording<S>::inputs(const Interrupt* interrupt) const {
  Inputs<S> in;
  for (const Matrix<S>& v : values_) in.values.emplace_back(v.data(), v.rows(), v.cols());
  in.dropout = dropout_;
  in.interrupt = interrupt;
  return in;
}

template <class S>
void Recording<S>::backward(In<S> dy, S* dtheta, std::span<OutMap<S>> dinputs, const Interrupt* interrupt) {
  require(dy.rows() == rows(), "dy must have the ", rows(), " rows of the forward pass, got ", dy.rows());
  const Inputs<S> in = inputs(interrupt);
  Matrix<S> sums(dtheta == nullptr ? 0 : shards_.count, engine_->row_size());
  const auto one_shard = [&](Index i, Index) {
    const Index first = shards_.first(i), count = shards_.first(i + 1) - first;
    std::vector<OutMap<S>> part;
    for (const OutMap<S>& d : dinputs) {
      part.emplace_back(const_cast<S*>(d.data()) + first * d.cols(), d.size() == 0 ? 0 : count, d.cols());
    }
    engine_->backward(*weights_, in.rows(first, count), *tapes_[static_cast<std::size_t>(i)],
                      dy.middleRows(first, count), dtheta == nullptr ? nullptr : sums.row(i).data(), part);
  };
  parallel_for(shards_.count, one_shard, interrupt);
  if (dtheta == nullptr) return;
  sum_shards<S>(sums);
  engine_->collect(sums.data(), dtheta);
}

template class Recording<float>;
template class Recording<double>;

namespace {

Matrix<Dual> join(InMap<double> value, InMap<double> slope) {
  Matrix<Dual> both(value.rows(), value.cols());
  for (Index i = 0; i < both.size(); ++i) both.data()[i] = {value.data()[i], slope.size() == 0 ? 0 : slope.data()[i]};
  return both;
}

}  // namespace

Matrix<double> tangent(std::shared_ptr<const nn::Plan> plan, const double* theta, const double* theta_dot,
                       const std::vector<InMap<double>>& values, const std::vector<InMap<double>>& slopes,
                       const Interrupt* interrupt) {
  require(values.size() == plan->inputs.size() && slopes.size() == values.size(), "the network takes ",
          plan->inputs.size(), " inputs and as many slopes, got ", values.size(), " and ", slopes.size());
  const ReferenceEngine<Dual> engine(plan);
  const Index n = plan->parameter_count;
  const auto weights = engine.weights();
  engine.load(join({theta, 1, n}, {theta_dot, theta_dot == nullptr ? 0 : 1, theta_dot == nullptr ? 0 : n}).data(),
              *weights);
  std::vector<Matrix<Dual>> duals;
  Inputs<Dual> in;
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(slopes[i].size() == 0 || slopes[i].size() == values[i].size(), "a slope must have the shape of its input");
    duals.push_back(join(values[i], slopes[i]));
  }
  for (const Matrix<Dual>& d : duals) in.values.emplace_back(d.data(), d.rows(), d.cols());
  in.interrupt = interrupt;
  Matrix<Dual> y(values.at(0).rows(), plan->shape(plan->output).size());
  infer<Dual>(engine, *weights, in, inference_tapes<Dual>(engine, y.rows()), y);
  Matrix<double> y_dot(y.rows(), y.cols());
  for (Index i = 0; i < y.size(); ++i) y_dot.data()[i] = y.data()[i].slope;
  return y_dot;
}

}  // namespace scorefield
