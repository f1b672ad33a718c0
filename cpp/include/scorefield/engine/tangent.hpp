#pragma once
#include <memory>

#include "scorefield/engine/engine.hpp"

namespace scorefield {

/// Runs a plan together with its derivatives along directions of the input "x", and differentiates both; theory 6. What
/// score matching, energies and exact divergences are made of. Serial and immutable like every engine; K directions per
/// sample, those of sample r in rows r K .. r K + K - 1.
template <class S>
class TangentEngine {
 public:
  virtual ~TangentEngine() = default;
  virtual const nn::Plan& plan() const = 0;

  virtual std::unique_ptr<Weights> weights() const = 0;
  virtual void load(const S* theta, Weights& weights) const = 0;
  virtual std::unique_ptr<Tape> tape(Index rows, Index directions) const = 0;  ///< for at most so many of both

  /// y := F(x),  y_dot := J_F(x) x_dot.   y: (rows, out), x_dot: (rows K, in), y_dot: (rows K, out); K may be 0.
  virtual void forward(const Weights& weights, const Inputs<S>& in, In<S> x_dot, Tape& tape, Out<S> y,
                       Out<S> y_dot) const = 0;

  /// After forward with the same arguments, for f = <dy, y> + <dy_dot, y_dot>:  row += df/dtheta, in theta's order,
  /// unless null;  dx := df/dx unless empty.
  virtual void backward(const Weights& weights, const Inputs<S>& in, In<S> x_dot, Tape& tape, In<S> dy, In<S> dy_dot,
                        S* row, Out<S> dx) const = 0;
};

/// Whether a plan is a network of vectors: linear layers without norm or dropout, and embeddings that x does not reach.
bool is_vector_plan(const nn::Plan& plan);

/// Tangents of such a plan. A tensor that depends on x is one matrix of rows (K + 1): first the samples, then their
/// directions, so that values and tangents share their products and K directions cost K + 1 ordinary passes. Through a
/// layer y = gain (W act(z) + b + ...), with a = act(z):
///   forward    a_dot = act'(z) z_dot,          y_dot = gain W a_dot
///   backward   dz_dot = act'(z) da_dot,        dz = act'(z) da + act''(z) sum_k z_dot_k da_dot_k
template <class S>
std::shared_ptr<const TangentEngine<S>> vector_tangents(const nn::Plan& plan);

/// Any plan, by the reference engine on dual numbers: one run for each direction, exact too, and slow. With x + e x_dot
/// a forward pass gives y + e y_dot; a backward pass from dy_dot + e dy gives theta's gradient of <dy_dot, y_dot> +
/// <dy, y> as its slope.
template <class S>
std::shared_ptr<const TangentEngine<S>> dual_tangents(const nn::Plan& plan);

/// The one that suits the plan. S = float, double.
template <class S>
std::shared_ptr<const TangentEngine<S>> make_tangent_engine(const nn::Plan& plan);

}  // namespace scorefield
