#pragma once
#include <span>
#include <vector>

#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Restart sampling, Xu et al. 2023 (arXiv:2306.14878), algorithm 1; theory 7. When the ODE's solver has come down to
/// t_min, K times: noise again up to t_max and solve down to t_min, which contracts the errors made above. The paper's
/// t is sigma / alpha here.
struct Restart {
  Index K = 2;                       ///< restarts, >= 1
  Index steps = 3;                   ///< of the solver between t_max and t_min
  double t_min = 0.06, t_max = 0.3;  ///< the interval, of sigma / alpha
};

/// The falling grid `times` with these restarts: the loop makes a rising pair a draw from q(x_s | x_t), so restart
/// sampling is a solver of the ODE (Heun's, in the paper) on this grid. t_min becomes an entry; the times between are
/// equal steps of (sigma / alpha)^(1/7), as in Karras et al. 2022, eq. 5. std::invalid_argument where the grid does not
/// span the interval.
std::vector<double> restarted(const Schedule& schedule, std::span<const double> times, const Restart& restart);

}  // namespace scorefield
