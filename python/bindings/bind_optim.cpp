#include "common.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/optim/recipe.hpp"
#include "state.hpp"

namespace scorefield::bindings {
namespace {

Decay decay_of(const std::string& name) {
  if (name == "cosine") return Decay::cosine;
  if (name == "linear") return Decay::linear;
  require(name == "constant", "decay must be one of constant, cosine, linear, got '", name, "'");
  return Decay::constant;
}

OptimizerRecipe adam(double lr, double beta1, double beta2, double eps, double weight_decay, double clip_norm,
                     std::uint64_t warmup, const std::string& decay, std::uint64_t decay_steps) {
  const OptimizerRecipe recipe{
      Adam::Settings{{lr, warmup, decay_of(decay), decay_steps}, beta1, beta2, eps, weight_decay}, clip_norm};
  make_optimizer(recipe, 0);  // refuses bad settings now, not at the first step
  return recipe;
}

OptimizerRecipe sgd(double lr, double momentum, double weight_decay, double clip_norm, std::uint64_t warmup,
                    const std::string& decay, std::uint64_t decay_steps) {
  const OptimizerRecipe recipe{Sgd::Settings{{lr, warmup, decay_of(decay), decay_steps}, momentum, weight_decay},
                               clip_norm};
  make_optimizer(recipe, 0);
  return recipe;
}

py::tuple step_once(const OptimizerRecipe& recipe, const Array<float>& theta, const Array<float>& dtheta,
                    const py::dict& state) {
  const auto optimizer = make_optimizer(recipe, theta.size());
  from_dict(state, optimizer->state());
  Array<float> next = fresh<float>({theta.size()});
  std::copy_n(theta.data(), theta.size(), next.mutable_data());
  {
    const std::span<float> values(next.mutable_data(), static_cast<std::size_t>(next.size()));
    const std::span<const float> gradient(dtheta.data(), static_cast<std::size_t>(dtheta.size()));
    const py::gil_scoped_release nogil;
    step(*optimizer, values, gradient);
  }
  return py::make_tuple(std::move(next), to_dict(optimizer->state()));
}

}  // namespace

void register_optim(py::module_& m) {
  py::class_<OptimizerRecipe>(m, "Optimizer")
      .def(
          "init",
          [](const OptimizerRecipe& r, const Array<float>& theta) {
            return to_dict(make_optimizer(r, theta.size())->state());
          },
          py::arg("theta").noconvert())
      .def("step", &step_once, py::arg("theta").noconvert(), py::arg("dtheta").noconvert(), py::arg("state"));
  m.def("adam", &adam, py::kw_only(), py::arg("lr"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"),
        py::arg("weight_decay"), py::arg("clip_norm"), py::arg("warmup"), py::arg("decay"), py::arg("decay_steps"));
  m.def("sgd", &sgd, py::kw_only(), py::arg("lr"), py::arg("momentum"), py::arg("weight_decay"), py::arg("clip_norm"),
        py::arg("warmup"), py::arg("decay"), py::arg("decay_steps"));
}

}  // namespace scorefield::bindings
