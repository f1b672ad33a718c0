#pragma once
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "scorefield/base/check.hpp"
#include "scorefield/process/denoiser.hpp"

namespace scorefield {

/// A denoiser that is told another time than that of the level it is asked at: alpha_t and sigma_t stay. Published
/// samplers of diffusers round the times that they tell the network, but not the noise levels between which they step.
///   x0_hat'(x, (t, alpha, sigma)) = x0_hat(x, (told(t), alpha, sigma)),   told linear between the given pairs
class Retimed final : public Denoiser {
 public:
  /// times: falling; told: what stands for them, as many. Beyond the ends the first and the last hold.
  Retimed(std::shared_ptr<const Denoiser> inner, std::vector<double> times, std::vector<double> told)
      : inner_(std::move(inner)), times_(std::move(times)), told_(std::move(told)) {
    require(!times_.empty() && times_.size() == told_.size(), "got ", times_.size(), " times and ", told_.size(),
            " that stand for them; both must be given, as many");
    require(std::ranges::is_sorted(times_, std::ranges::greater_equal{}), "the times must fall");
  }
  Index dimension() const override { return inner_->dimension(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override {
    inner_->denoise(x, told(t), first, x0);
  }
  void score(In<double> x, Levels t, Index first, Out<double> s) const override { inner_->score(x, told(t), first, s); }

 private:
  std::vector<Level> told(Levels t) const {
    std::vector<Level> out(t.begin(), t.end());
    for (Level& p : out) p.t = told(p.t);
    return out;
  }
  double told(double t) const {
    const auto below = std::ranges::lower_bound(times_, t, std::ranges::greater{});
    if (below == times_.begin()) return told_.front();
    if (below == times_.end()) return told_.back();
    const auto i = static_cast<std::size_t>(below - times_.begin());
    if (times_[i] == t) return told_[i];
    const double u = (t - times_[i]) / (times_[i - 1] - times_[i]);
    return told_[i] + u * (told_[i - 1] - told_[i]);
  }

  std::shared_ptr<const Denoiser> inner_;
  std::vector<double> times_, told_;
};

}  // namespace scorefield
