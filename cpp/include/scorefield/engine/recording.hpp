#pragma once
#include <memory>
#include <vector>

#include "scorefield/engine/engine.hpp"

namespace scorefield {

/// A forward pass of a whole batch that remembers what its backward pass needs: one tape per shard, so the gradient has
/// the bits of gradient() on the same shards. For loops written by hand; training itself keeps only a tape per thread.
template <class S>
class Recording {
 public:
  /// Copies the inputs and theta. `in.interrupt`, if any, is asked in this call only.
  Recording(std::shared_ptr<const Engine<S>> engine, const S* theta, const Inputs<S>& in, Out<S> y);

  Index rows() const { return shards_.n; }
  const nn::Plan& plan() const { return engine_->plan(); }

  /// dtheta := (dy/dtheta)^T dy (unless null), and dinputs[i] := (dy/dinput_i)^T dy for every non-empty map.
  void backward(In<S> dy, S* dtheta, std::span<OutMap<S>> dinputs, const Interrupt* interrupt = nullptr);

 private:
  Inputs<S> inputs(const Interrupt* interrupt) const;

  std::shared_ptr<const Engine<S>> engine_;
  std::unique_ptr<Weights> weights_;
  std::vector<Matrix<S>> values_;
  std::optional<Noise> dropout_;
  Shards shards_;
  std::vector<std::unique_ptr<Tape>> tapes_;
};

/// y_dot = d/de F(x + e x_dot) at e = 0 by dual numbers: the Jacobian-vector product. slopes[i] is the derivative of
/// input i along the path, or empty where it stands still; theta_dot that of theta, or null.
Matrix<double> tangent(std::shared_ptr<const nn::Plan> plan, const double* theta, const double* theta_dot,
                       const std::vector<InMap<double>>& values, const std::vector<InMap<double>>& slopes,
                       const Interrupt* interrupt = nullptr);

extern template class Recording<float>;
extern template class Recording<double>;

}  // namespace scorefield
