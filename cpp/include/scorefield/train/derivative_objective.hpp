#pragma once
#include <span>

#include "scorefield/engine/tangent.hpp"
#include "scorefield/train/objective.hpp"

namespace scorefield {

/// Some rows of a batch on their way through a loss of derivatives.
template <class S>
struct DerivativePass {
  const TangentEngine<S>& engine;
  const Weights& weights;
  const Inputs<S>& in;
  Tape& tape;
  std::span<const double> scale;  ///< of each row's loss in the gradient
  S* row;                         ///< += the gradient in theta; null: values only
};

/// A loss of the network's derivatives in its input, theory (17)-(19). It asks the network itself, some rows at a time.
class DerivativeObjective : public Objective {
 public:
  /// Directions per sample for samples of `dimension` numbers.
  virtual Index directions(Index dimension) const = 0;
  /// batch.value of rows first, first + 1, ... := their losses; pass.row as it says. `probes` draws directions, row r
  /// of the batch those of its sample r.
  virtual void differentiate(const DerivativePass<float>& pass, const Noise& probes, Batch& batch,
                             Index first) const = 0;

  double value(const Batch& batch, Index r, In<float> y, Out<float> dy) const final;
};

}  // namespace scorefield
