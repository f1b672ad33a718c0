#include "digest.hpp"
#include "named_plans.hpp"
#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/engine/make_engine.hpp"

namespace scorefield::digests {
namespace {

/// Values, and the gradients of parameters and inputs, at a random point of the plan.
void differentiate(const Engine<float>& engine, Digest& digest) {
  const GradcheckPoint point = gradcheck_point(engine.plan(), 7);
  const Floats theta(point.theta.begin(), point.theta.end());
  std::vector<Matrix<float>> values, gradients;
  for (const Matrix<double>& x : point.inputs) values.push_back(x.cast<float>());
  Inputs<float> in;
  std::vector<OutMap<float>> to;
  for (const Matrix<float>& x : values) in.values.emplace_back(x.data(), x.rows(), x.cols());
  for (std::size_t i = 0; i < values.size(); ++i)
    gradients.emplace_back(Matrix<float>::Zero(point.real[i] ? values[i].rows() : 0, values[i].cols()));
  for (Matrix<float>& d : gradients) to.emplace_back(d.data(), d.rows(), d.cols());
  in.dropout = Noise(7, Stream::dropout);

  const Index rows = values[0].rows();
  const auto weights = engine.weights();
  const auto tape = engine.tape(rows, Engine<float>::Use::training);
  Matrix<float> y(rows, engine.plan().shape(engine.plan().output).size()), dy(y.rows(), y.cols());
  Noise(8, Stream::probe).normal(dy);
  Floats row(static_cast<std::size_t>(engine.row_size())), dtheta(theta.size());
  engine.load(theta.data(), *weights);
  engine.forward(*weights, in, *tape, y);
  engine.backward(*weights, in, *tape, dy, row.data(), to);
  engine.collect(row.data(), dtheta.data());
  digest.add(y), digest.add(dtheta);
  for (const Matrix<float>& d : gradients) digest.add(d);
}

}  // namespace

Lines of_engines() {
  Lines lines;
  const auto add = [&](const std::string& kind, const std::vector<testing::Named>& plans) {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      Digest digest;  // without 3 x 3 convolutions both engines are one
      for (const char* engine : {"fast", "direct"}) differentiate(*make_engine(plans[i].plan, engine), digest);
      lines.push_back({kind + " " + std::to_string(i + 1) + ": " + plans[i].name, digest.value()});
    }
  };
  add("operation", testing::operations());
  add("other operation", testing::other_operations());
  add("network", testing::networks());
  add("dropout", {{"UNet", testing::small_unet(0.3)}});
  return lines;
}

}  // namespace scorefield::digests
