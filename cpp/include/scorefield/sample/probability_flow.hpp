#pragma once
#include "scorefield/process/flow.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield {

/// The probability-flow ODE by adaptive steps, upwards or downwards. Song et al. 2021 (arXiv:2011.13456), section 4.3;
/// theory 7, (24). One step of the grid is one run of the Dormand-Prince pair, in which every sample has step sizes of
/// its own; the times of a grid are where the states are seen, and do not change the result beyond the tolerance.
/// Below t_min there is nothing to ask, so the last piece to t_s < t_min is a DDIM step, which gives x0_hat at
/// sigma = 0:
///   x_s = alpha_s x0_hat + sigma_s eps_hat,     x0_hat, eps_hat from (x_m, t_min)
/// and a rising step from t_t < t_min begins with its inverse, the x_m that this piece maps to x_t.
class ProbabilityFlow final : public Sampler {
 public:
  explicit ProbabilityFlow(const OdeTolerance& tolerance = {}, FlowForm form = FlowForm::angle, Poll poll = {})
      : tolerance_(tolerance), form_(form), poll_(std::move(poll)) {}

  void step(const Step& k, Out<double> x) const override;
  int order() const override { return 5; }
  int calls() const override { return 6; }  ///< for each adaptive step; their number depends on the sample
  bool rises() const override { return true; }

 private:
  void lift(const Step& k, const Level& lowest, Out<double> x) const;

  OdeTolerance tolerance_;
  FlowForm form_;
  Poll poll_;
};

}  // namespace scorefield
