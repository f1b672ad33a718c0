#pragma once
#include <cstddef>
#include <cstdint>

/// The fast kernels: one table of functions per instruction set, filled by one source compiled several times (generic,
/// AVX2, AVX-512, NEON), chosen once at load. Plain C types; no Eigen, no std:: containers inside. Every function is
/// serial, never allocates and gives the same bits in every table: explicit fma, 16 lanes, a fixed order of every sum.
namespace scorefield::kernels {

/// The Philox counter of a row: `element` counts in fours; the row's other coordinates are constant.
struct Counter {
  std::uint32_t element = 0, sample = 0, step = 0, draw = 0;
};

struct Table {
  const char* name;
  int native_lanes;  ///< of one register: 4, 8 or 16

  /// c (m, n) := or += op(a) (m, k) op(b) (k, n), row-major with leading dimensions; op transposes if ta (tb). Each
  /// c_ij is one chain of fma in k order, begun at 0 or, if `add`, at c_ij.
  void (*sgemm)(bool ta, bool tb, long m, long n, long k, const float* a, long lda, const float* b, long ldb, float* c,
                long ldc, bool add);

  /// Row r < rows of z (n numbers, `stride` apart) := standard normal numbers of sample counter.sample + r (modulo
  /// 2^32), its elements 4 counter.element and on; counter.element is a multiple of 16. Philox4x32-10 and Box-Muller.
  void (*normal)(std::uint64_t key, Counter counter, long rows, std::size_t n, float* z, std::size_t stride);
  /// The same for uniform numbers (k + 1/2) / 2^23, 0 <= k < 2^23.
  void (*uniform)(std::uint64_t key, Counter counter, long rows, std::size_t n, float* u, std::size_t stride);
  /// The 32-bit words below both: element 64 b + 16 w + l is word w of counter 16 b + l.
  void (*random_words)(std::uint64_t key, Counter counter, std::size_t n, std::uint32_t* words);
};

const Table& table();  ///< the best that this processor runs, or the one that select() chose
const Table& select(
    const char* name);                ///< "generic", "avx2", "avx512", "neon"; throws unless it was built and runs here
const Table* find(const char* name);  ///< null unless it was built and runs here

/// Names of the tables that were built and run on this processor, best first, ended by a null pointer.
const char* const* names();

}  // namespace scorefield::kernels
