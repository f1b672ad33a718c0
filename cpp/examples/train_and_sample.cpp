// Trains a small network on points of the plane and samples from it, without Python.
//   find_package(scorefield REQUIRED)   target_link_libraries(... scorefield::scorefield)
#include <cstdio>
#include <memory>
#include <scorefield/scorefield.hpp>
#include <vector>

namespace {

using namespace scorefield;

/// 4000 points of three clusters: the truth that the model is to find again.
Matrix<float> draw(const Mixture& truth, Index n, std::uint64_t seed) {
  Matrix<double> x(n, truth.dimension());
  truth.sample(Noise(seed, Stream::dataset), x);
  return x.cast<float>();
}

/// Adam on the denoising loss, theory (15), for the network of `plan`; returns the averaged parameters.
std::vector<float> train(const std::shared_ptr<const Engine<float>>& engine,
                         const std::shared_ptr<const Schedule>& schedule, const Matrix<float>& x) {
  std::vector<float> theta(static_cast<std::size_t>(engine->plan().parameter_count));
  nn::initialise(engine->plan(), /*seed=*/0, theta);
  const auto loss =
      std::make_shared<Denoising>(DenoisingTarget(schedule, Prediction::eps), Weight::simple, Times::stratified);
  TrainingRecipe recipe;
  recipe.optimizer.rule = Adam::Settings{};
  recipe.ema = 0.999;
  recipe.batch_size = 256;
  Trainer trainer(engine, theta, loss, recipe);
  trainer.set_data({.x = {x.data(), x.rows(), x.cols()}}, {});
  Trainer::Report report;
  trainer.run(2000, Interrupt({}), report);
  std::printf("loss %.3f -> %.3f\n", report.loss.front(), report.loss.back());
  return {trainer.average().begin(), trainer.average().end()};
}

}  // namespace

int main() {
  const Mixture truth({{-2, 0}, {1.5, 1.5}, {1, -2}}, /*stds=*/{0.3, 0.5, 0.4}, /*weights=*/{0.5, 0.3, 0.2});
  const auto schedule = std::make_shared<Vp>();
  const auto plan = std::make_shared<nn::Plan>(nn::plan(nn::MLP{.in = 2, .out = 2}));
  const auto engine = make_engine(plan, "reference");
  const std::vector<float> theta = train(engine, schedule, draw(truth, 4000, /*seed=*/0));

  const NetworkDenoiser denoiser(std::make_shared<Inference>(engine, theta), schedule, Prediction::eps);
  Matrix<double> x(2000, 2);
  Noise(/*seed=*/1, Stream::prior).normal(x);
  sample(DpmSolverPp(2), denoiser, *schedule, grids::linspace(*schedule, 30), {Noise(1, Stream::sampler)}, x);

  const Matrix<double> shares = truth.posterior(x, std::vector<Level>{Level{}}).colwise().mean();
  const double distance = metrics::sliced_wasserstein(x.cast<float>(), draw(truth, 2000, /*seed=*/2), 256, 0);
  std::printf("weights of the clusters %.2f %.2f %.2f (0.50 0.30 0.20), sliced Wasserstein %.3f\n", shares(0, 0),
              shares(0, 1), shares(0, 2), distance);
  return distance < 0.2 ? 0 : 1;
}
