#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "scorefield/base/rng.hpp"
#include "scorefield/kernels/table.hpp"

/// Results as short numbers that two processors can compare. What goes in is made by our own noise, which is hashed
/// too: nothing is drawn by the standard library.
namespace scorefield::digests {

/// FNV-1a of 64 bits (Fowler, Noll and Vo 1991) of the bytes of everything that is added, in order.
class Digest {
 public:
  template <class T>
  void add(std::span<T> values) {
    for (const std::byte b : std::as_bytes(values))
      value_ = (value_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3u;
  }
  /// A vector or a dense matrix.
  template <class Array>
  void add(const Array& a) {
    add(std::span(a.data(), static_cast<std::size_t>(a.size())));
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

struct Line {
  std::string name;
  std::uint64_t digest;
};
using Lines = std::vector<Line>;

using Floats = std::vector<float>;

/// Normal numbers, others at each call.
class Numbers {
 public:
  Floats operator()(std::size_t n) {
    Matrix<float> z(1, static_cast<Index>(n));
    Noise(7, Stream::probe).normal(z, draw_++);
    return {z.data(), z.data() + n};
  }

 private:
  std::uint32_t draw_ = 0;
};

Lines of_kernels(const kernels::Table& k);  ///< each function of the table
Lines of_noise();                           ///< through Noise, also where it runs in parallel
Lines of_engines();                         ///< values and gradients of every operation and network
Lines of_training();                        ///< weights, moments, averages and losses, and samples of what was trained
Lines of_schedules();                       ///< signal and noise: what the C library's exp and log enter

}  // namespace scorefield::digests
