#include "scorefield/train/batch.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/train/objective.hpp"

namespace scorefield {
namespace {

/// Rows per unit of work: about 4096 numbers, which one thread noises faster than it wakes another.
Index rows_per_block(Index dimension) { return std::max<Index>(1, 4096 / dimension); }

void add_condition_noise(Batch& batch, Index r, double deviation, const Noise& noise) {
  const std::span<float> condition = batch.inputs.condition(r);
  if (condition.empty() || deviation == 0) return;
  Matrix<double> z(1, static_cast<Index>(condition.size()));
  noise.at_sample(noise.first() + r).normal(z);
  for (std::size_t i = 0; i < condition.size(); ++i)
    condition[i] += static_cast<float>(deviation * z(0, static_cast<Index>(i)));
}

void fill_condition(Batch& batch, Index r, const TrainingData& data, const Conditions& conditions, const Noise& noise) {
  if (batch.dropped[static_cast<std::size_t>(r)]) return batch.inputs.drop_condition(r);
  batch.inputs.set_condition(r, conditions, batch.rows[static_cast<std::size_t>(r)]);
  add_condition_noise(batch, r, data.condition_noise, noise);
}

/// What the network hears: all conditions, except that a classifier must find the label itself.
Conditions heard(const TrainingData& data, const Objective& objective) {
  Conditions conditions = data.conditions;
  if (objective.classifies()) conditions.labels = {};
  return conditions;
}

}  // namespace

Batch::Batch(const nn::Plan& plan, Index size)
    : rows(static_cast<std::size_t>(size)),
      dropped(rows.size()),
      t(rows.size()),
      correction(rows.size(), 1.0),
      levels(rows.size()),
      c_in(rows.size()),
      c_noise(rows.size()),
      weight(rows.size()),
      targets(rows.size()),
      labels(rows.size(), -1),
      target(size, plan.shape(plan.output).size()),
      inputs(plan, size),
      value(rows.size()) {}

void check_data(const nn::Plan& plan, const Objective& objective, const TrainingData& data) {
  const Index n = data.x.rows();
  require(n >= 1, "there are no samples");
  objective.check(data, NetworkInputs(plan, 1).x().cols(), plan.shape(plan.output).size());
  check(plan, heard(data, objective), n);
  require(data.noise.size() == 0 || (data.noise.rows() == n && data.noise.cols() == data.x.cols()),
          "noise must have the shape of x, (", n, ", ", data.x.cols(), "), got (", data.noise.rows(), ", ",
          data.noise.cols(), ")");
  require(std::isfinite(data.condition_noise) && data.condition_noise >= 0, "condition_noise must be >= 0, got ",
          data.condition_noise);
}

void fill(Batch& batch, const TrainingData& data, const Objective& objective, const Noise& noise,
          const Noise& condition_noise) {
  const Conditions conditions = heard(data, objective);
  const Index block = rows_per_block(data.x.cols());
  parallel_blocks(batch.size(), block, [&](Index first, Index end) {
    Matrix<double> x0(1, data.x.cols()), eps(1, data.x.cols());
    Matrix<double> drawn(data.noise.size() > 0 ? 0 : end - first, data.x.cols());
    noise.at_sample(noise.first() + first).normal(drawn);
    for (Index r = first; r < end; ++r) {
      const auto i = static_cast<std::size_t>(r);
      const Index source = batch.rows[i];
      x0 = data.x.row(source).cast<double>();
      if (data.noise.size() > 0) {
        eps = data.noise.row(source).cast<double>();
      } else {
        eps = drawn.row(r - first);
      }
      const Level& p = batch.levels[i];
      batch.inputs.x().row(r) = (batch.c_in[i] * (p.alpha * x0 + p.sigma * eps)).cast<float>();
      batch.inputs.set_time(r, batch.c_noise[i]);
      if (objective.classifies()) batch.labels[i] = data.conditions.labels[static_cast<std::size_t>(source)];
      objective.target(batch, r, x0, eps);
      fill_condition(batch, r, data, conditions, condition_noise);
    }
  });
}

}  // namespace scorefield
