#pragma once
#include <cstdint>
#include <span>

#include "scorefield/nn/plan.hpp"

namespace scorefield::nn {

/// theta := how a network starts: each number a function of (seed, its index) and of the Init of its parameter. Uniform
/// weights of variance 1 / (3 fan-in), He et al. 2015 with PyTorch's gain; norms 1 and 0.
void initialise(const Plan& plan, std::uint64_t seed, std::span<float> theta);

}  // namespace scorefield::nn
