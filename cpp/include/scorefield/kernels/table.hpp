#pragma once
#include <cstddef>
#include <cstdint>

/// The fast kernels: one table of functions per instruction set, filled by one source compiled several times (generic,
/// AVX2, AVX-512, NEON), chosen once at load. Plain C types; no Eigen, no std:: containers inside. Every function is
/// serial, never allocates and gives the same bits in every table: explicit fma, 16 lanes, a fixed order of every sum.
///
/// A tensor of the fast engine is [sample][block of 16 channels][position][16], 64-byte aligned; lanes beyond its
/// channels hold 0.
namespace scorefield::kernels {

enum class Act : int { identity, silu, gelu, tanh, relu, mish };
enum class Resize : int { same, up, down };  ///< nearest x 2, cropped; mean of those of 2 x 2 that exist

struct Size {
  int height, width;
};
/// An image and its tiles of 4 x 4, ceil(height / 4) x ceil(width / 4).
struct Tiles {
  int height, width, rows, columns;
};
/// Output size, kernel and steps of a convolution on a padded plane.
struct Window {
  int height, width, kernel, across, step, step_across;
};
/// A GEMM operand: row p of block b at point x is the 16 numbers at block[b] + x xs + 16 p. Beyond the
/// first 4 quarters[b] of them all are 0 and may be left out; null: of no block that is known.
struct Blocks {
  const float* const* block;
  std::size_t xs;
  int count;
  const unsigned char* quarters = nullptr;
};

/// The Philox counter of a row: `element` counts in fours; the row's other coordinates are constant.
struct Counter {
  std::uint32_t element = 0, sample = 0, step = 0, draw = 0;
};

struct Table {
  const char* name;
  int native_lanes;  ///< of one register: 4, 8 or 16

  // ---- Matrix products on operands of 16-channel blocks. Filters are [point][output block][input lane][16].
  /// M_x[p][k] := sum_c V_x[p][c] U_x[c][k], c in order, for `points` points x (36 for Winograd, else 1) and rows p.
  /// Sums begin at M (if `add`), else at start[k], or at 0 where start is null. _xs: from point to point.
  void (*gemm)(int points, int rows, Blocks V, const float* U, std::size_t U_xs, const float* start, bool add, float* M,
               std::size_t M_block, std::size_t M_xs, int out_blocks);
  /// dU_x := (or +=, if `add`) V_x^T M_x, rows in order.
  void (*gemm_gradient)(int points, int rows, Blocks V, const float* M, std::size_t M_block, std::size_t M_xs,
                        int out_blocks, bool add, float* dU, std::size_t dU_xs);

  // ---- Prologue of one block of one sample: out = resample(mask act((x - mean) scale + shift)), with 16 numbers each
  // for mean, scale, shift.
  /// Rows of `out` are out_stride floats apart (inside a padded plane, or GEMM rows); mask: dropout's, or null.
  void (*prologue)(const float* x, Size from, const float* mean, const float* scale, const float* shift, Act act,
                   const float* mask, Resize kind, Size to, float* out, std::size_t out_stride);
  /// dz := (or +=) mask act' resample^T(d);  s1 := sum of the new part,  s2 := that of its products with (x - mean)
  /// rstd.
  void (*prologue_backward)(const float* x, Size from, const float* mean, const float* scale, const float* shift,
                            const float* rstd, Act act, const float* mask, Resize kind, Size to, const float* d,
                            std::size_t d_stride, bool add, float* dz, float* s1, float* s2);
  /// dx := (or +=) k1 dz + kx (x - mean) + k0
  void (*norm_backward)(const float* dz, const float* x, const float* mean, const float* k1, const float* kx,
                        const float* k0, std::size_t positions, bool add, float* dx);
  /// y := act(x), and slope := act'(x) unless null; n is a multiple of 16.
  void (*activation)(const float* x, std::size_t n, Act act, float* y, float* slope);
  /// Layer norm over the `channels` lanes of all blocks of each position, then act; blocks of `out` are out_block
  /// apart.
  void (*layer_norm)(const float* const* x, int blocks, int positions, int channels, const float* gamma,
                     const float* beta, float eps, Act act, float* out, std::size_t out_block);
  /// Its adjoint: dx := (or +=), dgamma += and dbeta +=; d is used up.
  void (*layer_norm_backward)(const float* const* x, int blocks, int positions, int channels, const float* gamma,
                              const float* beta, float eps, Act act, float* d, std::size_t d_block, bool add,
                              float* const* dx, float* dgamma, float* dbeta);

  // ---- Winograd F(4x4, 3x3) of one block of one sample; a plane has a frame of one zero position and reaches to whole
  // tiles.
  /// V := B^T d B
  void (*winograd_input)(const float* plane, std::size_t stride, Tiles t, float* V, std::size_t V_xs);
  /// plane := B dV B^T, summed over tiles
  void (*winograd_input_adjoint)(const float* V, std::size_t V_xs, Tiles t, float* plane, std::size_t stride);
  /// y := gain (A^T M A + shift + residual), residual or null. sums [3][16] := a centre c, sums of y - c and (y - c)^2.
  void (*winograd_output)(const float* M, std::size_t M_xs, Tiles t, const float* shift, const float* residual,
                          float gain, float* y, float* sums);
  /// M := A (gain dy) A^T, with the sum of gain dy.
  void (*winograd_output_adjoint)(const float* dy, Tiles t, float gain, float* M, std::size_t M_xs, float* sum);
  /// U := G g G^T for 16 input lanes and one output block; packed is [lane][9][16], lanes of U are 16 apart.
  void (*winograd_filter)(const float* packed, float* U, std::size_t U_xs);
  /// packed := G^T dU G
  void (*winograd_filter_adjoint)(const float* dU, std::size_t U_xs, float* packed);

  // ---- Every other convolution: shifted copies of a plane are blocks of GEMM rows, one per tap, `block` apart; and
  // back.
  void (*gather)(const float* plane, std::size_t stride, Window w, float* columns, std::size_t block);
  void (*scatter)(const float* columns, std::size_t block, Window w, float* plane, std::size_t stride);
  /// y := gain (y + shift + residual), with the same sums; residual may be null.
  void (*epilogue)(float* y, std::size_t positions, const float* shift, const float* residual, float gain, float* sums);
  /// The same sums of x.
  void (*sums)(const float* x, std::size_t positions, float* sums);

  // ---- Attention on transposed weights: s is [key][16 queries].
  /// s := softmax(scale s) down the keys; keys j with mask[j mask_step] < 0 get 0, and all do where none is left. mask
  /// may be null.
  void (*softmax)(float* s, int keys, float scale, const float* mask, std::size_t mask_step);
  /// ds := scale s (ds - sum_j s_j ds_j)
  void (*softmax_backward)(const float* s, float* ds, int keys, float scale);
  /// y [rows / 16][16 blocks][16] := the transpose of x [block][rows][16], with zero rows up to a multiple of 16.
  void (*transpose)(const float* const* x, int blocks, int rows, float* y);

  // ---- Arrays; n is a multiple of 16.
  /// sum += the sum of rows of 16, in order.
  void (*add_rows)(const float* x, std::size_t rows, float* sum);
  /// y += factor x
  void (*add_scaled)(const float* x, std::size_t n, float factor, float* y);
  /// y := (or +=) x slope
  void (*multiply_add)(const float* x, const float* slope, std::size_t n, bool add, float* y);
  /// y[column][16] := x[16 rows][column]; rows that do not exist are 0. Rows of x are `row` apart.
  void (*pack)(const float* x, std::size_t row, int rows, int columns, float* y);
  /// The inverse, for the rows that exist.
  void (*unpack)(const float* y, std::size_t row, int rows, int columns, float* x);
  /// y[b][tap][a] := x[a][tap][b], a, b < 16: filters by input lane -> by output, or back.
  void (*transpose_pairs)(const float* x, int taps, float* y);
  /// sine, cosine of 2 pi turns, |turns| < 2^19.
  void (*sincos)(const double* turns, std::size_t n, float* sine, float* cosine);

  // ---- For the reference engine, and noise.
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

const Table& table();                   ///< the best that this processor runs, or the one that select() chose
const Table& select(const char* name);  ///< "generic", "avx2", ...; throws unless it was built and runs here
const Table* find(const char* name);    ///< null unless it was built and runs here

/// Names of the tables that were built and run on this processor, best first, ended by a null pointer.
const char* const* names();

}  // namespace scorefield::kernels
