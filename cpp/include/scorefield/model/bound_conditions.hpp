#pragma once
#include <vector>

#include "scorefield/model/inputs.hpp"

namespace scorefield {

/// The conditions of global samples start, start + 1, ..., copied; or none for all.
class BoundConditions {
 public:
  /// Throws unless the network of `plan` can read them.
  BoundConditions(const nn::Plan& plan, const Conditions& conditions, Index start);
  /// Throws unless there are conditions for samples first .. first + rows - 1, or none at all.
  void check_known(Index first, Index rows) const;
  /// Row `row` of the inputs hears what belongs to global sample `sample`.
  void set(NetworkInputs& inputs, Index row, Index sample) const;
  bool any() const { return count_ > 0; }

 private:
  Conditions view() const;

  std::vector<std::int64_t> labels_;
  Matrix<float> values_, text_ids_;
  Index start_, count_;
};

}  // namespace scorefield
