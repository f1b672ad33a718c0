#include "common.hpp"

namespace scorefield::bindings {

void register_nn(py::module_&) {}

}  // namespace scorefield::bindings
