#pragma once
#include <memory>
#include <vector>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/model/bound_conditions.hpp"
#include "scorefield/model/inference.hpp"
#include "scorefield/process/denoiser.hpp"
#include "scorefield/process/prediction.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// A network, a schedule and a prediction kind as E[x0 | x_t]:   x0_hat = a x_t + b F(c_in x_t, c_noise, condition),
/// with a and b from theory (9)-(14). The conditions belong to global samples start, start + 1, ...; they are copied.
/// Large batches go through in parts, so memory does not grow with them.
class NetworkDenoiser final : public SmoothDenoiser {
 public:
  NetworkDenoiser(std::shared_ptr<const Inference> inference, std::shared_ptr<const Schedule> schedule,
                  Prediction prediction, const Conditions& conditions = {}, Index start = 0, Poll poll = {},
                  Index variance_channels = 0);

  Index dimension() const override { return dimension_; }
  bool knows_samples() const override { return conditions_.any(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override;
  /// Where variance_channels, those of x, are given: the network puts out as many more for the share, (y + 1) / 2.
  void denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0, Out<double> share) const override;
  /// Straight from the network where it predicts the score: with Single it is there at sigma = 0 as well.
  void score(In<double> x, Levels t, Index first, Out<double> s) const override;
  void pullback(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0, Out<double> dx) const override {
    pullbacks(x, t, first, dx0, x0, dx);
  }
  /// One pass forward, then one backward for each of the P vectors.
  void pullbacks(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0, Out<double> dx) const override;

 private:
  /// answer = a x_t + b F(c_in x_t, c_noise)
  struct Map {
    double c_in, c_noise, a, b;
  };
  Map denoise_map(const Level& t) const;
  Map score_map(const Level& t) const;
  std::vector<Map> maps(Levels t, Map (NetworkDenoiser::*map)(const Level&) const) const;
  void apply(In<double> x, const std::vector<Map>& maps, Index first, Out<double> answer,
             Matrix<double>* second = nullptr) const;
  Inputs<float> fill(NetworkInputs& inputs, In<double> x, const std::vector<Map>& maps, Index global, Index begin,
                     Index rows) const;
  Index place(Index e, Index half) const;
  RowVector<double> part(In<float> y, Index half) const;  // y: (1, out)
  void check_rows(In<double> x, Levels t, Index first) const;

  std::shared_ptr<const Inference> inference_;
  std::shared_ptr<const Schedule> schedule_;
  Prediction prediction_;
  BoundConditions conditions_;
  Index dimension_, variance_channels_;
  Poll poll_;
};

}  // namespace scorefield
