#pragma once
#include <cstddef>
#include <cstdint>

#include "scorefield/kernels/table.hpp"

/// The functions of one level; each family is a source of its own. Their contracts stand in kernels/table.hpp.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

void sgemm(bool ta, bool tb, long m, long n, long k, const float* a, long lda, const float* b, long ldb, float* c,
           long ldc, bool add);

void normal(std::uint64_t key, Counter counter, long rows, std::size_t n, float* z, std::size_t stride);
void uniform(std::uint64_t key, Counter counter, long rows, std::size_t n, float* u, std::size_t stride);
void random_words(std::uint64_t key, Counter counter, std::size_t n, std::uint32_t* words);

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
