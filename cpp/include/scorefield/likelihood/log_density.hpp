#pragma once
#include "scorefield/base/rng.hpp"
#include "scorefield/process/flow.hpp"

/// Densities by the instantaneous change of variables along the probability-flow ODE. Chen et al. 2018
/// (arXiv:1806.07366), theorem 1; Song et al. 2021 (arXiv:2011.13456), appendix D.2; theory (25).
namespace scorefield {

/// How the divergence of the ODE is found, from the trace of J = d x0_hat / dx:
///   exact       sum_j e_j^T J e_j, one product with J^T for each feature
///   rademacher, gaussian     mean_p v_p^T J v_p with `probes` vectors of independent signs or normal numbers, the same
///   along the whole way of a sample: unbiased. Hutchinson 1990; Grathwohl et al. 2019 (arXiv:1810.01367)
struct Divergence {
  enum class Kind { exact, rademacher, gaussian };
  Kind kind = Kind::exact;
  Index probes = 1;
  Noise noise{0, Stream::probe};  ///< row r of the probes belongs to sample `first` + r
};

/// Where the ODE takes x, and how log p changes on the way:   log p_from(x) = log p_to(end) + change.
struct Transport {
  Matrix<double> end;      ///< (N, D)
  Eigen::VectorXd change;  ///< (N), nats
  OdeWork work;
};

/// Both together by adaptive steps of each row's own, the change as one more number of its state.  x: (N, D), row i at
/// from[i], row 0 is sample `first`.  Errors as follow_flow().
Transport transport(const Flow& flow, const SmoothDenoiser& denoiser, Levels from, const Level& to,
                    const Divergence& divergence, const OdeTolerance& tolerance, Index first, In<double> x,
                    const Interrupt* interrupt = nullptr);

/// log N(x; 0, sigma^2 I) of each row, nats: the density at t_max that samples start from.
Eigen::VectorXd log_prior(In<double> x, double sigma);

}  // namespace scorefield
