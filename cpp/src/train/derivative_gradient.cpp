#include "scorefield/train/derivative_gradient.hpp"

#include <algorithm>
#include <utility>

#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

/// Rows of values and tangents in one pass: enough for the products, few enough to stay in a cache of 1 MB.
constexpr Index rows_per_pass = 384;

Index dimension(const nn::Plan& plan) {
  return plan.shape(plan.inputs[static_cast<std::size_t>(plan.find_input("x"))].tensor).size();
}

}  // namespace

DerivativeGradient::DerivativeGradient(const nn::Plan& plan, std::shared_ptr<const DerivativeObjective> objective)
    : engine_(make_tangent_engine<float>(plan)),
      objective_(std::move(objective)),
      weights_(engine_->weights()),
      directions_(objective_->directions(dimension(plan))) {
  part_ = std::clamp<Index>(rows_per_pass / (directions_ + 1), 1, 256);
}

void DerivativeGradient::run(Batch& batch, const Inputs<float>& inputs, Shards shards, std::span<const double> scale,
                             const Noise& probes, float* dtheta) {
  const Index parameters = engine_->plan().parameter_count, team = std::min(threads(), shards.count);
  while (static_cast<Index>(tapes_.size()) < team) tapes_.push_back(engine_->tape(part_, directions_));
  const auto one_shard = [&](Index i, Index slot, float* row) {
    const Index end = shards.first(i + 1);
    if (row != nullptr) std::fill_n(row, parameters, 0.f);
    for (Index first = shards.first(i); first < end; first += part_) {
      const Index n = std::min(part_, end - first);
      const Inputs<float> in = inputs.rows(first, n);
      objective_->differentiate({*engine_, *weights_, in, *tapes_[static_cast<std::size_t>(slot)],
                                 scale.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)), row},
                                probes, batch, first);
    }
  };
  if (dtheta == nullptr) {
    parallel_for(shards.count, [&](Index i, Index slot) { one_shard(i, slot, nullptr); }, inputs.interrupt);
    return;
  }
  rows_.prepare(shards.count, parameters, team);
  const auto one_group = [&](Index group, Index slot) {
    rows_.run(group, slot, [&](Index i, float* row) { one_shard(i, slot, row); });
  };
  parallel_for(rows_.groups(), one_group, inputs.interrupt);
  std::copy_n(rows_.sum(), parameters, dtheta);
}

}  // namespace scorefield
