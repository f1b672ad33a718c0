#include "scorefield/model/energy_denoiser.hpp"

#include <utility>

#include "network_rows.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/process/precondition.hpp"

namespace scorefield {

TangentInference::TangentInference(const nn::Plan& plan, std::span<const float> theta)
    : engine(make_tangent_engine<float>(plan)), weights(engine->weights()) {
  require(static_cast<Index>(theta.size()) == plan.parameter_count, "the network has ", plan.parameter_count,
          " parameters, got theta of ", theta.size());
  engine->load(theta.data(), *weights);
}

EnergyDenoiser::EnergyDenoiser(std::shared_ptr<const Inference> inference,
                               std::shared_ptr<const TangentInference> tangents,
                               std::shared_ptr<const Schedule> schedule, const Conditions& conditions, Index start,
                               Poll poll)
    : inference_(std::move(inference)),
      tangents_(std::move(tangents)),
      schedule_(std::move(schedule)),
      conditions_(inference_->plan(), conditions, start),
      dimension_(NetworkInputs(inference_->plan(), 1).x().cols()),
      poll_(std::move(poll)) {
  const Index out = inference_->plan().shape(inference_->plan().output).size();
  require(out == 1, "an energy is one number: make the network with out=1, not ", out);
  require_serves(Prediction::energy, *schedule_);
}

void EnergyDenoiser::energy(In<double> x, Levels t, Index first, std::span<double> E) const {
  check_rows(x, t, first);
  const std::vector<Scales> map = scales(t);
  const Interrupt interrupt(poll_);
  const auto one_part = [&](Index begin, Index rows, Inference::Workspace& work) {
    Inputs<float> inputs = fill(work.inputs, x, map, first + begin, begin, rows);
    inputs.interrupt = &interrupt;
    auto y = work.y.topRows(rows);
    inference_->engine().forward(inference_->weights(), inputs, *work.tape, y);
    for (Index r = 0; r < rows; ++r)
      E[static_cast<std::size_t>(begin + r)] = at(map, begin + r).k * static_cast<double>(y(r, 0));
  };
  inference_->for_parts(x.rows(), Inference::Use::inference, one_part, &interrupt);
}

void EnergyDenoiser::log_density(In<double> x, Levels t, Index first, Out<double> log_p) const {
  std::vector<double> E(static_cast<std::size_t>(x.rows()));
  energy(x, t, first, E);
  log_p = -InMap<double>(E.data(), x.rows(), 1);
}

void EnergyDenoiser::score(In<double> x, Levels t, Index first, Out<double> s) const {
  check_rows(x, t, first);
  const std::vector<Scales> map = scales(t);
  const Interrupt interrupt(poll_);
  const auto one_part = [&](Index begin, Index rows, Inference::Workspace& work) {
    Inputs<float> inputs = fill(work.inputs, x, map, first + begin, begin, rows);
    inputs.interrupt = &interrupt;
    inference_->engine().forward(inference_->weights(), inputs, *work.tape, work.y.topRows(rows));
    const Matrix<float> one = Matrix<float>::Ones(rows, 1);
    Matrix<float> dx(rows, dimension_);
    std::vector<OutMap<float>> dinputs = only_x(inference_->plan(), dx);
    inference_->engine().backward(inference_->weights(), inputs, *work.tape, one, nullptr, dinputs);
    for (Index r = 0; r < rows; ++r) {
      const Scales& m = at(map, begin + r);
      s.row(begin + r) = -m.k * m.c_in * dx.row(r).cast<double>();
    }
  };
  inference_->for_parts(x.rows(), Inference::Use::training, one_part, &interrupt);
}

void EnergyDenoiser::denoise(In<double> x, Levels t, Index first, Out<double> x0) const {
  if (t.size() == 1 && t[0].sigma == 0) {
    x0 = x / t[0].alpha;
    return;
  }
  score(x, t, first, x0);
  for (Index r = 0; r < x.rows(); ++r) {
    const Level& p = level(t, r);
    x0.row(r) = (x.row(r) + p.sigma * p.sigma * x0.row(r)) / p.alpha;
  }
}

void EnergyDenoiser::pullback(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0,
                              Out<double> dx) const {
  denoise(x, t, first, x0);
  const std::vector<Scales> map = scales(t);
  const Interrupt interrupt(poll_);
  const auto one_part = [&](Index begin, Index rows, Inference::Workspace& work) {
    Inputs<float> inputs = fill(work.inputs, x, map, first + begin, begin, rows);
    inputs.interrupt = &interrupt;
    const auto tape = tangents_->engine->tape(rows, 1);
    const Matrix<float> c = dx0.middleRows(begin, rows).cast<float>(), zero = Matrix<float>::Zero(rows, 1),
                        one = Matrix<float>::Ones(rows, 1);
    Matrix<float> F(rows, 1), slope(rows, 1), hessian_c(rows, dimension_);
    tangents_->engine->forward(*tangents_->weights, inputs, c, *tape, F, slope);
    tangents_->engine->backward(*tangents_->weights, inputs, c, *tape, zero, one, nullptr, hessian_c);
    for (Index r = 0; r < rows; ++r) {
      const Scales& m = at(map, begin + r);
      const Level& p = level(t, begin + r);
      dx.row(begin + r) =
          (dx0.row(begin + r) - p.sigma * p.sigma * m.k * m.c_in * m.c_in * hessian_c.row(r).cast<double>()) / p.alpha;
    }
  };
  inference_->for_parts(x.rows(), Inference::Use::inference, one_part, &interrupt);
}

/// On the calling thread, before any parallel region: a schedule may be written in Python.
std::vector<EnergyDenoiser::Scales> EnergyDenoiser::scales(Levels t) const {
  std::vector<Scales> all;
  all.reserve(t.size());
  for (const Level& p : t)
    all.push_back({c_in(*schedule_, p), c_noise(*schedule_, p.t), output_scale(Prediction::energy, p, *schedule_)});
  return all;
}

Inputs<float> EnergyDenoiser::fill(NetworkInputs& inputs, In<double> x, const std::vector<Scales>& map, Index global,
                                   Index begin, Index rows) const {
  for (Index r = 0; r < rows; ++r) {
    const Scales& m = at(map, begin + r);
    inputs.x().row(r) = (m.c_in * x.row(begin + r)).cast<float>();
    inputs.set_time(r, m.c_noise);
    conditions_.set(inputs, r, global + r);
  }
  return inputs.first(rows);
}

void EnergyDenoiser::check_rows(In<double> x, Levels t, Index first) const {
  require_rows(x, t, dimension_);
  conditions_.check_known(first, x.rows());
}

}  // namespace scorefield
