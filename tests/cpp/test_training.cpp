#include <gtest/gtest.h>

#include <Eigen/LU>
#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>

#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/process/precondition.hpp"
#include "scorefield/schedule/edm.hpp"
#include "scorefield/schedule/rectified_flow.hpp"
#include "scorefield/schedule/vp.hpp"
#include "scorefield/train/cross_entropy.hpp"
#include "toy_training.hpp"

namespace scorefield {
namespace {

const nn::MLP small{.in = 2, .out = 2, .widths = {16, 16}, .time_channels = 8, .classes = 3};

TrainingRecipe recipe() {
  return {.optimizer = {Adam::Settings{{3e-3}}, 1}, .ema = 0.99, .seed = 5, .batch_size = 64, .p_uncond = 0.3};
}

std::vector<std::int64_t> classes(Index n) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 3);
  return labels;
}

/// A trainer with data that exercises everything keyed by steps: labels dropped, weights, times by importance.
struct Toy {
  Matrix<float> x = toy::normal_data(150, {1, -2}, {0.5, 1.5});
  std::vector<std::int64_t> labels = classes(150);
  std::vector<double> weights = std::vector<double>(150, 1.0);
  std::shared_ptr<const Engine<float>> engine = toy::engine(small);
  Trainer trainer;
  explicit Toy(const TrainingRecipe& r = recipe(), Times times = Times::importance)
      : trainer(engine, toy::theta(*engine),
                toy::denoising(std::make_shared<Vp>(), Prediction::eps, Weight::simple, times), r) {
    weights[3] = 10;
    trainer.set_data({toy::rows(x), {labels}}, weights);
  }
};

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

void expect_same_state(Trainer& a, Trainer& b) {
  EXPECT_EQ(a.step(), b.step());
  EXPECT_EQ(copy(a.theta()), copy(b.theta()));
  EXPECT_EQ(copy(a.average()), copy(b.average()));
  const auto from = a.state(), to = b.state();
  ASSERT_EQ(from.size(), to.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::visit(
        [&](auto values) {
          EXPECT_TRUE(std::ranges::equal(values, std::get<decltype(values)>(to[i].values))) << from[i].name;
        },
        from[i].values);
  }
}

TEST(Training, BitsDoNotDependOnThreads) {
  const auto run = [](Index cap) {
    set_thread_cap(cap);
    Toy toy;
    toy::run(toy.trainer, 6);
    set_thread_cap(0);
    return copy(toy.trainer.average());
  };
  const auto one = run(1);
  EXPECT_EQ(one, run(2));
  EXPECT_EQ(one, run(3));
}

TEST(Training, StepsMayBeCutAnywhere) {
  Toy whole, parts;
  const auto all = toy::run(whole.trainer, 12);
  const auto first = toy::run(parts.trainer, 5), second = toy::run(parts.trainer, 7);
  expect_same_state(whole.trainer, parts.trainer);
  EXPECT_EQ(all.loss[4], first.loss[4]);
  EXPECT_EQ(all.grad_norm[11], second.grad_norm[6]);
}

TEST(Training, ResumesFromItsStateBitForBit) {
  Toy whole, before, after;
  toy::run(whole.trainer, 30);
  toy::run(before.trainer, 18);
  const auto from = before.trainer.state(), to = after.trainer.state();
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::visit([&](auto values) { std::ranges::copy(values, std::get<decltype(values)>(to[i].values).begin()); },
               from[i].values);
  }
  after.trainer.restore(before.trainer.step(), before.trainer.theta());
  toy::run(after.trainer, 12);
  expect_same_state(whole.trainer, after.trainer);
}

TEST(Training, RollbackIsASnapshotTakenBack) {
  Toy toy, straight;
  toy::run(toy.trainer, 15);
  toy.trainer.snapshot();
  toy::run(toy.trainer, 5);
  toy.trainer.rollback();
  toy::run(straight.trainer, 15);
  expect_same_state(toy.trainer, straight.trainer);
  toy::run(toy.trainer, 3), toy::run(straight.trainer, 3);
  expect_same_state(toy.trainer, straight.trainer);
}

/// One noise level, a network y = W x + b, data with mean m and covariance S: least squares of eps on x_t gives
///   W = sigma (alpha^2 S + sigma^2 I)^-1,   b = -alpha W m,   loss = tr(I - sigma^2 (alpha^2 S + sigma^2 I)^-1) / D;
/// for S = c^2 I that is alpha^2 c^2 / (alpha^2 c^2 + sigma^2).
TEST(Training, LinearNetworkFindsTheAnalyticDenoiserOfAGaussian) {
  const auto engine = toy::engine({.in = 2, .out = 2, .widths = {}});
  const Matrix<float> x = toy::normal_data(4096, {1, -0.5}, {0.6, 1.4});
  const auto schedule = toy::one_level(0.6);
  TrainingRecipe r{.optimizer = {Adam::Settings{{0.05, 0, Decay::linear, 1500}}, 0}, .batch_size = 256};
  Trainer trainer(engine, toy::theta(*engine), toy::denoising(schedule, Prediction::eps), r);
  trainer.set_data({toy::rows(x)}, {});
  toy::run(trainer, 1500);

  const Level p = schedule->at(1);
  const Matrix<double> wide = x.cast<double>();
  const Eigen::RowVector2d m = wide.colwise().mean();
  const Matrix<double> centred = wide.rowwise() - m;
  const Eigen::Matrix2d S = centred.transpose() * centred / 4096;
  const Eigen::Matrix2d inverse = (p.alpha * p.alpha * S + p.sigma * p.sigma * Eigen::Matrix2d::Identity()).inverse();
  const Eigen::Matrix2d W = p.sigma * inverse;
  const Eigen::Vector2d b = -p.alpha * W * m.transpose();
  // 1500 batches of 256 with a rate falling to 0: about the last third is averaged, 1e5 samples, one standard error
  // 3e-3.
  const auto theta = trainer.theta();
  for (Index i = 0; i < 2; ++i) {
    for (Index j = 0; j < 2; ++j) EXPECT_NEAR(theta[static_cast<std::size_t>(2 * i + j)], W(i, j), 0.015);
    EXPECT_NEAR(theta[static_cast<std::size_t>(4 + i)], b(i), 0.015);
  }
  const double floor = (Eigen::Matrix2d::Identity() - p.sigma * p.sigma * inverse).trace() / 2;
  const HeldOut held = trainer.evaluate({toy::rows(x)}, 4, 0, false, Interrupt({}));
  EXPECT_NEAR(held.loss, floor,
              5 * floor * std::sqrt(2.0 / (2 * 4096)));  // squares of Gaussians: relative deviation sqrt(2 / n)
}

/// With theta = 0 the network says 0 and the loss is the mean square of its own target.
TEST(Training, LossOfASilentNetworkIsTheMeanSquareOfItsTarget) {
  const double mu = 0.7, c = 0.5;
  const Matrix<float> x = toy::normal_data(20000, {mu}, {c});
  const auto engine = toy::engine({.in = 1, .out = 1, .widths = {}});
  const auto schedule = toy::one_level(0.3);
  const Level p = schedule->at(1);
  for (Prediction kind : {Prediction::eps, Prediction::x0, Prediction::v, Prediction::score}) {
    Trainer trainer(engine, std::vector<float>(2), toy::denoising(schedule, kind), {});
    const double loss = trainer.evaluate({toy::rows(x)}, 1, 3, false, Interrupt({})).loss;
    const Target of = network_target(kind, p, *schedule);
    const double square = of.x0 * of.x0 * (mu * mu + c * c) + of.eps * of.eps;
    EXPECT_NEAR(loss, square, 5 * std::sqrt(3.0 / 20000))
        << name(kind);  // fourth moments below 3, plus those of the data
  }
}

/// Plain gradient descent of rate 1 leaves theta - dtheta: that gradient against differences of the loss along a
/// direction.
void expect_gradient(std::shared_ptr<const Schedule> schedule, Prediction kind, Weight weight, Times times) {
  Matrix<float> x = toy::normal_data(40, {0.3, -0.2}, {0.5, 0.4});
  const auto labels = classes(40);
  const auto engine = toy::engine(small);
  const TrainingRecipe plain{.optimizer = {Sgd::Settings{{1}, 0}, 0}, .batch_size = 40, .p_uncond = 0.3};
  const auto loss_at = [&](const std::vector<float>& theta, std::vector<float>* next) {
    Trainer trainer(engine, theta, toy::denoising(schedule, kind, weight, times), plain);
    trainer.set_data({toy::rows(x), {labels}}, {});
    const double loss = toy::run(trainer, 1).loss[0];
    if (next) *next = copy(trainer.theta());
    return loss;
  };
  const std::vector<float> theta = toy::theta(*engine);
  std::vector<float> next, up = theta, down = theta;
  const double loss = loss_at(theta, &next);
  Matrix<double> v(1, static_cast<Index>(theta.size()));
  Noise(1, Stream::probe).normal(v);
  const double h = 2e-3;
  double slope = 0;
  for (std::size_t i = 0; i < theta.size(); ++i) {
    const double along = v(0, static_cast<Index>(i));
    slope += (static_cast<double>(theta[i]) - static_cast<double>(next[i])) * along;
    up[i] += static_cast<float>(h * along), down[i] -= static_cast<float>(h * along);
  }
  const double difference = (loss_at(up, nullptr) - loss_at(down, nullptr)) / (2 * h);
  // float32 forward: the loss is known to about 1e-7, the difference to 1e-7 / h = 5e-5 of it; curvature adds h^2.
  EXPECT_NEAR(slope, difference, 2e-3 * std::abs(slope) + 2e-4 * loss) << name(kind) << " " << static_cast<int>(weight);
}

TEST(Training, GradientOfTheWholeLossIsItsSlope) {
  const auto vp = std::make_shared<Vp>();
  for (Prediction kind : {Prediction::x0, Prediction::eps, Prediction::score, Prediction::v, Prediction::flow}) {
    expect_gradient(vp, kind, Weight::simple, Times::uniform);
    expect_gradient(vp, kind, Weight::min_snr, Times::stratified);
  }
  expect_gradient(vp, Prediction::eps, Weight::p2, Times::importance);
  expect_gradient(std::make_shared<Edm>(), Prediction::edm, Weight::edm, Times::log_normal);
  expect_gradient(std::make_shared<RectifiedFlow>(), Prediction::flow, Weight::simple, Times::logit_normal);
}

TEST(Training, ANonFiniteLossLeavesTheStateOfTheStepBefore) {
  TrainingRecipe wild = recipe();
  wild.optimizer = {Adam::Settings{{1e30}}, 1};
  Toy toy(wild), straight(wild);
  toy.trainer.snapshot();
  Trainer::Report report;
  try {
    toy.trainer.run(100, Interrupt({}), report);
    FAIL() << "a rate of 1e30 went unnoticed";
  } catch (const NonFiniteError& error) {
    const std::string at = "at step " + std::to_string(report.loss.size() + 1);
    EXPECT_NE(std::string(error.what()).find(at), std::string::npos) << error.what();
  }
  EXPECT_EQ(toy.trainer.step(), report.loss.size());
  toy::run(straight.trainer, static_cast<Index>(report.loss.size()));
  expect_same_state(toy.trainer, straight.trainer);
  toy.trainer.rollback();
  EXPECT_EQ(toy.trainer.step(), 0u);
  EXPECT_EQ(copy(toy.trainer.theta()), toy::theta(*toy.engine));
}

TEST(Training, AnInterruptLeavesWholeSteps) {
  Toy toy, straight;
  int polls = 0;
  const Poll poll = [&] {
    if (++polls == 3) throw std::runtime_error("enough");
  };
  Trainer::Report report;
  EXPECT_THROW(toy.trainer.run(1000000, Interrupt(poll), report), std::runtime_error);
  EXPECT_EQ(toy.trainer.step(), report.loss.size());
  EXPECT_GT(toy.trainer.step(), 0u);
  if (toy.trainer.step() < 5000) {
    toy::run(straight.trainer, static_cast<Index>(toy.trainer.step()));
    expect_same_state(toy.trainer, straight.trainer);
  }
}

TEST(Training, EvaluationIsAFunctionOfItsArguments) {
  Toy toy;
  const auto ask = [&](std::uint64_t seed) {
    return toy.trainer.evaluate({toy::rows(toy.x), {toy.labels}}, 10, seed, true, Interrupt({}));
  };
  const HeldOut once = ask(0);
  EXPECT_EQ(once.bands, ask(0).bands);
  EXPECT_NE(once.loss, ask(1).loss);
  ASSERT_EQ(once.bands.size(), 10u);
  double mean = 0;
  for (double band : once.bands) mean += band / 10;
  EXPECT_NEAR(once.loss, mean, 1e-12);
}

/// With data at 0 the target of kind "edm" is -s_d eps / sqrt(sigma^2 + s_d^2), theory (14): the loss of a silent
/// network is s_d^2 / (sigma^2 + s_d^2), which falls as the noise grows. Times are drawn log-normally, so they must
/// have been sorted.
TEST(Training, BandsRunFromLittleNoiseToMuch) {
  const Matrix<float> x = Matrix<float>::Zero(2000, 1);
  const auto engine = toy::engine({.in = 1, .out = 1, .widths = {}});
  Trainer trainer(engine, std::vector<float>(2),
                  toy::denoising(std::make_shared<Edm>(), Prediction::edm, Weight::simple, Times::log_normal), {});
  const HeldOut held = trainer.evaluate({toy::rows(x)}, 5, 0, true, Interrupt({}));
  for (std::size_t b = 1; b < 5; ++b) EXPECT_LT(held.bands[b], held.bands[b - 1]);
  EXPECT_NEAR(held.bands[0], 1,
              0.25);               // sigma below 0.11: 1 / (1 + 0.05), and 5 standard errors of 400 squares of noise
  EXPECT_LT(held.bands[4], 0.25);  // sigma above 0.83
}

/// Every row dropped: the label embedding gets no gradient and stays where it was. None dropped: it moves.
TEST(Training, DroppedConditionsAreNotHeard) {
  for (double p : {0.0, 1.0}) {
    TrainingRecipe r = recipe();
    r.p_uncond = p;
    Toy toy(r);
    toy::run(toy.trainer, 3);
    bool moved = false;
    const auto start = toy::theta(*toy.engine);
    for (const nn::Parameter& parameter : toy.engine->plan().parameters) {
      if (parameter.name != "class_embedding.weight") continue;
      for (Index i = 0; i < parameter.slice.size; ++i) {
        const auto at = static_cast<std::size_t>(parameter.slice.begin + i);
        moved = moved || toy.trainer.theta()[at] != start[at];
      }
    }
    EXPECT_EQ(moved, p == 0.0);
  }
}

/// With eps = (sigma / alpha) x0 the target v = alpha eps - sigma x0 is 0 for every row, if each has its own eps; a
/// silent network then has no loss. With the eps of other rows it has.
TEST(Training, FixedNoiseStaysWithItsRow) {
  const Matrix<float> x = toy::normal_data(50, {0}, {1});
  const auto schedule = toy::one_level(0.3);
  const Level p = schedule->at(1);
  const Matrix<float> eps = (p.sigma / p.alpha * x.cast<double>()).cast<float>();
  const auto engine = toy::engine({.in = 1, .out = 1, .widths = {}});
  Trainer trainer(engine, std::vector<float>(2), toy::denoising(schedule, Prediction::v),
                  {.optimizer = {Sgd::Settings{{1e-12}, 0}, 0}, .batch_size = 32});
  trainer.set_data({toy::rows(x), {}, toy::rows(eps)}, {});
  EXPECT_LT(toy::run(trainer, 1).loss[0], 1e-12);  // eps rounded to float32
}

TEST(CrossEntropy, StartsAtLogKAndLearnsSeparableClasses) {
  const auto engine = toy::engine({.in = 2, .out = 3, .widths = {16}, .time_channels = 8});
  Matrix<float> x = toy::normal_data(300, {0, 0}, {0.3, 0.3});
  const auto labels = classes(300);
  for (Index i = 0; i < 300; ++i) x(i, 0) += static_cast<float>(3 * labels[static_cast<std::size_t>(i)]);
  for (const std::shared_ptr<const Schedule>& schedule :
       {std::shared_ptr<const Schedule>{}, std::shared_ptr<const Schedule>(std::make_shared<Vp>())}) {
    Trainer trainer(engine, std::vector<float>(static_cast<std::size_t>(engine->plan().parameter_count)),
                    std::make_shared<CrossEntropy>(schedule),
                    {.optimizer = {Adam::Settings{{1e-2}}, 1}, .batch_size = 64});
    const TrainingData data{toy::rows(x), {labels}};
    EXPECT_NEAR(trainer.evaluate(data, 1, 0, true, Interrupt({})).loss, std::log(3.0), 1e-6);
    trainer.set_data(data, {});
    trainer.restore(0, toy::theta(*engine));
    toy::run(trainer, 300);
    const double loss = trainer.evaluate(data, 1, 0, true, Interrupt({})).loss;
    EXPECT_LT(loss, schedule ? 0.9 : 0.05);  // noised classes overlap: half of the times tell little
  }
}

TEST(CrossEntropy, DerivativeIsTheSlopeOfTheValue) {
  const CrossEntropy objective;
  Batch batch(*std::make_shared<const nn::Plan>(nn::plan({.in = 1, .out = 4, .widths = {}})), 1);
  batch.labels = {2};
  Matrix<float> y(1, 4), dy(1, 4), unused(1, 4);
  y << 1, -2, 0.5, 80;  // exp(80) must not overflow
  objective.value(batch, 0, y, dy);
  for (Index j = 0; j < 4; ++j) {
    Matrix<float> up = y, down = y;
    up(0, j) += 0.0625f, down(0, j) -= 0.0625f;
    const double slope = (objective.value(batch, 0, up, unused) - objective.value(batch, 0, down, unused)) / 0.125;
    EXPECT_NEAR(dy(0, j), slope, 1e-3);  // third derivative of log-sum-exp below 0.1, times h^2 / 6
  }
}

TEST(Training, RefusesWhatDoesNotFitWithAReason) {
  Toy toy;
  const Matrix<float> wide = toy::normal_data(10, {0, 0, 0}, {1, 1, 1});
  EXPECT_THROW(toy.trainer.set_data({toy::rows(wide)}, {}), std::invalid_argument);
  const std::vector<std::int64_t> bad(150, 3);
  EXPECT_THROW(toy.trainer.set_data({toy::rows(toy.x), {bad}}, {}), std::invalid_argument);
  EXPECT_THROW(toy.trainer.set_data({toy::rows(toy.x), {toy.labels}}, std::vector<double>(149, 1.0)),
               std::invalid_argument);
  EXPECT_THROW(Trainer(toy.engine, std::vector<float>(3), toy::denoising(std::make_shared<Vp>(), Prediction::eps), {}),
               std::invalid_argument);
  EXPECT_THROW(toy::denoising(std::make_shared<Vp>(), Prediction::energy), std::invalid_argument);
  TrainingRecipe r = recipe();
  r.shards = 65;
  EXPECT_THROW(Toy{r}, std::invalid_argument);
  Trainer empty(toy.engine, toy::theta(*toy.engine), toy::denoising(std::make_shared<Vp>(), Prediction::eps), {});
  EXPECT_THROW(toy::run(empty, 1), std::invalid_argument);
}

}  // namespace
}  // namespace scorefield
