#pragma once
#include "reference_ops.hpp"
#include "scorefield/base/check.hpp"

namespace scorefield {
namespace reference {

/// Calls f(begin, rows, channels, taps) for the filters of every convolution that is larger than one position.
template <class F>
void for_each_filter(const nn::Plan& plan, F f) {
  for (const nn::Op& op : plan.ops) {
    const auto* c = std::get_if<nn::Conv>(&op);
    if (c == nullptr || c->kernel == 1) continue;
    const Index rows = plan.shape(c->y).channels, taps = c->kernel * (c->sequence ? 1 : c->kernel);
    f(c->weight.begin, rows, c->weight.size / rows / taps, taps);
  }
}

/// to(out, tap, in) := from(out, in, tap), or back.
template <class S>
void reorder(const S* from, Index rows, Index first, Index second, S* to) {
  for (Index r = 0; r < rows; ++r) {
    const InMap<S> a(from + r * first * second, first, second);
    OutMap<S>(to + r * first * second, second, first) = a.transpose();
  }
}

template <class S>
void check_inputs(const nn::Plan& plan, const Inputs<S>& in, Index rows, Index most) {
  require(in.values.size() == plan.inputs.size(), "the network takes ", plan.inputs.size(), " inputs, got ",
          in.values.size());
  require(rows <= most, "the tape holds ", most, " samples, got ", rows);
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const Index size = plan.shape(plan.inputs[i].tensor).size();
    require(in.values[i].rows() == rows && in.values[i].cols() == size, "input ", plan.inputs[i].name,
            " must have shape (", rows, ", ", size, "), got (", in.values[i].rows(), ", ", in.values[i].cols(), ")");
  }
}

template <class S>
bool has_parameters(const nn::Op& op) {
  if (const auto* s = std::get_if<nn::Sinusoid>(&op)) return s->frequencies.size > 0;
  return std::holds_alternative<nn::Conv>(op) || std::holds_alternative<nn::Embedding>(op);
}

/// A gradient is needed where a parameter (if `row`) or an input that is asked for lies upstream.
template <class S>
void mark_needed(const nn::Plan& plan, bool row, std::span<OutMap<S>> dinputs, ReferenceTape<S>& tape) {
  const auto flag = [&](nn::Tensor t) -> char& { return tape.needed[static_cast<std::size_t>(t)]; };
  std::ranges::fill(tape.needed, char{0});
  for (std::size_t i = 0; i < dinputs.size(); ++i) flag(plan.inputs[i].tensor) = dinputs[i].size() > 0;
  for (const nn::Op& op : plan.ops) {
    bool any = row && has_parameters<S>(op);
    for (const nn::Tensor t : nn::reads(op)) any = any || flag(t) != 0;
    flag(nn::writes(op)) = any;
  }
}

}  // namespace reference

template <class S>
ReferenceEngine<S>::ReferenceEngine(std::shared_ptr<const nn::Plan> plan) : plan_(std::move(plan)) {
  nn::check(*plan_);
}

template <class S>
std::unique_ptr<Weights> ReferenceEngine<S>::weights() const {
  auto w = std::make_unique<reference::PackedWeights<S>>();
  w->theta.resize(static_cast<std::size_t>(plan_->parameter_count));
  return w;
}

template <class S>
void ReferenceEngine<S>::load(const S* theta, Weights& weights) const {
  std::vector<S>& packed = static_cast<reference::PackedWeights<S>&>(weights).theta;
  std::copy_n(theta, plan_->parameter_count, packed.begin());
  reference::for_each_filter(*plan_, [&](Index begin, Index rows, Index channels, Index taps) {
    reference::reorder(theta + begin, rows, channels, taps, packed.data() + begin);
  });
}

template <class S>
void ReferenceEngine<S>::collect(const S* row, S* dtheta) const {
  std::copy_n(row, plan_->parameter_count, dtheta);
  reference::for_each_filter(*plan_, [&](Index begin, Index rows, Index channels, Index taps) {
    reference::reorder(row + begin, rows, taps, channels, dtheta + begin);
  });
}

template <class S>
std::unique_ptr<Tape> ReferenceEngine<S>::tape(Index rows, Use use) const {
  require(rows >= 1, "a tape holds at least one sample, got ", rows);
  return std::make_unique<reference::ReferenceTape<S>>(*plan_, rows, use == Use::training);
}

template <class S>
std::size_t ReferenceEngine<S>::tape_bytes(Index rows, Use use) const {
  const bool training = use == Use::training;
  Index numbers = reference::ScratchSizes::of(*plan_, rows, training).total();
  numbers += rows * reference::Places::of(*plan_, training).total() * (training ? 2 : 1);
  return static_cast<std::size_t>(numbers) * sizeof(S);
}

template <class S>
void ReferenceEngine<S>::forward(const Weights& weights, const Inputs<S>& in, Tape& tape, Out<S> y) const {
  auto& t = static_cast<reference::ReferenceTape<S>&>(tape);
  reference::check_inputs(*plan_, in, y.rows(), tape.rows());
  const S* const theta = static_cast<const reference::PackedWeights<S>&>(weights).theta.data();
  reference::Pass<S> pass{*plan_, theta, in, t, y.rows()};
  for (std::size_t i = 0; i < plan_->inputs.size(); ++i) {
    std::copy_n(in.values[i].data(), in.values[i].size(), pass.value(plan_->inputs[i].tensor).data());
  }
  for (std::size_t i = 0; i < plan_->ops.size(); ++i) {
    if (in.interrupt != nullptr) in.interrupt->check();
    pass.op = static_cast<Index>(i);
    std::visit([&](const auto& op) { reference::forward(pass, op); }, plan_->ops[i]);
  }
  y = OutMap<S>(pass.value(plan_->output).data(), y.rows(), y.cols());
}

template <class S>
void ReferenceEngine<S>::backward(const Weights& weights, const Inputs<S>& in, Tape& tape, In<S> dy, S* row,
                                  std::span<OutMap<S>> dinputs) const {
  auto& t = static_cast<reference::ReferenceTape<S>&>(tape);
  reference::check_inputs(*plan_, in, dy.rows(), tape.rows());
  require(t.training(), "backward needs a training tape");
  require(dy.cols() == plan_->shape(plan_->output).size(), "dy must have the size of the output, ",
          plan_->shape(plan_->output).size(), ", got ", dy.cols());
  require(dinputs.empty() || dinputs.size() == plan_->inputs.size(), "dinputs must be empty or have one map per input");
  const S* const theta = static_cast<const reference::PackedWeights<S>&>(weights).theta.data();
  reference::Pass<S> pass{*plan_, theta, in, t, dy.rows(), row};
  reference::mark_needed(*plan_, row != nullptr, dinputs, t);
  if (row != nullptr) std::fill_n(row, plan_->parameter_count, S(0));
  for (std::size_t i = 0; i < plan_->tensors.size(); ++i) {
    if (t.needed[i] != 0) pass.grad(static_cast<nn::Tensor>(i)).setZero();
  }
  if (!pass.needs(plan_->output)) return;
  OutMap<S>(pass.grad(plan_->output).data(), dy.rows(), dy.cols()) = dy;
  for (std::size_t i = plan_->ops.size(); i-- > 0;) {
    if (in.interrupt != nullptr) in.interrupt->check();
    pass.op = static_cast<Index>(i);
    if (!pass.needs(nn::writes(plan_->ops[i]))) continue;
    std::visit([&](const auto& op) { reference::backward(pass, op); }, plan_->ops[i]);
  }
  for (std::size_t i = 0; i < dinputs.size(); ++i) {
    if (dinputs[i].size() == 0) continue;
    std::copy_n(pass.grad(plan_->inputs[i].tensor).data(), dinputs[i].size(), dinputs[i].data());
  }
}

}  // namespace scorefield
