// A sampler of your own in C++, without Python: its order, measured on an exact mixture. 2 is expected; exits with 1
// unless 1.9 to 2.1 is found.
//   find_package(scorefield REQUIRED)   target_link_libraries(own_sampler scorefield::scorefield)
#include <scorefield/scorefield.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace scorefield;

/// Explicit midpoint rule for du/dn = (u - x0_hat)/n, with u = x/alpha and n = sigma/alpha.
class Midpoint final : public Sampler {
 public:
  void step(const Step& k, Out<double> x) const override {
    const double n = k.t.sigma / k.t.alpha, n_s = k.s.sigma / k.s.alpha, n_mid = (n + n_s) / 2;
    const Level mid = k.schedule.at(k.schedule.time_of_half_log_snr(-std::log(n_mid)));
    const Matrix<double> u = x / k.t.alpha;
    const Matrix<double> u_mid = u + (n_mid - n) / n * (u - k.denoise(x, k.t));
    x = k.s.alpha * (u + (n_s - n) / n_mid * (u_mid - k.denoise(mid.alpha * u_mid, mid)));
  }
  int order() const override { return 2; }
  int calls() const override { return 2; }
};

int main() {
  const Vp schedule;
  const Mixture truth({{-2, 0}, {1.5, 1.5}, {1, -2}}, /*stds=*/{0.3, 0.5, 0.4}, /*weights=*/{0.5, 0.3, 0.2});
  const ExactDenoiser exact(truth, schedule);
  Matrix<double> x_T(400, 2);
  Noise(0, Stream::prior).normal(x_T);

  const auto end = [&](const Sampler& sampler, int steps) {
    Matrix<double> x = x_T;
    sample(sampler, exact, schedule, grids::log_snr(schedule, steps, /*t_end=*/0.01), {Noise(1, Stream::sampler)}, x);
    return x;
  };
  const Matrix<double> reference = end(Heun(), 4096);
  const auto error = [&](int steps) {  // median over the rows: the few that pass between modes would rule a mean
    Matrix<double> d = (end(Midpoint(), steps) - reference).rowwise().norm();
    std::nth_element(d.data(), d.data() + d.size() / 2, d.data() + d.size());
    return d(d.size() / 2, 0);
  };
  const double order = std::log2(error(128) / error(256));
  std::printf("order %.2f\n", order);
  return 1.9 <= order && order <= 2.1 ? 0 : 1;
}
