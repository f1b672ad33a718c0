#include "scorefield/model/inputs.hpp"

#include <algorithm>
#include <string_view>
#include <variant>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

int find(const nn::Plan& plan, std::string_view name) {
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    if (plan.inputs[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

/// A condition array goes to the input channels ("image") or to the embedding ("vector"): a network has one of the two.
int find_condition(const nn::Plan& plan) { return std::max(find(plan, "image"), find(plan, "vector")); }

Index size(const nn::Plan& plan, int input) {
  return plan.shape(plan.inputs[static_cast<std::size_t>(input)].tensor).size();
}

/// Ids from 0 to this are in the table that the input's ids look up.
Index table_rows(const nn::Plan& plan, int input) {
  const nn::Tensor ids = plan.inputs[static_cast<std::size_t>(input)].tensor;
  for (const nn::Op& op : plan.ops) {
    const auto* e = std::get_if<nn::Embedding>(&op);
    if (e && e->ids == ids) return e->table.size / plan.shape(e->y).channels;
  }
  return 0;
}

void check_labels(const nn::Plan& plan, std::span<const std::int64_t> labels, Index n) {
  const int input = find(plan, "label");
  require(input >= 0, "labels were given, but the network takes none: make it with classes=");
  require(static_cast<Index>(labels.size()) == n, "got ", labels.size(), " labels for ", n, " samples");
  const Index classes = table_rows(plan, input);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    require(labels[i] >= -1 && labels[i] < classes, "labels must be in 0..", classes - 1, " (-1: none), got ",
            labels[i], " at [", i, "]");
  }
}

void check_values(const nn::Plan& plan, const InMap<float>& values, Index n) {
  const int input = find_condition(plan);
  require(input >= 0, "a condition was given, but the network takes none: make it with condition=");
  require(values.rows() == n, "the condition has ", values.rows(), " rows for ", n, " samples");
  require(values.cols() == size(plan, input), "the network's condition has ", size(plan, input),
          " numbers per sample, got ", values.cols());
}

void check_text(const nn::Plan& plan, const InMap<float>& ids, Index n) {
  const int input = find(plan, "text_ids");
  require(input >= 0, "text was given, but the network takes none: make it with text=");
  require(ids.rows() == n, "got ", ids.rows(), " texts for ", n, " samples");
  require(ids.cols() == size(plan, input), "the network reads ", size(plan, input), " words per text, got ",
          ids.cols());
  const float words = static_cast<float>(table_rows(plan, input));
  require(ids.size() == 0 || (ids.array() < words).all(), "text ids must be below ", words);
}

}  // namespace

void check(const nn::Plan& plan, const Conditions& conditions, Index n) {
  if (!conditions.labels.empty()) check_labels(plan, conditions.labels, n);
  if (conditions.values.size() > 0) check_values(plan, conditions.values, n);
  if (conditions.text_ids.size() > 0) check_text(plan, conditions.text_ids, n);
}

NetworkInputs::NetworkInputs(const nn::Plan& plan, Index rows)
    : rows_(rows),
      x_(find(plan, "x")),
      time_(find(plan, "time")),
      label_(find(plan, "label")),
      condition_(find_condition(plan)),
      text_(find(plan, "text_ids")) {
  require(x_ >= 0, "the network has no input named x");
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const int input = static_cast<int>(i);
    const float start = input == label_ || input == text_ ? -1.0f : 0.0f;
    values_.push_back(Matrix<float>::Constant(rows, size(plan, input), start));
  }
}

void NetworkInputs::set_time(Index row, double c_noise) {
  if (time_ >= 0) values_[static_cast<std::size_t>(time_)](row, 0) = static_cast<float>(c_noise);
}

void NetworkInputs::set_condition(Index row, const Conditions& conditions, Index source) {
  drop_condition(row);
  if (label_ >= 0 && !conditions.labels.empty()) {
    values_[static_cast<std::size_t>(label_)](row, 0) =
        static_cast<float>(conditions.labels[static_cast<std::size_t>(source)]);
  }
  if (condition_ >= 0 && conditions.values.size() > 0) {
    values_[static_cast<std::size_t>(condition_)].row(row) = conditions.values.row(source);
  }
  if (text_ >= 0 && conditions.text_ids.size() > 0)
    values_[static_cast<std::size_t>(text_)].row(row) = conditions.text_ids.row(source);
}

void NetworkInputs::drop_condition(Index row) {
  if (label_ >= 0) values_[static_cast<std::size_t>(label_)].row(row).setConstant(-1);
  if (condition_ >= 0) values_[static_cast<std::size_t>(condition_)].row(row).setZero();
  if (text_ >= 0) values_[static_cast<std::size_t>(text_)].row(row).setConstant(-1);
}

std::span<float> NetworkInputs::condition(Index row) {
  if (condition_ < 0) return {};
  Matrix<float>& values = values_[static_cast<std::size_t>(condition_)];
  return {values.data() + row * values.cols(), static_cast<std::size_t>(values.cols())};
}

Inputs<float> NetworkInputs::first(Index rows) const {
  Inputs<float> inputs;
  for (const Matrix<float>& v : values_) inputs.values.emplace_back(v.data(), rows, v.cols());
  return inputs;
}

}  // namespace scorefield
