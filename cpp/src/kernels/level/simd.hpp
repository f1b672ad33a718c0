#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define KERNEL_INLINE inline __attribute__((always_inline))
/// After a lambda's parameters: it is never a call, so what it captures stays in registers.
#define KERNEL_LAMBDA __attribute__((always_inline))

/// Sixteen lanes on every processor: 1 x 16 (AVX-512), 2 x 8 (AVX2) or 4 x 4 (NEON, generic). Operators are the
/// compiler's vector extensions on the native width; only fma and sqrt (and a product of integers,
/// philox.hpp) are written per instruction set. The build sets SCOREFIELD_LEVEL to the namespace of the level, so that
/// no function is shared between levels.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

#if defined(__AVX512F__)
inline constexpr int native_lanes = 16;
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr int native_lanes = 8;
#else
inline constexpr int native_lanes = 4;
#endif
inline constexpr int lanes = 16, parts = lanes / native_lanes;

typedef float NativeF32 __attribute__((vector_size(native_lanes * 4)));
typedef std::int32_t NativeI32 __attribute__((vector_size(native_lanes * 4)));
typedef std::uint32_t NativeU32 __attribute__((vector_size(native_lanes * 4)));
typedef float UnalignedF32 __attribute__((vector_size(native_lanes * 4), aligned(4), may_alias));
typedef std::uint32_t UnalignedU32 __attribute__((vector_size(native_lanes * 4), aligned(4), may_alias));

/// f(Constant<0>{}), ..., f(Constant<N - 1>{}): loops over registers.
template <int I>
struct Constant {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int N, class F>
KERNEL_INLINE void unroll(F&& f) {
  if constexpr (N > 0) {
    unroll<N - 1>(f);
    f(Constant<N - 1>{});
  }
}

// ---- what each instruction set spells differently

#if defined(__AVX512F__)
KERNEL_INLINE NativeF32 native_fma(NativeF32 a, NativeF32 b, NativeF32 c) {
  return (NativeF32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
KERNEL_INLINE NativeF32 native_sqrt(NativeF32 a) { return (NativeF32)_mm512_maskz_sqrt_ps(0xffff, (__m512)a); }
KERNEL_INLINE NativeF32 native_larger(NativeF32 b, NativeF32 a) {
  return (NativeF32)_mm512_maskz_max_ps(0xffff, (__m512)b, (__m512)a);
}
KERNEL_INLINE NativeF32 native_smaller(NativeF32 b, NativeF32 a) {
  return (NativeF32)_mm512_maskz_min_ps(0xffff, (__m512)b, (__m512)a);
}
#elif defined(__AVX2__) && defined(__FMA__)
KERNEL_INLINE NativeF32 native_fma(NativeF32 a, NativeF32 b, NativeF32 c) {
  return (NativeF32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
KERNEL_INLINE NativeF32 native_sqrt(NativeF32 a) { return (NativeF32)_mm256_sqrt_ps((__m256)a); }
KERNEL_INLINE NativeF32 native_larger(NativeF32 b, NativeF32 a) {
  return (NativeF32)_mm256_max_ps((__m256)b, (__m256)a);
}
KERNEL_INLINE NativeF32 native_smaller(NativeF32 b, NativeF32 a) {
  return (NativeF32)_mm256_min_ps((__m256)b, (__m256)a);
}
#elif defined(__aarch64__)
KERNEL_INLINE NativeF32 native_fma(NativeF32 a, NativeF32 b, NativeF32 c) {
  return (NativeF32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
KERNEL_INLINE NativeF32 native_sqrt(NativeF32 a) { return (NativeF32)vsqrtq_f32((float32x4_t)a); }
#else
/// a b + c rounded once, without an fma instruction. The product is exact in double; the sum is rounded to odd (Boldo
/// and Melquiond 2008: of the two neighbours of an inexact sum take the one whose last bit is 1), then to float.
KERNEL_INLINE NativeF32 native_fma(NativeF32 a, NativeF32 b, NativeF32 c) {
  typedef double Wide __attribute__((vector_size(32)));
  typedef std::int64_t Bits __attribute__((vector_size(32)));
  const Wide p = __builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide);
  const Wide z = __builtin_convertvector(c, Wide);
  const Wide s = p + z, v = s - p;
  const Wide rest = (p - (s - v)) + (z - v);
  const Wide zero = {};
  const Bits inexact = (Bits)((rest < zero) | (rest > zero));  // false for NaN
  const Bits outward = (Bits)((rest > zero) == (s > zero));
  const Bits one = {1, 1, 1, 1};
  const Bits step = (outward & one) - (~outward & one);
  const Bits even = ((Bits)s & one) - one;
  return __builtin_convertvector((Wide)((Bits)s + (step & inexact & even)), NativeF32);
}
KERNEL_INLINE NativeF32 native_sqrt(NativeF32 a) {
  NativeF32 r = {};
  for (int i = 0; i < native_lanes; ++i) r[i] = __builtin_sqrtf(a[i]);
  return r;
}
#endif

#if !defined(__AVX2__)
/// b where b > a (or b < a), else a: what the x86 instructions do, NaN and signed zeros included.
KERNEL_INLINE NativeF32 native_larger(NativeF32 b, NativeF32 a) { return b > a ? b : a; }
KERNEL_INLINE NativeF32 native_smaller(NativeF32 b, NativeF32 a) { return b < a ? b : a; }
#endif

// ---- sixteen lanes

template <class Native, class Element>
struct Vec16 {
  Native part[parts];

  static KERNEL_INLINE Vec16 all(Element x) {
    Vec16 r;
    for (int i = 0; i < parts; ++i) r.part[i] = x - Native{};
    return r;
  }
  friend KERNEL_INLINE Vec16 operator+(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x + y; });
  }
  friend KERNEL_INLINE Vec16 operator-(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x - y; });
  }
  friend KERNEL_INLINE Vec16 operator*(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x * y; });
  }
  friend KERNEL_INLINE Vec16 operator/(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x / y; });
  }
  friend KERNEL_INLINE Vec16 operator&(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x & y; });
  }
  friend KERNEL_INLINE Vec16 operator|(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x | y; });
  }
  friend KERNEL_INLINE Vec16 operator^(Vec16 a, Vec16 b) {
    return map(a, b, [](Native x, Native y) { return x ^ y; });
  }
  friend KERNEL_INLINE Vec16 operator<<(Vec16 a, int n) {
    return map(a, a, [n](Native x, Native) { return x << n; });
  }
  friend KERNEL_INLINE Vec16 operator>>(Vec16 a, int n) {
    return map(a, a, [n](Native x, Native) { return x >> n; });
  }
  friend KERNEL_INLINE Vec16 operator-(Vec16 a) {
    return map(a, a, [](Native x, Native) { return -x; });
  }
  KERNEL_INLINE Vec16& operator+=(Vec16 b) { return *this = *this + b; }
  KERNEL_INLINE Vec16& operator*=(Vec16 b) { return *this = *this * b; }

 private:
  template <class F>
  static KERNEL_INLINE Vec16 map(Vec16 a, Vec16 b, F f) {
    Vec16 r;
    for (int i = 0; i < parts; ++i) r.part[i] = f(a.part[i], b.part[i]);
    return r;
  }
};
using f32x16 = Vec16<NativeF32, float>;
using i32x16 = Vec16<NativeI32, std::int32_t>;
using u32x16 = Vec16<NativeU32, std::uint32_t>;

KERNEL_INLINE f32x16 zero() { return f32x16::all(0); }
KERNEL_INLINE f32x16 all(float x) { return f32x16::all(x); }
KERNEL_INLINE u32x16 lane_numbers() {
  u32x16 r = u32x16::all(0);
  for (int i = 0; i < lanes; ++i) r.part[i / native_lanes][i % native_lanes] = static_cast<std::uint32_t>(i);
  return r;
}

/// Any address: blocks of 16 are 64-byte aligned inside the engine, and then nothing is lost.
KERNEL_INLINE f32x16 load(const float* p) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = *reinterpret_cast<const UnalignedF32*>(p + i * native_lanes);
  return r;
}
KERNEL_INLINE void store(float* p, f32x16 v) {
  for (int i = 0; i < parts; ++i) *reinterpret_cast<UnalignedF32*>(p + i * native_lanes) = v.part[i];
}
KERNEL_INLINE void store(std::uint32_t* p, u32x16 v) {
  for (int i = 0; i < parts; ++i) *reinterpret_cast<UnalignedU32*>(p + i * native_lanes) = v.part[i];
}

/// a b + c, rounded once.
KERNEL_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = native_fma(a.part[i], b.part[i], c.part[i]);
  return r;
}
KERNEL_INLINE f32x16 fma(f32x16 a, float b, f32x16 c) { return fma(a, all(b), c); }
KERNEL_INLINE f32x16 sqrt(f32x16 a) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = native_sqrt(a.part[i]);
  return r;
}

/// The same bits as another type; rounding conversion to float.
template <class To, class From>
KERNEL_INLINE To bits(From a) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, a);
}
KERNEL_INLINE f32x16 to_float(i32x16 a) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = __builtin_convertvector(a.part[i], NativeF32);
  return r;
}

/// All ones where true. Comparisons with NaN are false.
KERNEL_INLINE i32x16 less(f32x16 a, f32x16 b) {
  i32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = (NativeI32)(a.part[i] < b.part[i]);
  return r;
}
KERNEL_INLINE f32x16 select(i32x16 mask, f32x16 a, f32x16 b) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) {
    r.part[i] = (NativeF32)(((NativeI32)a.part[i] & mask.part[i]) | ((NativeI32)b.part[i] & ~mask.part[i]));
  }
  return r;
}
/// b where b > a (or b < a), else a: a NaN in a stays.
KERNEL_INLINE f32x16 at_least(f32x16 a, f32x16 b) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = native_larger(b.part[i], a.part[i]);
  return r;
}
KERNEL_INLINE f32x16 at_most(f32x16 a, f32x16 b) {
  f32x16 r;
  for (int i = 0; i < parts; ++i) r.part[i] = native_smaller(b.part[i], a.part[i]);
  return r;
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
