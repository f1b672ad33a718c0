#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace scorefield {

/// A named array of a run's state (moments, averages, loss histories, counters): what a checkpoint saves and resume
/// restores. The span borrows from the object that gave it: writing into it sets the state.
struct NamedState {
  using Values = std::variant<std::span<float>, std::span<double>, std::span<std::uint64_t>>;
  std::string name;
  Values values;
};

}  // namespace scorefield
