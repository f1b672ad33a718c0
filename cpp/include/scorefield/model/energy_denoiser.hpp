#pragma once
#include <memory>
#include <span>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/engine/tangent.hpp"
#include "scorefield/model/bound_conditions.hpp"
#include "scorefield/model/inference.hpp"
#include "scorefield/process/denoiser.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// theta in a tangent engine, for second derivatives; calls share it.
struct TangentInference {
  std::shared_ptr<const TangentEngine<float>> engine;
  std::unique_ptr<Weights> weights;
  TangentInference(const nn::Plan& plan, std::span<const float> theta);
};

/// A scalar network F as an unnormalised density at every level, p_t ~ exp(-E); LeCun et al. 2006, Salimans & Ho 2021:
///   E = k F(c_in x_t, c_noise),  k = 1/sigma (Single: 1)      score = -dE/dx = -k c_in dF/dx, by a backward pass
///   x0_hat = (x_t + sigma^2 score) / alpha, theory (10)       its derivative: the Hessian of F times a vector
class EnergyDenoiser final : public SmoothDenoiser {
 public:
  EnergyDenoiser(std::shared_ptr<const Inference> inference, std::shared_ptr<const TangentInference> tangents,
                 std::shared_ptr<const Schedule> schedule, const Conditions& conditions = {}, Index start = 0,
                 Poll poll = {});

  Index dimension() const override { return dimension_; }
  bool knows_samples() const override { return conditions_.any(); }
  /// E of every row, up to one constant per level.
  void energy(In<double> x, Levels t, Index first, std::span<double> E) const;
  void log_density(In<double> x, Levels t, Index first, Out<double> log_p) const override;  ///< -E
  void score(In<double> x, Levels t, Index first, Out<double> s) const override;
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override;
  void pullback(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0, Out<double> dx) const override;

 private:
  struct Scales {
    double c_in, c_noise, k;
  };
  std::vector<Scales> scales(Levels t) const;
  Inputs<float> fill(NetworkInputs& inputs, In<double> x, const std::vector<Scales>& scales, Index global, Index begin,
                     Index rows) const;
  void check_rows(In<double> x, Levels t, Index first) const;

  std::shared_ptr<const Inference> inference_;
  std::shared_ptr<const TangentInference> tangents_;
  std::shared_ptr<const Schedule> schedule_;
  BoundConditions conditions_;
  Index dimension_;
  Poll poll_;
};

}  // namespace scorefield
