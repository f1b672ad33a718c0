#include "scorefield/sample/probability_flow.hpp"

#include <algorithm>
#include <vector>

namespace scorefield {

void ProbabilityFlow::step(const Step& k, Out<double> x) const {
  if (k.t.t == k.s.t) return;
  const Interrupt interrupt(poll_);
  const double t_min = k.schedule.t_min();
  const Level lowest = k.schedule.at(std::min(t_min, std::max(k.t.t, k.s.t)));  // where the denoiser is asked at least
  const bool from_below = k.t.t < lowest.t, to_below = k.s.t < lowest.t;
  if (from_below) {
    lift(k, lowest, x);
  } else {
    k.denoise(x, k.t);  // what an observer sees
  }
  const Level from = from_below ? lowest : k.t, to = to_below ? lowest : k.s;
  if (from.t != to.t) {
    const auto flow = make_flow(form_, k.schedule);
    follow_flow(*flow, k.denoiser(), {&from, 1}, to, tolerance_, k.noise.first(), x, &interrupt);
  }
  if (!to_below) return;
  const Matrix<double> x0 = k.denoise(x, lowest);
  if (k.s.sigma == 0) {
    x = k.s.alpha * x0;
  } else {
    x = k.s.alpha * x0 + k.s.sigma * eps_hat(x, x0, lowest);
  }
}

/// x := x_m with alpha_t x0_hat(x_m) + sigma_t eps_hat(x_m) = x_t, by x_m <- alpha_m / alpha_t (x_t - sigma_t eps_hat)
/// + sigma_m eps_hat from eps_hat = 0. The map contracts by about sigma_m^2 times the curvature of log p; where data
/// have no density (points) no inverse exists and x_m is the end of the tenth turn.
void ProbabilityFlow::lift(const Step& k, const Level& lowest, Out<double> x) const {
  const double up = lowest.alpha / k.t.alpha;
  const Matrix<double> x_t = x;
  std::vector<char> settled(static_cast<std::size_t>(x.rows()), 0);
  x = up * x_t;
  for (int turn = 0; turn < 10; ++turn) {
    const Matrix<double> eps = eps_hat(x, k.denoise(x, lowest), lowest);
    for (Index i = 0; i < x.rows(); ++i) {
      if (settled[static_cast<std::size_t>(i)]) continue;
      const RowVector<double> turned = up * (x_t.row(i) - k.t.sigma * eps.row(i)) + lowest.sigma * eps.row(i);
      const auto allowed = tolerance_.absolute + tolerance_.relative * turned.array().abs();
      settled[static_cast<std::size_t>(i)] = ((turned - x.row(i)).array().abs() <= 0.1 * allowed).all();
      x.row(i) = turned;
    }
    if (std::ranges::all_of(settled, [](char done) { return done != 0; })) return;
  }
}

}  // namespace scorefield
