#include "common.hpp"

namespace scorefield::bindings {

void register_sample(py::module_&) {}

}  // namespace scorefield::bindings
