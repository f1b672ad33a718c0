// Uses the installed library from outside: a schedule, noise by counters, the parallel loop. Exit status 0 if they
// agree with what is known about them.
#include <cmath>
#include <cstdio>
#include <scorefield/base/parallel.hpp>
#include <scorefield/base/rng.hpp>
#include <scorefield/schedule/betas.hpp>
#include <scorefield/schedule/discrete_vp.hpp>
#include <vector>

int main() {
  using namespace scorefield;
  const DiscreteVp schedule = DiscreteVp::of_betas(betas::cosine(1000, 0.008, 0.999));
  std::vector<double> deviation(1000);
  parallel_for(1000, [&](Index i, Index) {
    const Level level = schedule.at(static_cast<double>(i + 1));
    deviation[static_cast<std::size_t>(i)] = std::abs(level.alpha * level.alpha + level.sigma * level.sigma - 1);
  });
  double worst = 0;
  for (const double d : deviation) worst = std::fmax(worst, d);

  Matrix<double> z(10000, 4);
  Noise(7, Stream::prior).normal(z);
  const double mean = z.mean(), variance = z.squaredNorm() / static_cast<double>(z.size());
  std::printf("variance preserved within %.1e, noise: mean %.4f, variance %.4f, threads %d\n", worst, mean, variance,
              static_cast<int>(threads()));
  const double standard_error = 1 / std::sqrt(static_cast<double>(z.size()));
  return worst < 1e-12 && std::abs(mean) < 5 * standard_error &&
                 std::abs(variance - 1) < 5 * std::sqrt(2.0) * standard_error
             ? 0
             : 1;
}
