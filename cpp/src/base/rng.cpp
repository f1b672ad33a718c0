#include "scorefield/base/rng.hpp"

#include <algorithm>
#include <array>

#include "scorefield/base/parallel.hpp"
#include "scorefield/kernels/table.hpp"

namespace scorefield {
namespace {

using Fill = void (*)(std::uint64_t key, kernels::Counter counter, long rows, std::size_t n, float* z,
                      std::size_t stride);

/// Philox4x32-10 of one counter (Salmon et al. 2011).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::uint64_t key) {
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0], p2 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p2 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p2),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return c;
}

/// A counter has room for element, sample, step and draw, 32 bits each. What does not fit, the stream and the high half
/// of the sample's index, goes into the key, through the same cipher keyed by the seed: key = Philox(seed, (stream,
/// high, 0, 0)).
std::uint64_t stream_key(std::uint64_t seed, Stream stream, std::uint64_t sample) {
  const auto word = philox({static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(sample >> 32), 0, 0}, seed);
  return word[0] | std::uint64_t{word[1]} << 32;
}

/// One piece of work: rows of one draw whose samples share a key, and a stretch of columns.
struct Piece {
  std::uint64_t seed;
  Stream stream;
  std::uint64_t sample;
  kernels::Counter counter;  // its sample is set per call

  void fill(Fill f, Index rows, Index column, Index columns, float* z, Index stride) const {
    for (Index r = 0; r < rows;) {
      const std::uint64_t first = sample + static_cast<std::uint64_t>(r);
      const std::uint64_t left = (std::uint64_t{1} << 32) - (first & 0xffffffffu);  // rows until the high half changes
      const auto count = static_cast<long>(std::min<std::uint64_t>(left, static_cast<std::uint64_t>(rows - r)));
      kernels::Counter c = counter;
      c.sample = static_cast<std::uint32_t>(first), c.element = static_cast<std::uint32_t>(column / 4);
      f(stream_key(seed, stream, first), c, count, static_cast<std::size_t>(columns), z + r * stride,
        static_cast<std::size_t>(stride));
      r += count;
    }
  }
};

void write(Fill f, const Piece& piece, Index rows, Index column, Index columns, float* z, Index stride) {
  piece.fill(f, rows, column, columns, z, stride);
}

/// float32 numbers, widened through a buffer of whole blocks of 64.
void write(Fill f, const Piece& piece, Index rows, Index column, Index columns, double* z, Index stride) {
  constexpr Index buffer_size = 2048;
  std::array<float, buffer_size> buffer;
  const Index width = std::min(columns, buffer_size),
              height = std::max<Index>(1, buffer_size / std::max<Index>(1, width));
  for (Index r = 0; r < rows; r += height) {
    const Index count = std::min(height, rows - r);
    Piece part = piece;
    part.sample += static_cast<std::uint64_t>(r);
    for (Index c = 0; c < columns; c += width) {
      const Index n = std::min(width, columns - c);
      part.fill(f, count, column + c, n, buffer.data(), width);
      for (Index i = 0; i < count; ++i) std::copy_n(buffer.data() + i * width, n, z + (r + i) * stride + c);
    }
  }
}

/// Cuts the matrix into pieces of about 2^14 numbers (whole rows, or 64-aligned stretches of long ones) and fills them
/// in parallel.
template <class S>
void fill(Fill f, const Piece& piece, Out<S> z) {
  constexpr Index size = 1 << 14;
  const Index rows = z.rows(), columns = z.cols(), stride = z.outerStride();
  if (rows == 0 || columns == 0) return;
  const Index height = std::max<Index>(1, size / columns), width = std::min(columns, size);
  const Index down = (rows + height - 1) / height, across = (columns + width - 1) / width;
  const auto part = [&](Index i, Index) {
    const Index r = i / across * height, c = i % across * width;
    Piece here = piece;
    here.sample += static_cast<std::uint64_t>(r);
    write(f, here, std::min(height, rows - r), c, std::min(width, columns - c), z.data() + r * stride + c, stride);
  };
  if (rows * columns <= 2 * size) {
    for (Index i = 0; i < down * across; ++i) part(i, 0);
  } else {
    parallel_for(down * across, part);
  }
}

}  // namespace

void Noise::normal(Out<double> z, std::uint32_t draw) const {
  fill<double>(kernels::table().normal, {seed_, stream_, static_cast<std::uint64_t>(first_), {0, 0, step_, draw}}, z);
}
void Noise::normal(Out<float> z, std::uint32_t draw) const {
  fill<float>(kernels::table().normal, {seed_, stream_, static_cast<std::uint64_t>(first_), {0, 0, step_, draw}}, z);
}
void Noise::uniform(Out<double> u, std::uint32_t draw) const {
  fill<double>(kernels::table().uniform, {seed_, stream_, static_cast<std::uint64_t>(first_), {0, 0, step_, draw}}, u);
}
void Noise::uniform(Out<float> u, std::uint32_t draw) const {
  fill<float>(kernels::table().uniform, {seed_, stream_, static_cast<std::uint64_t>(first_), {0, 0, step_, draw}}, u);
}

}  // namespace scorefield
