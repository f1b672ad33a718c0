#include "scorefield/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

constexpr Index block = 1 << 14;  // 64 kB of theta: with gradient, moments and average it stays in a second-level cache

Index blocks(std::size_t size) { return (static_cast<Index>(size) + block - 1) / block; }

Index end_of(Index i, std::size_t size) { return std::min((i + 1) * block, static_cast<Index>(size)); }

/// In eight lanes, so that the compiler may use vectors without changing the order of the sum.
double squared_sum(const float* g, Index n) {
  double lanes[8] = {};
  const Index whole = n - n % 8;
  for (Index i = 0; i < whole; i += 8) {
    for (Index l = 0; l < 8; ++l) lanes[l] += static_cast<double>(g[i + l]) * static_cast<double>(g[i + l]);
  }
  for (Index i = whole; i < n; ++i) lanes[i - whole] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

}  // namespace

double squared_norm(std::span<const float> dtheta) {
  std::vector<double> sums(static_cast<std::size_t>(blocks(dtheta.size())));
  parallel_for(blocks(dtheta.size()), [&](Index i, Index) {
    sums[static_cast<std::size_t>(i)] = squared_sum(dtheta.data() + i * block, end_of(i, dtheta.size()) - i * block);
  });
  double total = 0;
  for (double s : sums) total += s;
  return total;
}

double step(Optimizer& optimizer, std::span<float> theta, std::span<const float> dtheta) {
  require(theta.size() == dtheta.size(), "theta has ", theta.size(), " numbers but dtheta has ", dtheta.size());
  const double squared = squared_norm(dtheta);
  if (!std::isfinite(squared)) throw NonFiniteError("the gradient is not finite");
  optimizer.begin(squared);
  parallel_for(blocks(theta.size()),
               [&](Index i, Index) { optimizer.update(theta, dtheta, i * block, end_of(i, theta.size())); });
  return std::sqrt(squared);
}

}  // namespace scorefield
