#pragma once
#include <vector>

#include "common.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield::bindings {

/// The levels of t, computed on this thread: a schedule written in Python takes the lock for itself.
inline std::vector<Level> levels(const Schedule& schedule, const Array<double>& t) {
  std::vector<Level> out;
  for (py::ssize_t i = 0; i < t.size(); ++i) out.push_back(schedule.at(t.data()[i]));
  return out;
}

}  // namespace scorefield::bindings
