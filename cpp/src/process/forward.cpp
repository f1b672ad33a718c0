#include "scorefield/process/forward.hpp"

#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {

template <class S>
void add_noise(In<S> x0, Levels t, In<S> eps, Out<S> x_t) {
  for (Index i = 0; i < x0.rows(); ++i) {
    const Level& p = level(t, i);
    x_t.row(i) = static_cast<S>(p.alpha) * x0.row(i) + static_cast<S>(p.sigma) * eps.row(i);
  }
}

template <class S>
void renoise(In<S> x_s, const Level& s, const Level& t, In<S> z, Out<S> x_t) {
  const double r = t.alpha / s.alpha, v = step_variance(s, t);
  x_t = static_cast<S>(r) * x_s + static_cast<S>(std::sqrt(std::fmax(v, 0))) * z;
}

template <class S>
void forward_chain(const Schedule& schedule, std::span<const double> times, In<S> x0, const Noise& noise, Out<S> path) {
  Level s;  // the data
  Matrix<S> x = x0;
  Matrix<double> z(x.rows(), x.cols());
  for (std::size_t k = 0; k < times.size(); ++k) {
    const Level t = schedule.at(times[k]);
    require(k == 0 || t.t > s.t, "times must rise, but entry ", k, " is ", t.t, " after ", s.t);
    noise.at_step(static_cast<std::uint32_t>(k)).normal(z);
    renoise<S>(x, s, t, z.cast<S>(), x);
    path.middleRows(static_cast<Index>(k) * x.rows(), x.rows()) = x;
    s = t;
  }
}

Posterior posterior(const Level& s, const Level& t) {
  require(s.t < t.t, "the posterior q(x_s | x_t, x0) needs s < t, got s = ", s.t, " and t = ", t.t);
  require(t.sigma > 0, "the posterior q(x_s | x_t, x0) needs noise at t, but sigma is 0 at t = ", t.t);
  const double r = t.alpha / s.alpha, v = step_variance(s, t), variance_t = t.sigma * t.sigma,
               variance_s = s.sigma * s.sigma;
  return {s.alpha * v / variance_t, r * variance_s / variance_t, v * variance_s / variance_t};
}

template <class S>
void posterior_mean(In<S> x_t, In<S> x0, std::span<const Posterior> q, Out<S> mean) {
  for (Index i = 0; i < x_t.rows(); ++i) {
    const Posterior& p = q[q.size() == 1 ? 0 : static_cast<std::size_t>(i)];
    mean.row(i) = static_cast<S>(p.x0) * x0.row(i) + static_cast<S>(p.x_t) * x_t.row(i);
  }
}

#define SCOREFIELD_INSTANTIATE(S)                                                                        \
  template void add_noise<S>(In<S>, Levels, In<S>, Out<S>);                                              \
  template void renoise<S>(In<S>, const Level&, const Level&, In<S>, Out<S>);                            \
  template void forward_chain<S>(const Schedule&, std::span<const double>, In<S>, const Noise&, Out<S>); \
  template void posterior_mean<S>(In<S>, In<S>, std::span<const Posterior>, Out<S>);
SCOREFIELD_INSTANTIATE(float)
SCOREFIELD_INSTANTIATE(double)
#undef SCOREFIELD_INSTANTIATE

}  // namespace scorefield
