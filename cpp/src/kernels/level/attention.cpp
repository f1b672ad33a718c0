#include "level.hpp"
#include "math.hpp"

/// Attention on transposed weights: s is [16 queries in lanes][keys], so that softmax runs down the keys and no sum
/// crosses lanes.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

namespace {

/// out(j) tells which keys are left out.
template <class LeftOut>
KERNEL_INLINE void softmax_keys(float* s, int keys, float scale, LeftOut out) {
  const f32x16 factor = all(scale);
  f32x16 top = zero();
  bool any = false;
  for (int j = 0; j < keys; ++j) {
    if (out(j)) continue;
    const f32x16 v = load(s + 16 * j) * factor;
    top = any ? at_least(top, v) : v;
    any = true;
  }
  f32x16 sum = zero();
#pragma GCC unroll 4
  for (int j = 0; j < keys; ++j) {
    const f32x16 e = out(j) ? zero() : exp(fma(load(s + 16 * j), factor, -top));
    sum += e;
    store(s + 16 * j, e);
  }
  const f32x16 inverse = any ? all(1) / sum : zero();
#pragma GCC unroll 4
  for (int j = 0; j < keys; ++j) store(s + 16 * j, load(s + 16 * j) * inverse);
}

}  // namespace

void softmax(float* s, int keys, float scale, const float* mask, std::size_t mask_step) {
  if (mask == nullptr) {
    softmax_keys(s, keys, scale, [](int) KERNEL_LAMBDA { return false; });
  } else {
    softmax_keys(s, keys, scale, [&](int j) { return mask[static_cast<std::size_t>(j) * mask_step] < 0; });
  }
}

void softmax_backward(const float* s, float* ds, int keys, float scale) {
  f32x16 sum = zero();
  for (int j = 0; j < keys; ++j) sum = fma(load(s + 16 * j), load(ds + 16 * j), sum);
  for (int j = 0; j < keys; ++j) store(ds + 16 * j, load(s + 16 * j) * (load(ds + 16 * j) - sum) * all(scale));
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
