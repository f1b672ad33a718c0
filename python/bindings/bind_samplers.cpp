#include "bind_sampler.hpp"
#include "scorefield/sample/ancestral.hpp"
#include "scorefield/sample/ddim.hpp"
#include "scorefield/sample/ddim_inversion.hpp"
#include "scorefield/sample/deis.hpp"
#include "scorefield/sample/dpm2.hpp"
#include "scorefield/sample/dpm_solver.hpp"
#include "scorefield/sample/dpm_solver_ancestral.hpp"
#include "scorefield/sample/dpm_solver_on_grid.hpp"
#include "scorefield/sample/dpm_solver_pp.hpp"
#include "scorefield/sample/heun.hpp"
#include "scorefield/sample/lms.hpp"
#include "scorefield/sample/pndm.hpp"
#include "scorefield/sample/probability_flow.hpp"
#include "scorefield/sample/renoise.hpp"
#include "scorefield/sample/uni_pc.hpp"

namespace scorefield::bindings {

/// The samplers, a line each.
void register_samplers(py::module_& m) {
  py::enum_<Variance>(m, "Variance")
      .value("beta_tilde", Variance::beta_tilde)
      .value("beta", Variance::beta)
      .value("learned", Variance::learned);
  bind_sampler<Ancestral, Variance>(m, "Ancestral", py::arg("variance"));
  bind_sampler<Ddim, double, std::optional<double>>(m, "Ddim", py::arg("eta"), py::arg("clip"));
  bind_sampler<DdimInversion>(m, "DdimInversion");
  py::enum_<DeisVariable>(m, "DeisVariable").value("t", DeisVariable::t).value("log_rho", DeisVariable::log_rho);
  bind_sampler<Deis, int, DeisVariable, int>(m, "Deis", py::arg("order"), py::arg("variable"),
                                             py::arg("lower_order_final"));
  bind_sampler<Dpm2, bool>(m, "Dpm2", py::arg("ancestral"));
  py::enum_<Predicts>(m, "Predicts").value("data", Predicts::data).value("noise", Predicts::noise);
  bind_sampler<DpmSolver, int, Predicts>(m, "DpmSolver", py::arg("order"), py::arg("predicts"));
  bind_sampler<DpmSolverAncestral>(m, "DpmSolverAncestral");
  bind_sampler<DpmSolverOnGrid, int, Predicts, bool, int>(m, "DpmSolverOnGrid", py::arg("order"), py::arg("predicts"),
                                                          py::arg("heun"), py::arg("lower_order_final"));
  py::class_<DpmSolverPp, Sampler, std::shared_ptr<DpmSolverPp>>(m, "DpmSolverPp")
      .def(py::init([](int order, Predicts predicts, bool heun, bool half_D2, int lower_order_final, bool stochastic) {
             return std::make_shared<DpmSolverPp>(order,
                                                  Multistep{predicts, heun, half_D2, lower_order_final, stochastic});
           }),
           py::arg("order"), py::kw_only(), py::arg("predicts"), py::arg("heun"), py::arg("half_D2"),
           py::arg("lower_order_final"), py::arg("stochastic"));
  py::enum_<HeunForm>(m, "HeunForm").value("ratio", HeunForm::ratio).value("time", HeunForm::time);
  py::class_<Heun, Sampler, std::shared_ptr<Heun>>(m, "Heun").def(
      py::init([](double amount, double low, double high, double noise, HeunForm form) {
        return std::make_shared<Heun>(Churn{amount, low, high, noise}, form);
      }),
      py::arg("S_churn"), py::arg("S_tmin"), py::arg("S_tmax"), py::arg("S_noise"), py::arg("form"));
  bind_sampler<Lms, int, bool>(m, "Lms", py::arg("order"), py::arg("extrapolates_to_zero"));
  py::enum_<Pndm::Start>(m, "PndmStart")
      .value("runge_kutta", Pndm::Start::runge_kutta)
      .value("heun", Pndm::Start::heun);
  bind_sampler<Pndm, Pndm::Start, bool>(m, "Pndm", py::arg("start"), py::arg("extrapolates_to_zero"));
  py::enum_<FlowForm>(m, "FlowForm").value("angle", FlowForm::angle).value("time", FlowForm::time);
  py::class_<ProbabilityFlow, Sampler, std::shared_ptr<ProbabilityFlow>>(m, "ProbabilityFlow")
      .def(py::init([](double rtol, double atol, FlowForm form) {
             return std::make_shared<ProbabilityFlow>(OdeTolerance{rtol, atol}, form, signal_poll());
           }),
           py::arg("rtol"), py::arg("atol"), py::arg("form"));
  bind_sampler<Renoise>(m, "Renoise");
  py::enum_<UniPc::B>(m, "UniPcB").value("bh1", UniPc::B::h).value("bh2", UniPc::B::e_h);
  py::class_<UniPc, Sampler, std::shared_ptr<UniPc>>(m, "UniPc")
      .def(py::init<int, UniPc::B, int, Predicts, std::vector<int>>(), py::arg("order"), py::arg("B"),
           py::arg("lower_order_final"), py::arg("predicts"), py::arg("uncorrected"))
      .def_property_readonly_static("every_step", [](const py::object&) { return UniPc::every_step; });
}

}  // namespace scorefield::bindings
