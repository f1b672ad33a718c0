#include "scorefield/optim/clip.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "scorefield/base/check.hpp"

namespace scorefield {

Clip::Clip(double max_norm, std::unique_ptr<Optimizer> inner) : max_norm_(max_norm), inner_(std::move(inner)) {
  require(std::isfinite(max_norm) && max_norm > 0, "clip_norm must be a positive number, got ", max_norm);
}

void Clip::begin(double squared_norm) {
  const double norm = std::max(std::sqrt(squared_norm), std::numeric_limits<double>::min());
  scale_ = static_cast<float>(std::min(1.0, max_norm_ / norm));
  inner_->begin(squared_norm * static_cast<double>(scale_) * static_cast<double>(scale_));
}

}  // namespace scorefield
