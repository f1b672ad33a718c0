#include "activation.hpp"
#include "level.hpp"

/// What happens to a block of 16 channels before the matrix product: normalise, activate, mask, resample; and the way
/// back.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

/// Row-major positions of 16 lanes.
constexpr std::size_t at(int row, int width, int column) { return static_cast<std::size_t>(row * width + column) * 16; }

struct Affine {
  f32x16 mean, scale, shift;
  KERNEL_INLINE f32x16 operator()(f32x16 x) const { return fma(x - mean, scale, shift); }
};
KERNEL_INLINE Affine affine(const float* mean, const float* scale, const float* shift) {
  return {load(mean), load(scale), load(shift)};
}

template <Act act>
KERNEL_INLINE void prologue_row(const float* x, Affine norm, const float* mask, int width, float* y) {
  if (mask == nullptr) {
#pragma GCC unroll 4
    for (int j = 0; j < width; ++j) store(y + 16 * j, activate<act>(norm(load(x + 16 * j))));
  } else {
    for (int j = 0; j < width; ++j) store(y + 16 * j, activate<act>(norm(load(x + 16 * j))) * load(mask + 16 * j));
  }
}

int at_most(int a, int b) { return a < b ? a : b; }

/// Each row is made in its first place, then repeated; from right to left, so that nothing is overwritten before it is
/// read.
template <Act act>
void prologue_up(const float* x, Size from, Affine norm, const float* mask, Size to, float* y, std::size_t stride) {
  for (int i = 0; i < from.height; ++i) {
    float* row = y + static_cast<std::size_t>(2 * i) * stride;
    prologue_row<act>(x + at(i, from.width, 0), norm, mask == nullptr ? nullptr : mask + at(i, from.width, 0),
                      from.width, row);
    for (int j = to.width - 1; j > 0; --j) store(row + 16 * j, load(row + j / 2 * 16));
    if (2 * i + 1 >= to.height) continue;
    for (int j = 0; j < to.width; ++j) store(row + stride + 16 * j, load(row + 16 * j));
  }
}

/// Mean of those of 2 x 2 that exist.
template <Act act>
void prologue_down(const float* x, Size from, Affine norm, const float* mask, Size to, float* y, std::size_t stride) {
  for (int i = 0; i < to.height; ++i) {
    for (int j = 0; j < to.width; ++j) {
      const int rows = at_most(2, from.height - 2 * i), columns = at_most(2, from.width - 2 * j);
      f32x16 sum = zero();
      for (int a = 0; a < rows; ++a) {
        for (int b = 0; b < columns; ++b) {
          const std::size_t p = at(2 * i + a, from.width, 2 * j + b);
          const f32x16 v = activate<act>(norm(load(x + p)));
          sum += mask == nullptr ? v : v * load(mask + p);
        }
      }
      store(y + static_cast<std::size_t>(i) * stride + 16 * j, sum * all(1.f / static_cast<float>(rows * columns)));
    }
  }
}

/// The gradient at position (i, j) before resampling: resample^T d.
template <Resize kind>
KERNEL_INLINE f32x16 resized(const float* d, std::size_t stride, Size from, Size to, int i, int j) {
  if constexpr (kind == Resize::same) return load(d + static_cast<std::size_t>(i) * stride + 16 * j);
  if constexpr (kind == Resize::up) {
    f32x16 sum = zero();
    for (int a = 2 * i; a < at_most(2 * i + 2, to.height); ++a) {
      for (int b = 2 * j; b < at_most(2 * j + 2, to.width); ++b)
        sum += load(d + static_cast<std::size_t>(a) * stride + 16 * b);
    }
    return sum;
  }
  const int rows = at_most(2, from.height - i / 2 * 2), columns = at_most(2, from.width - j / 2 * 2);
  return load(d + static_cast<std::size_t>(i / 2) * stride + j / 2 * 16) *
         all(1.f / static_cast<float>(rows * columns));
}

template <Act act, Resize kind>
void backward(const float* x, Size from, const float* mean, const float* scale, const float* shift, const float* rstd,
              const float* mask, Size to, const float* d, std::size_t stride, bool add, float* dz, float* s1,
              float* s2) {
  const Affine norm = affine(mean, scale, shift);
  const f32x16 inverse = load(rstd);
  f32x16 sum = zero(), sum_x = zero();
  for (int i = 0; i < from.height; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < from.width; ++j) {
      const std::size_t p = at(i, from.width, j);
      const f32x16 v = load(x + p), centred = v - norm.mean;
      f32x16 slope, g = resized<kind>(d, stride, from, to, i, j);
      activate<act>(fma(centred, norm.scale, norm.shift), slope);
      g *= mask == nullptr ? slope : slope * load(mask + p);
      sum += g, sum_x = fma(g, centred * inverse, sum_x);
      store(dz + p, add ? load(dz + p) + g : g);
    }
  }
  store(s1, sum), store(s2, sum_x);
}

}  // namespace

void prologue(const float* x, Size from, const float* mean, const float* scale, const float* shift, Act act,
              const float* mask, Resize kind, Size to, float* out, std::size_t out_stride) {
  const Affine norm = affine(mean, scale, shift);
  with_activation(act, [&](auto a) KERNEL_LAMBDA {
    if (kind == Resize::up) {
      prologue_up<a.act>(x, from, norm, mask, to, out, out_stride);
    } else if (kind == Resize::down) {
      prologue_down<a.act>(x, from, norm, mask, to, out, out_stride);
    } else {
      for (int i = 0; i < from.height; ++i) {
        prologue_row<a.act>(x + at(i, from.width, 0), norm, mask == nullptr ? nullptr : mask + at(i, from.width, 0),
                            from.width, out + static_cast<std::size_t>(i) * out_stride);
      }
    }
  });
}

void prologue_backward(const float* x, Size from, const float* mean, const float* scale, const float* shift,
                       const float* rstd, Act act, const float* mask, Resize kind, Size to, const float* d,
                       std::size_t d_stride, bool add, float* dz, float* s1, float* s2) {
  with_activation(act, [&](auto a) KERNEL_LAMBDA {
    if (kind == Resize::up) {
      backward<a.act, Resize::up>(x, from, mean, scale, shift, rstd, mask, to, d, d_stride, add, dz, s1, s2);
    } else if (kind == Resize::down) {
      backward<a.act, Resize::down>(x, from, mean, scale, shift, rstd, mask, to, d, d_stride, add, dz, s1, s2);
    } else {
      backward<a.act, Resize::same>(x, from, mean, scale, shift, rstd, mask, to, d, d_stride, add, dz, s1, s2);
    }
  });
}

void norm_backward(const float* dz, const float* x, const float* mean, const float* k1, const float* kx,
                   const float* k0, std::size_t positions, bool add, float* dx) {
  const f32x16 m = load(mean), a = load(k1), b = load(kx), c = load(k0);
  for (std::size_t i = 0; i < 16 * positions; i += 16) {
    const f32x16 v = fma(a, load(dz + i), fma(b, load(x + i) - m, c));
    store(dx + i, add ? load(dx + i) + v : v);
  }
}

void activation(const float* x, std::size_t n, Act act, float* y, float* slope) {
  with_activation(act, [&](auto a) KERNEL_LAMBDA {
    for (std::size_t i = 0; i < n; i += 16) {
      if (slope == nullptr) {
        store(y + i, activate<a.act>(load(x + i)));
      } else {
        f32x16 s;
        store(y + i, activate<a.act>(load(x + i), s));
        store(slope + i, s);
      }
    }
  });
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
