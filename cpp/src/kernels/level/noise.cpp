#include "level.hpp"
#include "math.hpp"
#include "philox.hpp"

/// Philox and Box-Muller. A row's elements come in blocks of 64 = 16 counters of 4 words: word w of lane l is element
/// 64 block + 16 w + l.
namespace scorefield::kernels::SCOREFIELD_LEVEL {
namespace {

KERNEL_INLINE Words counters(u32x16 element, u32x16 sample, Counter c) {
  return {element, sample, u32x16::all(c.step), u32x16::all(c.draw)};
}

/// Two normal numbers from two words:  sqrt(-2 ln u) (cos, sin)(2 pi v),  u in [2^-32, 1], so |z| <= 6.67.
KERNEL_INLINE void box_muller(u32x16 u, u32x16 v, f32x16& first, f32x16& second) {
  const f32x16 uniform = fma(to_float(bits<i32x16>(u >> 1)), 1.f / 2147483648.f, all(0.5f / 2147483648.f));
  const f32x16 radius = sqrt(all(-2) * log(uniform));
  f32x16 sine, cosine;
  sincos_turns(v, sine, cosine);
  first = radius * cosine, second = radius * sine;
}

struct Normal {
  static KERNEL_INLINE f32x16 first(const Words& w) {
    f32x16 z, unused;
    box_muller(w.word[0], w.word[1], z, unused);
    return z;
  }
  static KERNEL_INLINE void apply(const Words& w, f32x16 z[4]) {
    box_muller(w.word[0], w.word[1], z[0], z[1]);
    box_muller(w.word[2], w.word[3], z[2], z[3]);
  }
};

/// (w / 2^9 + 1/2) / 2^23: exact in float, never 0 or 1.
struct Uniform {
  static KERNEL_INLINE f32x16 of(u32x16 w) {
    return fma(to_float(bits<i32x16>(w >> 9)), 1.f / 8388608.f, all(0.5f / 8388608.f));
  }
  static KERNEL_INLINE f32x16 first(const Words& w) { return of(w.word[0]); }
  static KERNEL_INLINE void apply(const Words& w, f32x16 u[4]) {
    for (int i = 0; i < 4; ++i) u[i] = of(w.word[i]);
  }
};

/// One row, 16 counters at a time.
template <class Kind>
void fill_row(std::uint64_t key, Counter c, std::size_t n, float* z) {
  const u32x16 lane = lane_numbers(), sample = u32x16::all(c.sample);
  for (std::size_t e = 0; e < n; e += 64) {
    f32x16 v[4];
    const u32x16 element = lane + u32x16::all(c.element + static_cast<std::uint32_t>(e / 4));
    const Words words = philox(counters(element, sample, c), key);
    if (e + 16 == n) {
      store(z + e, Kind::first(words));
      return;
    }
    Kind::apply(words, v);
    if (e + 64 <= n) {
      for (std::size_t i = 0; i < 4; ++i) store(z + e + 16 * i, v[i]);
      continue;
    }
    float rest[64];
    for (int i = 0; i < 4; ++i) store(rest + 16 * i, v[i]);
    for (std::size_t i = 0; e + i < n; ++i) z[e + i] = rest[i];
  }
}

/// Rows shorter than 16: the lanes are 16 samples, one element after the other, so that no counter is drawn in vain.
template <class Kind>
void fill_short_rows(std::uint64_t key, Counter c, long rows, std::size_t n, float* z, std::size_t stride) {
  const u32x16 lane = lane_numbers();
  for (long r = 0; r < rows; r += 16) {
    const u32x16 sample = lane + u32x16::all(c.sample + static_cast<std::uint32_t>(r));
    const long count = rows - r < 16 ? rows - r : 16;
    for (std::size_t e = 0; e < n; ++e) {
      const u32x16 element = u32x16::all(c.element + static_cast<std::uint32_t>(e));
      const f32x16 drawn = Kind::first(philox(counters(element, sample, c), key));
      if (stride == 1 && count == 16) {
        store(z + r, drawn);
        continue;
      }
      float column[16];
      store(column, drawn);
      for (long i = 0; i < count; ++i) z[static_cast<std::size_t>(r + i) * stride + e] = column[i];
    }
  }
}

template <class Kind>
void fill(std::uint64_t key, Counter c, long rows, std::size_t n, float* z, std::size_t stride) {
  if (n < 16) {
    fill_short_rows<Kind>(key, c, rows, n, z, stride);
    return;
  }
  for (long r = 0; r < rows; ++r, ++c.sample) fill_row<Kind>(key, c, n, z + static_cast<std::size_t>(r) * stride);
}

}  // namespace

void normal(std::uint64_t key, Counter counter, long rows, std::size_t n, float* z, std::size_t stride) {
  fill<Normal>(key, counter, rows, n, z, stride);
}

void uniform(std::uint64_t key, Counter counter, long rows, std::size_t n, float* u, std::size_t stride) {
  fill<Uniform>(key, counter, rows, n, u, stride);
}

void random_words(std::uint64_t key, Counter c, std::size_t n, std::uint32_t* words) {
  const u32x16 lane = lane_numbers();
  for (std::size_t e = 0; e < n; e += 64) {
    const u32x16 element = lane + u32x16::all(c.element + static_cast<std::uint32_t>(e / 4));
    const Words w = philox(counters(element, u32x16::all(c.sample), c), key);
    std::uint32_t block[64];
    for (int i = 0; i < 4; ++i) store(block + 16 * i, w.word[i]);
    for (std::size_t i = 0; i < 64 && e + i < n; ++i) words[e + i] = block[i];
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
