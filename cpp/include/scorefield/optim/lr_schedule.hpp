#pragma once
#include <cstdint>

namespace scorefield {

enum class Decay { constant, cosine, linear };

/// The learning rate of step k = 0, 1, ...:  peak * min(1, (k + 1) / warmup) * decay(p) with
///   p = clamp((k - warmup) / (decay_steps - warmup), 0, 1)
///   constant  1        cosine  (1 + cos(pi p)) / 2  (Loshchilov and Hutter 2017, without restarts)        linear  1 -
///   p
/// so the warm-up is part of decay_steps, and the rate is 0 from step decay_steps on.
struct LearningRate {
  double peak = 1e-3;
  std::uint64_t warmup = 0;
  Decay decay = Decay::constant;
  std::uint64_t decay_steps = 0;  ///< unused if constant

  double at(std::uint64_t step) const;
};

/// Throws std::invalid_argument unless 0 < peak < inf and, with a decay, decay_steps > warmup.
void check(const LearningRate& rate);

}  // namespace scorefield
