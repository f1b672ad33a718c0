#include <gtest/gtest.h>

#include "reference_bench.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/engine/engine.hpp"

namespace scorefield::testing {
namespace {

struct Threads {
  explicit Threads(Index n) { set_thread_cap(n); }
  ~Threads() { set_thread_cap(0); }
};

std::vector<float> gradient_with(Index threads, std::optional<Noise> dropout, double& loss) {
  const Threads cap(threads);
  const Bench<float> b(small_unet(0.3), 37);
  Inputs<float> in = b.in();
  in.dropout = dropout;
  GradientWorkspace<float> work;
  std::vector<float> dtheta(b.theta.size());
  const Loss<float> squares = [](Index, In<float> y, Out<float> dy) {
    dy = 2 * y;
    return y.cast<double>().squaredNorm();
  };
  loss = gradient<float>(b.engine, *b.weights, in, Shards::of(37, 1000, 1000), squares, work, dtheta.data());
  return dtheta;
}

TEST(Gradient, HasTheSameBitsForAnyNumberOfThreads) {
  double one = 0, more = 0;
  const auto first = gradient_with(1, Noise(3, Stream::dropout, 2), one);
  for (const Index t : {2, 3}) {
    EXPECT_EQ(gradient_with(t, Noise(3, Stream::dropout, 2), more), first) << t << " threads";
    EXPECT_EQ(more, one);
  }
  EXPECT_NE(gradient_with(1, Noise(4, Stream::dropout, 2), more), first);  // another seed, other masks
  EXPECT_NE(gradient_with(1, std::nullopt, more), first);
}

TEST(Gradient, IsThatOfOneTapeForTheWholeBatch) {
  const PlanPtr plan = small_unet();
  Bench<double> b(plan, 20);
  b.forward();
  const auto whole = b.backward(2 * b.y);
  GradientWorkspace<double> work;
  std::vector<double> dtheta(b.theta.size());
  const Loss<double> squares = [](Index, In<double> y, Out<double> dy) {
    dy = 2 * y;
    return y.squaredNorm();
  };
  for (const Index shards : {1, 3, 8}) {
    const double loss = gradient<double>(b.engine, *b.weights, b.in(), {20, shards}, squares, work, dtheta.data());
    EXPECT_NEAR(loss / b.y.squaredNorm(), 1, 1e-13);
    const InMap<double> a(whole.data(), 1, plan->parameter_count), s(dtheta.data(), 1, plan->parameter_count);
    EXPECT_LT((a - s).norm() / a.norm(), 1e-13);
  }
}

TEST(Infer, HasTheSameBitsForAnySplitAndAnyNumberOfThreads) {
  const Bench<float> b(small_unet(), 37);
  Matrix<float> whole(37, 64), split(37, 64);
  infer<float>(b.engine, *b.weights, b.in(), inference_tapes<float>(b.engine, 37), whole);
  for (const Index rows : {1, 5, 37}) {
    std::vector<std::unique_ptr<Tape>> tapes;
    for (int i = 0; i < 3; ++i) tapes.push_back(b.engine.tape(rows, Engine<float>::Use::inference));
    split.setZero();
    infer<float>(b.engine, *b.weights, b.in(), tapes, split);
    EXPECT_EQ(split, whole) << rows;
    for (Index i = 0; i < 37; i += 11) {  // any sample alone
      infer<float>(b.engine, *b.weights, b.in().rows(i, 1), tapes, split.topRows(1));
      EXPECT_EQ(split.row(0), whole.row(i));
    }
  }
}

TEST(Shards, FollowTheFormula) {  // largest power of two <= min(n, clamp(min(n / samples, 2^25 / P), 4, 64))
  const auto images = [](Index n, Index p) { return Shards::of(n, p, 20 * p).count; };  // 16 samples a shard
  EXPECT_EQ(images(64, 1000000), 4);
  EXPECT_EQ(images(128, 1000000), 8);
  EXPECT_EQ(images(1024, 2000000), 16);
  EXPECT_EQ(images(4096, 1000), 64);
  EXPECT_EQ(images(3, 1000), 2);
  EXPECT_EQ(images(1, 1000), 1);
  EXPECT_EQ(images(4096, 114000000), 4);
  const auto vectors = [](Index n, Index p) { return Shards::of(n, p, p).count; };  // 64
  EXPECT_EQ(vectors(256, 40000), 4);
  EXPECT_EQ(vectors(1024, 60000), 16);
  EXPECT_EQ(vectors(4096, 1350000), 16);
  const nn::Plan mlp = nn::plan(nn::MLP{.in = 2, .out = 2});
  EXPECT_EQ(Shards::of(1024, mlp).count, 16);
  const Shards s{10, 4};
  EXPECT_EQ(s.first(0), 0);
  EXPECT_EQ(s.first(4), 10);
}

TEST(Shards, AreSummedByAFixedTree) {
  Matrix<float> rows(5, 3);
  rows << 1e8f, 1, 2, 1, 1, 3, -1e8f, 1, 5, 1, 1, 7, 0.5f, 1, 11;
  Matrix<float> expected = ((rows.row(0) + rows.row(1)) + (rows.row(2) + rows.row(3))) + rows.row(4);
  sum_shards<float>(rows);
  EXPECT_EQ(rows.row(0), expected.row(0));
}

/// Rows that only one order of sums gives: magnitudes from 1e-3 to 1e5.
Matrix<float> uneven_rows(Index count, Index size) {
  Matrix<float> rows(count, size);
  Noise(static_cast<std::uint64_t>(count), Stream::probe).normal(rows);
  for (Index i = 0; i < count; ++i) rows.row(i) *= std::pow(10.f, static_cast<float>(i * 5 % 9 - 3));
  return rows;
}

TEST(Shards, AreSummedAsTheyComeToTheBitsOfTheTree) {
  constexpr Index size = 7;
  ShardRows<float> sums;
  for (const Index team : {1, 2, 3, 8}) {
    for (Index count = 1; count <= 130; ++count) {
      const Matrix<float> rows = uneven_rows(count, size);
      sums.prepare(count, size, team);
      EXPECT_LE(sums.groups(), count);
      EXPECT_GE(sums.groups(), std::min<Index>(count, 4 * team)) << "enough for all threads";
      for (Index g = sums.groups() - 1; g >= 0; --g)
        sums.run(g, g % team, [&](Index i, float* row) { OutMap<float>(row, 1, size) = rows.row(i); });
      Matrix<float> tree = rows;
      sum_shards<float>(tree);
      EXPECT_EQ(OutMap<float>(sums.sum(), 1, size), tree.topRows(1)) << count << " shards, " << team << " threads";
    }
  }
}

}  // namespace
}  // namespace scorefield::testing
