#include "level.hpp"
#include "spread.hpp"

/// Convolutions without Winograd (strides, sequences, the direct engine): shifted copies of a padded plane become
/// blocks of GEMM rows. The epilogue works on what the product wrote, in place.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

/// f(plane row, column row) for each tap and output row.
template <class F>
KERNEL_INLINE void for_rows(Window w, std::size_t stride, std::size_t block, F f) {
  for (int ky = 0; ky < w.kernel; ++ky) {
    for (int kx = 0; kx < w.across; ++kx) {
      const std::size_t tap = static_cast<std::size_t>(ky * w.across + kx);
      for (int i = 0; i < w.height; ++i) {
        f(static_cast<std::size_t>(i * w.step + ky) * stride + static_cast<std::size_t>(16 * kx),
          tap * block + static_cast<std::size_t>(i * w.width) * 16);
      }
    }
  }
}

}  // namespace

void gather(const float* plane, std::size_t stride, Window w, float* columns, std::size_t block) {
  for_rows(w, stride, block, [&](std::size_t from, std::size_t to) {
    for (int j = 0; j < w.width; ++j)
      store(columns + to + 16 * static_cast<std::size_t>(j),
            load(plane + from + static_cast<std::size_t>(16 * w.step_across * j)));
  });
}

void scatter(const float* columns, std::size_t block, Window w, float* plane, std::size_t stride) {
  for_rows(w, stride, block, [&](std::size_t to, std::size_t from) {
    for (int j = 0; j < w.width; ++j) {
      float* y = plane + to + static_cast<std::size_t>(16 * w.step_across * j);
      store(y, load(y) + load(columns + from + 16 * static_cast<std::size_t>(j)));
    }
  });
}

void epilogue(float* y, std::size_t positions, const float* shift, const float* residual, float gain, float* sums) {
  const f32x16 add = load(shift), factor = all(gain);
  const auto value = [&](std::size_t i) {
    const f32x16 v = load(y + i) + add;
    return (residual == nullptr ? v : v + load(residual + i)) * factor;
  };
  Spread spread(value(0));
  for (std::size_t i = 0; i < 16 * positions; i += 16) {
    const f32x16 v = value(i);
    spread.add(v);
    store(y + i, v);
  }
  spread.write(sums);
}

void sums(const float* x, std::size_t positions, float* sums) {
  Spread spread(load(x));
  for (std::size_t i = 0; i < 16 * positions; i += 16) spread.add(load(x + i));
  spread.write(sums);
}

void add_rows(const float* x, std::size_t rows, float* sum) {
  f32x16 s = load(sum);
  for (std::size_t i = 0; i < 16 * rows; i += 16) s += load(x + i);
  store(sum, s);
}

void add_scaled(const float* x, std::size_t n, float factor, float* y) {
  const f32x16 f = all(factor);
  for (std::size_t i = 0; i < n; i += 16) store(y + i, fma(load(x + i), f, load(y + i)));
}

void multiply_add(const float* x, const float* slope, std::size_t n, bool add, float* y) {
  for (std::size_t i = 0; i < n; i += 16) {
    const f32x16 v = load(x + i);
    store(y + i, add ? fma(v, load(slope + i), load(y + i)) : v * load(slope + i));
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
