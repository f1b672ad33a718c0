#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "scorefield/base/parallel.hpp"
#include "scorefield/base/rng.hpp"
#include "scorefield/kernels/table.hpp"

namespace scorefield {
namespace {

using kernels::Counter;
using kernels::Table;

std::vector<const Table*> tables() {
  std::vector<const Table*> all;
  for (const char* const* name = kernels::names(); *name != nullptr; ++name) all.push_back(kernels::find(*name));
  return all;
}

/// Selects a level for one scope.
struct Selected {
  std::string before = kernels::table().name;
  explicit Selected(const char* name) { kernels::select(name); }
  ~Selected() { kernels::select(before.c_str()); }
};

Matrix<double> normal(Noise noise, Index rows, Index columns, std::uint32_t draw = 0) {
  Matrix<double> z(rows, columns);
  noise.normal(z, draw);
  return z;
}

// Known answers of Random123 for philox4x32-10 (Salmon et al. 2011): counter and key all zero, all ones, digits of pi.
TEST(Philox, KnownAnswersOnEveryLevel) {
  struct Answer {
    Counter counter;
    std::uint64_t key;
    std::uint32_t word[4];
  };
  const Answer answers[] = {
      {{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, ~std::uint64_t{0}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       0x299f31d0a4093822,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Table* t : tables()) {
    for (const Answer& a : answers) {
      std::uint32_t words[64];
      t->random_words(a.key, a.counter, 64, words);
      for (int w = 0; w < 4; ++w) EXPECT_EQ(words[16 * w], a.word[w]) << t->name;
    }
  }
}

// Box-Muller of the words, in double: z = sqrt(-2 ln u) (cos, sin)(2 pi v).
TEST(Noise, NormalNumbersAreBoxMullerOfTheWords) {
  for (const Table* t : tables()) {
    std::uint32_t w[256];
    float z[256];
    const Counter c{32, 7, 8, 9};
    t->random_words(11, c, 256, w);
    t->normal(11, c, 1, 256, z, 256);
    for (int e = 0; e < 256; ++e) {
      const int pair = e % 64 / 32 * 32 + e / 64 * 64 + e % 16;
      const double u = (w[pair] / 2 + 0.5) / 2147483648.0, v = w[pair + 16] / 4294967296.0;
      const double angle = 6.283185307179586 * v, radius = std::sqrt(-2 * std::log(u));
      EXPECT_NEAR(z[e], radius * (e % 32 < 16 ? std::cos(angle) : std::sin(angle)), 2e-6) << t->name << " " << e;
    }
  }
}

TEST(Noise, ShortRowsArePrefixesOfLongOnes) {  // two ways through the kernel, one function of (sample, element)
  const Noise noise(3, Stream::sampler, 5, 40);
  const Matrix<double> all = normal(noise, 37, 200);
  for (Index columns : {1, 2, 3, 15, 16, 17, 63, 64, 65, 199}) {
    EXPECT_EQ(normal(noise, 37, columns), all.leftCols(columns)) << columns;
  }
}

TEST(Noise, AnyBatchSplitGivesTheSameNumbers) {
  const Noise noise(~std::uint64_t{0}, Stream::prior, 1, 0);
  const Matrix<double> all = normal(noise, 50, 20);
  for (Index first : {1, 7, 33}) EXPECT_EQ(normal(noise.at_sample(first), 50 - first, 20), all.bottomRows(50 - first));
}

TEST(Noise, LongRowsAndManyRowsAgreeWithSmallPieces) {  // the parallel pieces
  const Noise noise(9, Stream::init);
  const Matrix<double> wide = normal(noise, 3, 70000), tall = normal(noise, 5000, 21);
  EXPECT_EQ(normal(noise.at_sample(2), 1, 40000), wide.row(2).leftCols(40000));
  EXPECT_EQ(normal(noise.at_sample(4321), 1, 21), tall.row(4321));
}

TEST(Noise, SamplesBeyondTwoToTheThirtyTwoAreOthers) {
  const Index high = Index{1} << 32;
  const Noise noise(1, Stream::prior, 0, high - 2);
  const Matrix<double> across = normal(noise, 4, 40);
  EXPECT_EQ(normal(noise.at_sample(high), 2, 40), across.bottomRows(2));
  EXPECT_NE(normal(noise.at_sample(0), 1, 40), across.row(2));
  EXPECT_NE(normal(noise.at_sample(0), 1, 2), across.row(2).leftCols(2));
}

TEST(Noise, StreamsStepsDrawsSeedsAndSamplesDiffer) {
  const Matrix<double> base = normal(Noise(1, Stream::prior, 1, 1), 1, 8);
  EXPECT_EQ(base, normal(Noise(1, Stream::prior, 1, 1), 1, 8));
  EXPECT_NE(base, normal(Noise(2, Stream::prior, 1, 1), 1, 8));
  EXPECT_NE(base, normal(Noise(1, Stream::sampler, 1, 1), 1, 8));
  EXPECT_NE(base, normal(Noise(1, Stream::prior, 2, 1), 1, 8));
  EXPECT_NE(base, normal(Noise(1, Stream::prior, 1, 2), 1, 8));
  EXPECT_NE(base, normal(Noise(1, Stream::prior, 1, 1), 1, 8, 1));
  EXPECT_NE(base, normal(Noise(1, Stream::prior, 1, 1), 1, 8, 1u << 31));
}

// n normal numbers: mean 0 +- 1 / sqrt(n), square 1 +- sqrt(2 / n), cube 0 +- sqrt(15 / n), fourth power 3 +- sqrt(96 /
// n); five standard errors at a fixed seed.
TEST(Noise, MomentsOfNormalNumbers) {
  for (Index columns : {2, 4096}) {
    const Index rows = (1 << 20) / columns;
    const Matrix<double> z = normal(Noise(2026, Stream::probe), rows, columns);
    const double n = static_cast<double>(z.size());
    EXPECT_NEAR(z.mean(), 0, 5 / std::sqrt(n));
    EXPECT_NEAR(z.array().square().mean(), 1, 5 * std::sqrt(2 / n));
    EXPECT_NEAR(z.array().cube().mean(), 0, 5 * std::sqrt(15 / n));
    EXPECT_NEAR(z.array().pow(4).mean(), 3, 5 * std::sqrt(96 / n));
    EXPECT_LT(z.array().abs().maxCoeff(), 6.7);
    const auto a = z.leftCols(columns - 1).array(),
               b = z.rightCols(columns - 1).array();  // neighbours are uncorrelated
    EXPECT_NEAR((a * b).mean(), 0, 5 / std::sqrt(static_cast<double>(a.size())));
  }
}

TEST(Noise, UniformNumbersLieInsideAndAreFlat) {  // mean 1/2 +- sqrt(1/12n), variance 1/12 +- sqrt(1/180n)
  Matrix<double> u(1 << 10, 1 << 10);
  Noise(5, Stream::training_time).uniform(u);
  const double n = static_cast<double>(u.size());
  EXPECT_GT(u.minCoeff(), 0);
  EXPECT_LT(u.maxCoeff(), 1);
  EXPECT_NEAR(u.mean(), 0.5, 5 / std::sqrt(12 * n));
  EXPECT_NEAR((u.array() - 0.5).square().mean(), 1. / 12, 5 / std::sqrt(180 * n));
}

TEST(Noise, FloatAndDoubleAreTheSameNumbers) {
  const Noise noise(8, Stream::dropout, 3, 2);
  for (Index columns : {3, 100, 5000}) {
    Matrix<float> narrow(21, columns);
    noise.normal(narrow);
    EXPECT_EQ(narrow.cast<double>(), normal(noise, 21, columns));
    Matrix<double> wide(21, columns);
    noise.uniform(narrow), noise.uniform(wide);
    EXPECT_EQ(narrow.cast<double>(), wide);
  }
}

TEST(Noise, SameBitsOnEveryLevelAndThreadCount) {
  const Noise noise(77, Stream::training_noise, 3, 9);
  const Matrix<double> truth = normal(noise, 300, 333), small = normal(noise, 300, 3);
  Matrix<float> u(40, 70), v(40, 70);
  noise.uniform(u);
  for (const Table* t : tables()) {
    const Selected level(t->name);
    for (Index cap : {1, 2, 3}) {
      set_thread_cap(cap);
      EXPECT_EQ(normal(noise, 300, 333), truth) << t->name;
      EXPECT_EQ(normal(noise, 300, 3), small) << t->name;
      noise.uniform(v);
      EXPECT_EQ(u, v) << t->name;
    }
    set_thread_cap(0);
  }
}

TEST(Kernels, SelectNamesTheLevelsThatRunHere) {
  try {
    kernels::select("sse9");
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::strstr(e.what(), "'sse9'"), nullptr);
    EXPECT_NE(std::strstr(e.what(), kernels::names()[0]), nullptr);
  }
}

}  // namespace
}  // namespace scorefield
