#include "scorefield/base/rng.hpp"

#include <array>
#include <cmath>

namespace scorefield {
namespace {

using Block = std::array<std::uint32_t, 4>;

Block philox4x32(Block c, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0], p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return c;
}

}  // namespace

void Noise::normal(Out<double> z, std::uint32_t draw) const {
  for (Index r = 0; r < z.rows(); ++r) {
    for (Index e = 0; e < z.cols(); e += 64) {
      for (std::uint32_t lane = 0; lane < 16; ++lane) {
        const Block w = philox4x32({static_cast<std::uint32_t>(e / 4) + lane, static_cast<std::uint32_t>(first_ + r), step_,
                                    static_cast<std::uint32_t>(stream_) | draw << 8},
                                   static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32));
        for (int pair = 0; pair < 2; ++pair) {
          const double u = (static_cast<double>(w[static_cast<std::size_t>(2 * pair)]) + 0.5) / 4294967296.0;
          const double v = static_cast<double>(w[static_cast<std::size_t>(2 * pair + 1)]) / 4294967296.0;
          const double radius = std::sqrt(-2 * std::log(u));
          const Index a = e + 32 * pair + lane, b = a + 16;
          if (a < z.cols()) z(r, a) = radius * std::cos(6.283185307179586 * v);
          if (b < z.cols()) z(r, b) = radius * std::sin(6.283185307179586 * v);
        }
      }
    }
  }
}

void Noise::uniform(Out<double> u, std::uint32_t draw) const {
  for (Index r = 0; r < u.rows(); ++r) {
    for (Index e = 0; e < u.cols(); ++e) {
      const Index block = e / 64, word = e % 64 / 16, lane = e % 16;
      const Block w = philox4x32({static_cast<std::uint32_t>(block * 16 + lane), static_cast<std::uint32_t>(first_ + r), step_,
                                  static_cast<std::uint32_t>(stream_) | draw << 8},
                                 static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32));
      u(r, e) = (static_cast<double>(w[static_cast<std::size_t>(word)]) + 0.5) / 4294967296.0;
    }
  }
}

}  // namespace scorefield
