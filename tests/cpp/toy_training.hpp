#pragma once
#include <cmath>
#include <memory>
#include <vector>

#include "scorefield/base/rng.hpp"
#include "scorefield/engine/make_engine.hpp"
#include "scorefield/nn/init.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/schedule/discrete_vp.hpp"
#include "scorefield/train/denoising.hpp"
#include "scorefield/train/trainer.hpp"

/// Small networks and data for the tests of training and of networks as denoisers.
namespace scorefield::toy {

inline std::shared_ptr<const Engine<float>> engine(const nn::MLP& spec) {
  return make_engine(std::make_shared<const nn::Plan>(nn::plan(spec)), "reference");
}

inline std::vector<float> theta(const Engine<float>& engine, std::uint64_t seed = 0) {
  std::vector<float> values(static_cast<std::size_t>(engine.plan().parameter_count));
  nn::initialise(engine.plan(), seed, values);
  return values;
}

/// Rows mu + c z with z standard normal, per column.
inline Matrix<float> normal_data(Index n, const std::vector<double>& mu, const std::vector<double>& c) {
  Matrix<double> z(n, static_cast<Index>(mu.size()));
  Noise(99, Stream::probe).normal(z);
  for (Index j = 0; j < z.cols(); ++j) {
    z.col(j) = mu[static_cast<std::size_t>(j)] + c[static_cast<std::size_t>(j)] * z.col(j).array();
  }
  return z.cast<float>();
}

/// alpha^2 = alpha_bar at t = 1, the only time there is.
inline std::shared_ptr<const Schedule> one_level(double alpha_bar) {
  return std::make_shared<DiscreteVp>(DiscreteVp::of_alpha_bars({alpha_bar}));
}

inline InMap<float> rows(const Matrix<float>& x) { return {x.data(), x.rows(), x.cols()}; }

inline std::shared_ptr<const Objective> denoising(std::shared_ptr<const Schedule> schedule, Prediction prediction,
                                                  Weight weight = Weight::simple, Times times = Times::uniform) {
  return std::make_shared<Denoising>(DenoisingTarget(std::move(schedule), prediction), weight, times);
}

inline Trainer::Report run(Trainer& trainer, Index steps) {
  Trainer::Report report;
  trainer.run(steps, Interrupt({}), report);
  return report;
}

}  // namespace scorefield::toy
