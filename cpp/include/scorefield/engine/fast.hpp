#pragma once
#include <memory>
#include <string>

#include "scorefield/engine/engine.hpp"

namespace scorefield {

namespace fast {
struct Program;
}

/// Runs a plan in float32 by the fused kernels of kernels/: blocked layout, norm and activation in the prologue of a
/// product, bias, vector, residual and the next norm's sums in its epilogue, 3 x 3 convolutions by Winograd, no
/// concatenation ever made. The same bits on every instruction set, for any number of threads, any split of a batch and
/// any chunk.
///
/// A gradient row is in the kernels' own order; collect() gives theta's. load() and collect() run in parallel over
/// operations.
class FastEngine final : public Engine<float> {
 public:
  struct Options {
    bool winograd = true;  ///< false: 3 x 3 convolutions by shifted copies, the oracle of the Winograd ones
    Index chunk = 0;       ///< samples that go through a stage together; 0: by formula. Results do not depend on it
  };

  /// Why a plan cannot run here; empty if it can.
  static std::string unsupported(const nn::Plan& plan);

  FastEngine(std::shared_ptr<const nn::Plan> plan, Options options);
  ~FastEngine() override;

  const nn::Plan& plan() const override { return *plan_; }
  std::unique_ptr<Weights> weights() const override;
  void load(const float* theta, Weights& weights) const override;
  std::unique_ptr<Tape> tape(Index rows, Use use) const override;
  std::size_t tape_bytes(Index rows, Use use) const override;
  void forward(const Weights& weights, const Inputs<float>& in, Tape& tape, Out<float> y) const override;
  void backward(const Weights& weights, const Inputs<float>& in, Tape& tape, In<float> dy, float* row,
                std::span<OutMap<float>> dinputs) const override;
  Index row_size() const override;
  void collect(const float* row, float* dtheta) const override;

 private:
  std::shared_ptr<const nn::Plan> plan_;
  std::unique_ptr<const fast::Program> program_;
};

}  // namespace scorefield
