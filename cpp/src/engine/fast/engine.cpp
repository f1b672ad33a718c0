#include "scorefield/engine/fast.hpp"

#include "pass.hpp"
#include "scorefield/base/check.hpp"

namespace scorefield {

std::string FastEngine::unsupported(const nn::Plan& plan) {
  for (const nn::Op& op : plan.ops) {
    if (const auto* c = std::get_if<nn::Conv>(&op)) {
      const bool plain = c->x2 == nn::none && c->kernel == 1 && c->dropout == 0 && c->resample == nn::Resample::none &&
                         c->norm.scale_shift == nn::none;
      if (c->norm.kind == nn::Norm::Kind::layer && !plain)
        return "a layer norm before anything but a plain linear layer";
    }
    if (const auto* a = std::get_if<nn::Attention>(&op)) {
      if (a->ids != nn::none && plan.shape(a->ids).channels != 1) return "padding ids with several channels";
    }
  }
  return {};
}

FastEngine::FastEngine(std::shared_ptr<const nn::Plan> plan, Options options) : plan_(std::move(plan)) {
  nn::check(*plan_);
  const std::string problem = unsupported(*plan_);
  require(problem.empty(), "the fast engine does not run ", problem);
  program_ = std::make_unique<fast::Program>(*plan_, options);
}

FastEngine::~FastEngine() = default;

std::unique_ptr<Weights> FastEngine::weights() const { return std::make_unique<fast::FastWeights>(*program_); }

void FastEngine::load(const float* theta, Weights& weights) const {
  static_cast<fast::FastWeights&>(weights).load(*program_, theta);
}

std::unique_ptr<Tape> FastEngine::tape(Index rows, Use use) const {
  require(rows >= 1, "a tape needs at least one sample, got ", rows);
  return std::make_unique<fast::FastTape>(*program_, rows, use);
}

std::size_t FastEngine::tape_bytes(Index rows, Use use) const {
  return fast::count(fast::TapeLayout(*program_, rows, use).floats) * sizeof(float);
}

Index FastEngine::row_size() const { return program_->row_size; }

void FastEngine::collect(const float* row, float* dtheta) const { fast::collect(*program_, row, dtheta); }

void FastEngine::forward(const Weights& weights, const Inputs<float>& in, Tape& tape, Out<float> y) const {
  fast::run_forward({*program_, static_cast<const fast::FastWeights&>(weights), in, static_cast<fast::FastTape&>(tape)},
                    y);
}

void FastEngine::backward(const Weights& weights, const Inputs<float>& in, Tape& tape, In<float> dy, float* row,
                          std::span<OutMap<float>> dinputs) const {
  fast::run_backward(
      {*program_, static_cast<const fast::FastWeights&>(weights), in, static_cast<fast::FastTape&>(tape), row}, dy,
      dinputs);
}

}  // namespace scorefield
