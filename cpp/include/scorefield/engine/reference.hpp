#pragma once
#include <memory>

#include "scorefield/base/dual.hpp"
#include "scorefield/engine/engine.hpp"

namespace scorefield {

/// The definition of what a plan means: every operation in separate steps by the layers of nn/, for float, double and
/// Dual. The oracle of every test, the engine behind gradient checks and tangents, and fast enough to train small
/// networks with.
///
/// Its own order of parameters differs from theta's in one thing: filters are (out, ky, kx, in), so that the channels
/// of a window lie side by side.
template <class S>
class ReferenceEngine final : public Engine<S> {
 public:
  using typename Engine<S>::Use;
  explicit ReferenceEngine(std::shared_ptr<const nn::Plan> plan);

  const nn::Plan& plan() const override { return *plan_; }
  std::unique_ptr<Weights> weights() const override;
  void load(const S* theta, Weights& weights) const override;
  std::unique_ptr<Tape> tape(Index rows, Use use) const override;
  std::size_t tape_bytes(Index rows, Use use) const override;
  void forward(const Weights& weights, const Inputs<S>& in, Tape& tape, Out<S> y) const override;
  void backward(const Weights& weights, const Inputs<S>& in, Tape& tape, In<S> dy, S* row,
                std::span<OutMap<S>> dinputs) const override;
  Index row_size() const override { return plan_->parameter_count; }
  void collect(const S* row, S* dtheta) const override;

 private:
  std::shared_ptr<const nn::Plan> plan_;
};

extern template class ReferenceEngine<float>;
extern template class ReferenceEngine<double>;
extern template class ReferenceEngine<Dual>;

}  // namespace scorefield
