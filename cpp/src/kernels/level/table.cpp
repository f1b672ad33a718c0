#include "level.hpp"
#include "simd.hpp"

#define KERNEL_NAME_OF(level) #level
#define KERNEL_NAME(level) KERNEL_NAME_OF(level)

namespace scorefield::kernels::SCOREFIELD_LEVEL {

/// The namespace is "k_" and the level's name.
extern const Table level_table;
const Table level_table = {
    .name = &KERNEL_NAME(SCOREFIELD_LEVEL)[2],
    .native_lanes = native_lanes,
    .gemm = gemm,
    .gemm_gradient = gemm_gradient,
    .prologue = prologue,
    .prologue_backward = prologue_backward,
    .norm_backward = norm_backward,
    .activation = activation,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .winograd_input = winograd_input,
    .winograd_input_adjoint = winograd_input_adjoint,
    .winograd_output = winograd_output,
    .winograd_output_adjoint = winograd_output_adjoint,
    .winograd_filter = winograd_filter,
    .winograd_filter_adjoint = winograd_filter_adjoint,
    .gather = gather,
    .scatter = scatter,
    .epilogue = epilogue,
    .sums = sums,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .transpose = transpose,
    .add_rows = add_rows,
    .add_scaled = add_scaled,
    .multiply_add = multiply_add,
    .pack = pack,
    .unpack = unpack,
    .transpose_pairs = transpose_pairs,
    .sincos = sincos,
    .sgemm = sgemm,
    .normal = normal,
    .uniform = uniform,
    .random_words = random_words,
};

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
