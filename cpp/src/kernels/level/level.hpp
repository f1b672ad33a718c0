#pragma once
#include <cstddef>
#include <cstdint>

#include "scorefield/kernels/table.hpp"

/// The functions of one level; each family is a source of its own. Their contracts stand in kernels/table.hpp.
namespace scorefield::kernels::SCOREFIELD_LEVEL {

void gemm(int points, int rows, Blocks V, const float* U, std::size_t U_xs, const float* start, bool add, float* M,
          std::size_t M_block, std::size_t M_xs, int out_blocks);
void gemm_gradient(int points, int rows, Blocks V, const float* M, std::size_t M_block, std::size_t M_xs,
                   int out_blocks, bool add, float* dU, std::size_t dU_xs);
void prologue(const float* x, Size from, const float* mean, const float* scale, const float* shift, Act act,
              const float* mask, Resize kind, Size to, float* out, std::size_t out_stride);
void prologue_backward(const float* x, Size from, const float* mean, const float* scale, const float* shift,
                       const float* rstd, Act act, const float* mask, Resize kind, Size to, const float* d,
                       std::size_t d_stride, bool add, float* dz, float* s1, float* s2);
void norm_backward(const float* dz, const float* x, const float* mean, const float* k1, const float* kx,
                   const float* k0, std::size_t positions, bool add, float* dx);
void activation(const float* x, std::size_t n, Act act, float* y, float* slope);
void layer_norm(const float* const* x, int blocks, int positions, int channels, const float* gamma, const float* beta,
                float eps, Act act, float* out, std::size_t out_block);
void layer_norm_backward(const float* const* x, int blocks, int positions, int channels, const float* gamma,
                         const float* beta, float eps, Act act, float* d, std::size_t d_block, bool add,
                         float* const* dx, float* dgamma, float* dbeta);
void winograd_input(const float* plane, std::size_t stride, Tiles t, float* V, std::size_t V_xs);
void winograd_input_adjoint(const float* V, std::size_t V_xs, Tiles t, float* plane, std::size_t stride);
void winograd_output(const float* M, std::size_t M_xs, Tiles t, const float* shift, const float* residual, float gain,
                     float* y, float* sums);
void winograd_output_adjoint(const float* dy, Tiles t, float gain, float* M, std::size_t M_xs, float* sum);
void winograd_filter(const float* packed, float* U, std::size_t U_xs);
void winograd_filter_adjoint(const float* dU, std::size_t U_xs, float* packed);
void gather(const float* plane, std::size_t stride, Window w, float* columns, std::size_t block);
void scatter(const float* columns, std::size_t block, Window w, float* plane, std::size_t stride);
void epilogue(float* y, std::size_t positions, const float* shift, const float* residual, float gain, float* sums);
void sums(const float* x, std::size_t positions, float* sums);
void softmax(float* s, int keys, float scale, const float* mask, std::size_t mask_step);
void softmax_backward(const float* s, float* ds, int keys, float scale);
void transpose(const float* const* x, int blocks, int rows, float* y);
void add_rows(const float* x, std::size_t rows, float* sum);
void add_scaled(const float* x, std::size_t n, float factor, float* y);
void multiply_add(const float* x, const float* slope, std::size_t n, bool add, float* y);
void pack(const float* x, std::size_t row, int rows, int columns, float* y);
void transpose_pairs(const float* x, int taps, float* y);
void unpack(const float* y, std::size_t row, int rows, int columns, float* x);
void sincos(const double* turns, std::size_t n, float* sine, float* cosine);

void sgemm(bool ta, bool tb, long m, long n, long k, const float* a, long lda, const float* b, long ldb, float* c,
           long ldc, bool add);

void normal(std::uint64_t key, Counter counter, long rows, std::size_t n, float* z, std::size_t stride);
void uniform(std::uint64_t key, Counter counter, long rows, std::size_t n, float* u, std::size_t stride);
void random_words(std::uint64_t key, Counter counter, std::size_t n, std::uint32_t* words);

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
