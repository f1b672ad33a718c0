#pragma once
#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "common.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/base/state.hpp"

/// State by name as a dict of fresh arrays, and back.
namespace scorefield::bindings {

inline py::dict to_dict(const std::vector<NamedState>& state) {
  py::dict all;
  for (const NamedState& s : state) {
    std::visit([&](auto values) { all[s.name.c_str()] = copied(values); }, s.values);
  }
  return all;
}

/// Checks every array before it writes the first one.
inline void from_dict(const py::dict& all, const std::vector<NamedState>& state) {
  require(all.size() == state.size(), "the state has ", all.size(), " arrays, expected ", state.size(),
          ": it belongs to another optimiser or time sampler");
  for (const NamedState& s : state) {
    require(all.contains(s.name.c_str()), "the state lacks '", s.name,
            "': it belongs to another optimiser or time sampler");
    std::visit(
        [&](auto values) {
          using S = typename decltype(values)::element_type;
          const py::object array = all[s.name.c_str()];
          require(py::isinstance<Array<S>>(array), "state '", s.name, "' must be a C-contiguous array of ",
                  std::string(py::str(static_cast<py::object>(py::dtype::of<S>()))));
          const auto size = py::cast<Array<S>>(array).size();
          require(size == static_cast<py::ssize_t>(values.size()), "state '", s.name, "' has ", size,
                  " numbers, expected ", values.size());
        },
        s.values);
  }
  for (const NamedState& s : state) {
    std::visit(
        [&](auto values) {
          using S = typename decltype(values)::element_type;
          const auto array = py::cast<Array<S>>(all[s.name.c_str()]);
          std::copy_n(array.data(), array.size(), values.data());
        },
        s.values);
  }
}

}  // namespace scorefield::bindings
