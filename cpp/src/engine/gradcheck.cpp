#include "scorefield/engine/gradcheck.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/rng.hpp"
#include "scorefield/engine/reference.hpp"

namespace scorefield {
namespace {

Matrix<double> normal(std::uint64_t seed, std::uint32_t draw, Index rows, Index cols) {
  Matrix<double> z(rows, cols);
  Noise(seed, Stream::probe).normal(z, draw);
  return z;
}

/// Rows of the table that an input's ids name; 0 if it holds no ids.
Index table_rows(const nn::Plan& plan, nn::Tensor input) {
  for (const nn::Op& op : plan.ops) {
    const auto* e = std::get_if<nn::Embedding>(&op);
    if (e != nullptr && e->ids == input) return e->table.size / plan.shape(e->y).channels;
  }
  return 0;
}

/// True if there are waves of its logarithm, so that it must be positive.
bool has_logarithm(const nn::Plan& plan, nn::Tensor input) {
  return std::ranges::any_of(plan.ops, [&](const nn::Op& op) {
    const auto* s = std::get_if<nn::Sinusoid>(&op);
    return s != nullptr && s->of_log && s->t == input;
  });
}

bool has_kinks(const nn::Plan& plan) {
  return std::ranges::any_of(plan.ops, [](const nn::Op& op) {
    const auto* c = std::get_if<nn::Conv>(&op);
    return c != nullptr && c->act == nn::Activation::relu;
  });
}

/// How much a parameter varies here: enough for every derivative to matter, and so little that differences see it.
double spread(const nn::Init& init) {
  if (init.kind == nn::Init::Kind::uniform) return init.scale;
  return init.kind == nn::Init::Kind::normal ? std::clamp(init.scale, 0.3, 1.0) : 0.1;
}

/// <c, F> and its differences along a direction, from memory of its own.
class Probe {
 public:
  Probe(const ReferenceEngine<double>& engine, const GradcheckPoint& point, const Matrix<double>& c)
      : engine_(engine), point_(point), c_(c), y_(c.rows(), c.cols()), weights_(engine.weights()) {
    tape_ = engine.tape(c.rows(), ReferenceEngine<double>::Use::inference);
  }

  /// The derivative along d in the numbers theta or input, which lie in point_.
  double difference(double* numbers, const Matrix<double>& d, double h) {
    const std::vector<double> kept(numbers, numbers + d.size());
    const auto f = [&](double step) {
      for (Index i = 0; i < d.size(); ++i) numbers[i] = kept[static_cast<std::size_t>(i)] + step * d.data()[i];
      engine_.load(point_.theta.data(), *weights_);
      engine_.forward(*weights_, point_.view(), *tape_, y_);
      return y_.cwiseProduct(c_).sum();
    };
    const double slope = (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
    std::ranges::copy(kept, numbers);
    return slope;
  }
  GradcheckPoint& point() { return point_; }

 private:
  const ReferenceEngine<double>& engine_;
  GradcheckPoint point_;
  const Matrix<double>& c_;
  Matrix<double> y_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Tape> tape_;
};

struct Gradients {
  std::vector<double> theta;
  std::vector<Matrix<double>> inputs;
};

Gradients gradients(const ReferenceEngine<double>& engine, const GradcheckPoint& point, const Matrix<double>& c) {
  const auto weights = engine.weights();
  const auto tape = engine.tape(c.rows(), ReferenceEngine<double>::Use::training);
  Gradients g{std::vector<double>(point.theta.size()), {}};
  std::vector<OutMap<double>> maps;
  g.inputs.reserve(point.inputs.size());
  for (std::size_t i = 0; i < point.inputs.size(); ++i) {
    const Matrix<double>& x = point.inputs[i];
    g.inputs.emplace_back(point.real[i] ? x.rows() : 0, x.cols());
    maps.emplace_back(g.inputs.back().data(), g.inputs.back().rows(), g.inputs.back().cols());
  }
  Matrix<double> y(c.rows(), c.cols());
  std::vector<double> row(point.theta.size(), 0.0);
  engine.load(point.theta.data(), *weights);
  engine.forward(*weights, point.view(), *tape, y);
  engine.backward(*weights, point.view(), *tape, c, row.data(), maps);
  engine.collect(row.data(), g.theta.data());
  return g;
}

double rms(const double* x, Index n) {
  return std::sqrt(InMap<double>(x, 1, n).squaredNorm() / static_cast<double>(n));
}

/// A derivative by hand beside differences of two step lengths: the long one has less rounding, the short one less
/// curvature.
struct Comparison {
  std::string name;
  double by_hand = 0, coarse = 0, fine = 0;

  double error(double floor) const {
    const auto against = [&](double d) {
      return d == by_hand ? 0 : std::abs(d - by_hand) / std::max({std::abs(d), std::abs(by_hand), floor});
    };
    return std::min(against(coarse), against(fine));
  }
};

}  // namespace

Inputs<double> GradcheckPoint::view() const {
  Inputs<double> in;
  for (const Matrix<double>& x : inputs) in.values.emplace_back(x.data(), x.rows(), x.cols());
  return in;
}

GradcheckPoint gradcheck_point(const nn::Plan& plan, std::uint64_t seed, Index rows) {
  GradcheckPoint point;
  point.theta.resize(static_cast<std::size_t>(plan.parameter_count));
  const Matrix<double> z = normal(seed, 0, 1, plan.parameter_count);
  for (const nn::Parameter& p : plan.parameters) {
    const double center = p.init.kind == nn::Init::Kind::ones ? 1 : 0;
    for (Index i = p.slice.begin; i < p.slice.begin + p.slice.size; ++i) {
      point.theta[static_cast<std::size_t>(i)] = center + spread(p.init) * z(0, i);
    }
  }
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const nn::Input& input = plan.inputs[i];
    Matrix<double> x = normal(seed, static_cast<std::uint32_t>(i + 1), rows, plan.shape(input.tensor).size());
    const Index ids = table_rows(plan, input.tensor);
    if (input.name == "time" || has_logarithm(plan, input.tensor)) x = (10 + 100 * x.array().abs()).matrix();
    for (Index k = 0; k < x.size() && ids > 0; ++k)
      x.data()[k] = static_cast<double>((5 * k + k / x.cols()) % (ids + 1) - 1);
    point.real.push_back(ids == 0);
    point.inputs.push_back(std::move(x));
  }
  return point;
}

Gradcheck gradcheck(const std::shared_ptr<const nn::Plan>& plan, std::uint64_t seed) {
  const ReferenceEngine<double> engine(plan);
  const GradcheckPoint point = gradcheck_point(*plan, seed);
  const double h =
      has_kinks(*plan) ? 1e-6 : 2e-3;  // with kinks as small as rounding allows, so that few lie within the step
  const Matrix<double> c = normal(seed, 1000, point.inputs[0].rows(), plan->shape(plan->output).size());
  const Gradients g = gradients(engine, point, c);
  const auto parameters = static_cast<Index>(plan->parameters.size()), inputs = static_cast<Index>(plan->inputs.size());
  std::vector<Comparison> all(static_cast<std::size_t>(parameters + inputs));
  parallel_for(parameters + inputs, [&](Index i, Index) {
    const auto k = static_cast<std::size_t>(i < parameters ? i : i - parameters);
    if (i >= parameters && !point.real[k]) return;
    Probe probe(engine, point, c);
    const nn::Slice slice = i < parameters ? plan->parameters[k].slice : nn::Slice{0, point.inputs[k].size()};
    double* const numbers = i < parameters ? probe.point().theta.data() + slice.begin : probe.point().inputs[k].data();
    const double* const by_hand = i < parameters ? g.theta.data() + slice.begin : g.inputs[k].data();
    const bool is_time =
        i >= parameters && plan->inputs[k].name == "time";  // its waves are as fast as those of a number of order 1
    Matrix<double> d = normal(seed, static_cast<std::uint32_t>(2000 + i), 1, slice.size);
    if (!is_time) d *= rms(numbers, slice.size);
    Comparison& result = all[static_cast<std::size_t>(i)];
    result.name = i < parameters ? plan->parameters[k].name : plan->inputs[k].name;
    result.by_hand = d.cwiseProduct(InMap<double>(by_hand, 1, slice.size)).sum();
    result.coarse = result.fine = probe.difference(numbers, d, h);
    if (!(result.error(0) < 1e-8)) result.fine = probe.difference(numbers, d, h / 10);
  });
  double squares = 0;
  for (const Comparison& a : all) squares += a.by_hand * a.by_hand;
  const double floor = 1e-3 * std::sqrt(squares / static_cast<double>(all.size()));
  Gradcheck result;
  for (const Comparison& a : all) {
    if (const double error = a.error(floor); !(error <= result.worst)) result = {error, a.name};
  }
  return result;
}

}  // namespace scorefield
