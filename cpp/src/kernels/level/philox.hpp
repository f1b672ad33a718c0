#pragma once
#include "simd.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011) of sixteen counters at a time. A product of 32 x 32 bits fills
/// 64, and its instruction reads the low halves of 64-bit lanes only: so even and odd counters are kept apart, each in
/// the low half of such a lane, and whatever stands in the high halves never matters.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

typedef std::uint64_t NativePairs __attribute__((vector_size(native_lanes * 4)));

/// The products of the low halves with m.
KERNEL_INLINE NativePairs low_product(NativePairs a, std::uint32_t m) {
#if defined(__AVX512F__)
  return (NativePairs)_mm512_maskz_mul_epu32(0xff, (__m512i)a, _mm512_set1_epi32(static_cast<int>(m)));
#elif defined(__AVX2__)
  return (NativePairs)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi32(static_cast<int>(m)));
#elif defined(__SSE2__)
  return (NativePairs)_mm_mul_epu32((__m128i)a, _mm_set1_epi32(static_cast<int>(m)));
#elif defined(__aarch64__)
  return (NativePairs)vmull_u32(vmovn_u64((uint64x2_t)a), vdup_n_u32(m));
#else
  return (a & 0xffffffffu) * std::uint64_t{m};
#endif
}

struct Words {
  u32x16 word[4];
};

/// Ten rounds of half of the lanes.
KERNEL_INLINE void philox_rounds(NativePairs c[4], std::uint64_t key) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const NativePairs p0 = low_product(c[0], 0xD2511F53u), p2 = low_product(c[2], 0xCD9E8D57u);
    c[0] = (p2 >> 32) ^ c[1] ^ (k0 - NativePairs{});
    c[2] = (p0 >> 32) ^ c[3] ^ (k1 - NativePairs{});
    c[1] = p2, c[3] = p0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
}

KERNEL_INLINE Words philox(const Words& counter, std::uint64_t key) {
  Words out;
  for (int i = 0; i < parts; ++i) {
    NativePairs even[4], odd[4];
    for (int w = 0; w < 4; ++w) even[w] = (NativePairs)counter.word[w].part[i], odd[w] = even[w] >> 32;
    philox_rounds(even, key);
    philox_rounds(odd, key);
    for (int w = 0; w < 4; ++w) {
      out.word[w].part[i] = (NativeU32)((even[w] & 0xffffffffu) | (odd[w] << 32));
    }
  }
  return out;
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
