#include "common.hpp"

namespace scorefield::bindings {

void register_model(py::module_&) {}

}  // namespace scorefield::bindings
