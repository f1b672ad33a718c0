#include "activation.hpp"
#include "level.hpp"

/// Layer normalisation (Ba, Kiros and Hinton 2016) of each position over its channels, which lie in the lanes of
/// several blocks.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

/// Sum of 16 lanes by a fixed tree.
float sum_lanes(f32x16 v) {
  float a[16];
  store(a, v);
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) a[i] += a[i + step];
  }
  return a[0];
}

/// Lanes of block b that hold channels, as 0 or 1.
f32x16 channel_lanes(int b, int channels) {
  float one[16];
  for (int i = 0; i < 16; ++i) one[i] = 16 * b + i < channels ? 1.f : 0.f;
  return load(one);
}

struct Moments {
  f32x16 mean, rstd;
};

/// Mean and 1 / sqrt(variance + eps) of one position, by two passes.
Moments moments(const float* const* x, int blocks, std::size_t p, int channels, float eps) {
  f32x16 sum = zero(), squares = zero();
  for (int b = 0; b < blocks; ++b) sum += load(x[b] + p);
  const float n = static_cast<float>(channels);
  const f32x16 mean = all(sum_lanes(sum) / n);
  for (int b = 0; b < blocks; ++b) {
    const f32x16 c = (load(x[b] + p) - mean) * channel_lanes(b, channels);
    squares = fma(c, c, squares);
  }
  return {mean, all(1) / sqrt(all(sum_lanes(squares) / n + eps))};
}

}  // namespace

void layer_norm(const float* const* x, int blocks, int positions, int channels, const float* gamma, const float* beta,
                float eps, Act act, float* out, std::size_t out_block) {
  with_activation(act, [&](auto a) {
    for (int i = 0; i < positions; ++i) {
      const std::size_t p = static_cast<std::size_t>(16 * i);
      const Moments m = moments(x, blocks, p, channels, eps);
      for (int b = 0; b < blocks; ++b) {
        const f32x16 u = fma((load(x[b] + p) - m.mean) * m.rstd, load(gamma + 16 * b), load(beta + 16 * b));
        store(out + static_cast<std::size_t>(b) * out_block + p, activate<a.act>(u) * channel_lanes(b, channels));
      }
    }
  });
}

void layer_norm_backward(const float* const* x, int blocks, int positions, int channels, const float* gamma,
                         const float* beta, float eps, Act act, float* d, std::size_t d_block, bool add,
                         float* const* dx, float* dgamma, float* dbeta) {
  with_activation(act, [&](auto a) {
    const float n = static_cast<float>(channels);
    for (int i = 0; i < positions; ++i) {
      const std::size_t p = static_cast<std::size_t>(16 * i);
      const Moments m = moments(x, blocks, p, channels, eps);
      f32x16 sum = zero(), sum_x = zero();
      for (int b = 0; b < blocks; ++b) {
        float* g = d + static_cast<std::size_t>(b) * d_block + p;
        const f32x16 x_hat = (load(x[b] + p) - m.mean) * m.rstd * channel_lanes(b, channels);
        f32x16 slope;
        activate<a.act>(fma(x_hat, load(gamma + 16 * b), load(beta + 16 * b)), slope);
        const f32x16 dz = load(g) * slope;
        store(dbeta + 16 * b, load(dbeta + 16 * b) + dz);
        store(dgamma + 16 * b, fma(dz, x_hat, load(dgamma + 16 * b)));
        const f32x16 scaled = dz * load(gamma + 16 * b);
        sum += scaled, sum_x = fma(scaled, x_hat, sum_x);
        store(g, scaled);
      }
      const f32x16 mean_d = all(sum_lanes(sum) / n), mean_dx = all(sum_lanes(sum_x) / n);
      for (int b = 0; b < blocks; ++b) {
        const f32x16 x_hat = (load(x[b] + p) - m.mean) * m.rstd;
        const f32x16 g = load(d + static_cast<std::size_t>(b) * d_block + p);
        const f32x16 v = (g - mean_d - x_hat * mean_dx) * m.rstd * channel_lanes(b, channels);
        store(dx[b] + p, add ? load(dx[b] + p) + v : v);
      }
    }
  });
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
