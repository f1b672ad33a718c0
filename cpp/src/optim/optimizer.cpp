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
constexpr Index few = 4;          // blocks that one thread passes faster than it wakes another

Index blocks(std::size_t size) { return (static_cast<Index>(size) + block - 1) / block; }

/// f(i, begin, end) for every block i of `size` numbers.
template <class F>
void for_blocks(std::size_t size, const F& f) {
  const Index count = blocks(size);
  const auto run = [&](Index i, Index) { f(i, i * block, std::min((i + 1) * block, static_cast<Index>(size))); };
  if (count > few) return parallel_for(count, run);
  for (Index i = 0; i < count; ++i) run(i, 0);
}

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
  for_blocks(dtheta.size(), [&](Index i, Index begin, Index end) {
    sums[static_cast<std::size_t>(i)] = squared_sum(dtheta.data() + begin, end - begin);
  });
  double total = 0;
  for (double s : sums) total += s;
  return total;
}

void step(Optimizer& optimizer, std::span<float> theta, std::span<const float> dtheta, double squared_norm) {
  require(theta.size() == dtheta.size(), "theta has ", theta.size(), " numbers but dtheta has ", dtheta.size());
  if (!std::isfinite(squared_norm)) throw NonFiniteError("the gradient is not finite");
  optimizer.begin(squared_norm);
  for_blocks(theta.size(), [&](Index, Index begin, Index end) { optimizer.update(theta, dtheta, begin, end); });
}

double step(Optimizer& optimizer, std::span<float> theta, std::span<const float> dtheta) {
  const double squared = squared_norm(dtheta);
  step(optimizer, theta, dtheta, squared);
  return std::sqrt(squared);
}

}  // namespace scorefield
