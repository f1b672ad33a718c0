#include <algorithm>
#include <variant>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/engine/tangent.hpp"
#include "scorefield/nn/activation.hpp"
#include "scorefield/nn/embedding.hpp"
#include "scorefield/nn/product.hpp"
#include "scorefield/nn/sinusoid.hpp"

namespace scorefield {
namespace {

using nn::Tensor;
using nn::Transpose;

std::size_t at(Tensor t) { return static_cast<std::size_t>(t); }

/// Which tensors change with x.
std::vector<char> reached(const nn::Plan& plan) {
  std::vector<char> by_x(plan.tensors.size());
  const Index x = plan.find_input("x");
  if (x >= 0) by_x[at(plan.inputs[static_cast<std::size_t>(x)].tensor)] = 1;
  for (const nn::Op& op : plan.ops) {
    for (const Tensor t : nn::reads(op)) by_x[at(nn::writes(op))] |= by_x[at(t)];
  }
  return by_x;
}

bool is_vector_layer(const nn::Plan& plan, const nn::Conv& c) {
  return plan.shape(c.x).positions() == 1 && plan.shape(c.y).positions() == 1 && c.kernel == 1 && c.stride == 1 &&
         c.norm.kind == nn::Norm::Kind::none && c.dropout == 0 && c.resample == nn::Resample::none;
}

template <class S>
struct Weight final : Weights {
  std::vector<S> theta;
};

template <class S>
struct VectorTape final : Tape {
  Index rows() const override { return most; }
  Index most = 0, directions = 0;
  std::vector<Matrix<S>> value, grad;          // by tensor, (rows (K + 1), C), or (rows, C) where x does not reach
  std::vector<Matrix<S>> a, slope, curvature;  // by operation: what a layer multiplies; derivatives at the samples
  Matrix<S> da;
};

/// One run: what both passes see.
template <class S>
class VectorPass {
 public:
  VectorPass(const nn::Plan& plan, const std::vector<char>& by_x, const S* theta, VectorTape<S>& tape, Index rows,
             Index directions, S* row = nullptr)
      : plan_(plan), by_x_(by_x), theta_(theta), tape_(tape), n_(rows), K_(directions), row_(row) {}

  Out<S> value(Tensor t) { return tape_.value[at(t)].topRows(rows_of(t)); }
  Out<S> grad(Tensor t) { return tape_.grad[at(t)].topRows(rows_of(t)); }
  Index rows_of(Tensor t) const { return by_x_[at(t)] ? n_ * (K_ + 1) : n_; }

  void forward(std::size_t op, const nn::Conv& c) {
    Out<S> a = operand(op, c), y = value(c.y);
    join(c, [&](Tensor t, Index first) { activate(op, c.act, t, first, a); });
    nn::product<S>(a, Transpose::no, weight(c), Transpose::yes, y.topRows(a.rows()));
    if (a.rows() < y.rows()) y.bottomRows(y.rows() - a.rows()).setZero();
    if (c.bias.size > 0) y.topRows(n_).rowwise() += InMap<S>(c.bias.of(theta_), 1, c.bias.size).row(0);
    for (const Tensor t : {c.vector, c.residual}) {
      if (t != nn::none) y.topRows(rows_of(t)) += value(t);
    }
    if (c.gain != 1) y *= static_cast<S>(c.gain);
  }

  void backward(std::size_t op, const nn::Conv& c) {
    Out<S> dy = grad(c.y);
    if (c.gain != 1) dy *= static_cast<S>(c.gain);
    for (const Tensor t : {c.vector, c.residual}) {
      if (t == nn::none) continue;
      Out<S> dt = grad(t);
      dt += dy.topRows(rows_of(t));
    }
    const Out<S> a = operand(op, c), part = dy.topRows(a.rows());
    if (row_ != nullptr) {
      if (c.bias.size > 0) OutMap<S>(c.bias.of(row_), 1, c.bias.size) += dy.topRows(n_).colwise().sum();
      OutMap<S> dweight(c.weight.of(row_), dy.cols(), a.cols());
      nn::product<S>(part, Transpose::yes, a, Transpose::no, dweight, nn::Write::add);
    }
    tape_.da.resize(a.rows(), a.cols());
    nn::product<S>(part, Transpose::no, weight(c), Transpose::no, tape_.da);
    join(c, [&](Tensor t, Index first) { deactivate(op, c.act, t, first); });
  }

  void forward(std::size_t, const nn::Embedding& e) {
    const Index C = plan_.shape(e.y).channels;
    nn::embedding<S>(value(e.ids), InMap<S>(e.table.of(theta_), e.table.size / C, C),
                     InMap<S>(e.position.of(theta_), e.position.size / C, C), value(e.y));
  }
  void backward(std::size_t, const nn::Embedding& e) {
    if (row_ == nullptr) return;
    const Index C = plan_.shape(e.y).channels;
    nn::embedding_backward<S>(value(e.ids), grad(e.y), OutMap<S>(e.table.of(row_), e.table.size / C, C),
                              OutMap<S>(e.position.of(row_), e.position.size / C, C));
  }
  void forward(std::size_t, const nn::Sinusoid& s) {
    nn::sinusoid<S>(s, s.frequencies.of(theta_), value(s.t), value(s.y));
  }
  void backward(std::size_t, const nn::Sinusoid& s) {
    if (row_ == nullptr) return;
    nn::sinusoid_backward<S>(s, s.frequencies.of(theta_), value(s.t), grad(s.y), OutMap<S>(nullptr, 0, 0),
                             s.frequencies.of(row_));
  }
  template <class Op>
  void forward(std::size_t, const Op&) {}
  template <class Op>
  void backward(std::size_t, const Op&) {}

 private:
  InMap<S> weight(const nn::Conv& c) const {
    const Index out = plan_.shape(c.y).channels;
    return {c.weight.of(theta_), out, c.weight.size / out};
  }
  /// act([x, x2]), with the tangents of what x reaches.
  Out<S> operand(std::size_t op, const nn::Conv& c) {
    return tape_.a[op].topRows(std::max(rows_of(c.x), c.x2 == nn::none ? n_ : rows_of(c.x2)));
  }
  template <class F>
  void join(const nn::Conv& c, F f) {
    f(c.x, 0);
    if (c.x2 != nn::none) f(c.x2, plan_.shape(c.x).channels);
  }

  void activate(std::size_t op, nn::Activation act, Tensor t, Index first, Out<S>& a) {
    const Out<S> z = value(t);
    if (act == nn::Activation::identity) {
      a.block(0, first, z.rows(), z.cols()) = z;
    } else {
      for (Index r = 0; r < n_; ++r) {
        const auto slope = tape_.slope[op].row(r).segment(first, z.cols()).array();
        const auto curvature = tape_.curvature[op].row(r).segment(first, z.cols()).array();
        nn::activate_row<S>(act, z.row(r).array(), a.row(r).segment(first, z.cols()).array(), slope, curvature);
        for (Index k = n_ + r * K_; by_x_[at(t)] && k < n_ + r * K_ + K_; ++k)
          a.row(k).segment(first, z.cols()).array() = z.row(k).array() * slope;
      }
    }
    if (z.rows() < a.rows()) a.block(z.rows(), first, a.rows() - z.rows(), z.cols()).setZero();
  }

  void deactivate(std::size_t op, nn::Activation act, Tensor t, Index first) {
    const Out<S> z = value(t);
    Out<S> dz = grad(t);
    const auto da = tape_.da.middleCols(first, z.cols());
    if (act == nn::Activation::identity) {
      dz += da.topRows(z.rows());
      return;
    }
    for (Index r = 0; r < n_; ++r) {
      const auto slope = tape_.slope[op].row(r).segment(first, z.cols()).array();
      const auto curvature = tape_.curvature[op].row(r).segment(first, z.cols()).array();
      dz.row(r).array() += slope * da.row(r).array();
      for (Index k = n_ + r * K_; by_x_[at(t)] && k < n_ + r * K_ + K_; ++k) {
        dz.row(r).array() += curvature * z.row(k).array() * da.row(k).array();
        dz.row(k).array() += slope * da.row(k).array();
      }
    }
  }

  const nn::Plan& plan_;
  const std::vector<char>& by_x_;
  const S* theta_;
  VectorTape<S>& tape_;
  Index n_, K_;
  S* row_;
};

template <class S>
class VectorTangents final : public TangentEngine<S> {
 public:
  explicit VectorTangents(const nn::Plan& plan)
      : plan_(plan), by_x_(reached(plan)), x_(plan.inputs[static_cast<std::size_t>(plan.find_input("x"))].tensor) {}
  const nn::Plan& plan() const override { return plan_; }
  std::unique_ptr<Weights> weights() const override { return std::make_unique<Weight<S>>(); }
  void load(const S* theta, Weights& weights) const override {
    static_cast<Weight<S>&>(weights).theta.assign(theta, theta + plan_.parameter_count);
  }

  std::unique_ptr<Tape> tape(Index rows, Index directions) const override {
    auto tape = std::make_unique<VectorTape<S>>();
    tape->most = rows;
    tape->directions = directions;
    const Index all = rows * (directions + 1);
    for (std::size_t t = 0; t < plan_.tensors.size(); ++t) {
      tape->value.emplace_back(by_x_[t] ? all : rows, plan_.tensors[t].channels);
      tape->grad.emplace_back(by_x_[t] ? all : rows, plan_.tensors[t].channels);
    }
    for (const nn::Op& op : plan_.ops) {
      const auto* c = std::get_if<nn::Conv>(&op);
      const Index width = c ? c->weight.size / plan_.shape(c->y).channels : 0;
      const bool curved = c && c->act != nn::Activation::identity;
      tape->a.emplace_back(c ? all : 0, width);
      tape->slope.emplace_back(curved ? rows : 0, width);
      tape->curvature.emplace_back(curved ? rows : 0, width);
    }
    return tape;
  }

  void forward(const Weights& weights, const Inputs<S>& in, In<S> x_dot, Tape& tape, Out<S> y,
               Out<S> y_dot) const override {
    auto& t = static_cast<VectorTape<S>&>(tape);
    const Index n = y.rows(), K = x_dot.rows() / n;
    require(n <= t.most && K <= t.directions, "the tape holds ", t.most, " samples with ", t.directions,
            " directions, got ", n, " with ", K);
    VectorPass<S> pass = run(weights, t, n, K, nullptr);
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
      const Tensor input = plan_.inputs[i].tensor;
      pass.value(input).topRows(n) = in.values[i];
      if (input == x_ && K > 0) pass.value(input).bottomRows(n * K) = x_dot;
    }
    for (std::size_t i = 0; i < plan_.ops.size(); ++i) {
      if (in.interrupt != nullptr) in.interrupt->check();
      std::visit([&](const auto& op) { pass.forward(i, op); }, plan_.ops[i]);
    }
    y = pass.value(plan_.output).topRows(n);
    if (K > 0) y_dot = pass.value(plan_.output).bottomRows(n * K);
  }

  void backward(const Weights& weights, const Inputs<S>& in, In<S> x_dot, Tape& tape, In<S> dy, In<S> dy_dot, S* row,
                Out<S> dx) const override {
    auto& t = static_cast<VectorTape<S>&>(tape);
    const Index n = dy.rows(), K = x_dot.rows() / n;
    VectorPass<S> pass = run(weights, t, n, K, row);
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) pass.grad(static_cast<Tensor>(i)).setZero();
    pass.grad(plan_.output).topRows(n) = dy;
    if (K > 0) pass.grad(plan_.output).bottomRows(n * K) = dy_dot;
    for (std::size_t i = plan_.ops.size(); i-- > 0;) {
      if (in.interrupt != nullptr) in.interrupt->check();
      std::visit([&](const auto& op) { pass.backward(i, op); }, plan_.ops[i]);
    }
    if (dx.size() > 0) dx = pass.grad(x_).topRows(n);
  }

 private:
  VectorPass<S> run(const Weights& weights, VectorTape<S>& tape, Index n, Index K, S* row) const {
    return {plan_, by_x_, static_cast<const Weight<S>&>(weights).theta.data(), tape, n, K, row};
  }

  nn::Plan plan_;
  std::vector<char> by_x_;
  Tensor x_;
};

}  // namespace

bool is_vector_plan(const nn::Plan& plan) {
  if (plan.find_input("x") < 0) return false;
  const std::vector<char> by_x = reached(plan);
  if (!by_x[at(plan.output)]) return false;
  return std::ranges::all_of(plan.ops, [&](const nn::Op& op) {
    if (const auto* c = std::get_if<nn::Conv>(&op)) return is_vector_layer(plan, *c);
    const bool embeds = std::holds_alternative<nn::Embedding>(op) || std::holds_alternative<nn::Sinusoid>(op);
    return embeds && plan.shape(nn::writes(op)).positions() == 1 && !by_x[at(nn::writes(op))];
  });
}

template <class S>
std::shared_ptr<const TangentEngine<S>> vector_tangents(const nn::Plan& plan) {
  return std::make_shared<VectorTangents<S>>(plan);
}
template std::shared_ptr<const TangentEngine<float>> vector_tangents<float>(const nn::Plan&);
template std::shared_ptr<const TangentEngine<double>> vector_tangents<double>(const nn::Plan&);

}  // namespace scorefield
