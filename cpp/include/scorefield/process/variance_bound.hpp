#pragma once
#include <vector>

#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// Between what the variance of a reverse step from t to s < t may lie: that of the posterior, beta_tilde (7), and that
/// of the forward step, beta. A network may learn where. Nichol & Dhariwal 2021, eq. 15; theory 2:
///   log var = share log beta + (1 - share) log beta_tilde,     share = (y + 1) / 2,  y: output of the network
struct VarianceRange {
  double log_beta_tilde, log_beta;
  static VarianceRange between(const Level& s, const Level& t);  ///< sigma_s > 0
  double log_variance(double share) const { return share * log_beta + (1 - share) * log_beta_tilde; }
};

/// The terms of the variational bound, theory (16), of a discrete schedule with learned variance, for the steps from t
/// to t - 1, per number of a sample, in nats:
///   t > 1:  KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)) = (log var - log beta_tilde - 1 + beta_tilde / var + (A
///   gap)^2
///           / var) / 2
///   t = 1:  -log p(x0 | x_1) = (log(2 pi var) + (A gap)^2 / var) / 2, with log beta_tilde_1 := log beta_tilde_2
/// gap = x0_hat - x0, and A is the factor of x0 in the posterior's mean (6).
class VarianceBound {
 public:
  explicit VarianceBound(const Schedule& schedule);

  struct Term {
    double value, derivative;  ///< the second in share
  };
  Term term(Index t, double gap, double share) const;
  Index steps() const { return static_cast<Index>(steps_.size()); }

 private:
  struct Entry {
    VarianceRange variance;
    double A;
  };
  std::vector<Entry> steps_;  // of t = 1..T
};

}  // namespace scorefield
