#include "common.hpp"

namespace scorefield::bindings {

void register_optim(py::module_&) {}

}  // namespace scorefield::bindings
