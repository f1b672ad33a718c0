#include "scorefield/train/contrastive_divergence.hpp"

#include <cmath>
#include <utility>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

template <class S>
std::size_t x_input(const DerivativePass<S>& pass) {
  return static_cast<std::size_t>(pass.engine.plan().find_input("x"));
}

/// The inputs of a pass with another x.
template <class S>
Inputs<S> at(const DerivativePass<S>& pass, In<S> x) {
  Inputs<S> in{{}, pass.in.dropout, pass.in.interrupt};
  for (std::size_t i = 0; i < pass.in.values.size(); ++i) {
    const InMap<S>& other = pass.in.values[i];
    in.values.emplace_back(i == x_input(pass) ? x.data() : other.data(), other.rows(), other.cols());
  }
  return in;
}

/// States of chains with their energies and slopes.
template <class S>
struct States {
  Matrix<S> x, E, slope;

  States(Index n, Index D) : x(n, D), E(n, 1), slope(n, D) {}
  void ask(const DerivativePass<S>& pass) {
    const Inputs<S> in = at<S>(pass, x);
    const Matrix<S> one = Matrix<S>::Ones(x.rows(), 1), no_direction(0, x.cols());
    Matrix<S> none(0, 1);
    pass.engine.forward(pass.weights, in, no_direction, pass.tape, E, none);
    pass.engine.backward(pass.weights, in, no_direction, pass.tape, one, none, nullptr, slope);
  }
  void take(const States& from, Index r) {
    x.row(r) = from.x.row(r);
    E.row(r) = from.E.row(r);
    slope.row(r) = from.slope.row(r);
  }
};

/// |b - (a - half slope(a))|^2, which is -2 a log q(b | a) up to a constant.
template <class S>
double distance2(const States<S>& a, const States<S>& b, Index r, double half) {
  double sum = 0;
  for (Index j = 0; j < a.x.cols(); ++j) {
    const double gap =
        static_cast<double>(b.x(r, j)) - static_cast<double>(a.x(r, j)) + half * static_cast<double>(a.slope(r, j));
    sum += gap * gap;
  }
  return sum;
}

}  // namespace

template <class S>
void run_chains(const DerivativePass<S>& pass, const ShortChain& chain, const Noise& noise, Out<S> x) {
  const Index n = x.rows(), D = x.cols();
  const double a = chain.step_size;
  States<S> now(n, D), next(n, D);
  Matrix<S> z(n, D), u(n, 1);
  now.x = x;
  now.ask(pass);
  for (Index k = 0; k < chain.steps; ++k) {
    const auto draw = static_cast<std::uint32_t>(2 * k);
    noise.normal(z, draw);
    noise.uniform(u, draw + 1);
    next.x = now.x - static_cast<S>(a / 2) * now.slope + static_cast<S>(std::sqrt(a)) * z;
    next.ask(pass);
    for (Index r = 0; r < n; ++r) {
      const double fall = static_cast<double>(now.E(r, 0)) - static_cast<double>(next.E(r, 0));
      const double there = distance2(now, next, r, a / 2), back = distance2(next, now, r, a / 2);
      if (std::log(static_cast<double>(u(r, 0))) < fall + (there - back) / (2 * a)) now.take(next, r);
    }
  }
  x = now.x;
}

template <class S>
void contrast(const DerivativePass<S>& pass, In<S> end, std::span<double> value) {
  const Index n = end.rows();
  const Matrix<S> no_direction(0, end.cols());
  Matrix<S> F(n, 1), dF(n, 1), none(0, 1), no_dx(0, end.cols());
  const Inputs<S> there = at<S>(pass, end);
  for (const double sign : {1.0, -1.0}) {
    const Inputs<S>& in = sign > 0 ? pass.in : there;
    pass.engine.forward(pass.weights, in, no_direction, pass.tape, F, none);
    for (Index r = 0; r < n; ++r) {
      const auto i = static_cast<std::size_t>(r);
      value[i] = (sign > 0 ? 0 : value[i]) + sign * static_cast<double>(F(r, 0));
      dF(r, 0) = static_cast<S>(sign * pass.scale[i]);
    }
    if (pass.row == nullptr) continue;
    pass.engine.backward(pass.weights, in, no_direction, pass.tape, dF, none, pass.row, no_dx);
  }
}

ContrastiveDivergence::ContrastiveDivergence(std::shared_ptr<const Schedule> schedule, ShortChain chain)
    : schedule_(std::move(schedule)), chain_(chain) {
  require(schedule_ != nullptr && schedule_->single(),
          "contrastive divergence trains an energy at one noise level: make the model with schedule Single(sigma)");
  require(chain.steps >= 1, "steps must be >= 1, got ", chain.steps);
  require(chain.step_size > 0 && std::isfinite(chain.step_size), "step_size must be > 0, got ", chain.step_size);
}

void ContrastiveDivergence::check(const TrainingData& data, Index in, Index out) const {
  require(data.x.cols() == in, "the network takes ", in, " numbers per sample, x has ", data.x.cols());
  require(out == 1, "an energy is one number: make the network with out=1, not ", out);
}

void ContrastiveDivergence::target(Batch& batch, Index r, In<double>, In<double>) const {
  batch.target.row(r).setZero();
}

void ContrastiveDivergence::differentiate(const DerivativePass<float>& pass, const Noise& noise, Batch& batch,
                                          Index first) const {
  Matrix<float> x = pass.in.values[x_input(pass)];
  run_chains<float>(pass, chain_, noise.at_sample(noise.first() + first), x);
  contrast<float>(pass, x, std::span(batch.value).subspan(static_cast<std::size_t>(first), pass.scale.size()));
}

template void run_chains<float>(const DerivativePass<float>&, const ShortChain&, const Noise&, Out<float>);
template void run_chains<double>(const DerivativePass<double>&, const ShortChain&, const Noise&, Out<double>);
template void contrast<float>(const DerivativePass<float>&, In<float>, std::span<double>);
template void contrast<double>(const DerivativePass<double>&, In<double>, std::span<double>);

}  // namespace scorefield
