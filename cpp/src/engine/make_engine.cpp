#include "scorefield/engine/make_engine.hpp"

#include "scorefield/base/check.hpp"
#include "scorefield/engine/reference.hpp"

namespace scorefield {

std::shared_ptr<const Engine<float>> make_engine(std::shared_ptr<const nn::Plan> plan, std::string_view name) {
  require(plan != nullptr, "make_engine needs a plan");
  require(name == "reference", "engine must be \"reference\", got \"", name, "\"");
  return std::make_shared<ReferenceEngine<float>>(std::move(plan));
}

}  // namespace scorefield
