#include "scorefield/model/inference.hpp"

#include <algorithm>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {

namespace {

constexpr Index worth_a_thread = Index{1} << 17;  // multiplications: about a microsecond, what it takes to wake one

Index products(const nn::Plan& plan) {
  Index sum = 0;
  for (const nn::Op& op : plan.ops) {
    if (const auto* c = std::get_if<nn::Conv>(&op)) sum += c->weight.size * plan.shape(c->y).positions();
  }
  return std::max<Index>(1, sum);
}

/// Small rows are cheap to copy and come in larger parts; no part takes more than 256 MB.
Index most_rows(const Engine<float>& engine, Inference::Use use) {
  constexpr std::size_t most_bytes = std::size_t{1} << 28;
  const std::size_t bytes = std::max<std::size_t>(1, engine.tape_bytes(1, use));
  return std::clamp<Index>(static_cast<Index>(most_bytes / bytes), 1, bytes < (1 << 16) ? 64 : 32);
}

}  // namespace

Inference::Inference(std::shared_ptr<const Engine<float>> engine, std::span<const float> theta)
    : engine_(std::move(engine)),
      weights_(engine_->weights()),
      products_(products(plan())),
      most_rows_{most_rows(*engine_, Use::inference), most_rows(*engine_, Use::training)} {
  require(static_cast<Index>(theta.size()) == plan().parameter_count, "the network has ", plan().parameter_count,
          " parameters, got theta of ", theta.size());
  engine_->load(theta.data(), *weights_);
}

Index Inference::part_rows(Index n, Use use) const {
  const Index most = most_rows_[static_cast<int>(use)];
  if (n <= most && n * products_ < 2 * worth_a_thread) return n;
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
  if (rows >= n) return one_part(0, 0);
  parallel_for((n + rows - 1) / rows, one_part, interrupt);
}

}  // namespace scorefield
