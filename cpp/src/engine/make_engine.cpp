#include "scorefield/engine/make_engine.hpp"

#include "scorefield/base/check.hpp"
#include "scorefield/engine/fast.hpp"
#include "scorefield/engine/reference.hpp"

namespace scorefield {

std::shared_ptr<const Engine<float>> make_engine(std::shared_ptr<const nn::Plan> plan, std::string_view name) {
  require(plan != nullptr, "make_engine needs a plan");
  require(name == "fast" || name == "direct" || name == "reference",
          "engine must be \"fast\", \"direct\" or \"reference\", got \"", name, "\"");
  if (name == "reference" || !FastEngine::unsupported(*plan).empty())
    return std::make_shared<ReferenceEngine<float>>(std::move(plan));
  return std::make_shared<FastEngine>(std::move(plan), FastEngine::Options{.winograd = name == "fast"});
}

}  // namespace scorefield
