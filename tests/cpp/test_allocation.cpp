#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "engine_case.hpp"
#include "scorefield/nn/unet.hpp"

namespace {
thread_local long allocations = 0;
}

// Every `new` of the program passes here, and is counted by the thread that asks.
void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n > 0 ? n : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace scorefield {
namespace {

TEST(FastEngine, APassAllocatesNothing) {
  const testing::EngineCase c(
      {nn::plan(
          nn::UNet{.shape = {1, 14, 14}, .widths = {16, 24}, .depth = 1, .attention = {7}, .groups = 4, .classes = 3})},
      5, 1);
  for (const bool winograd : {true, false}) {
    const FastEngine engine(c.plan, {.winograd = winograd, .chunk = 2});
    std::vector<float> theta(c.theta.begin(), c.theta.end()), row(static_cast<std::size_t>(engine.row_size()));
    const testing::CaseInputs<float> inputs(c);
    const auto weights = engine.weights();
    engine.load(theta.data(), *weights);
    const auto tape = engine.tape(5, Engine<float>::Use::training);
    Matrix<float> y(5, 196), dy = c.dy.cast<float>();
    const long before = allocations;
    engine.forward(*weights, inputs.in, *tape, y);
    EXPECT_EQ(allocations, before) << "forward, winograd " << winograd;
    engine.backward(*weights, inputs.in, *tape, dy, row.data(), {});
    EXPECT_EQ(allocations, before) << "backward, winograd " << winograd;
  }
}

}  // namespace
}  // namespace scorefield
