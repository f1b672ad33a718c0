#include "scorefield/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

#include "scorefield/base/check.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/optim/ema.hpp"

namespace scorefield {
namespace {

void check(const TrainingRecipe& recipe) {
  require(recipe.batch_size >= 1, "batch_size must be >= 1, got ", recipe.batch_size);
  require(recipe.shards >= 0 && recipe.shards <= recipe.batch_size, "shards must be in 1..batch_size (",
          recipe.batch_size, "), or 0 for the usual number, got ", recipe.shards);
  require(recipe.ema >= 0 && recipe.ema < 1, "ema must be in [0, 1), got ", recipe.ema);
  require(recipe.p_uncond >= 0 && recipe.p_uncond <= 1, "p_uncond must be in [0, 1], got ", recipe.p_uncond);
}

Shards shards_of(const TrainingRecipe& recipe, const nn::Plan& plan) {
  check(recipe);
  return recipe.shards == 0 ? Shards::of(recipe.batch_size, plan) : Shards{recipe.batch_size, recipe.shards};
}

std::unique_ptr<Optimizer> make(const TrainingRecipe& recipe, std::span<const float> theta) {
  auto inner = make_optimizer(recipe.optimizer, static_cast<Index>(theta.size()));
  if (recipe.ema == 0) return inner;
  return std::make_unique<Ema>(recipe.ema, theta, std::move(inner));
}

std::span<std::byte> bytes(const NamedState& state) {
  return std::visit([](auto values) { return std::as_writable_bytes(values); }, state.values);
}

std::string written(double value) { return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"; }

/// The losses of a batch without their gradient, for held-out data.
Values values_of(const Engine<float>& engine, const Weights& weights, const Objective& objective) {
  return [&](Batch& batch, const Inputs<float>& inputs, Index) {
    Matrix<float> y(batch.size(), engine.plan().shape(engine.plan().output).size()), dy(y.rows(), y.cols());
    infer<float>(engine, weights, inputs, inference_tapes(engine, batch.size()), y);
    if (objective.whole()) return objective.together(batch, y, dy);
    parallel_for(batch.size(), [&](Index r, Index) {
      batch.value[static_cast<std::size_t>(r)] = objective.value(batch, r, y.row(r), dy.row(r));
    });
  };
}
Values values_of(DerivativeGradient& derivatives, std::uint64_t seed) {
  return [&derivatives, seed](Batch& batch, const Inputs<float>& inputs, Index first) {
    const std::vector<double> scale(batch.rows.size(), 1.0);
    const Shards parts{batch.size(), std::max<Index>(1, batch.size() / 32)};
    derivatives.run(batch, inputs, parts, scale, Noise(seed, Stream::evaluate, 3, first), nullptr);
  };
}

}  // namespace

Trainer::Trainer(std::shared_ptr<const Engine<float>> engine, std::span<const float> theta,
                 std::shared_ptr<const Objective> objective, const TrainingRecipe& recipe)
    : engine_(std::move(engine)),
      objective_(std::move(objective)),
      recipe_(recipe),
      shards_(shards_of(recipe, engine_->plan())),
      theta_(theta.begin(), theta.end()),
      dtheta_(theta.size()),
      optimizer_(make(recipe, theta)),
      batch_(engine_->plan(), recipe.batch_size),
      weights_(engine_->weights()) {
  require(static_cast<Index>(theta.size()) == engine_->plan().parameter_count, "the network has ",
          engine_->plan().parameter_count, " parameters, got theta of ", theta.size());
  if (objective_->schedule()) times_ = make_time_sampler(objective_->times(), objective_->schedule());
  if (auto second = std::dynamic_pointer_cast<const DerivativeObjective>(objective_))
    derivatives_.emplace(engine_->plan(), std::move(second));
}

void Trainer::set_data(const TrainingData& data, std::span<const double> weights) {
  check_data(engine_->plan(), *objective_, data);
  const Index n = data.x.rows();
  require(weights.empty() || static_cast<Index>(weights.size()) == n, "sample_weight has ", weights.size(),
          " entries for ", n, " samples");
  order_ = weights.empty() ? BatchOrder(recipe_.seed, n) : BatchOrder(recipe_.seed, weights);
  data_.emplace(data);
}

void Trainer::run(Index steps, const Interrupt& interrupt, Report& report) {
  require(order_.has_value(), "the trainer has no data yet");
  for (Index i = 0; i < steps; ++i) {
    interrupt.check();
    draw();
    const double loss = differentiate(interrupt);
    const double norm = update(loss);
    report.loss.push_back(loss);
    report.grad_norm.push_back(norm);
  }
}

void Trainer::draw() {
  const auto step = static_cast<std::uint32_t>(step_);
  const Noise chance(recipe_.seed, Stream::condition_drop, step);
  order_->draw(step_, batch_.rows);
  if (recipe_.p_uncond > 0 && batch_.inputs.conditional()) {
    Matrix<double> u(batch_.size(), 1);
    chance.uniform(u);
    for (Index r = 0; r < batch_.size(); ++r) batch_.dropped[static_cast<std::size_t>(r)] = u(r, 0) < recipe_.p_uncond;
  }
  if (times_) times_->draw(Noise(recipe_.seed, Stream::training_time, step), batch_.t, batch_.correction);
  objective_->prepare(batch_);
  fill(batch_, *data_, *objective_, Noise(recipe_.seed, Stream::training_noise, step),
       Noise(recipe_.seed, Stream::condition_noise, step));
}

/// A loss that must not be called in parallel: a forward pass for its sake; another one, with the tape, will follow.
Matrix<float> Trainer::ask_together(const Inputs<float>& inputs) {
  Matrix<float> y(batch_.size(), batch_.target.cols()), dy(y.rows(), y.cols());
  infer<float>(*engine_, *weights_, inputs, inference_tapes(*engine_, batch_.size()), y);
  objective_->together(batch_, y, dy);
  return dy;
}

double Trainer::differentiate_twice(const Inputs<float>& inputs) {
  derivatives_->load(theta_);
  std::vector<double> scale = batch_.correction;
  for (double& s : scale) s /= static_cast<double>(batch_.size());
  derivatives_->run(batch_, inputs, shards_, scale,
                    Noise(recipe_.seed, Stream::probe, static_cast<std::uint32_t>(step_)), dtheta_.data());
  double sum = 0;
  for (std::size_t i = 0; i < scale.size(); ++i) sum += scale[i] * batch_.value[i];
  return sum;
}

double Trainer::differentiate(const Interrupt& interrupt) {
  Inputs<float> inputs = batch_.inputs.first(batch_.size());
  inputs.dropout = Noise(recipe_.seed, Stream::dropout, static_cast<std::uint32_t>(step_));
  inputs.interrupt = &interrupt;
  if (derivatives_) return differentiate_twice(inputs);
  if (!std::exchange(loaded_, true)) engine_->load(theta_.data(), *weights_);
  const double n = static_cast<double>(batch_.size());
  const Matrix<float> given = objective_->whole() ? ask_together(inputs) : Matrix<float>();
  const Loss<float> loss = [&](Index first, In<float> y, Out<float> dy) {
    for (Index r = 0; r < y.rows(); ++r) {
      const auto i = static_cast<std::size_t>(first + r);
      if (objective_->whole())
        dy.row(r) = given.row(first + r);
      else
        batch_.value[i] = objective_->value(batch_, first + r, y.row(r), dy.row(r));
      dy.row(r) *= static_cast<float>(batch_.correction[i] / n);
    }
    return 0.0;
  };
  gradient<float>(*engine_, *weights_, inputs, shards_, loss, workspace_, dtheta_.data());
  double sum = 0;
  for (std::size_t i = 0; i < batch_.value.size(); ++i) sum += batch_.correction[i] * batch_.value[i];
  return sum / n;
}

double Trainer::update(double loss) {
  const std::string at = " at step " + std::to_string(step_ + 1);
  if (!std::isfinite(loss)) throw NonFiniteError("loss became " + written(loss) + at);
  const double squared = squared_norm(dtheta_);
  if (!std::isfinite(squared)) throw NonFiniteError("the gradient's norm became " + written(squared) + at);
  scorefield::step(*optimizer_, theta_, dtheta_, squared);
  if (times_) times_->observe(batch_.t, batch_.value);
  loaded_ = false;
  ++step_;
  return std::sqrt(squared);
}

std::span<const float> Trainer::average() const {
  const std::span<const float> average = optimizer_->average();
  return average.empty() ? std::span<const float>(theta_) : average;
}

std::vector<NamedState> Trainer::state() {
  std::vector<NamedState> all = optimizer_->state();
  if (times_) learnt_ = times_->state();
  for (auto& [name, values] : learnt_) all.push_back({"times." + name, std::span(values)});
  return all;
}

void Trainer::restore(std::uint64_t step, std::span<const float> theta) {
  require(theta.size() == theta_.size(), "the network has ", theta_.size(), " parameters, got theta of ", theta.size());
  std::ranges::copy(theta, theta_.begin());
  if (times_) times_->restore(learnt_);
  step_ = step;
  loaded_ = false;
}

void Trainer::snapshot() {
  Snapshot taken{step_, theta_, {}};
  for (const NamedState& s : state()) {
    const auto from = bytes(s);
    taken.state.emplace_back(from.begin(), from.end());
  }
  snapshot_ = std::move(taken);
}

void Trainer::rollback() {
  require(snapshot_.has_value(), "there is no snapshot to go back to");
  const auto all = state();
  for (std::size_t i = 0; i < all.size(); ++i) std::ranges::copy(snapshot_->state[i], bytes(all[i]).begin());
  restore(snapshot_->step, snapshot_->theta);
}

HeldOut Trainer::evaluate(const TrainingData& data, Index bins, std::uint64_t seed, bool average,
                          const Interrupt& interrupt) const {
  const std::span<const float> theta = average ? this->average() : std::span<const float>(theta_);
  if (const auto second = std::dynamic_pointer_cast<const DerivativeObjective>(objective_)) {
    DerivativeGradient derivatives(engine_->plan(), second);
    derivatives.load(theta);
    return scorefield::evaluate(engine_->plan(), *objective_, values_of(derivatives, seed), data, bins, seed,
                                interrupt);
  }
  const auto weights = engine_->weights();
  engine_->load(theta.data(), *weights);
  return scorefield::evaluate(engine_->plan(), *objective_, values_of(*engine_, *weights, *objective_), data, bins,
                              seed, interrupt);
}

}  // namespace scorefield
