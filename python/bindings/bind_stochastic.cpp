#include "bind_sampler.hpp"
#include "scorefield/sample/annealed_langevin.hpp"
#include "scorefield/sample/euler_maruyama.hpp"
#include "scorefield/sample/langevin.hpp"
#include "scorefield/sample/predictor_corrector.hpp"
#include "scorefield/sample/restart.hpp"

namespace scorefield::bindings {

/// The samplers that draw noise in every step, and the grid of restarts.
void register_stochastic_samplers(py::module_& m) {
  bind_sampler<EulerMaruyama, double>(m, "EulerMaruyama", py::arg("eta"));
  py::enum_<Predictor>(m, "Predictor")
      .value("reverse_diffusion", Predictor::reverse_diffusion)
      .value("ancestral", Predictor::ancestral);
  bind_sampler<PredictorCorrector, Predictor, int, double>(m, "PredictorCorrector", py::arg("predictor"),
                                                           py::arg("corrector_steps"), py::arg("snr"));
  bind_sampler<AnnealedLangevin, double, int>(m, "AnnealedLangevin", py::arg("step_size"), py::arg("inner"));
  bind_sampler<Langevin, double, bool>(m, "Langevin", py::arg("step_size"), py::arg("metropolis"));
  m.def(
      "restarted",
      [](const Schedule& schedule, const std::vector<double>& times, Index K, Index steps, double t_min, double t_max) {
        return restarted(schedule, times, {K, steps, t_min, t_max});
      },
      py::arg("schedule"), py::arg("times"), py::arg("K"), py::arg("steps"), py::arg("t_min"), py::arg("t_max"));
}

}  // namespace scorefield::bindings
