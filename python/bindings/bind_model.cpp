#include "common.hpp"
#include "conditions.hpp"
#include "network.hpp"
#include "scorefield/engine/make_engine.hpp"
#include "scorefield/model/energy_denoiser.hpp"
#include "scorefield/model/network_denoiser.hpp"

namespace scorefield::bindings {
namespace {

std::span<const float> flat(const Array<float>& a) { return {a.data(), static_cast<std::size_t>(a.size())}; }

std::shared_ptr<Inference> inference(const Network& network, const std::string& engine, const Array<float>& theta) {
  const py::gil_scoped_release nogil;
  return std::make_shared<Inference>(make_engine(network.plan, engine), flat(theta));
}

std::shared_ptr<NetworkDenoiser> network_denoiser(
    std::shared_ptr<const Inference> inference, std::shared_ptr<const Schedule> schedule, const std::string& prediction,
    const std::optional<Array<std::int64_t>>& labels, const std::optional<Array<float>>& condition,
    const std::optional<Array<float>>& text_ids, Index start, Index variance_channels) {
  return std::make_shared<NetworkDenoiser>(std::move(inference), std::move(schedule), parse_prediction(prediction),
                                           conditions(labels, condition, text_ids), start, signal_poll(),
                                           variance_channels);
}

std::shared_ptr<EnergyDenoiser> energy_denoiser(std::shared_ptr<const Inference> inference,
                                                std::shared_ptr<const TangentInference> tangents,
                                                std::shared_ptr<const Schedule> schedule,
                                                const std::optional<Array<std::int64_t>>& labels,
                                                const std::optional<Array<float>>& condition,
                                                const std::optional<Array<float>>& text_ids, Index start) {
  return std::make_shared<EnergyDenoiser>(std::move(inference), std::move(tangents), std::move(schedule),
                                          conditions(labels, condition, text_ids), start, signal_poll());
}

}  // namespace

void register_model(py::module_& m) {
  py::class_<Inference, std::shared_ptr<Inference>>(m, "Inference")
      .def(py::init(&inference), py::arg("network"), py::arg("engine"), py::arg("theta").noconvert());
  py::class_<NetworkDenoiser, SmoothDenoiser, std::shared_ptr<NetworkDenoiser>>(m, "NetworkDenoiser")
      .def(py::init(&network_denoiser), py::arg("inference"), py::arg("schedule"), py::arg("prediction"),
           py::arg("labels").noconvert() = py::none(), py::arg("condition").noconvert() = py::none(),
           py::arg("text_ids").noconvert() = py::none(), py::kw_only(), py::arg("start") = 0,
           py::arg("variance_channels") = 0);
  py::class_<TangentInference, std::shared_ptr<TangentInference>>(m, "TangentInference")
      .def(py::init([](const Network& network, const Array<float>& theta) {
             return std::make_shared<TangentInference>(*network.plan, flat(theta));
           }),
           py::arg("network"), py::arg("theta").noconvert());
  py::class_<EnergyDenoiser, SmoothDenoiser, std::shared_ptr<EnergyDenoiser>>(m, "EnergyDenoiser")
      .def(py::init(&energy_denoiser), py::arg("inference"), py::arg("tangents"), py::arg("schedule"),
           py::arg("labels").noconvert() = py::none(), py::arg("condition").noconvert() = py::none(),
           py::arg("text_ids").noconvert() = py::none(), py::kw_only(), py::arg("start") = 0)
      .def(
          "energy",
          [](const EnergyDenoiser& d, const Array<double>& x, const Schedule& schedule, const Array<double>& t,
             Index first) {
            Array<double> E = fresh<double>({x.shape(0)});
            std::vector<Level> levels;
            for (py::ssize_t i = 0; i < t.size(); ++i) levels.push_back(schedule.at(t.data()[i]));
            const std::span<double> out(E.mutable_data(), static_cast<std::size_t>(E.size()));
            const py::gil_scoped_release nogil;
            d.energy(view(x), levels, first, out);
            return E;
          },
          py::arg("x").noconvert(), py::arg("schedule"), py::arg("t").noconvert(), py::arg("first") = 0);
}

}  // namespace scorefield::bindings
