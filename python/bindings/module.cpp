#include "common.hpp"

namespace scorefield::bindings {

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The C++ core of scorefield. Private: use the package's public names.";
  register_base(m);
  register_schedule(m);
  register_process(m);
  register_denoiser(m);
  register_sample(m);
  register_nn(m);
  register_optim(m);
  register_likelihood(m);
  register_model(m);
  register_train(m);
  register_metrics(m);
  register_datasets(m);
}

}  // namespace scorefield::bindings
