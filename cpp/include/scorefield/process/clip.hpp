#pragma once
#include <limits>
#include <memory>

#include "scorefield/process/denoiser.hpp"

namespace scorefield {

/// x0_hat held between bounds, one for all features or one for each (data scaled by column).
///   x0_hat' = min(max(x0_hat, low), high)
/// Ho, Jain & Abbeel 2020 clip to [-1, 1]. At sigma = 0 the score is that of the inner denoiser.
class Clipped final : public Denoiser {
 public:
  Clipped(std::shared_ptr<const Denoiser> inner, RowVector<double> low, RowVector<double> high);
  Index dimension() const override { return inner_->dimension(); }
  bool knows_samples() const override { return inner_->knows_samples(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override;
  void denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const override;
  void score(In<double> x, Levels t, Index first, Out<double> s) const override;

 private:
  void clip(Out<double> x0) const;
  std::shared_ptr<const Denoiser> inner_;
  RowVector<double> low_, high_;
};

/// Dynamic thresholding. Saharia et al. 2022 (Imagen, arXiv:2205.11487), section 2.3; theory 7. For data in [-1, 1],
/// per sample:
///   s = min(max(1, quantile of |x0_hat| over the features), largest),     x0_hat' = min(max(x0_hat, -s), s) / s
/// with the linearly interpolated quantile. Data stored as (x - shift) / scale are thresholded in the units of x.
class DynamicThreshold final : public Denoiser {
 public:
  static constexpr double default_quantile = 0.995;
  DynamicThreshold(std::shared_ptr<const Denoiser> inner, RowVector<double> shift, RowVector<double> scale,
                   double quantile = default_quantile, double largest = std::numeric_limits<double>::infinity());
  Index dimension() const override { return inner_->dimension(); }
  bool knows_samples() const override { return inner_->knows_samples(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override;
  void denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const override;
  void score(In<double> x, Levels t, Index first, Out<double> s) const override;

 private:
  void clip(Out<double> x0) const;
  std::shared_ptr<const Denoiser> inner_;
  RowVector<double> shift_, scale_;
  double quantile_, largest_;
};

}  // namespace scorefield
