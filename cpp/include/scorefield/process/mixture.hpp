#pragma once
#include <initializer_list>
#include <span>
#include <vector>

#include "scorefield/base/matrix.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/process/denoiser.hpp"

namespace scorefield {

/// Data whose truth is known: x0 ~ sum_k w_k N(m_k, S_k). Noised by (1) it stays a mixture, theory 12:
///   p_t(x) = sum_k w_k N(x; alpha m_k, C_k),     C_k = alpha^2 S_k + sigma^2 I
/// so that density, score, denoiser and its derivative have closed forms at every level. S_k = 0 is the empirical
/// distribution.
class Mixture {
 public:
  /// Covariances along the axes.  means: (K, D), variances: (K, D) >= 0, weights: K >= 0 (their sum is made 1; empty:
  /// equal).
  Mixture(Matrix<double> means, Matrix<double> variances, std::vector<double> weights = {});
  /// Round components, as one types them.  stds: K deviations >= 0.
  Mixture(std::initializer_list<std::initializer_list<double>> means, const std::vector<double>& stds,
          std::vector<double> weights = {});
  /// Full covariances.  covariances: (K, D * D), each symmetric and positive semi-definite.
  static Mixture full(Matrix<double> means, In<double> covariances, std::vector<double> weights = {});

  Index components() const { return means_.rows(); }
  Index dimension() const { return means_.cols(); }
  const Matrix<double>& means() const { return means_; }
  std::span<const double> weights() const { return weights_; }

  /// x := draws, one row per sample of `noise`.
  void sample(const Noise& noise, Out<double> x) const;
  /// P(component k | x_t): (N, K).
  Matrix<double> posterior(In<double> x, Levels t) const;

  /// The functions below take one component for each row, or none (-1, or no entries at all) for the whole mixture.
  using Chosen = std::span<const Index>;
  /// log p_t(x) in nats.  x: (N, D), result: (N, 1).  Minus infinity or an error never stands for "not defined":
  /// invalid_argument where sigma = 0 and a covariance is singular.
  Matrix<double> log_density(In<double> x, Levels t, Chosen chosen = {}) const;
  /// x0 := E[x0 | x_t] = sum_k r_k (m_k + alpha S_k C_k^-1 (x - alpha m_k)).
  void denoise(In<double> x, Levels t, Chosen chosen, Out<double> x0) const;
  /// s := grad log p_t(x) = -sum_k r_k C_k^-1 (x - alpha m_k): also at sigma = 0, unless a covariance is singular.
  void score(In<double> x, Levels t, Chosen chosen, Out<double> s) const;
  /// x0 as above, dx := (d x0 / dx)^T dx0.
  void pullback(In<double> x, Levels t, Chosen chosen, In<double> dx0, Out<double> x0, Out<double> dx) const;

 private:
  friend class MixtureAtLevel;
  Matrix<double> means_, variances_;   // (K, D); variances along the axes of bases_
  std::vector<Matrix<double>> bases_;  // columns are the eigenvectors of S_k; empty: the coordinate axes
  std::vector<double> weights_;        // sum to 1
};

}  // namespace scorefield
