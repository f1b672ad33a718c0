#pragma once
#include <memory>

#include "scorefield/nn/plan.hpp"

namespace scorefield::bindings {

/// A plan on its way between Python and the core.
struct Network {
  std::shared_ptr<const nn::Plan> plan;
};

}  // namespace scorefield::bindings
