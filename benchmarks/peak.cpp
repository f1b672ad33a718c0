// The most single-precision multiply-adds that this machine does: fourteen independent chains in registers, no memory.
#include <chrono>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16, chains = 14;
#elif defined(__AVX__)
constexpr int lanes = 8, chains = 12;
#else
constexpr int lanes = 4, chains = 12;
#endif
typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

volatile float input = 0.5f, output;

void run(long rounds) {
  Vector sum[chains], factor = input - Vector{};
  for (Vector& s : sum) s = factor;
  for (long i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < chains; ++j) sum[j] = sum[j] * factor + factor;
  }
  for (int j = 1; j < chains; ++j) sum[0] += sum[j];
  output = sum[0][0];
}

double seconds(int threads, long rounds) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(run, rounds);
  run(rounds);
  for (std::thread& t : others) t.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

/// GFLOP/s of `threads` threads, the best of `tries` runs of about 20 ms.
extern "C" double fma_peak(int threads, int tries) {
  long rounds = 1000;
  while (seconds(1, rounds) < 0.01) rounds *= 2;
  double best = 1e9;
  for (int i = 0; i < tries; ++i) {
    const double t = seconds(threads, 2 * rounds);
    best = t < best ? t : best;
  }
  return 2e-9 * lanes * chains * 2.0 * static_cast<double>(rounds) * threads / best;
}
