#pragma once
#include <span>

#include "scorefield/base/matrix.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/schedule/schedule.hpp"

/// Noising, for S = float and double. Rows are samples, and each row may have its own times.
namespace scorefield {

/// x_t := alpha_t x0 + sigma_t eps, theory (1).  x0, eps, x_t: (N, D); x_t may be x0 or eps.
template <class S>
void add_noise(In<S> x0, Levels t, In<S> eps, Out<S> x_t);

/// x_t := a draw from q(x_t | x_s), s <= t, theory (5):  x_t = r x_s + sqrt(sigma_t^2 - r^2 sigma_s^2) z,  r = alpha_t
/// / alpha_s. x_s, z, x_t: (N, D); x_t may be x_s or z.
template <class S>
void renoise(In<S> x_s, const Level& s, const Level& t, In<S> z, Out<S> x_t);

/// The Markov chain x_{times[0]}, x_{times[1]}, ... that starts at x0, with fresh noise in every step, theory (5).
/// times: rising, within 0..t_max.  x0: (N, D).  path: (times.size() N, D), one block of N rows per time.
template <class S>
void forward_chain(const Schedule& schedule, std::span<const double> times, In<S> x0, const Noise& noise, Out<S> path);

/// q(x_s | x_t, x0) = N(x0 x0 + x_t x_t, variance I) for s < t, theory (6) and (7). For any schedule, with r = alpha_t
/// / alpha_s and v = sigma_t^2 - r^2 sigma_s^2:   mean = (alpha_s v x0 + r sigma_s^2 x_t) / sigma_t^2,   variance = v
/// sigma_s^2 / sigma_t^2.
struct Posterior {
  double x0, x_t, variance;
};
Posterior posterior(const Level& s, const Level& t);

/// mean := that of q(x_s | x_t, x0).  One posterior for all rows or one per row; all arrays (N, D).
template <class S>
void posterior_mean(In<S> x_t, In<S> x0, std::span<const Posterior> q, Out<S> mean);

}  // namespace scorefield
