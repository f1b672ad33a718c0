#pragma once
#include <stdexcept>
#include <string>

namespace scorefield {

/// A value that must be finite is not: a loss, a gradient, a denoiser's answer. The message names the step.
class NonFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace scorefield
