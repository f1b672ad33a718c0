#include "scorefield/process/clip.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

/// A bound given once stands for every feature.
RowVector<double> for_features(RowVector<double> v, Index dimension, const char* name) {
  if (v.size() == 1) return RowVector<double>::Constant(dimension, v[0]);
  require(v.size() == dimension, name, " must have 1 entry or ", dimension, ", got ", v.size());
  return v;
}

/// The q-quantile of the values, interpolated linearly between order statistics.
double quantile(std::vector<double> values, double q) {
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(std::floor(place));
  std::nth_element(values.begin(), below, values.end());
  if (below + 1 == values.end()) return *below;
  const double above = *std::min_element(below + 1, values.end());
  return *below + (place - std::floor(place)) * (above - *below);
}

bool any_clean(Levels t) {
  return std::any_of(t.begin(), t.end(), [](const Level& p) { return p.sigma == 0; });
}

}  // namespace

Clipped::Clipped(std::shared_ptr<const Denoiser> inner, RowVector<double> low, RowVector<double> high)
    : inner_(std::move(inner)),
      low_(for_features(std::move(low), inner_->dimension(), "low")),
      high_(for_features(std::move(high), inner_->dimension(), "high")) {
  require((low_.array() < high_.array()).all(), "clipping needs low < high");
}

void Clipped::denoise(In<double> x, Levels t, Index first, Out<double> x0) const {
  inner_->denoise(x, t, first, x0);
  clip(x0);
}

void Clipped::denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const {
  inner_->denoise_with_variance(x, t, first, x0, share);
  clip(x0);
}

void Clipped::clip(Out<double> x0) const {
  for (Index i = 0; i < x0.rows(); ++i) {
    for (Index j = 0; j < x0.cols(); ++j) {
      if (x0(i, j) < low_[j]) x0(i, j) = low_[j];  // so that NaN stays NaN
      if (x0(i, j) > high_[j]) x0(i, j) = high_[j];
    }
  }
}

void Clipped::score(In<double> x, Levels t, Index first, Out<double> s) const {
  any_clean(t) ? inner_->score(x, t, first, s) : Denoiser::score(x, t, first, s);
}

DynamicThreshold::DynamicThreshold(std::shared_ptr<const Denoiser> inner, RowVector<double> shift,
                                   RowVector<double> scale, double q, double largest)
    : inner_(std::move(inner)),
      shift_(for_features(std::move(shift), inner_->dimension(), "shift")),
      scale_(for_features(std::move(scale), inner_->dimension(), "scale")),
      quantile_(q),
      largest_(largest) {
  require(0 < q && q <= 1, "the quantile must be in (0, 1], got ", q);
  require(largest >= 1, "the largest threshold must be >= 1, got ", largest);
  require((scale_.array() > 0).all(), "scale must be > 0");
}

void DynamicThreshold::denoise(In<double> x, Levels t, Index first, Out<double> x0) const {
  inner_->denoise(x, t, first, x0);
  clip(x0);
}

void DynamicThreshold::denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0,
                                             Out<double> share) const {
  inner_->denoise_with_variance(x, t, first, x0, share);
  clip(x0);
}

void DynamicThreshold::clip(Out<double> x0) const {
  std::vector<double> sizes(static_cast<std::size_t>(x0.cols()));
  for (Index i = 0; i < x0.rows(); ++i) {
    if (!x0.row(i).allFinite()) continue;  // the loop names the step
    const RowVector<double> u = x0.row(i).cwiseProduct(scale_) + shift_;
    std::transform(u.data(), u.data() + u.size(), sizes.begin(), [](double v) { return std::abs(v); });
    const double s = std::clamp(quantile(sizes, quantile_), 1.0, largest_);
    x0.row(i) = (u.cwiseMax(-s).cwiseMin(s) / s - shift_).cwiseQuotient(scale_);
  }
}

void DynamicThreshold::score(In<double> x, Levels t, Index first, Out<double> s) const {
  any_clean(t) ? inner_->score(x, t, first, s) : Denoiser::score(x, t, first, s);
}

}  // namespace scorefield
