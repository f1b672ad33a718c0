#pragma once
#include <vector>

#include "tape.hpp"

namespace scorefield::fast {

/// theta as the kernels multiply with it. U: [point][output block][input lane][16]; U_transposed: [point][input
/// block][output lane][16].
struct FastWeights final : Weights {
  struct Conv {
    float* U = nullptr;
    float* U_transposed = nullptr;
    float* bias = nullptr;
    float* gamma = nullptr;
    float* beta = nullptr;
  };
  Floats memory;
  std::vector<Conv> convs;                            // by operation
  std::vector<std::vector<float>> tables, positions;  // by operation: of an Embedding, rows padded to whole blocks
  std::vector<std::vector<double>> turns;             // of a Sinusoid: turns per unit of time

  explicit FastWeights(const Program& program);
  void load(const Program& program, const float* theta);
};

/// dtheta := a gradient row, in theta's order.
void collect(const Program& program, const float* row, float* dtheta);

}  // namespace scorefield::fast
