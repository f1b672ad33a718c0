#include "reference_impl.hpp"

namespace scorefield {
template class ReferenceEngine<Dual>;
}
