#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scorefield/engine/engine.hpp"

namespace scorefield {

/// What comes with each sample besides x; what does not exist is empty. Borrowed, one row per sample.
struct Conditions {
  std::span<const std::int64_t> labels{};  ///< -1: none
  InMap<float> values{nullptr, 0, 0};      ///< (n, K): a vector, or an image of the height and width of x
  InMap<float> text_ids{nullptr, 0, 0};    ///< (n, L); ids below 0 are padding
};

/// Throws unless the network of `plan` can read these conditions for n samples: it has such an input, sizes fit, ids
/// are in range.
void check(const nn::Plan& plan, const Conditions& conditions, Index n);

/// The inputs of a plan for up to `rows` samples, by meaning instead of by number, in memory that is used again. What a
/// plan does not ask for is left out; what is never set is "none": x and time 0, ids -1, condition arrays 0.
class NetworkInputs {
 public:
  NetworkInputs(const nn::Plan& plan, Index rows);

  Index rows() const { return rows_; }
  /// The network's x: c_in(t) * x_t. (rows, D)
  Matrix<float>& x() { return values_[static_cast<std::size_t>(x_)]; }
  void set_time(Index row, double c_noise);
  /// Row `row` hears what belongs to sample `source`, or nothing: label and text none, condition 0.
  void set_condition(Index row, const Conditions& conditions, Index source);
  void drop_condition(Index row);
  /// The condition array of a row; empty if the plan reads none.
  std::span<float> condition(Index row);
  bool conditional() const { return label_ >= 0 || condition_ >= 0 || text_ >= 0; }

  /// The first `rows` samples as an engine reads them.
  Inputs<float> first(Index rows) const;

 private:
  std::vector<Matrix<float>> values_;  // in the plan's order
  Index rows_;
  int x_ = -1, time_ = -1, label_ = -1, condition_ = -1, text_ = -1;
};

}  // namespace scorefield
