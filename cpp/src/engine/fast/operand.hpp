#pragma once
#include "pass.hpp"

namespace scorefield::fast {

/// Lane arrays of the tape: which one holds what.
enum LaneArray : Index { kMean, kScale, kShift, kRstd, kSum, kSumX, kK1, kKx, kK0, kEpilogue, kZeros, kIgnored };

/// u = (x - mean) scale + shift of each input lane of one sample, and rstd for the way back.
struct Moments {
  float *mean, *scale, *shift, *rstd;
};

/// The moments of sample n, from the sums of the sources: kept by a training tape, else in the lane arrays.
Moments moments_place(const Pass& pass, const ConvLayout& f, Index n);
void fold(const Pass& pass, const ConvLayout& f, Index n, const Moments& m);

/// Dropout's mask of sample n, [block][position][16]; null outside training.
const float* dropout_mask(const Pass& pass, const ConvLayout& f, Index n);

/// resample(dropout(act(norm(x)))) of input block b of sample n, rows `stride` floats apart.
void make_block(const Pass& pass, const ConvLayout& f, Index n, Index b, const Moments& m, const float* mask,
                float* out, Index stride);

/// The operand of the product for samples n .. n + samples - 1. Blocks are in tape.pointers.
kernels::Blocks operand(const Pass& pass, const ConvLayout& f, Index n, Index samples);

/// Rows of the product for so many samples, and distances in V and M.
struct Extent {
  Index rows, V_block, V_xs, M_block, M_xs;
  Extent(const ConvLayout& f, Index samples)
      : rows(samples * f.rows),
        V_block(rows * lanes),
        V_xs(f.operand_blocks() * V_block + lanes),
        M_block(rows * lanes),
        M_xs(f.out_blocks * M_block + lanes) {}
};

/// The gradients of what the operand of sample n was made from, given that of the operand itself, which is used up.
void operand_backward(const Pass& pass, const ConvLayout& f, Index n, float* dV, const Extent& e);

}  // namespace scorefield::fast
