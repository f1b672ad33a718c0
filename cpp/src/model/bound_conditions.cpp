#include "scorefield/model/bound_conditions.hpp"

#include <algorithm>

#include "scorefield/base/check.hpp"

namespace scorefield {

BoundConditions::BoundConditions(const nn::Plan& plan, const Conditions& conditions, Index start)
    : labels_(conditions.labels.begin(), conditions.labels.end()),
      values_(conditions.values),
      text_ids_(conditions.text_ids),
      start_(start),
      count_(std::max({static_cast<Index>(labels_.size()), values_.rows(), text_ids_.rows()})) {
  if (count_ > 0) check(plan, view(), count_);
}

void BoundConditions::check_known(Index first, Index rows) const {
  require(count_ == 0 || (first >= start_ && first + rows <= start_ + count_), "conditions are known for samples ",
          start_, "..", start_ + count_ - 1, ", asked for ", first, "..", first + rows - 1);
}

void BoundConditions::set(NetworkInputs& inputs, Index row, Index sample) const {
  if (count_ > 0) {
    inputs.set_condition(row, view(), sample - start_);
  } else {
    inputs.drop_condition(row);
  }
}

Conditions BoundConditions::view() const {
  return {labels_,
          {values_.data(), values_.rows(), values_.cols()},
          {text_ids_.data(), text_ids_.rows(), text_ids_.cols()}};
}

}  // namespace scorefield
