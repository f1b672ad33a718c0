#include "common.hpp"

namespace scorefield::bindings {

void register_schedule(py::module_&) {}

}  // namespace scorefield::bindings
