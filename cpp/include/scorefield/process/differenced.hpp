#pragma once
#include <cmath>
#include <memory>

#include "scorefield/base/check.hpp"
#include "scorefield/process/denoiser.hpp"

namespace scorefield {

/// Derivatives of a denoiser that gives none, by central differences; theory 6. Two calls for every feature:
///   ((d x0_hat / dx)^T c)_j = <c, x0_hat(x + h e_j) - x0_hat(x - h e_j)> / 2h,     h = step (1 + |x_j|)
/// The error is O(h^2) plus the rounding of x0_hat over h: step 1e-5 for answers in double, 1e-2 for answers in float.
class Differenced final : public SmoothDenoiser {
 public:
  Differenced(std::shared_ptr<const Denoiser> inner, double step) : inner_(std::move(inner)), step_(step) {
    require(step > 0, "the step of differences must be > 0, got ", step);
  }
  Index dimension() const override { return inner_->dimension(); }
  bool knows_samples() const override { return inner_->knows_samples(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override { inner_->denoise(x, t, first, x0); }
  void score(In<double> x, Levels t, Index first, Out<double> s) const override { inner_->score(x, t, first, s); }

  void pullback(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0, Out<double> dx) const override {
    Matrix<double> moved = x, up(x.rows(), x.cols()), down(x.rows(), x.cols());
    for (Index j = 0; j < x.cols(); ++j) {
      const Eigen::VectorXd h = (step_ * (1 + x.col(j).array().abs())).matrix();
      moved.col(j) = x.col(j) + h;
      inner_->denoise(moved, t, first, up);
      moved.col(j) = x.col(j) - h;
      inner_->denoise(moved, t, first, down);
      moved.col(j) = x.col(j);
      dx.col(j) = (up - down).cwiseProduct(dx0).rowwise().sum().cwiseQuotient(2 * h);
    }
    inner_->denoise(x, t, first, x0);
  }

 private:
  std::shared_ptr<const Denoiser> inner_;
  double step_;
};

}  // namespace scorefield
