#pragma once
#include <span>
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

/// The term of the variational bound, theory (16), of one reverse step from t to s, per number of a sample, in nats:
///   s > 0:  KL(q(x_s | x_t, x0) || p(x_s | x_t)) = (log var - log beta_tilde - 1 + beta_tilde / var + (A gap)^2 / var)
///           / 2
///   s = 0:  -log p(x0 | x_t) = (log(2 pi var) + (A gap)^2 / var) / 2
/// gap = x0_hat - x0, and A is the factor of x0 in the posterior's mean (6).
struct ReverseStep {
  VarianceRange variance;
  double A;
  bool to_data;  ///< s = 0

  struct Term {
    double value, derivative;  ///< the second in share
  };
  Term term(double gap, double share) const;
};

/// The steps between rising levels, of which the first is the data: element i leads from levels[i + 1] to levels[i]. In
/// the lowest beta_tilde, which is 0 there, is that of the step above, or beta if there is none.
std::vector<ReverseStep> reverse_steps(std::span<const Level> levels);

/// The terms of all steps of a discrete schedule, for networks that learn their variance.
class VarianceBound {
 public:
  explicit VarianceBound(const Schedule& schedule);
  /// Of the step from t to t - 1.
  ReverseStep::Term term(Index t, double gap, double share) const {
    return steps_[static_cast<std::size_t>(t - 1)].term(gap, share);
  }
  Index steps() const { return static_cast<Index>(steps_.size()); }

 private:
  std::vector<ReverseStep> steps_;  // of t = 1..T
};

}  // namespace scorefield
