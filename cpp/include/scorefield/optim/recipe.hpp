#pragma once
#include <memory>
#include <variant>

#include "scorefield/optim/adam.hpp"
#include "scorefield/optim/sgd.hpp"

namespace scorefield {

/// An optimiser as users write it down: which rule, and the norm that gradients are clipped to (0: they are not).
struct OptimizerRecipe {
  std::variant<Adam::Settings, Sgd::Settings> rule;
  double clip_norm = 1;
};

/// The optimiser of a recipe for `size` parameters, with moments at zero.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerRecipe& recipe, Index size);

}  // namespace scorefield
