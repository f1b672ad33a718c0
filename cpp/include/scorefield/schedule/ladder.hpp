#pragma once
#include "scorefield/base/matrix.hpp"

/// How to choose the noise levels of a score network and the steps of annealed Langevin dynamics. Song & Ermon 2020
/// (arXiv:2006.09011), techniques 2 and 4; the largest level, technique 1, is metrics::diameter of the data.
namespace scorefield::ladder {

/// The ratio g = sigma_i / sigma_(i-1) > 1 at which neighbouring levels of data with D numbers overlap by one half:
///   Phi(sqrt(2 D) (g - 1) + 3 g) - Phi(sqrt(2 D) (g - 1) - 3 g) = 1/2
/// Where D is small every ratio overlaps by more: at most `most`.
double ratio(Index D, double most = 1.5);

/// Levels T >= 2 from sigma_min to sigma_max with a ratio of at most g.
Index levels(double sigma_min, double sigma_max, double g);

/// The step_size in (0, 2) whose `inner` Langevin steps bring the variance of a level nearest to its own, from that of
/// the level above, g^2 in units of sigma^2:
///   q g^2 + (1 - q) V,     q = (1 - step_size / 2)^(2 inner),     V = 1 / (1 - step_size / 4)
/// is least. The paper's e is step_size sigma_min^2 / 2, since its steps are x += e score + sqrt(2 e) z.
double step_size(double g, Index inner);

}  // namespace scorefield::ladder
