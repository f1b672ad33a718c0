#include "common.hpp"

namespace scorefield::bindings {

void register_metrics(py::module_&) {}

}  // namespace scorefield::bindings
