#pragma once
#include <limits>
#include <memory>

#include "scorefield/process/denoiser.hpp"

namespace scorefield {

/// Classifier-free guidance. Ho & Salimans 2022 (arXiv:2207.12598), eq. 6; theory (26), written for x0_hat, which is
/// the same (x0 is linear in eps at given x_t):
///   x0_w = x0_u + w (x0_c - x0_u)                            w = 0: unconditional, 1: conditional, without the other
///   network call
/// rescale, Lin et al. 2023 (arXiv:2305.08891), eqs. 15 and 16, per sample over its features, applied to x0_hat so that
/// it does not depend on what the network predicts:
///   x0' = rescale std(x0_c) / std(x0_w) x0_w + (1 - rescale) x0_w
/// interval, Kynkaanniemi et al. 2024 (arXiv:2404.07724): guidance only for t in [low, high], conditional elsewhere.
class ClassifierFree final : public Denoiser {
 public:
  struct Interval {
    double low = 0, high = std::numeric_limits<double>::infinity();
  };
  ClassifierFree(std::shared_ptr<const Denoiser> conditional, std::shared_ptr<const Denoiser> unconditional, double w,
                 double rescale = 0);
  ClassifierFree(std::shared_ptr<const Denoiser> conditional, std::shared_ptr<const Denoiser> unconditional, double w,
                 double rescale, Interval interval);

  Index dimension() const override { return conditional_->dimension(); }
  bool knows_samples() const override { return conditional_->knows_samples() || unconditional_->knows_samples(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override;
  /// The variance is that of the conditional answer.
  void denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const override;
  /// Where sigma = 0: the same combination of the two scores.
  void score(In<double> x, Levels t, Index first, Out<double> s) const override;

 private:
  void guide(In<double> x, Levels t, Index first, Out<double> x0) const;  // x0: the conditional answer
  bool guided(const Level& t) const { return w_ != 1 && interval_.low <= t.t && t.t <= interval_.high; }

  std::shared_ptr<const Denoiser> conditional_, unconditional_;
  double w_, rescale_;
  Interval interval_;
};

}  // namespace scorefield
