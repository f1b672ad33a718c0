#include "scorefield/train/hybrid.hpp"

#include <cmath>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/process/precondition.hpp"

namespace scorefield {

Hybrid::Hybrid(DenoisingTarget target, double vlb, Index channels, Times times)
    : target_(std::move(target)), bound_(*target_.schedule()), vlb_(vlb), channels_(channels), times_(times) {
  require(vlb > 0 && std::isfinite(vlb), "vlb, the weight of the bound, must be > 0, got ", vlb);
  require(channels >= 1, "channels must be >= 1, got ", channels);
  for (Index t = 1; t <= bound_.steps(); ++t) {
    const Level p = target_.schedule()->at(static_cast<double>(t));
    slopes_.push_back(network_to_x0(target_.prediction(), p, *target_.schedule()).y);
  }
}

void Hybrid::check(const TrainingData& data, Index in, Index out) const {
  require(out == 2 * in && in % channels_ == 0,
          "a network with learned variance must put out twice the channels of x: ", "it takes ", in,
          " numbers and puts out ", out);
  target_.check(data, in, in);
}

void Hybrid::prepare(Batch& batch) const {
  noise_levels(batch);
  target_.prepare(batch);
}

double Hybrid::value(const Batch& batch, Index r, In<float> y, Out<float> dy) const {
  const Index D = y.cols() / 2, C = channels_;
  const auto t = static_cast<Index>(std::lround(batch.t[static_cast<std::size_t>(r)]));
  const double n = static_cast<double>(D), slope = slopes_[static_cast<std::size_t>(t - 1)];
  const double weight = vlb_ * static_cast<double>(bound_.steps());
  double squares = 0, terms = 0;
  for (Index e = 0; e < D; ++e) {
    const Index mean = e / C * 2 * C + e % C, share = mean + C;
    const double error = static_cast<double>(y(0, mean)) - static_cast<double>(batch.target(r, e));
    const auto [value, derivative] = bound_.term(t, slope * error, (static_cast<double>(y(0, share)) + 1) / 2);
    squares += error * error;
    terms += value;
    dy(0, mean) = static_cast<float>(2 / n * error);
    dy(0, share) = static_cast<float>(weight / n * derivative / 2);
  }
  return (squares + weight * terms) / n;
}

}  // namespace scorefield
