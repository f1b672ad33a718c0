// Prints a line "digest  name" for each of many results, the same on every processor that keeps the contract of
// docs/determinism.md: .ci/arm compares what two print. Here every instruction set level is compared with the best one;
// the program fails if one differs, or if two results that have nothing in common are the same.
#include <cinttypes>
#include <cstdio>
#include <set>

#include "digest.hpp"
#include "schedules_for_tests.hpp"

namespace scorefield::digests {

Lines of_noise() {
  const auto of = [](auto fill, auto of_type, Index n, Index columns) {
    Matrix<decltype(of_type)> z(n, columns);
    fill(Noise(77, Stream::training_noise, 3, 9), z);
    Digest digest;
    digest.add(z);
    return digest.value();
  };
  const auto normal = [](const Noise& noise, auto& z) { noise.normal(z); };
  const auto uniform = [](const Noise& noise, auto& u) { noise.uniform(u); };
  return {{"noise: normal, short rows", of(normal, 0.0, 3000, 5)},
          {"noise: normal, long rows", of(normal, 0.0, 3, 70000)},
          {"noise: normal, single precision", of(normal, 0.f, 100, 333)},
          {"noise: uniform", of(uniform, 0.0, 300, 333)}};
}

Lines of_schedules() {
  Lines lines;
  for (const Named& named : all_schedules()) {
    Digest digest;
    for (const double t : inner_times(*named.schedule)) {
      const Level p = named.schedule->at(t);
      digest.add(std::vector<double>{p.alpha, p.sigma});
    }
    lines.push_back({"schedule: " + named.name, digest.value()});
  }
  return lines;
}

namespace {

Lines of_level(const char* level) {
  Lines all = of_kernels(kernels::select(level));
  for (Lines (*part)() : {of_noise, of_engines, of_training, of_schedules}) {
    for (const Line& line : part()) all.push_back(line);
  }
  return all;
}

/// The number of lines that are not those of the best level.
int differences(const Lines& a, const Lines& b, const char* level) {
  int n = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].digest == b[i].digest) continue;
    std::fprintf(stderr, "%s differs: %s\n", level, b[i].name.c_str());
    ++n;
  }
  return n;
}

int repetitions(const Lines& lines) {
  std::set<std::uint64_t> seen;
  int n = 0;
  for (const Line& line : lines) {
    if (seen.insert(line.digest).second) continue;
    std::fprintf(stderr, "seen before: %s\n", line.name.c_str());
    ++n;
  }
  return n;
}

int run() {
  const Lines truth = of_level(kernels::names()[0]);
  int wrong = repetitions(truth);
  for (const char* const* level = kernels::names() + 1; *level != nullptr; ++level)
    wrong += differences(truth, of_level(*level), *level);
  for (const Line& line : truth) std::printf("%016" PRIx64 "  %s\n", line.digest, line.name.c_str());
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace scorefield::digests

int main() { return scorefield::digests::run(); }
