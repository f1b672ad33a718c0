#pragma once
#include "scorefield/base/dual.hpp"
#include "scorefield/base/matrix.hpp"

namespace scorefield::nn {

enum class Transpose { no, yes };
enum class Write { assign, add };

/// c := op(a) op(b), or c += op(a) op(b), for row-major views. The one place where networks multiply matrices: float
/// goes to the kernels, double to Eigen, and a product of dual numbers is three real ones:
///   (A + e A')(B + e B') = A B + e (A B' + A' B)
template <class S>
void product(In<S> a, Transpose ta, In<S> b, Transpose tb, Out<S> c, Write write = Write::assign);

}  // namespace scorefield::nn
