#pragma once
#include <optional>

#include "common.hpp"
#include "scorefield/model/inputs.hpp"

namespace scorefield::bindings {

/// Views of the arrays of a condition; None is absent.
inline Conditions conditions(const std::optional<Array<std::int64_t>>& labels,
                             const std::optional<Array<float>>& condition,
                             const std::optional<Array<float>>& text_ids) {
  const auto rows = [](const std::optional<Array<float>>& a) { return a ? view(*a) : InMap<float>{nullptr, 0, 0}; };
  Conditions all{{}, rows(condition), rows(text_ids)};
  if (labels) all.labels = {labels->data(), static_cast<std::size_t>(labels->size())};
  return all;
}

}  // namespace scorefield::bindings
