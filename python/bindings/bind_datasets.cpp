#include "common.hpp"
#include "scorefield/base/rng.hpp"

namespace scorefield::bindings {
namespace {

Array<double> dataset_uniform(std::vector<py::ssize_t> shape, std::uint64_t seed, std::uint32_t step) {
  Array<double> u = fresh<double>(std::move(shape));
  OutMap<double> out = writable(u);
  const py::gil_scoped_release nogil;
  Noise(seed, Stream::dataset, step).uniform(out);
  return u;
}

Array<double> dataset_normal(std::vector<py::ssize_t> shape, std::uint64_t seed, std::uint32_t step) {
  Array<double> z = fresh<double>(std::move(shape));
  OutMap<double> out = writable(z);
  const py::gil_scoped_release nogil;
  Noise(seed, Stream::dataset, step).normal(out);
  return z;
}

}  // namespace

void register_datasets(py::module_& m) {
  m.def("dataset_uniform", &dataset_uniform, py::arg("shape"), py::arg("seed"), py::arg("step"));
  m.def("dataset_normal", &dataset_normal, py::arg("shape"), py::arg("seed"), py::arg("step"));
}

}  // namespace scorefield::bindings
