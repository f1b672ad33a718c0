#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/sample/sampler.hpp"
#include "scorefield/schedule/vp.hpp"

/// What the tests of samplers share: data whose denoiser is known, grids, and a run to the end.
namespace scorefield {

using Times = std::vector<double>;

inline const Vp vp;
inline constexpr double mu = 0.7, c = 0.4;  // the data of the one-Gaussian truths: N(mu, c^2) in each of two dimensions

inline ExactDenoiser gaussian() { return ExactDenoiser(Mixture({{mu, mu}}, {c})); }
inline ExactDenoiser three() {
  return ExactDenoiser(Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}, {0.5, 0.3, 0.2}));
}
inline double variance(const Level& p) { return p.alpha * p.alpha * c * c + p.sigma * p.sigma; }

inline Times log_snr_grid(int steps, double t_end) {  // equal steps in log(alpha / sigma)
  Times t;
  const double a = vp.at(1).half_log_snr(), b = vp.at(t_end).half_log_snr();
  for (int i = 0; i <= steps; ++i) t.push_back(std::min(1.0, vp.time_of_half_log_snr(a + (b - a) * i / steps)));
  return t;
}

inline Times with_end(Times t) {
  t.push_back(0);
  return t;
}

inline Matrix<double> prior(Index rows, std::uint64_t seed = 1) {
  Matrix<double> x(rows, 2);
  Noise(seed, Stream::prior).normal(x);
  return x;
}

inline Matrix<double> end(const Sampler& sampler, const Denoiser& denoiser, const Times& times, Matrix<double> x,
                          Index first = 0) {
  sample(sampler, denoiser, vp, times, {Noise(9, Stream::sampler), first, nullptr, nullptr}, x);
  return x;
}

inline double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

inline double median_distance(const Matrix<double>& a, const Matrix<double>& b) {
  const Eigen::VectorXd d = (a - b).rowwise().norm();
  return median({d.data(), d.data() + d.size()});
}

}  // namespace scorefield
