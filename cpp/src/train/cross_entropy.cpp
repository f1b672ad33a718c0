#include "scorefield/train/cross_entropy.hpp"

#include <cmath>
#include <utility>

#include "scorefield/base/check.hpp"

namespace scorefield {

CrossEntropy::CrossEntropy(std::shared_ptr<const Schedule> schedule, Times times)
    : schedule_(std::move(schedule)), times_(times) {}

void CrossEntropy::check(const TrainingData& data, Index in, Index out) const {
  require(data.x.cols() == in, "the network takes ", in, " numbers per sample, x has ", data.x.cols());
  require(static_cast<Index>(data.conditions.labels.size()) == data.x.rows(), "a classifier needs a label for each of ",
          data.x.rows(), " samples, got ", data.conditions.labels.size());
  for (std::size_t i = 0; i < data.conditions.labels.size(); ++i) {
    const auto label = data.conditions.labels[i];
    require(label >= 0 && label < out, "labels must be in 0..", out - 1, " (one for each output of the network), got ",
            label, " at [", i, "]");
  }
}

/// -y_label + log sum exp y;  its derivative is softmax(y) - 1[label].  Shifted by the maximum, so that exp cannot
/// overflow.
double CrossEntropy::value(const Batch& batch, Index r, In<float> y, Out<float> dy) const {
  const Matrix<double> logits = y.cast<double>();
  const double most = logits.maxCoeff<Eigen::PropagateNaN>();
  const Matrix<double> e = (logits.array() - most).exp();
  const double sum = e.sum();
  const auto label = static_cast<Index>(batch.labels[static_cast<std::size_t>(r)]);
  dy = (e / sum).cast<float>();
  dy(0, label) -= 1;
  return most + std::log(sum) - logits(0, label);
}

}  // namespace scorefield
