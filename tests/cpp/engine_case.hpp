#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "scorefield/engine/fast.hpp"
#include "scorefield/engine/reference.hpp"

/// One network with numbers to run it on, for tests that hold two engines together.
namespace scorefield::testing {

/// An input of ids: labels, words, or times that are rows of a table.
inline bool holds_ids(const nn::Plan& plan, nn::Tensor input) {
  return std::ranges::any_of(plan.ops, [&](const nn::Op& op) {
    const auto* e = std::get_if<nn::Embedding>(&op);
    return e != nullptr && e->ids == input;
  });
}
/// An input that must be positive: of its logarithm there are waves.
inline bool has_logarithm(const nn::Plan& plan, nn::Tensor input) {
  return std::ranges::any_of(plan.ops, [&](const nn::Op& op) {
    const auto* s = std::get_if<nn::Sinusoid>(&op);
    return s != nullptr && s->of_log && s->t == input;
  });
}

struct EngineCase {
  std::shared_ptr<const nn::Plan> plan;
  Index n;
  std::vector<double> theta;
  std::vector<Matrix<double>> inputs;
  Matrix<double> dy;
  std::optional<Noise> dropout = std::nullopt;

  EngineCase(nn::Plan p, Index samples, unsigned seed)
      : plan(std::make_shared<const nn::Plan>(std::move(p))),
        n(samples),
        theta(static_cast<std::size_t>(plan->parameter_count)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> z;  // float numbers, so that both engines get the same
    for (const nn::Parameter& q : plan->parameters) {
      const bool ones = q.init.kind == nn::Init::Kind::ones;
      const double scale = ones                                     ? 0.2
                           : q.init.kind == nn::Init::Kind::uniform ? q.init.scale / 1.7
                           : q.init.kind == nn::Init::Kind::normal  ? 0.5
                                                                    : 0.2;
      for (Index i = 0; i < q.slice.size; ++i)
        theta[static_cast<std::size_t>(q.slice.begin + i)] = static_cast<float>((ones ? 1 : 0) + scale * z(random));
    }
    for (const nn::Input& in : plan->inputs) {
      Matrix<double> x(n, plan->shape(in.tensor).size());
      const bool ids = holds_ids(*plan, in.tensor), late = in.name == "time" || has_logarithm(*plan, in.tensor);
      for (Index i = 0; i < x.size(); ++i)
        x.data()[i] = ids ? static_cast<double>(random() % 4) - 1
                          : static_cast<double>(late ? std::abs(500 + 200 * z(random)) : z(random));
      inputs.push_back(x);
    }
    dy.resize(n, plan->shape(plan->output).size());
    for (Index i = 0; i < dy.size(); ++i) dy.data()[i] = z(random);
  }
};

/// The inputs of a case as numbers S. `in` looks at `values`, so a copy would not do.
template <class S>
struct CaseInputs {
  std::vector<Matrix<S>> values;
  Inputs<S> in;

  explicit CaseInputs(const EngineCase& c) {
    for (const auto& x : c.inputs) values.push_back(x.template cast<S>());
    for (const auto& x : values) in.values.emplace_back(x.data(), x.rows(), x.cols());
    in.dropout = c.dropout;
  }
  CaseInputs(const CaseInputs&) = delete;
  CaseInputs& operator=(const CaseInputs&) = delete;
};

template <class S>
struct EngineResult {
  Matrix<S> y;
  std::vector<S> dtheta;
  std::vector<Matrix<S>> dinputs;
};

/// Forward and backward in one shard.
template <class S>
EngineResult<S> run(const Engine<S>& engine, const EngineCase& c, bool with_dinputs = true) {
  std::vector<S> theta(c.theta.begin(), c.theta.end());
  const CaseInputs<S> inputs(c);
  EngineResult<S> r;
  const auto weights = engine.weights();
  engine.load(theta.data(), *weights);
  const auto tape = engine.tape(c.n, Engine<S>::Use::training);
  r.y.resize(c.n, c.dy.cols());
  engine.forward(*weights, inputs.in, *tape, r.y);
  std::vector<OutMap<S>> maps;
  for (std::size_t i = 0; i < inputs.values.size(); ++i) {
    const bool wanted = with_dinputs && !holds_ids(*c.plan, c.plan->inputs[i].tensor);
    r.dinputs.push_back(wanted ? inputs.values[i] : Matrix<S>());
  }
  for (auto& d : r.dinputs) maps.emplace_back(d.data(), d.rows(), d.cols());
  std::vector<S> row(static_cast<std::size_t>(engine.row_size()), std::numeric_limits<S>::quiet_NaN());  // all assigned
  engine.backward(*weights, inputs.in, *tape, c.dy.template cast<S>(), row.data(), maps);
  r.dtheta.resize(theta.size());
  engine.collect(row.data(), r.dtheta.data());
  return r;
}

/// |a - b| / max(|b|, floor) in the Euclidean norm.
template <class A, class B>
double distance(const A* a, const B* b, Index n, double floor = 0) {
  double difference = 0, size = 0;
  for (Index i = 0; i < n; ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2),
        size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference) / std::max({std::sqrt(size), floor, 1e-30});
}
template <class B>
double length(const B* b, Index n) {
  double size = 0;
  for (Index i = 0; i < n; ++i) size += std::pow(static_cast<double>(b[i]), 2);
  return std::sqrt(size);
}

/// Values, input gradients and each parameter tensor's gradient agree; a tensor's gradient is measured by its own size
/// or by 1e-3 of the whole gradient's, because some are 0 by theory (a bias before a norm) and hold rounding only.
/// The time's gradient is a sum over frequencies: where its terms nearly cancel, it may be `cancels` times as far off.
inline void expect_agree(const EngineResult<float>& a, const EngineResult<double>& b, const EngineCase& c,
                         double tolerance, const std::string& what, double cancels = 1) {
  EXPECT_LT(distance(a.y.data(), b.y.data(), b.y.size()), tolerance) << what << ": values";
  const double whole = length(b.dtheta.data(), static_cast<Index>(b.dtheta.size()));
  for (const nn::Parameter& q : c.plan->parameters) {
    EXPECT_LT(distance(a.dtheta.data() + q.slice.begin, b.dtheta.data() + q.slice.begin, q.slice.size, 1e-3 * whole),
              tolerance)
        << what << ": gradient of " << q.name;
  }
  double inputs = 0;
  for (const auto& d : b.dinputs) inputs = std::max(inputs, length(d.data(), d.size()));
  for (std::size_t i = 0; i < b.dinputs.size(); ++i) {
    EXPECT_LT(distance(a.dinputs[i].data(), b.dinputs[i].data(), b.dinputs[i].size(), 1e-3 * inputs),
              c.plan->inputs[i].name == "time" ? cancels * tolerance : tolerance)
        << what << ": gradient of input " << c.plan->inputs[i].name;
  }
}

}  // namespace scorefield::testing
