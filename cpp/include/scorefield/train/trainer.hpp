#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "scorefield/engine/engine.hpp"
#include "scorefield/optim/recipe.hpp"
#include "scorefield/train/batch_order.hpp"
#include "scorefield/train/derivative_gradient.hpp"
#include "scorefield/train/evaluate.hpp"
#include "scorefield/train/objective.hpp"

namespace scorefield {

struct TrainingRecipe {
  OptimizerRecipe optimizer{};
  double ema = 0;  ///< decay of the average of theta; 0: none
  std::uint64_t seed = 0;
  Index batch_size = 128;
  Index shards = 0;     ///< of the gradient, part of the result; 0: Shards::of
  double p_uncond = 0;  ///< probability that a row is trained without its condition
};

/// Training as a sequence of whole steps. Step k draws rows, times, noise and dropped conditions as functions of (seed,
/// k), so a run may be cut anywhere: run(a), run(b) is run(a + b), bit for bit, on any number of threads. What an
/// exception (interrupt, loss that is not finite, error of a user's function) leaves behind is the state after the last
/// finished step.
class Trainer {
 public:
  Trainer(std::shared_ptr<const Engine<float>> engine, std::span<const float> theta,
          std::shared_ptr<const Objective> objective, const TrainingRecipe& recipe);

  /// `weights` (n) or empty: how often each row is drawn, relative to the others. The data are borrowed.
  void set_data(const TrainingData& data, std::span<const double> weights);

  /// Loss and norm of the gradient (before clipping) of finished steps.
  struct Report {
    std::vector<double> loss, grad_norm;
  };
  /// Takes `steps` steps; `report` grows with each, also if a later one fails.
  void run(Index steps, const Interrupt& interrupt, Report& report);

  std::uint64_t step() const { return step_; }
  std::span<const float> theta() const { return theta_; }
  std::span<const float> average() const;  ///< of theta; theta itself without EMA
  Index shards() const { return shards_.count; }

  std::vector<NamedState> state();  ///< moments, average, history of times: all but theta and step
  void restore(std::uint64_t step, std::span<const float> theta);  ///< after the arrays of state() have been written
  void snapshot();
  void rollback();  ///< to the last snapshot

  HeldOut evaluate(const TrainingData& data, Index bins, std::uint64_t seed, bool average,
                   const Interrupt& interrupt) const;

 private:
  struct Snapshot {
    std::uint64_t step;
    std::vector<float> theta;
    std::vector<std::vector<std::byte>> state;
  };
  void draw();                                              // the batch of this step
  double differentiate(const Interrupt& interrupt);         // its loss; dtheta_
  double differentiate_twice(const Inputs<float>& inputs);  // the same for a loss of derivatives
  Matrix<float> ask_together(const Inputs<float>& inputs);  // dy from a loss that sees the whole batch
  double update(double loss);                               // the norm of the gradient

  std::shared_ptr<const Engine<float>> engine_;
  std::shared_ptr<const Objective> objective_;
  TrainingRecipe recipe_;
  Shards shards_;
  std::vector<float> theta_, dtheta_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TimeSampler> times_;                 // null: clean data
  std::map<std::string, std::vector<double>> learnt_;  // a copy of what times_ has learnt, for state()
  std::optional<BatchOrder> order_;
  std::optional<TrainingData> data_;  // views cannot be assigned
  Batch batch_;
  std::unique_ptr<Weights> weights_;
  bool loaded_ = false;  // weights_ hold theta_
  GradientWorkspace<float> workspace_;
  std::optional<DerivativeGradient> derivatives_;  // for a loss of derivatives
  std::uint64_t step_ = 0;
  std::optional<Snapshot> snapshot_;
};

}  // namespace scorefield
