#include "scorefield/base/interrupt.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "scorefield/base/parallel.hpp"
#include "scorefield/engine/recording.hpp"
#include "scorefield/model/network_denoiser.hpp"
#include "toy_training.hpp"

/// Ctrl-C is answered while the thread that started a loop has nothing left to do and waits for the others: their work
/// here ends by the interrupt alone, or after `patience`, when the test has failed.
namespace scorefield {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{5};
constexpr std::chrono::milliseconds promised{250};  // a quarter of a second

struct Pressed {};  // what the poll throws: Ctrl-C

/// The caller and another thread in one loop.
class Meeting {
 public:
  /// On the caller's thread: returns when another one is at work. On another: works until the interrupt stops it.
  void attend(const Interrupt& interrupt) {
    const auto end = Clock::now() + patience;
    const bool caller = std::this_thread::get_id() == caller_;
    if (!caller) busy_ = true;
    while (Clock::now() < end && !(caller && busy_)) {
      if (!caller) interrupt.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Poll poll() const {
    return [this] {
      if (busy_) throw Pressed();
    };
  }

 private:
  std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<bool> busy_ = false;
};

template <class F>
void expect_answer(F&& run) {
  if (threads() < 2) GTEST_SKIP() << "takes two threads";
  const auto start = Clock::now();
  EXPECT_THROW(run(), Pressed);
  EXPECT_LT(Clock::now() - start, 4 * promised);  // a busy machine may take longer than a quiet one: not 5 seconds
}

TEST(Interrupt, IsAskedByACallerThatWaitsForOthers) {
  Meeting meeting;
  const Interrupt interrupt(meeting.poll());
  expect_answer([&] { parallel_for(2, [&](Index, Index) { meeting.attend(interrupt); }, &interrupt); });
}

/// A network whose forward or backward pass, on threads other than the caller's, ends by an interrupt alone.
class SlowElsewhere final : public Engine<float> {
 public:
  enum class Where { forward, backward };
  SlowElsewhere(Where where, Meeting& meeting) : where_(where), meeting_(meeting) {}

  const nn::Plan& plan() const override { return inner_->plan(); }
  std::unique_ptr<Weights> weights() const override { return inner_->weights(); }
  void load(const float* theta, Weights& weights) const override { inner_->load(theta, weights); }
  std::unique_ptr<Tape> tape(Index rows, Use use) const override { return inner_->tape(rows, use); }
  std::size_t tape_bytes(Index rows, Use use) const override { return inner_->tape_bytes(rows, use); }
  void forward(const Weights& w, const Inputs<float>& in, Tape& tape, Out<float> y) const override {
    if (where_ == Where::forward) meeting_.attend(*in.interrupt);
    inner_->forward(w, silent(in), tape, y);
  }
  void backward(const Weights& w, const Inputs<float>& in, Tape& tape, In<float> dy, float* row,
                std::span<OutMap<float>> dinputs) const override {
    if (where_ == Where::backward) meeting_.attend(*in.interrupt);
    inner_->backward(w, silent(in), tape, dy, row, dinputs);
  }
  Index row_size() const override { return inner_->row_size(); }
  void collect(const float* row, float* dtheta) const override { inner_->collect(row, dtheta); }

 private:
  static Inputs<float> silent(Inputs<float> in) { return in.interrupt = nullptr, in; }  // the wait alone asks

  std::shared_ptr<const Engine<float>> inner_ = toy::engine({.in = 2, .out = 2, .widths = {8}, .time_channels = 0});
  Where where_;
  Meeting& meeting_;
};

/// One call of everything that shares a batch out among threads.
struct Work {
  Meeting meeting;
  std::shared_ptr<const SlowElsewhere> engine;
  std::vector<float> theta, dtheta;
  std::unique_ptr<Weights> weights;
  Matrix<float> x = Matrix<float>::Ones(8, 2), time = Matrix<float>::Zero(8, 1), y{8, 2};
  Interrupt interrupt{meeting.poll()};

  explicit Work(SlowElsewhere::Where where)
      : engine(std::make_shared<SlowElsewhere>(where, meeting)),
        theta(toy::theta(*engine)),
        dtheta(theta.size()),
        weights(engine->weights()) {
    engine->load(theta.data(), *weights);
  }

  Inputs<float> inputs() const {
    Inputs<float> in;
    in.values.emplace_back(x.data(), x.rows(), x.cols());
    if (engine->plan().inputs.size() > 1) in.values.emplace_back(time.data(), time.rows(), time.cols());
    in.interrupt = &interrupt;
    return in;
  }
};

TEST(Interrupt, IsHeardWhileGradientsAreFormed) {
  for (const auto where : {SlowElsewhere::Where::forward, SlowElsewhere::Where::backward}) {
    Work work(where);
    GradientWorkspace<float> space;
    const Loss<float> loss = [](Index, In<float>, Out<float> dy) { return dy.setZero(), 0.0; };
    expect_answer(
        [&] { gradient<float>(*work.engine, *work.weights, work.inputs(), {8, 2}, loss, space, work.dtheta.data()); });
  }
}

TEST(Interrupt, IsHeardDuringInference) {
  Work work(SlowElsewhere::Where::forward);
  const auto tapes = inference_tapes<float>(*work.engine, 8);
  expect_answer([&] { infer<float>(*work.engine, *work.weights, work.inputs(), tapes, work.y); });
}

TEST(Interrupt, IsHeardByRecordings) {
  Work forward(SlowElsewhere::Where::forward);
  expect_answer([&] { Recording<float>(forward.engine, forward.theta.data(), forward.inputs(), forward.y); });
  Work backward(SlowElsewhere::Where::backward);
  Recording<float> recording(backward.engine, backward.theta.data(), backward.inputs(), backward.y);
  expect_answer([&] { recording.backward(backward.y, backward.dtheta.data(), {}, &backward.interrupt); });
}

TEST(Interrupt, IsHeardByDenoisersOfNetworks) {
  Work work(SlowElsewhere::Where::forward);
  const auto inference = std::make_shared<Inference>(work.engine, work.theta);
  const auto schedule = toy::one_level(0.5);
  const NetworkDenoiser denoiser(inference, schedule, Prediction::eps, {}, 0, work.meeting.poll());
  const Index n = 200;  // more than one thread is asked to do
  const Matrix<double> x = Matrix<double>::Ones(n, 2);
  Matrix<double> x0(n, 2);
  const std::vector<Level> levels{schedule->at(1)};
  expect_answer([&] { denoiser.denoise(x, levels, 0, x0); });
}

}  // namespace
}  // namespace scorefield
