#pragma once
#include <memory>

#include "scorefield/process/time_sampler.hpp"
#include "scorefield/train/batch.hpp"

namespace scorefield {

/// What training minimises: the mean over times, noise and samples of `value`. Immutable.
class Objective {
 public:
  virtual ~Objective() = default;
  /// Noise is added by this schedule; null: the network sees the data as they are, at time 0.
  virtual const std::shared_ptr<const Schedule>& schedule() const = 0;
  virtual Times times() const { return Times::uniform; }
  /// Throws unless a network with `in` and `out` numbers per sample and these data fit.
  virtual void check(const TrainingData& data, Index in, Index out) const = 0;
  virtual bool classifies() const { return false; }

  /// For a batch with times: what depends on them only. On the calling thread.
  virtual void prepare(Batch& batch) const = 0;
  /// Row r of batch.target. On any thread.
  virtual void target(Batch& batch, Index r, In<double> x0, In<double> eps) const = 0;
  /// The loss of row r; dy := its derivative in y. On any thread.  y, dy: (1, out).
  virtual double value(const Batch& batch, Index r, In<float> y, Out<float> dy) const = 0;

  /// True: the loss must see the whole batch, on the calling thread; then `together` is called instead of `value`.
  virtual bool whole() const { return false; }
  /// batch.value[r] := the loss of row r,  row r of dy := its derivative in row r of y.  y, dy: (B, out).
  virtual void together(Batch& batch, In<float> y, Out<float> dy) const;

 protected:
  /// levels, c_in and c_noise of the batch's times.
  void noise_levels(Batch& batch) const;
};

}  // namespace scorefield
