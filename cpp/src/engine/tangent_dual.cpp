#include <algorithm>
#include <vector>

#include "scorefield/engine/reference.hpp"
#include "scorefield/engine/tangent.hpp"

namespace scorefield {
namespace {

using Numbers = Matrix<Dual>;

struct DualTape final : Tape {
  Index rows() const override { return most; }
  Index most = 0;
  std::vector<std::unique_ptr<Tape>> runs;  // one for each direction
  std::vector<Numbers> inputs;
  Numbers y, dy, dx;
  std::vector<Dual> row, sum;  // of one direction, of all
};

template <class S>
class DualTangents final : public TangentEngine<S> {
 public:
  explicit DualTangents(const nn::Plan& plan)
      : engine_(std::make_shared<const nn::Plan>(plan)), x_(static_cast<std::size_t>(plan.find_input("x"))) {}
  const nn::Plan& plan() const override { return engine_.plan(); }
  std::unique_ptr<Weights> weights() const override { return engine_.weights(); }
  void load(const S* theta, Weights& weights) const override {
    const std::vector<Dual> numbers(theta, theta + plan().parameter_count);
    engine_.load(numbers.data(), weights);
  }
  std::unique_ptr<Tape> tape(Index rows, Index directions) const override {
    auto tape = std::make_unique<DualTape>();
    tape->most = rows;
    tape->inputs.resize(plan().inputs.size());
    for (Index k = 0; k < std::max<Index>(directions, 1); ++k) {
      tape->runs.push_back(engine_.tape(rows, ReferenceEngine<Dual>::Use::training));
    }
    return tape;
  }
  void forward(const Weights& weights, const Inputs<S>& in, In<S> x_dot, Tape& tape, Out<S> y,
               Out<S> y_dot) const override {
    auto& t = static_cast<DualTape&>(tape);
    const Index rows = y.rows(), K = x_dot.rows() / rows;
    t.y.resize(rows, y.cols());
    for (Index k = 0; k < std::max<Index>(K, 1); ++k) {
      engine_.forward(weights, inputs(in, x_dot, k, K, t), *t.runs[static_cast<std::size_t>(k)], t.y);
      for (Index r = 0; r < rows; ++r) {
        for (Index e = 0; e < y.cols(); ++e) {
          y(r, e) = static_cast<S>(t.y(r, e).value);
          if (K > 0) y_dot(r * K + k, e) = static_cast<S>(t.y(r, e).slope);
        }
      }
    }
  }
  void backward(const Weights& weights, const Inputs<S>& in, In<S> x_dot, Tape& tape, In<S> dy, In<S> dy_dot, S* row,
                Out<S> dx) const override {
    auto& t = static_cast<DualTape&>(tape);
    const Index rows = dy.rows(), K = x_dot.rows() / rows;
    t.dy.resize(rows, dy.cols());
    t.dx.resize(dx.rows(), dx.cols());
    dx.setZero();
    const std::size_t parameters = row == nullptr ? 0 : static_cast<std::size_t>(plan().parameter_count);
    t.row.resize(parameters);
    t.sum.assign(parameters, Dual());
    for (Index k = 0; k < std::max<Index>(K, 1); ++k) {
      for (Index r = 0; r < rows; ++r) {
        for (Index e = 0; e < dy.cols(); ++e) {
          t.dy(r, e) = {K > 0 ? static_cast<double>(dy_dot(r * K + k, e)) : 0.0,
                        k == 0 ? static_cast<double>(dy(r, e)) : 0.0};
        }
      }
      std::vector<OutMap<Dual>> dinputs = wanted(t.dx);
      engine_.backward(weights, inputs(in, x_dot, k, K, t), *t.runs[static_cast<std::size_t>(k)], t.dy,
                       row != nullptr ? t.row.data() : nullptr, dinputs);
      for (std::size_t i = 0; i < parameters; ++i) t.sum[i] += t.row[i];
      if (dx.size() > 0) dx += t.dx.unaryExpr([](const Dual& d) { return d.slope; }).template cast<S>();
    }
    if (row != nullptr) add_row(t.sum, row);
  }

 private:
  /// The inputs as dual numbers: slopes only in x, those of direction k.
  Inputs<Dual> inputs(const Inputs<S>& in, In<S> x_dot, Index k, Index K, DualTape& t) const {
    Inputs<Dual> all;
    for (std::size_t i = 0; i < in.values.size(); ++i) {
      t.inputs[i] = in.values[i].template cast<Dual>();
      for (Index r = 0; i == x_ && K > 0 && r < t.inputs[i].rows(); ++r) {
        for (Index e = 0; e < t.inputs[i].cols(); ++e)
          t.inputs[i](r, e).slope = static_cast<double>(x_dot(r * K + k, e));
      }
      all.values.emplace_back(t.inputs[i].data(), t.inputs[i].rows(), t.inputs[i].cols());
    }
    all.dropout = in.dropout;
    all.interrupt = in.interrupt;
    return all;
  }
  std::vector<OutMap<Dual>> wanted(Numbers& dx) const {
    std::vector<OutMap<Dual>> all;
    for (std::size_t i = 0; dx.size() > 0 && i < plan().inputs.size(); ++i) {
      all.emplace_back(i == x_ ? dx.data() : nullptr, i == x_ ? dx.rows() : 0, i == x_ ? dx.cols() : 0);
    }
    return all;
  }
  void add_row(const std::vector<Dual>& own, S* row) const {
    std::vector<Dual> theta(own.size());
    engine_.collect(own.data(), theta.data());
    for (std::size_t i = 0; i < theta.size(); ++i) row[i] += static_cast<S>(theta[i].slope);
  }

  ReferenceEngine<Dual> engine_;
  std::size_t x_;
};

}  // namespace

template <class S>
std::shared_ptr<const TangentEngine<S>> dual_tangents(const nn::Plan& plan) {
  return std::make_shared<DualTangents<S>>(plan);
}
template std::shared_ptr<const TangentEngine<float>> dual_tangents<float>(const nn::Plan&);
template std::shared_ptr<const TangentEngine<double>> dual_tangents<double>(const nn::Plan&);

}  // namespace scorefield
