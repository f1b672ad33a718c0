#pragma once
#include <memory>
#include <vector>

#include "named_plans.hpp"
#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/engine/reference.hpp"

namespace scorefield::testing {

using M = Matrix<double>;

inline M normal(Index rows, Index cols, std::uint32_t draw) {
  M z(rows, cols);
  Noise(5, Stream::probe).normal(z, draw);
  return z;
}

/// An engine, a random point, one tape: what the tests below run.
template <class S>
struct Bench {
  explicit Bench(PlanPtr plan, Index rows = 3, std::uint64_t seed = 7)
      : engine(plan), point(gradcheck_point(*plan, seed, rows)) {
    for (const M& x : point.inputs) values.push_back(x.template cast<S>());
    for (const double t : point.theta) theta.push_back(static_cast<S>(t));
    weights = engine.weights();
    tape = engine.tape(rows, Engine<S>::Use::training);
    y.resize(rows, plan->shape(plan->output).size());
    engine.load(theta.data(), *weights);
  }
  Inputs<S> in() const {
    Inputs<S> all;
    for (const Matrix<S>& v : values) all.values.emplace_back(v.data(), v.rows(), v.cols());
    return all;
  }
  void forward() { engine.forward(*weights, in(), *tape, y); }
  std::vector<S> backward(const Matrix<S>& dy) {
    std::vector<S> row(theta.size(), S(0.25)), dtheta(theta.size());
    dinputs.clear();
    std::vector<OutMap<S>> maps;
    for (std::size_t i = 0; i < values.size(); ++i) {
      dinputs.push_back(Matrix<S>::Constant(point.real[i] ? values[i].rows() : 0, values[i].cols(), S(0.25)));
    }
    for (Matrix<S>& d : dinputs) maps.emplace_back(d.data(), d.rows(), d.cols());
    engine.backward(*weights, in(), *tape, dy, row.data(), maps);
    engine.collect(row.data(), dtheta.data());
    return dtheta;
  }

  ReferenceEngine<S> engine;
  GradcheckPoint point;
  std::vector<Matrix<S>> values, dinputs;
  std::vector<S> theta;
  std::unique_ptr<Weights> weights;
  std::unique_ptr<Tape> tape;
  Matrix<S> y;
};

}  // namespace scorefield::testing
