#include "scorefield/nn/init.hpp"

#include <algorithm>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/base/rng.hpp"

namespace scorefield::nn {
namespace {

constexpr Index block = 4096;  // numbers per row of noise

/// The numbers [begin, end) of one parameter, which lie in one block. u and z: those of the block.
void fill(const Init& init, Index begin, Index end, const Matrix<double>& u, const Matrix<double>& z,
          std::span<float> theta) {
  for (Index i = begin; i < end; ++i) {
    double v = init.kind == Init::Kind::ones ? 1 : 0;
    if (init.kind == Init::Kind::uniform) v = init.scale * (2 * u(0, i % block) - 1);
    if (init.kind == Init::Kind::normal) v = init.scale * z(0, i % block);
    theta[static_cast<std::size_t>(i)] = static_cast<float>(v);
  }
}

}  // namespace

void initialise(const Plan& plan, std::uint64_t seed, std::span<float> theta) {
  require(static_cast<Index>(theta.size()) == plan.parameter_count, "theta must hold ", plan.parameter_count,
          " numbers, got ", theta.size());
  parallel_blocks(plan.parameter_count, block, [&](Index first, Index end) {
    const Noise noise = Noise(seed, Stream::init).at_sample(first / block);
    Matrix<double> u(1, block), z(1, block);
    noise.uniform(u, 0);
    noise.normal(z, 1);
    for (const Parameter& p : plan.parameters) {
      fill(p.init, std::max(p.slice.begin, first), std::min(p.slice.begin + p.slice.size, end), u, z, theta);
    }
  });
}

}  // namespace scorefield::nn
