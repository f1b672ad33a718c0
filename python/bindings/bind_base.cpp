#include "common.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/base/processors.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/kernels/table.hpp"

namespace scorefield::bindings {
namespace {

template <class S>
Array<S> normal(std::vector<py::ssize_t> shape, std::uint64_t seed, std::uint32_t stream, Index start,
                std::uint32_t step) {
  Array<S> z = fresh<S>(std::move(shape));
  OutMap<S> out = writable(z);
  const py::gil_scoped_release nogil;
  Noise(seed, static_cast<Stream>(stream), step, start).normal(out);
  return z;
}

}  // namespace

void register_base(py::module_& m) {
  // The Python class is made by scorefield/errors.py; the core's exception becomes it through this translator.
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const NonFiniteError& e) {
      const py::object type = py::module_::import("scorefield.errors").attr("NonFiniteError");
      PyErr_SetString(type.ptr(), e.what());
    }
  });
  m.def("threads", &threads);
  m.def("thread_cap", &thread_cap);
  m.def("set_thread_cap", &set_thread_cap, py::arg("cap"));
  m.def("assume_processors", &assume_processors, py::arg("n"));
  m.def("normal32", &normal<float>, py::arg("shape"), py::arg("seed"), py::arg("stream"), py::arg("start"),
        py::arg("step"));
  m.def("normal64", &normal<double>, py::arg("shape"), py::arg("seed"), py::arg("stream"), py::arg("start"),
        py::arg("step"));
  m.def("select_isa", [](const std::string& name) { kernels::select(name.c_str()); }, py::arg("name"));
  m.def("build_info", [] {
    py::dict info;
    info["version"] = SCOREFIELD_VERSION;
    info["compiler"] = SCOREFIELD_COMPILER;
    info["build_type"] = SCOREFIELD_BUILD_TYPE;
    info["eigen"] = std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
                    std::to_string(EIGEN_MINOR_VERSION);
    info["isa"] = std::string(kernels::table().name);
    py::list levels;
    for (const char* const* name = kernels::names(); *name != nullptr; ++name) levels.append(std::string(*name));
    info["isa_levels"] = levels;
    return info;
  });
}

}  // namespace scorefield::bindings
