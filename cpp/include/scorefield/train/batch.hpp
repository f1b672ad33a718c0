#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "scorefield/base/rng.hpp"
#include "scorefield/model/inputs.hpp"
#include "scorefield/process/prediction.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// What a network is trained on; borrowed, one row per sample.
struct TrainingData {
  InMap<float> x{nullptr, 0, 0};      ///< (n, D)
  Conditions conditions{};            ///< for a classifier the labels are what it learns
  InMap<float> noise{nullptr, 0, 0};  ///< (n, D) the fixed eps of each row (reflow), or empty
  double condition_noise = 0;         ///< deviation of noise added to condition arrays (SR3)
};

/// One batch on its way through a step. What depends on the times only is found by the calling thread, since a schedule
/// may be written in Python; the rest is filled row by row, in parallel.
struct Batch {
  Batch(const nn::Plan& plan, Index size);
  Index size() const { return static_cast<Index>(rows.size()); }

  std::vector<Index> rows;           ///< of the data
  std::vector<char> dropped;         ///< the row is trained without its condition
  std::vector<double> t;             ///< time of each row
  std::vector<double> correction;    ///< what makes its loss unbiased for uniform times (importance), else 1
  std::vector<Level> levels;         ///< alpha and sigma there
  std::vector<double> c_in;          ///< input scaling there
  std::vector<double> c_noise;       ///< what the network hears of t
  std::vector<double> weight;        ///< of the objective there
  std::vector<Target> targets;       ///< how the target is made of x0 and eps there
  std::vector<std::int64_t> labels;  ///< for a classifier
  Matrix<float> target;              ///< (B, out) what the network should put out
  NetworkInputs inputs;
  std::vector<double> value;  ///< loss of each row, after the step
};

class Objective;

/// Throws unless the network of `plan` can be trained on these data by this objective.
void check_data(const nn::Plan& plan, const Objective& objective, const TrainingData& data);

/// With rows, dropped, t and the objective's numbers in place: inputs and targets from x_t = alpha x0 + sigma eps,
/// theory (1). Row r of the batch takes its eps from sample r of `noise`, and that of its condition from sample r of
/// `condition_noise`.
void fill(Batch& batch, const TrainingData& data, const Objective& objective, const Noise& noise,
          const Noise& condition_noise);

}  // namespace scorefield
