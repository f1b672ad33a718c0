#include "scorefield/sample/probability_flow.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sampler_cases.hpp"
#include "scorefield/base/error.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

constexpr OdeTolerance fine{1e-8, 1e-8};

TEST(ProbabilityFlow, EndsInTheDenoisersAnswerAtTMin) {
  const Level low = vp.at(vp.t_min());
  Matrix<double> x = prior(30), before = x, x0(30, 2);
  const Level high = vp.at(1);
  follow_flow(*make_flow(FlowForm::angle, vp), three(), {&high, 1}, low, {}, 0, before);
  three().denoise(before, {&low, 1}, 0, x0);
  EXPECT_EQ(end(ProbabilityFlow(), three(), {1, 0}, x), x0);
  EXPECT_EQ(end(ProbabilityFlow(), three(), {1, vp.t_min(), 0}, x), x0);
  EXPECT_EQ(end(ProbabilityFlow(), three(), {0.5, 0.5}, x), x);
}

TEST(ProbabilityFlow, TimesOfTheGridDoNotMatter) {
  const Matrix<double> x = prior(100), one = end(ProbabilityFlow(fine), three(), {1, 0}, x);
  const Matrix<double> many = end(ProbabilityFlow(fine), three(), {1, 0.8, 0.55, 0.3, 0.1, 0.01, 0}, x);
  EXPECT_LT(median_distance(one, many), 1e-7);
}

// Up and down again: 1e-8 in every step of both ways.
TEST(ProbabilityFlow, DecodingUndoesEncoding) {
  Matrix<double> x(200, 2);
  Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}).sample(Noise(3, Stream::dataset), x);
  for (const double tolerance : {1e-5, 1e-8}) {
    const ProbabilityFlow flow({tolerance, tolerance});
    const Matrix<double> z = end(flow, three(), {0, 1}, x);
    EXPECT_GT((z - x).cwiseAbs().maxCoeff(), 1);
    EXPECT_LT(median_distance(end(flow, three(), {1, 0}, z), x), 10 * tolerance);
  }
}

TEST(ProbabilityFlow, PartsAndThreadsGiveTheBytesOfTheWhole) {
  const Matrix<double> x = prior(300);
  std::vector<Index> labels;
  for (Index i = 0; i < 300; ++i) labels.push_back(i % 4 - 1);
  const ExactDenoiser labelled(Mixture({{-2, 0}, {1.5, 1.5}, {1, -2}}, {0.3, 0.5, 0.4}), labels);
  const ExactDenoiser plain = three();
  for (const Denoiser* denoiser : {static_cast<const Denoiser*>(&labelled), static_cast<const Denoiser*>(&plain)}) {
    const Matrix<double> whole = end(ProbabilityFlow(), *denoiser, {1, 0.4, 0}, x);
    for (const Index first : {0, 1, 123}) {
      const Index rows = std::min<Index>(77, 300 - first);
      EXPECT_EQ(whole.middleRows(first, rows),
                end(ProbabilityFlow(), *denoiser, {1, 0.4, 0}, x.middleRows(first, rows), first));
    }
    set_thread_cap(1);
    EXPECT_EQ(whole, end(ProbabilityFlow(), *denoiser, {1, 0.4, 0}, x));
    set_thread_cap(0);
  }
}

class BrokenBelow final : public Denoiser {
 public:
  Index dimension() const override { return 2; }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override {
    x0 = 0.5 * x;
    for (Index i = 0; i < x.rows(); ++i) {
      if (first + i == 21 && level(t, i).t < 0.5) x0(i, 0) = std::nan("");
    }
  }
};

TEST(ProbabilityFlow, ANonFiniteAnswerNamesTimeAndSample) {
  try {
    end(ProbabilityFlow(), BrokenBelow(), {1, 0}, prior(3), 20);
    FAIL();
  } catch (const NonFiniteError& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("the denoiser's answer is not finite at t = 0.5 in sample 21"), std::string::npos) << text;
  }
}

TEST(ProbabilityFlow, CanBeInterruptedWithinAStep) {
  struct Stop {};
  EXPECT_THROW(end(ProbabilityFlow({}, FlowForm::angle, [] { throw Stop(); }), three(), {1, 0}, prior(2)), Stop);
}

}  // namespace
}  // namespace scorefield
