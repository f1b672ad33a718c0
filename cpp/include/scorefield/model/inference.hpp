#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "scorefield/engine/engine.hpp"
#include "scorefield/model/inputs.hpp"

namespace scorefield {

/// A network ready to be asked: an engine, theta loaded once, and memory that calls share. Any number of threads may
/// ask at once.
class Inference {
 public:
  using Use = Engine<float>::Use;

  /// What one part of a batch is computed in.
  struct Workspace {
    std::unique_ptr<Tape> tape;
    NetworkInputs inputs;
    Matrix<float> y;
  };

  Inference(std::shared_ptr<const Engine<float>> engine, std::span<const float> theta);

  const Engine<float>& engine() const { return *engine_; }
  const nn::Plan& plan() const { return engine_->plan(); }
  const Weights& weights() const { return *weights_; }

  /// f(first, count, workspace) for parts of n rows, in parallel where that is worth waking a thread; results do not
  /// depend on the split, which follows the number of threads and keeps the memory of a part below about 256 MB.
  /// `interrupt`: see parallel_for.
  using Part = std::function<void(Index first, Index count, Workspace& workspace)>;
  void for_parts(Index n, Use use, const Part& f, const Interrupt* interrupt) const;

 private:
  Index part_rows(Index n, Use use) const;
  std::unique_ptr<Workspace> take(Index rows, Use use) const;
  void give_back(std::unique_ptr<Workspace> workspace, Use use) const;

  std::shared_ptr<const Engine<float>> engine_;
  std::unique_ptr<Weights> weights_;
  Index products_, most_rows_[2];  // multiplications per row; rows that a part may have, by use
  mutable std::mutex mutex_;       // guards free_
  mutable std::vector<std::unique_ptr<Workspace>> free_[2];  // by use
};

}  // namespace scorefield
