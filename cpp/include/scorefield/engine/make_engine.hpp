#pragma once
#include <memory>
#include <string_view>

#include "scorefield/engine/engine.hpp"

namespace scorefield {

/// The engine of that name for a plan: "fast", "direct" (the fast one without Winograd) or "reference". A plan that the
/// fast engine does not run (FastEngine::unsupported) gets the reference engine. Throws, with the list, for any other
/// name.
std::shared_ptr<const Engine<float>> make_engine(std::shared_ptr<const nn::Plan> plan, std::string_view name);

}  // namespace scorefield
