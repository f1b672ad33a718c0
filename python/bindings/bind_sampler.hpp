#pragma once
#include "common.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield::bindings {

/// Class S, a sampler made from Args, under `name`.
template <class S, class... Args, class... Extra>
void bind_sampler(py::module_& m, const char* name, const Extra&... extra) {
  py::class_<S, Sampler, std::shared_ptr<S>>(m, name).def(py::init<Args...>(), extra...);
}

}  // namespace scorefield::bindings
