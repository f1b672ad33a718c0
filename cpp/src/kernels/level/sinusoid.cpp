#include "level.hpp"
#include "math.hpp"

/// sin and cos of 2 pi `turns`, as large as 2^19 turns: adding 1.5 2^20 in double leaves the fraction of a turn, times
/// 2^32, in the low bits, exactly rounded; the rest is sincos_turns. NaN and infinity give NaN.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

void sincos(const double* turns, std::size_t n, float* sine, float* cosine) {
  for (std::size_t i = 0; i < n; i += 16) {
    std::uint32_t fraction[16];
    float poison[16];
    for (std::size_t l = 0; l < 16; ++l) {
      const double t = turns[i + l];
      fraction[l] = static_cast<std::uint32_t>(__builtin_bit_cast(std::uint64_t, t + 1.5 * 1048576.0));
      poison[l] = static_cast<float>(t - t);
    }
    u32x16 w;
    __builtin_memcpy(&w, fraction, sizeof(w));
    f32x16 s, c;
    sincos_turns(w, s, c);
    store(sine + i, s + load(poison)), store(cosine + i, c + load(poison));
  }
}

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
