#include "scorefield/model/inference.hpp"

#include <algorithm>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {

Inference::Inference(std::shared_ptr<const Engine<float>> engine, std::span<const float> theta)
    : engine_(std::move(engine)), weights_(engine_->weights()) {
  require(static_cast<Index>(theta.size()) == plan().parameter_count, "the network has ", plan().parameter_count,
          " parameters, got theta of ", theta.size());
  engine_->load(theta.data(), *weights_);
}

Index Inference::part_rows(Index n, Use use) const {
  constexpr std::size_t most_bytes = std::size_t{1} << 28;
  const std::size_t fitting = most_bytes / std::max<std::size_t>(1, engine_->tape_bytes(1, use));
  const Index most = std::clamp<Index>(static_cast<Index>(fitting), 1, 32);
  const Index team = threads();
  return std::clamp<Index>((n + team - 1) / team, 1, most);
}

std::unique_ptr<Inference::Workspace> Inference::take(Index rows, Use use) const {
  {
    const std::lock_guard lock(mutex_);
    auto& free = free_[static_cast<int>(use)];
    while (!free.empty()) {
      auto workspace = std::move(free.back());
      free.pop_back();
      if (workspace->inputs.rows() >= rows) return workspace;
    }
  }
  return std::make_unique<Workspace>(Workspace{engine_->tape(rows, use), NetworkInputs(plan(), rows),
                                               Matrix<float>(rows, plan().shape(plan().output).size())});
}

void Inference::give_back(std::unique_ptr<Workspace> workspace, Use use) const {
  const std::lock_guard lock(mutex_);
  free_[static_cast<int>(use)].push_back(std::move(workspace));
}

void Inference::for_parts(Index n, Use use, const Part& f, const Interrupt* interrupt) const {
  if (n == 0) return;
  const Index rows = part_rows(n, use);
  const auto one_part = [&](Index i, Index) {
    auto workspace = take(rows, use);
    f(i * rows, std::min(rows, n - i * rows), *workspace);
    give_back(std::move(workspace), use);
  };
  parallel_for((n + rows - 1) / rows, one_part, interrupt);
}

}  // namespace scorefield
