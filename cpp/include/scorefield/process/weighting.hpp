#pragma once
#include <string_view>

#include "scorefield/process/prediction.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Named weights of the denoising loss, theory 4. With r the error of x0_hat, each but `simple` is a function w of the
/// level in w r^2:
///   vlb         snr v / (2 (alpha_t/alpha_s)^2 sigma_t^2), v = Var(x_t | x_s), s = t - 1     Ho et al. 2020, eq. 12,
///   with variance beta
///               (continuous time: snr g^2 / (2 sigma^2), the limit of small steps)           Kingma et al. 2021, eq.
///               18
///   snr         max(snr, 1)                                                                  Salimans & Ho 2022, eq. 9
///   min_snr     min(snr, 5)                                                                  Hang et al. 2023, eq. 8
///   p2          snr / (1 + snr)                                                              Choi et al. 2022, eq. 8,
///   k = gamma = 1 likelihood  snr g^2 / sigma^2                                                            Song et al.
///   2021b, theorem 1 edm         snr + 1/s_d^2 = (sigma^2 + s_d^2) / (sigma s_d)^2 at alpha = 1               Karras
///   et al. 2022, table 1
enum class Weight { simple, vlb, snr, min_snr, p2, likelihood, edm };

Weight parse_weight(std::string_view name);

/// Factor on the squared error of the NETWORK'S OWN output at time t: w(t) (d x0_hat / d output)^2, so that a weight
/// means the same whatever the network predicts; `simple` is 1. Throws where the weight is infinite, with the way out.
double loss_weight(Weight weight, Prediction kind, const Schedule& schedule, double t);

}  // namespace scorefield
