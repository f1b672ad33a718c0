#include "scorefield/base/check.hpp"
#include "scorefield/engine/tangent.hpp"

namespace scorefield {

template <class S>
std::shared_ptr<const TangentEngine<S>> make_tangent_engine(const nn::Plan& plan) {
  require(plan.find_input("x") >= 0, "derivatives are along directions of the input x, which this network has not");
  return is_vector_plan(plan) ? vector_tangents<S>(plan) : dual_tangents<S>(plan);
}
template std::shared_ptr<const TangentEngine<float>> make_tangent_engine<float>(const nn::Plan&);
template std::shared_ptr<const TangentEngine<double>> make_tangent_engine<double>(const nn::Plan&);

}  // namespace scorefield
