#include "scorefield/model/guidance.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

double deviation(const RowVector<double>& x) { return std::sqrt((x.array() - x.mean()).square().mean()); }

RowVector<double> combined(const RowVector<double>& c, const RowVector<double>& u, double w, double rescale) {
  RowVector<double> x = u + w * (c - u);
  const double spread = rescale > 0 ? deviation(x) : 0;
  if (spread > 0) x *= 1 + rescale * (deviation(c) / spread - 1);
  return x;
}

}  // namespace

ClassifierFree::ClassifierFree(std::shared_ptr<const Denoiser> conditional,
                               std::shared_ptr<const Denoiser> unconditional, double w, double rescale)
    : ClassifierFree(std::move(conditional), std::move(unconditional), w, rescale, Interval{}) {}

ClassifierFree::ClassifierFree(std::shared_ptr<const Denoiser> conditional,
                               std::shared_ptr<const Denoiser> unconditional, double w, double rescale,
                               Interval interval)
    : conditional_(std::move(conditional)),
      unconditional_(std::move(unconditional)),
      w_(w),
      rescale_(rescale),
      interval_(interval) {
  require(std::isfinite(w) && w >= 0, "the guidance weight must be finite and >= 0, got ", w);
  require(0 <= rescale && rescale <= 1, "rescale must be in [0, 1], got ", rescale);
  require(interval.low <= interval.high, "the guidance interval must be (low, high) with low <= high, got (",
          interval.low, ", ", interval.high, ")");
  require(conditional_->dimension() == unconditional_->dimension(), "both denoisers must have the same dimension, got ",
          conditional_->dimension(), " and ", unconditional_->dimension());
}

void ClassifierFree::denoise(In<double> x, Levels t, Index first, Out<double> x0) const {
  const auto on = [&](const Level& p) { return guided(p); };
  if (w_ == 0 && rescale_ == 0 && std::all_of(t.begin(), t.end(), on)) {
    unconditional_->denoise(x, t, first, x0);
    return;
  }
  conditional_->denoise(x, t, first, x0);
  guide(x, t, first, x0);
}

void ClassifierFree::denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0,
                                           Out<double> share) const {
  conditional_->denoise_with_variance(x, t, first, x0, share);
  guide(x, t, first, x0);
}

void ClassifierFree::guide(In<double> x, Levels t, Index first, Out<double> x0) const {
  if (std::none_of(t.begin(), t.end(), [&](const Level& p) { return guided(p); })) return;
  Matrix<double> free(x.rows(), x.cols());
  unconditional_->denoise(x, t, first, free);
  for (Index i = 0; i < x.rows(); ++i) {
    if (guided(level(t, i))) x0.row(i) = combined(x0.row(i), free.row(i), w_, rescale_);
  }
}

void ClassifierFree::score(In<double> x, Levels t, Index first, Out<double> s) const {
  if (std::none_of(t.begin(), t.end(), [](const Level& p) { return p.sigma == 0; })) {
    Denoiser::score(x, t, first, s);
    return;
  }
  Matrix<double> free(x.rows(), x.cols());
  conditional_->score(x, t, first, s);
  unconditional_->score(x, t, first, free);
  for (Index i = 0; i < x.rows(); ++i) {
    if (guided(level(t, i))) s.row(i) = combined(s.row(i), free.row(i), w_, 0);
  }
}

}  // namespace scorefield
