#include "common.hpp"

namespace scorefield::bindings {

void register_process(py::module_&) {}

}  // namespace scorefield::bindings
