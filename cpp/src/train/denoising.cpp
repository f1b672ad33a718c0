#include "scorefield/train/denoising.hpp"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/process/precondition.hpp"

namespace scorefield {
namespace {

/// eps-loss over the loss of the network's own output, theory 4: (d eps_hat / d output)^2 = (alpha / sigma d x0_hat / d
/// output)^2.
double eps_loss_factor(Prediction prediction, const Schedule& schedule, const Level& t) {
  const double slope = t.alpha / t.sigma * network_to_x0(prediction, t, schedule).y;
  return slope * slope;
}

}  // namespace

DenoisingTarget::DenoisingTarget(std::shared_ptr<const Schedule> schedule, Prediction prediction)
    : schedule_(std::move(schedule)), prediction_(prediction) {
  require(schedule_ != nullptr, "a denoising loss needs a schedule");
  require(prediction != Prediction::energy, "an energy is trained through its derivative in x, not by this loss");
  require_serves(prediction, *schedule_);
}

void DenoisingTarget::check(const TrainingData& data, Index in, Index out) const {
  require(data.x.cols() == in, "the network takes ", in, " numbers per sample, x has ", data.x.cols());
  require(out == in, "a denoiser's network must put out the shape of x: it takes ", in, " numbers and puts out ", out);
}

void DenoisingTarget::prepare(Batch& batch) const {
  for (std::size_t i = 0; i < batch.t.size(); ++i) {
    batch.targets[i] = network_target(prediction_, batch.levels[i], *schedule_);
  }
}

void DenoisingTarget::write(Batch& batch, Index r, In<double> x0, In<double> eps) const {
  const Target& of = batch.targets[static_cast<std::size_t>(r)];
  batch.target.row(r).head(x0.cols()) = (of.x0 * x0 + of.eps * eps).cast<float>();
}

Denoising::Denoising(DenoisingTarget target, std::variant<Weight, WeightFunction> weight, Times times)
    : target_(std::move(target)), weight_(std::move(weight)), times_(times) {}

void Denoising::prepare(Batch& batch) const {
  noise_levels(batch);
  target_.prepare(batch);
  if (const Weight* weight = std::get_if<Weight>(&weight_)) {
    for (std::size_t i = 0; i < batch.t.size(); ++i) {
      batch.weight[i] = loss_weight(*weight, target_.prediction(), *target_.schedule(), batch.t[i]);
    }
    return;
  }
  batch.weight = std::get<WeightFunction>(weight_)(batch.t);
  require(batch.weight.size() == batch.t.size(), "the weight of ", batch.t.size(),
          " times must be as many numbers, got ", batch.weight.size());
  for (std::size_t i = 0; i < batch.t.size(); ++i) {
    require(std::isfinite(batch.weight[i]) && batch.weight[i] >= 0, "the weight must be finite and >= 0, got ",
            batch.weight[i], " at t = ", batch.t[i]);
    batch.weight[i] *= eps_loss_factor(target_.prediction(), *target_.schedule(), batch.levels[i]);
  }
}

double Denoising::value(const Batch& batch, Index r, In<float> y, Out<float> dy) const {
  const double w = batch.weight[static_cast<std::size_t>(r)], n = static_cast<double>(y.cols());
  double sum = 0;
  for (Index e = 0; e < y.cols(); ++e) {
    const double error = static_cast<double>(y(0, e)) - static_cast<double>(batch.target(r, e));
    sum += error * error;
    dy(0, e) = static_cast<float>(2 * w / n * error);
  }
  return w * sum / n;
}

CustomLoss::CustomLoss(DenoisingTarget target, LossFunction loss, Times times)
    : target_(std::move(target)), loss_(std::move(loss)), times_(times) {}

void CustomLoss::prepare(Batch& batch) const {
  noise_levels(batch);
  target_.prepare(batch);
}

double CustomLoss::value(const Batch&, Index, In<float>, Out<float>) const {
  throw std::logic_error("a custom loss sees the whole batch");
}

void CustomLoss::together(Batch& batch, In<float> y, Out<float> dy) const {
  loss_(y, batch.target, batch.t, batch.value, dy);
}

}  // namespace scorefield
