#include "common.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/ddim_inversion.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/heun.hpp"
#include "scorefield/sample/renoise.hpp"

namespace scorefield::bindings {
namespace {

template <class S, class... Args, class... Extra>
void bind(py::module_& m, const char* name, const Extra&... extra) {
  py::class_<S, Sampler, std::shared_ptr<S>>(m, name).def(py::init<Args...>(), extra...);
}

}  // namespace

/// The samplers, a line each.
void register_samplers(py::module_& m) {
  py::enum_<Variance>(m, "Variance").value("beta_tilde", Variance::beta_tilde).value("beta", Variance::beta);
  bind<Ancestral, Variance>(m, "Ancestral", py::arg("variance"));
  bind<Ddim, double>(m, "Ddim", py::arg("eta"));
  bind<DdimInversion>(m, "DdimInversion");
  bind<DpmSolverPp, int>(m, "DpmSolverPp", py::arg("order"));
  py::class_<Heun, Sampler, std::shared_ptr<Heun>>(m, "Heun").def(
      py::init([](double amount, double low, double high, double noise) {
        return std::make_shared<Heun>(Churn{amount, low, high, noise});
      }),
      py::arg("S_churn"), py::arg("S_tmin"), py::arg("S_tmax"), py::arg("S_noise"));
  bind<Renoise>(m, "Renoise");
}

}  // namespace scorefield::bindings
