#pragma once
#include <stdexcept>
#include <string>

namespace scorefield {

/// The message of the std::invalid_argument that f throws; empty if it throws none.
template <class F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

}  // namespace scorefield
