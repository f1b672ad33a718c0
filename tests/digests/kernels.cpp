#include <array>
#include <tuple>

#include "digest.hpp"

namespace scorefield::digests {
namespace {

using kernels::Act;
using kernels::Blocks;
using kernels::Resize;
using kernels::Size;
using kernels::Table;
using kernels::Tiles;
using kernels::Window;

constexpr std::array acts{Act::identity, Act::silu, Act::gelu, Act::tanh, Act::relu, Act::mish};

std::size_t count(int n) { return static_cast<std::size_t>(n); }
std::size_t floats(Size s) { return count(s.height * s.width * 16); }

/// An operand of `blocks` blocks of `rows` rows at two points.
struct Operand {
  Floats data;
  std::vector<const float*> block;

  Operand(Numbers& numbers, int blocks, int rows) : data(numbers(count(2 * blocks * rows * 16))) {
    for (int b = 0; b < blocks; ++b) block.push_back(data.data() + b * rows * 16);
  }
  Blocks view() const { return {block.data(), data.size() / 2, static_cast<int>(block.size())}; }
};

void gemm(const Table& k, Numbers& numbers, Digest& digest) {
  constexpr int in = 3;
  for (const int rows : {1, 6, 13, 33, 64}) {
    for (const int out : {1, 2, 3, 4, 7}) {
      const Operand V(numbers, in, rows);
      const Floats U = numbers(count(2 * in * out * 256)), start = numbers(count(out * 16));
      Floats M(count(2 * out * rows * 16));
      for (const bool add : {false, true}) {
        k.gemm(2, rows, V.view(), U.data(), U.size() / 2, start.data(), add, M.data(), count(rows * 16), M.size() / 2,
               out);
        digest.add(M);
      }
    }
  }
}

void gemm_gradient(const Table& k, Numbers& numbers, Digest& digest) {
  constexpr int in = 2;
  for (const int rows : {1, 4, 19, 70}) {
    for (const int out : {1, 2, 3, 4, 7}) {
      const Operand V(numbers, in, rows), M(numbers, out, rows);
      Floats dU(count(2 * in * out * 256));
      for (const bool add : {false, true}) {
        k.gemm_gradient(2, rows, V.view(), M.data.data(), count(rows * 16), M.data.size() / 2, out, add, dU.data(),
                        dU.size() / 2);
        digest.add(dU);
      }
    }
  }
}

void sgemm(const Table& k, Numbers& numbers, Digest& digest) {
  for (const auto& [m, n, depth] : {std::tuple{1, 1, 1}, {7, 5, 3}, {33, 17, 40}, {20, 150, 200}}) {
    const Floats a = numbers(count(m * depth)), b = numbers(count(depth * n));
    Floats c(count(m * n));
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const bool add : {false, true}) {
          k.sgemm(ta, tb, m, n, depth, a.data(), ta ? m : depth, b.data(), tb ? depth : n, c.data(), n, add);
          digest.add(c);
        }
      }
    }
  }
}

/// f(kind, from, to) for each kind of resampling, of even and odd sizes.
template <class F>
void for_sizes(F f) {
  f(Resize::same, Size{4, 3}, Size{4, 3});
  f(Resize::up, Size{3, 5}, Size{6, 10});
  f(Resize::up, Size{3, 5}, Size{5, 9});
  f(Resize::down, Size{6, 8}, Size{3, 4});
  f(Resize::down, Size{5, 7}, Size{3, 4});
}

void prologue(const Table& k, Numbers& numbers, Digest& digest) {
  for (const Act act : acts) {
    for_sizes([&](Resize kind, Size from, Size to) {
      const Floats x = numbers(floats(from)), mask = numbers(x.size()), mean = numbers(16), scale = numbers(16),
                   shift = numbers(16);
      Floats y(floats(to));
      for (const float* m : {static_cast<const float*>(nullptr), mask.data()}) {
        k.prologue(x.data(), from, mean.data(), scale.data(), shift.data(), act, m, kind, to, y.data(),
                   count(to.width * 16));
        digest.add(y);
      }
    });
  }
}

void prologue_backward(const Table& k, Numbers& numbers, Digest& digest) {
  for (const Act act : acts) {
    for_sizes([&](Resize kind, Size from, Size to) {
      const Floats x = numbers(floats(from)), mask = numbers(x.size()), mean = numbers(16), scale = numbers(16),
                   shift = numbers(16), rstd = numbers(16), d = numbers(floats(to));
      Floats dz(x.size()), sums(32);
      for (const bool add : {false, true}) {
        k.prologue_backward(x.data(), from, mean.data(), scale.data(), shift.data(), rstd.data(), act,
                            add ? mask.data() : nullptr, kind, to, d.data(), count(to.width * 16), add, dz.data(),
                            sums.data(), sums.data() + 16);
        digest.add(dz), digest.add(sums);
      }
    });
  }
}

void norm_backward(const Table& k, Numbers& numbers, Digest& digest) {
  const Floats dz = numbers(144), x = numbers(144), mean = numbers(16), k1 = numbers(16), kx = numbers(16),
               k0 = numbers(16);
  Floats dx(144);
  for (const bool add : {false, true}) {
    k.norm_backward(dz.data(), x.data(), mean.data(), k1.data(), kx.data(), k0.data(), 9, add, dx.data());
    digest.add(dx);
  }
}

/// Normal numbers, large ones, and those where formulas change or end.
void activation(const Table& k, Numbers& numbers, Digest& digest) {
  Floats x = numbers(4096);
  for (std::size_t i = 0; i < x.size(); i += 2) x[i] *= 30;
  for (const float v : {0.f, 1e-45f, 1e-40f, 1e-30f, 0.625f, 0.62499997f, 7.9999f, 43.5f, 87.f, 88.5f, 100.f, 3e38f})
    x.push_back(v), x.push_back(-v);
  x.resize((x.size() + 15) / 16 * 16);
  Floats y(x.size()), slope(x.size());
  for (const Act act : acts) {
    k.activation(x.data(), x.size(), act, y.data(), nullptr);
    digest.add(y);
    k.activation(x.data(), x.size(), act, y.data(), slope.data());
    digest.add(y), digest.add(slope);
  }
}

void layer_norm(const Table& k, Numbers& numbers, Digest& digest) {
  constexpr int blocks = 3, positions = 5, channels = 37;
  constexpr std::size_t block = positions * 16;
  const Floats x = numbers(blocks * block), gamma = numbers(blocks * 16), beta = numbers(blocks * 16);
  const std::array source{x.data(), x.data() + block, x.data() + 2 * block};
  for (const Act act : acts) {
    Floats y(x.size()), dx(x.size()), dgamma(gamma.size()), dbeta(beta.size());
    const std::array to{dx.data(), dx.data() + block, dx.data() + 2 * block};
    k.layer_norm(source.data(), blocks, positions, channels, gamma.data(), beta.data(), 1e-5f, act, y.data(), block);
    digest.add(y);
    for (const bool add : {false, true}) {
      Floats d = numbers(x.size());
      k.layer_norm_backward(source.data(), blocks, positions, channels, gamma.data(), beta.data(), 1e-5f, act, d.data(),
                            block, add, to.data(), dgamma.data(), dbeta.data());
      digest.add(dx), digest.add(dgamma), digest.add(dbeta);
    }
  }
}

/// An image of one block in a frame, and the points of its tiles.
struct Image {
  Tiles tiles;
  std::size_t pixels, stride, plane, xs;
  Image(int h, int w)
      : tiles{h, w, (h + 3) / 4, (w + 3) / 4},
        pixels(count(h * w * 16)),
        stride(count(4 * tiles.columns + 2) * 16),
        plane(stride * count(4 * tiles.rows + 2)),
        xs(count(tiles.rows * tiles.columns) * 16) {}
};
const std::array images{Image(8, 8), Image(1, 1), Image(7, 5), Image(4, 13)};

void winograd_input(const Table& k, Numbers& numbers, Digest& digest) {
  for (const Image& m : images) {
    const Floats plane = numbers(m.plane), dV = numbers(36 * m.xs);
    Floats V(36 * m.xs), back(m.plane);
    k.winograd_input(plane.data(), m.stride, m.tiles, V.data(), m.xs);
    k.winograd_input_adjoint(dV.data(), m.xs, m.tiles, back.data(), m.stride);
    digest.add(V), digest.add(back);
  }
}

void winograd_output(const Table& k, Numbers& numbers, Digest& digest) {
  for (const Image& m : images) {
    const Floats M = numbers(36 * m.xs), shift = numbers(16), residual = numbers(m.pixels), dy = numbers(m.pixels);
    Floats y(m.pixels), sums(48), dM(36 * m.xs), sum(16);
    for (const float* r : {static_cast<const float*>(nullptr), residual.data()}) {
      k.winograd_output(M.data(), m.xs, m.tiles, shift.data(), r, 0.7f, y.data(), sums.data());
      digest.add(y), digest.add(sums);
    }
    k.winograd_output_adjoint(dy.data(), m.tiles, 0.7f, dM.data(), m.xs, sum.data());
    digest.add(dM), digest.add(sum);
  }
}

void winograd_filter(const Table& k, Numbers& numbers, Digest& digest) {
  const Floats g = numbers(16 * 9 * 16), dU = numbers(36 * 256);
  Floats U(36 * 256), dg(g.size());
  k.winograd_filter(g.data(), U.data(), 256);
  digest.add(U);
  k.winograd_filter_adjoint(dU.data(), 256, dg.data());
  digest.add(dg);
}

void columns(const Table& k, Numbers& numbers, Digest& digest) {
  for (const Window w : {Window{4, 3, 3, 3, 2, 2}, Window{5, 1, 3, 1, 1, 1}, Window{2, 6, 5, 5, 1, 1}}) {
    const int height = (w.height - 1) * w.step + w.kernel, width = (w.width - 1) * w.step_across + w.across;
    const std::size_t block = count(w.height * w.width * 16), stride = count(width * 16);
    const Floats plane = numbers(count(height) * stride), d = numbers(block * count(w.kernel * w.across));
    Floats made(d.size()), back(plane.size());
    k.gather(plane.data(), stride, w, made.data(), block);
    k.scatter(d.data(), block, w, back.data(), stride);
    digest.add(made), digest.add(back);
  }
}

void epilogue(const Table& k, Numbers& numbers, Digest& digest) {
  Floats y = numbers(21 * 16), sums(48);
  const Floats shift = numbers(16), residual = numbers(y.size());
  for (const float* r : {static_cast<const float*>(nullptr), residual.data()}) {
    k.epilogue(y.data(), 21, shift.data(), r, 0.7f, sums.data());
    digest.add(y), digest.add(sums);
  }
  k.sums(residual.data(), 21, sums.data());
  digest.add(sums);
}

void softmax(const Table& k, Numbers& numbers, Digest& digest) {
  for (const int keys : {1, 6, 37}) {
    const Floats mask = numbers(count(keys));  // about half of the keys are left out
    for (const float* m : {static_cast<const float*>(nullptr), mask.data()}) {
      Floats s = numbers(count(keys * 16)), ds = numbers(s.size());
      k.softmax(s.data(), keys, 0.7f, m, 1);
      k.softmax_backward(s.data(), ds.data(), keys, 0.7f);
      digest.add(s), digest.add(ds);
    }
  }
}

void transposes(const Table& k, Numbers& numbers, Digest& digest) {
  const Floats x = numbers(2 * 19 * 16);
  const std::array blocks{x.data(), x.data() + 19 * 16};
  Floats y(2 * 2 * 256), packed(16 * 27), unpacked(16 * 27), swapped(16 * 3 * 16);
  k.transpose(blocks.data(), 2, 19, y.data());
  digest.add(y);
  for (const int rows : {16, 5}) {
    k.pack(x.data(), 30, rows, 27, packed.data());
    k.unpack(packed.data(), 27, rows, 27, unpacked.data());
    digest.add(packed), digest.add(unpacked);
  }
  const Floats filters = numbers(swapped.size());
  k.transpose_pairs(filters.data(), 3, swapped.data());
  digest.add(swapped);
}

void arrays(const Table& k, Numbers& numbers, Digest& digest) {
  const Floats x = numbers(21 * 16), slope = numbers(x.size());
  Floats sum(16), y = numbers(x.size());
  k.add_rows(x.data(), 21, sum.data());
  k.add_scaled(x.data(), x.size(), 0.3f, y.data());
  digest.add(sum), digest.add(y);
  for (const bool add : {false, true}) {
    k.multiply_add(x.data(), slope.data(), x.size(), add, y.data());
    digest.add(y);
  }
}

void sincos(const Table& k, Numbers& numbers, Digest& digest) {
  for (const double scale : {1e-3, 1.0, 1e3, 1e5}) {
    std::vector<double> turns;
    for (const float z : numbers(1024)) turns.push_back(scale * static_cast<double>(z));
    Floats sine(turns.size()), cosine(turns.size());
    k.sincos(turns.data(), turns.size(), sine.data(), cosine.data());
    digest.add(sine), digest.add(cosine);
  }
}

void noise(const Table& k, Numbers&, Digest& digest) {
  for (const std::size_t n : {1u, 16u, 63u, 64u, 200u}) {
    Floats z(5 * n);
    std::vector<std::uint32_t> words(n);
    const kernels::Counter counter{32, 0xfffffffeu, 8, 9};
    k.normal(11, counter, 5, n, z.data(), n);
    digest.add(z);
    k.uniform(11, counter, 5, n, z.data(), n);
    digest.add(z);
    k.random_words(11, counter, n, words.data());
    digest.add(words);
  }
}

}  // namespace

Lines of_kernels(const Table& k) {
  constexpr std::pair<const char*, void (*)(const Table&, Numbers&, Digest&)> families[] = {
      {"gemm", gemm},
      {"gemm_gradient", gemm_gradient},
      {"sgemm", sgemm},
      {"prologue", prologue},
      {"prologue_backward", prologue_backward},
      {"norm_backward", norm_backward},
      {"activation", activation},
      {"layer_norm", layer_norm},
      {"winograd_input", winograd_input},
      {"winograd_output", winograd_output},
      {"winograd_filter", winograd_filter},
      {"gather and scatter", columns},
      {"epilogue and sums", epilogue},
      {"softmax", softmax},
      {"transpose, pack, unpack", transposes},
      {"arrays", arrays},
      {"sincos", sincos},
      {"noise", noise}};
  Lines lines;
  for (const auto& [name, run] : families) {
    Numbers numbers;
    Digest digest;
    run(k, numbers, digest);
    lines.push_back({std::string("kernel: ") + name, digest.value()});
  }
  return lines;
}

}  // namespace scorefield::digests
