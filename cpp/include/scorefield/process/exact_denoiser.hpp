#pragma once
#include <span>
#include <utility>
#include <vector>

#include "scorefield/process/denoiser.hpp"
#include "scorefield/process/mixture.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// The exact denoiser of a Gaussian mixture; theory 12. A label picks a component, -1 the whole mixture.
class ExactDenoiser final : public SmoothDenoiser {
 public:
  /// labels: component of each sample from global sample `start` on; empty: no sample has one.
  explicit ExactDenoiser(Mixture mixture, std::vector<Index> labels = {}, Index start = 0);
  /// As one writes it who has a schedule at hand. Levels say all that a mixture must know: it is the same for any.
  ExactDenoiser(Mixture mixture, const Schedule&) : ExactDenoiser(std::move(mixture)) {}

  Index dimension() const override { return mixture_.dimension(); }
  bool knows_samples() const override { return !labels_.empty(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override {
    mixture_.denoise(x, t, chosen(first, x.rows()), x0);
  }
  void score(In<double> x, Levels t, Index first, Out<double> s) const override {
    mixture_.score(x, t, chosen(first, x.rows()), s);
  }
  void log_density(In<double> x, Levels t, Index first, Out<double> log_p) const override {
    log_p = mixture_.log_density(x, t, chosen(first, x.rows()));
  }
  void pullback(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0, Out<double> dx) const override {
    mixture_.pullback(x, t, chosen(first, x.rows()), dx0, x0, dx);
  }

 private:
  Mixture::Chosen chosen(Index first, Index rows) const;

  Mixture mixture_;
  std::vector<Index> labels_;
  Index start_;
};

}  // namespace scorefield
