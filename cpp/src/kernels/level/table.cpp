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
    .sgemm = sgemm,
    .normal = normal,
    .uniform = uniform,
    .random_words = random_words,
};

}  // namespace scorefield::kernels::SCOREFIELD_LEVEL
