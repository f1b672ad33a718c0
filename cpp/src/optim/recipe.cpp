#include "scorefield/optim/recipe.hpp"

#include "scorefield/optim/clip.hpp"

namespace scorefield {
namespace {

std::unique_ptr<Optimizer> make(const Adam::Settings& settings, Index size) {
  return std::make_unique<Adam>(settings, size);
}
std::unique_ptr<Optimizer> make(const Sgd::Settings& settings, Index size) {
  return std::make_unique<Sgd>(settings, size);
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerRecipe& recipe, Index size) {
  auto inner = std::visit([size](const auto& settings) { return make(settings, size); }, recipe.rule);
  if (recipe.clip_norm == 0) return inner;
  return std::make_unique<Clip>(recipe.clip_norm, std::move(inner));
}

}  // namespace scorefield
