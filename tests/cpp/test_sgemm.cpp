#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "scorefield/kernels/table.hpp"

namespace scorefield::kernels {
namespace {

struct Case {
  bool ta, tb;
  long m, n, k;
  bool add;
};

std::vector<float> random(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> z;
  std::vector<float> x(n);
  for (float& v : x) v = z(engine);
  return x;
}

/// c as the definition says: one chain of fma in k order.
std::vector<float> chain(const Case& q, const std::vector<float>& a, long lda, const std::vector<float>& b, long ldb,
                         std::vector<float> c, long ldc) {
  for (long i = 0; i < q.m; ++i) {
    for (long j = 0; j < q.n; ++j) {
      float s = q.add ? c[static_cast<std::size_t>(i * ldc + j)] : 0;
      for (long p = 0; p < q.k; ++p) {
        s = std::fma(a[static_cast<std::size_t>(q.ta ? p * lda + i : i * lda + p)],
                     b[static_cast<std::size_t>(q.tb ? j * ldb + p : p * ldb + j)], s);
      }
      c[static_cast<std::size_t>(i * ldc + j)] = s;
    }
  }
  return c;
}

void expect_chain(const Case& q) {
  const long lda = (q.ta ? q.m : q.k) + 3, ldb = (q.tb ? q.k : q.n) + 1, ldc = q.n + 2;
  const auto a = random(static_cast<std::size_t>((q.ta ? q.k : q.m) * lda + 1), 1),
             b = random(static_cast<std::size_t>((q.tb ? q.n : q.k) * ldb + 1), 2);
  const auto c = random(static_cast<std::size_t>(q.m * ldc), 3);
  const auto truth = chain(q, a, lda, b, ldb, c, ldc);
  for (const char* const* name = names(); *name != nullptr; ++name) {
    auto y = c;
    find(*name)->sgemm(q.ta, q.tb, q.m, q.n, q.k, a.data(), lda, b.data(), ldb, y.data(), ldc, q.add);
    EXPECT_EQ(y, truth) << *name << " ta " << q.ta << " tb " << q.tb << " m " << q.m << " n " << q.n << " k " << q.k
                        << " add " << q.add;
  }
}

// Bit for bit the definition, at sizes around every tile and block boundary, with gaps between rows that must stay
// untouched.
TEST(Sgemm, IsOneChainOfFmaPerElementOnEveryLevel) {
  for (int t = 0; t < 8; ++t) {
    const bool ta = t & 1, tb = t & 2, add = t & 4;
    for (long m : {1, 5, 8, 13, 97}) {
      for (long n : {1, 16, 17, 31, 32, 50}) expect_chain({ta, tb, m, n, 9, add});
    }
    expect_chain({ta, tb, 7, 131, 3, add});
    expect_chain({ta, tb, 20, 33, 200, add});
    expect_chain({ta, tb, 3, 4, 0, add});
    expect_chain({ta, tb, 101, 40, 401, add});
  }
}

TEST(Sgemm, NotANumberReachesItsRowAndColumn) {
  for (const char* const* name = names(); *name != nullptr; ++name) {
    std::vector<float> a(9, 1), b(9, 0), c(9, 0);
    a[4] = NAN;
    find(*name)->sgemm(false, false, 3, 3, 3, a.data(), 3, b.data(), 3, c.data(), 3, false);
    for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(c[i]), i / 3 == 1);
  }
}

}  // namespace
}  // namespace scorefield::kernels
