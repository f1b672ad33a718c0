#include <memory>

#include "digest.hpp"
#include "scorefield/engine/make_engine.hpp"
#include "scorefield/model/guidance.hpp"
#include "scorefield/model/network_denoiser.hpp"
#include "scorefield/nn/encoder.hpp"
#include "scorefield/nn/init.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/unet.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/heun.hpp"
#include "scorefield/schedule/rectified_flow.hpp"
#include "scorefield/schedule/time_grid.hpp"
#include "scorefield/schedule/vp.hpp"
#include "scorefield/train/cross_entropy.hpp"
#include "scorefield/train/denoising.hpp"
#include "scorefield/train/trainer.hpp"

namespace scorefield::digests {
namespace {

using EnginePtr = std::shared_ptr<const Engine<float>>;
using SchedulePtr = std::shared_ptr<const Schedule>;

constexpr Index rows = 31, batch = 12;

std::vector<std::int64_t> labels(Index n) {
  std::vector<std::int64_t> all;
  for (Index i = 0; i < n; ++i) all.push_back(i % 3);
  return all;
}

EnginePtr engine(nn::Plan plan) { return make_engine(std::make_shared<const nn::Plan>(std::move(plan)), "fast"); }

/// Some steps of training with all that it draws; adds the losses, norms of gradients, weights, and each moment and
/// average to the digest. After the first step Adam's first moment is a tenth of the gradient.
Floats train(const EnginePtr& net, const std::shared_ptr<const Objective>& objective, Index steps, Digest& digest) {
  const Index dimension = NetworkInputs(net->plan(), 1).x().cols();
  Matrix<float> x(rows, dimension);
  Noise(3, Stream::dataset).normal(x);
  const auto classes = labels(rows);
  Floats theta(static_cast<std::size_t>(net->plan().parameter_count));
  nn::initialise(net->plan(), 2, theta);
  TrainingRecipe recipe{.optimizer = {Adam::Settings{{1e-3}}, 1}, .ema = 0.99, .seed = 5, .batch_size = batch};
  recipe.p_uncond = objective->classifies() ? 0 : 0.2;
  Trainer trainer(net, theta, objective, recipe);
  trainer.set_data({.x = {x.data(), rows, dimension}, .conditions = {.labels = classes}}, {});
  Trainer::Report report;
  for (Index i = 0; i < steps; ++i) {
    trainer.run(1, Interrupt({}), report);
    digest.add(trainer.theta());
    for (const NamedState& s : trainer.state()) std::visit([&](auto values) { digest.add(values); }, s.values);
  }
  digest.add(report.loss), digest.add(report.grad_norm);
  return {trainer.average().begin(), trainer.average().end()};
}

/// Guided samples of a few steps, some without label.
void draw(const EnginePtr& net, const Floats& theta, const SchedulePtr& schedule, Prediction kind,
          const Sampler& sampler, Digest& digest) {
  const auto inference = std::make_shared<const Inference>(net, theta);
  const auto classes = labels(9);
  const auto asked = std::make_shared<const NetworkDenoiser>(inference, schedule, kind, Conditions{.labels = classes}),
             free = std::make_shared<const NetworkDenoiser>(inference, schedule, kind);
  const ClassifierFree denoiser(asked, free, 1.5, 0.5);
  Matrix<double> x(9, denoiser.dimension());
  Noise(9, Stream::prior).normal(x);
  sample(sampler, denoiser, *schedule, grids::linspace(*schedule, 4), {Noise(9, Stream::sampler)}, x);
  digest.add(x);
}

/// One network on one schedule: a step, more steps, and samples by several methods.
void add_model(Lines& lines, const std::string& name, const nn::Plan& plan, const SchedulePtr& schedule,
               Prediction kind, Times times) {
  const EnginePtr net = engine(plan);
  const auto loss = std::make_shared<const Denoising>(DenoisingTarget(schedule, kind), Weight::simple, times);
  const auto add = [&](const std::string& what, auto&& run) {
    Digest digest;
    run(digest);
    lines.push_back({name + ": " + what, digest.value()});
  };
  Floats theta;
  add("one step", [&](Digest& d) { train(net, loss, 1, d); });
  add("eight steps", [&](Digest& d) { theta = train(net, loss, 8, d); });
  add("DDIM", [&](Digest& d) { draw(net, theta, schedule, kind, Ddim(), d); });
  add("ancestral", [&](Digest& d) { draw(net, theta, schedule, kind, Ancestral(), d); });
  add("Heun", [&](Digest& d) { draw(net, theta, schedule, kind, Heun(), d); });
  add("DPM-Solver++", [&](Digest& d) { draw(net, theta, schedule, kind, DpmSolverPp(2), d); });
}

}  // namespace

Lines of_training() {
  const nn::MLP points{.in = 5, .out = 5, .widths = {40, 33}, .time_channels = 0, .classes = 3};
  nn::MLP timed = points;
  timed.time_channels = 32;
  const nn::UNet images{
      .shape = {1, 8, 8}, .widths = {8, 20}, .depth = 1, .attention = {4}, .groups = 4, .classes = 3, .dropout = 0.1};
  const auto flow = std::make_shared<const RectifiedFlow>();
  const auto vp = std::make_shared<const Vp>();
  Lines lines;
  add_model(lines, "MLP without time, rectified flow", nn::plan(points), flow, Prediction::flow, Times::uniform);
  add_model(lines, "MLP, VP", nn::plan(timed), vp, Prediction::v, Times::importance);
  add_model(lines, "UNet, rectified flow", nn::plan(images), flow, Prediction::flow, Times::stratified);
  add_model(lines, "UNet, VP", nn::plan(images), vp, Prediction::eps, Times::log_normal);
  Digest classifier;
  train(engine(nn::plan(nn::Encoder{.shape = {1, 8, 8}, .widths = {8, 20}, .out = 3, .depth = 1, .groups = 4})),
        std::make_shared<const CrossEntropy>(vp), 8, classifier);
  lines.push_back({"Encoder, VP: eight steps of a classifier", classifier.value()});
  return lines;
}

}  // namespace scorefield::digests
