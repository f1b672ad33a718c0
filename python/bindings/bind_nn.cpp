#include "common.hpp"
#include "network.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/engine/gradcheck.hpp"
#include "scorefield/engine/make_engine.hpp"
#include "scorefield/engine/recording.hpp"
#include "scorefield/engine/reference.hpp"
#include "scorefield/nn/encoder.hpp"
#include "scorefield/nn/init.hpp"
#include "scorefield/nn/mlp.hpp"
#include "scorefield/nn/unet.hpp"

namespace scorefield::bindings {
namespace {

using Sizes = std::vector<Index>;
using Triple = std::tuple<Index, Index, Index>;  // channels, height, width

nn::Shape shape_of(Triple t) { return {std::get<0>(t), std::get<1>(t), std::get<2>(t)}; }
Triple triple(const nn::Shape& s) { return {s.channels, s.height, s.width}; }

template <class Spec>
Network network(const Spec& spec) {
  return {std::make_shared<const nn::Plan>(nn::plan(spec))};
}

nn::Activation activation(const std::string& name) {
  if (name == "identity") return nn::Activation::identity;
  if (name == "silu") return nn::Activation::silu;
  if (name == "gelu") return nn::Activation::gelu;
  if (name == "tanh") return nn::Activation::tanh;
  if (name == "mish") return nn::Activation::mish;
  require(name == "relu", "activation must be one of identity, silu, gelu, tanh, relu, mish, got ", name);
  return nn::Activation::relu;
}
nn::UNet::Time time_embedding(const std::string& name) {
  if (name == "sinusoid") return nn::UNet::Time::sinusoid;
  if (name == "table") return nn::UNet::Time::table;
  require(name == "fourier", "time must be sinusoid, fourier or table, got ", name);
  return nn::UNet::Time::fourier;
}
nn::UNet::Joining joining(const std::string& name) {
  if (name == "linear") return nn::UNet::Joining::linear;
  if (name == "sinusoid") return nn::UNet::Joining::sinusoid;
  require(name == "identity", "joining must be linear, sinusoid or identity, got ", name);
  return nn::UNet::Joining::identity;
}

std::vector<py::tuple> parameters(const Network& net) {
  std::vector<py::tuple> all;
  for (const nn::Parameter& p : net.plan->parameters) {
    all.push_back(py::make_tuple(p.name, py::tuple(py::cast(p.shape)), p.slice.begin, p.slice.size));
  }
  return all;
}
std::vector<py::tuple> inputs(const Network& net) {
  std::vector<py::tuple> all;
  for (const nn::Input& i : net.plan->inputs) all.push_back(py::make_tuple(i.name, triple(net.plan->shape(i.tensor))));
  return all;
}

template <class S>
void check_theta(const Network& net, const Array<S>& theta) {
  require(theta.size() == net.plan->parameter_count, "theta must hold ", net.plan->parameter_count, " numbers, got ",
          theta.size());
}
template <class S>
std::vector<InMap<S>> views(const std::vector<Array<S>>& arrays) {
  std::vector<InMap<S>> all;
  for (const Array<S>& a : arrays) all.push_back(view(a));
  return all;
}

template <class S>
std::shared_ptr<const Engine<S>> engine_of(const Network& net, const std::string& name) {
  if constexpr (std::is_same_v<S, float>) return make_engine(net.plan, name);
  require(name == "reference", "only the reference engine calculates in float64, got ", name);
  return std::make_shared<ReferenceEngine<S>>(net.plan);
}

template <class S>
py::tuple forward(const Network& net, const Array<S>& theta, const std::vector<Array<S>>& arrays,
                  const std::string& name) {
  check_theta(net, theta);
  require(!arrays.empty() && arrays[0].ndim() >= 1, "a network needs its inputs");
  Array<S> y = fresh<S>({arrays[0].shape(0), net.plan->shape(net.plan->output).size()});
  OutMap<S> out = writable(y);
  const Interrupt interrupt(signal_poll());
  const Inputs<S> in{views(arrays), std::nullopt, &interrupt};
  std::shared_ptr<Recording<S>> tape;
  {
    const py::gil_scoped_release nogil;
    tape = std::make_shared<Recording<S>>(engine_of<S>(net, name), theta.data(), in, out);
  }
  return py::make_tuple(y, tape);
}

/// -> (one gradient per input, or None where not wanted; dtheta)
template <class S>
py::tuple backward(Recording<S>& tape, const Array<S>& dy, const std::vector<bool>& wanted) {
  const nn::Plan& plan = tape.plan();
  require(wanted.size() == plan.inputs.size(), "wanted must have one entry per input");
  Array<S> dtheta = fresh<S>({plan.parameter_count});
  py::list gradients;
  std::vector<OutMap<S>> maps;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Array<S> d = fresh<S>({wanted[i] ? tape.rows() : 0, plan.shape(plan.inputs[i].tensor).size()});
    maps.push_back(writable(d));
    gradients.append(wanted[i] ? py::object(d) : py::none());
  }
  const InMap<S> in = view(dy);
  S* const sums = dtheta.mutable_data();
  const Interrupt interrupt(signal_poll());
  {
    const py::gil_scoped_release nogil;
    tape.backward(in, sums, maps, &interrupt);
  }
  return py::make_tuple(gradients, dtheta);
}

Array<float> run(const Network& net, const Array<float>& theta, const std::vector<Array<float>>& arrays,
                 const std::string& name) {
  check_theta(net, theta);
  require(!arrays.empty() && arrays[0].ndim() >= 1, "a network needs its inputs");
  Array<float> y = fresh<float>({arrays[0].shape(0), net.plan->shape(net.plan->output).size()});
  OutMap<float> out = writable(y);
  const Interrupt interrupt(signal_poll());
  const Inputs<float> in{views(arrays), std::nullopt, &interrupt};
  const py::gil_scoped_release nogil;
  const auto engine = make_engine(net.plan, name);
  const auto weights = engine->weights();
  engine->load(theta.data(), *weights);
  infer<float>(*engine, *weights, in, inference_tapes<float>(*engine, out.rows()), out);
  return y;
}

Array<double> run_tangent(const Network& net, const Array<double>& theta, const std::vector<Array<double>>& values,
                          const std::vector<Array<double>>& slopes) {
  check_theta(net, theta);
  require(!values.empty() && values[0].ndim() >= 1, "a network needs its inputs");
  Array<double> y_dot = fresh<double>({values[0].shape(0), net.plan->shape(net.plan->output).size()});
  OutMap<double> out = writable(y_dot);
  const auto v = views(values), s = views(slopes);
  const Interrupt interrupt(signal_poll());
  const py::gil_scoped_release nogil;
  out = tangent(net.plan, theta.data(), nullptr, v, s, &interrupt);
  return y_dot;
}

template <class S>
void register_recording(py::module_& m, const char* name) {
  py::class_<Recording<S>, std::shared_ptr<Recording<S>>>(m, name)
      .def_property_readonly("rows", &Recording<S>::rows)
      .def("backward", &backward<S>, py::arg("dy").noconvert(), py::arg("wanted"));
}

/// nn::UNet, its settings under their own names; `unet` makes the network.
void register_unet(py::module_& m) {
  using U = nn::UNet;
  py::class_<U>(m, "UNetSpec")
      .def(
          py::init([](Triple shape, Sizes widths) { return U{.shape = shape_of(shape), .widths = std::move(widths)}; }),
          py::arg("shape"), py::arg("widths"))
      .def_readwrite("depth", &U::depth)
      .def_readwrite("attention", &U::attention)
      .def_readwrite("attention_up", &U::attention_up)
      .def_readwrite("middle", &U::middle)
      .def_readwrite("middle_attention", &U::middle_attention)
      .def_readwrite("middle_groups", &U::middle_groups)
      .def_readwrite("middle_scale", &U::middle_scale)
      .def_readwrite("head_channels", &U::head_channels)
      .def_readwrite("groups", &U::groups)
      .def_readwrite("eps", &U::eps)
      .def_readwrite("classes", &U::classes)
      .def_readwrite("image_channels", &U::image_channels)
      .def_readwrite("vector_channels", &U::vector_channels)
      .def_readwrite("out_channels", &U::out_channels)
      .def_readwrite("shifted_downsampling", &U::shifted_downsampling)
      .def_readwrite("residual_resampling", &U::residual_resampling)
      .def_readwrite("residual_down", &U::residual_down)
      .def_readwrite("residual_up", &U::residual_up)
      .def_readwrite("dropout", &U::dropout)
      .def_readwrite("frequency_shift", &U::frequency_shift)
      .def_readwrite("cosine_first", &U::cosine_first)
      .def_readwrite("scale_shift", &U::scale_shift)
      .def_readwrite("time_rows", &U::time_rows)
      .def_readwrite("time_width", &U::time_width)
      .def_readwrite("centred", &U::centred)
      .def_property("activation", nullptr, [](U& u, const std::string& name) { u.act = activation(name); })
      .def_property("time", nullptr, [](U& u, const std::string& name) { u.time = time_embedding(name); })
      .def_property("joining", nullptr, [](U& u, const std::string& name) { u.joining = joining(name); });
  m.def("unet", [](const U& spec) { return network(spec); }, py::arg("spec"));
}

void register_makers(py::module_& m) {
  m.def(
      "mlp",
      [](Index in, Index out, Sizes widths, Index time_channels, Index classes, Index vector_channels,
         const std::string& act) {
        return network(nn::MLP{in, out, std::move(widths), time_channels, classes, vector_channels, activation(act)});
      },
      py::arg("inputs"), py::arg("outputs"), py::arg("widths"), py::kw_only(), py::arg("time_channels") = 64,
      py::arg("classes") = 0, py::arg("vector_channels") = 0, py::arg("activation") = "silu");
  m.def(
      "encoder",
      [](Triple shape, Sizes widths, Index out, Index depth) {
        return network(nn::Encoder{.shape = shape_of(shape), .widths = std::move(widths), .out = out, .depth = depth});
      },
      py::arg("shape"), py::arg("widths"), py::kw_only(), py::arg("out"), py::arg("depth") = 2);
}

}  // namespace

void register_nn(py::module_& m) {
  register_recording<float>(m, "Recording32");
  register_recording<double>(m, "Recording64");
  py::class_<Network>(m, "Network")
      .def_property_readonly("parameters", &parameters)
      .def_property_readonly("inputs", &inputs)
      .def_property_readonly("output_shape", [](const Network& n) { return triple(n.plan->shape(n.plan->output)); })
      .def_property_readonly("parameter_count", [](const Network& n) { return n.plan->parameter_count; })
      .def_property_readonly("operation_count", [](const Network& n) { return n.plan->ops.size(); })
      .def(
          "init",
          [](const Network& n, std::uint64_t seed) {
            Array<float> theta = fresh<float>({n.plan->parameter_count});
            nn::initialise(*n.plan, seed, {theta.mutable_data(), static_cast<std::size_t>(theta.size())});
            return theta;
          },
          py::arg("seed"))
      .def(
          "tape_bytes",
          [](const Network& n, Index rows, bool training, const std::string& name) {
            return make_engine(n.plan, name)
                ->tape_bytes(rows, training ? Engine<float>::Use::training : Engine<float>::Use::inference);
          },
          py::arg("rows"), py::arg("training"), py::arg("engine") = "reference")
      .def("infer", &run, py::arg("theta").noconvert(), py::arg("inputs").noconvert(), py::arg("engine") = "reference")
      .def("forward", &forward<float>, py::arg("theta").noconvert(), py::arg("inputs").noconvert(),
           py::arg("engine") = "reference")
      .def("forward", &forward<double>, py::arg("theta").noconvert(), py::arg("inputs").noconvert(),
           py::arg("engine") = "reference")
      .def("tangent", &run_tangent, py::arg("theta").noconvert(), py::arg("values").noconvert(),
           py::arg("slopes").noconvert())
      .def(
          "gradcheck",
          [](const Network& n, std::uint64_t seed) {
            const py::gil_scoped_release nogil;
            return gradcheck(n.plan, seed).worst;
          },
          py::arg("seed") = 0);
  register_makers(m);
  register_unet(m);
  m.def("default_groups", &nn::default_groups, py::arg("widths"));
}

}  // namespace scorefield::bindings
