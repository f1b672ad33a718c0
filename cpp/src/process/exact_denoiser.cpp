#include "scorefield/process/exact_denoiser.hpp"

#include "scorefield/base/check.hpp"

namespace scorefield {

ExactDenoiser::ExactDenoiser(Mixture mixture, std::vector<Index> labels, Index start)
    : mixture_(std::move(mixture)), labels_(std::move(labels)), start_(start) {
  for (const Index label : labels_) {
    require(-1 <= label && label < mixture_.components(), "labels must be in [0, ", mixture_.components(),
            ") or -1 for the whole mixture, got ", label);
  }
}

Mixture::Chosen ExactDenoiser::chosen(Index first, Index rows) const {
  if (labels_.empty()) return {};
  const Index begin = first - start_;
  require(0 <= begin && begin + rows <= static_cast<Index>(labels_.size()), "labels cover samples ", start_, " to ",
          start_ + static_cast<Index>(labels_.size()) - 1, ", asked for ", first, " to ", first + rows - 1);
  return Mixture::Chosen(labels_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows));
}

}  // namespace scorefield
