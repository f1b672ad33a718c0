#include "common.hpp"

namespace scorefield::bindings {

void register_train(py::module_&) {}

}  // namespace scorefield::bindings
