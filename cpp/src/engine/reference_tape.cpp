#include "reference_tape.hpp"

namespace scorefield::reference {
namespace {

// Numbers per block: activations of about 256 KB and columns of about 512 KB in float, so that a block lives in the
// second level cache and a matrix product still has hundreds of rows.
constexpr Index block_numbers = 1 << 16, column_numbers = 1 << 17;

Index size_of(Buffer which, const nn::Plan& plan, const nn::Conv& c, Index rows) {
  const nn::Shape &x = plan.shape(c.x), &y = plan.shape(c.y);
  const Index in = x.channels + (c.x2 == nn::none ? 0 : plan.shape(c.x2).channels);
  const Blocking b = Blocking::of(plan, c, rows);
  const bool resamples = c.resample != nn::Resample::none;
  const Index before = b.samples * x.positions() * in, out = b.samples * y.positions() * y.channels;
  const Index after = resamples ? b.samples * y.positions() * in : before;
  const Index columns = b.column_rows * (c.weight.size / y.channels);
  switch (which) {
    case Buffer::joined: return c.x2 == nn::none ? 0 : before;
    case Buffer::hat: return c.norm.scale_shift == nn::none ? 0 : before;
    case Buffer::resampled: return resamples ? after : 0;
    case Buffer::columns:
    case Buffer::dcolumns: return c.kernel == 1 ? 0 : columns;
    case Buffer::dresampled: return after;
    case Buffer::dy: return c.gain == 1 ? 0 : out;
    case Buffer::mean:
    case Buffer::rstd: return b.samples * in;
    default: return before;
  }
}

bool only_backward(Buffer b) {
  return b == Buffer::slope || b == Buffer::dcolumns || b == Buffer::dresampled || b == Buffer::doperand ||
         b == Buffer::dx || b == Buffer::dy;
}

}  // namespace

Blocking Blocking::of(const nn::Plan& plan, const nn::Conv& c, Index rows) {
  const nn::Shape &x = plan.shape(c.x), &y = plan.shape(c.y);
  const Index in = x.channels + (c.x2 == nn::none ? 0 : plan.shape(c.x2).channels);
  const Index numbers = std::max(x.positions() * in, y.positions() * y.channels);
  const Index samples = std::clamp<Index>(block_numbers / numbers, 1, std::max<Index>(rows, 1));
  const Index column_rows =
      std::clamp<Index>(column_numbers / (c.weight.size / y.channels), 1, samples * y.positions());
  return {samples, column_rows};
}

ScratchSizes ScratchSizes::of(const nn::Plan& plan, Index rows, bool training) {
  ScratchSizes most;
  for (const nn::Op& op : plan.ops) {
    if (const auto* c = std::get_if<nn::Conv>(&op)) {
      for (std::size_t i = 0; i < most.buffers.size(); ++i) {
        const auto which = static_cast<Buffer>(i);
        if (training || !only_backward(which))
          most.buffers[i] = std::max(most.buffers[i], size_of(which, plan, *c, rows));
      }
      const Index in = plan.shape(c->x).channels + (c->x2 == nn::none ? 0 : plan.shape(c->x2).channels);
      most.channels = std::max(most.channels, in);
      if (c->dropout > 0) most.mask = std::max(most.mask, in * plan.shape(c->x).positions());
    }
    if (const auto* a = std::get_if<nn::Attention>(&op)) {
      const Index size = plan.shape(a->q.tensor).positions() * plan.shape(a->k.tensor).positions();
      most.weights = std::max(most.weights, size);
    }
  }
  return most;
}

namespace {

/// The last operation that reads each tensor; none ends the life of the output.
std::vector<std::size_t> last_reads(const nn::Plan& plan) {
  std::vector<std::size_t> last(plan.tensors.size(), 0);
  for (std::size_t i = 0; i < plan.ops.size(); ++i) {
    for (const nn::Tensor t : nn::reads(plan.ops[i])) last[static_cast<std::size_t>(t)] = i;
  }
  last[static_cast<std::size_t>(plan.output)] = plan.ops.size();
  return last;
}

std::size_t take(std::vector<std::size_t>& free, Places& places, Index numbers) {
  const auto size = [&](std::size_t p) { return places.numbers[p]; };
  const auto better = [&](std::size_t a, std::size_t b) {  // those that fit before those that do not; nearest first
    const bool fits_a = size(a) >= numbers, fits_b = size(b) >= numbers;
    return fits_a != fits_b ? fits_a : (fits_a ? size(a) < size(b) : size(a) > size(b));
  };
  const auto best = std::ranges::min_element(free, better);
  if (best == free.end()) {
    places.numbers.push_back(numbers);
    return places.numbers.size() - 1;
  }
  const std::size_t p = *best;
  free.erase(best);
  places.numbers[p] = std::max(places.numbers[p], numbers);
  return p;
}

}  // namespace

Places Places::of(const nn::Plan& plan, bool training) {
  Places places{std::vector<std::size_t>(plan.tensors.size()), {}};
  const std::vector<std::size_t> last = last_reads(plan);
  std::vector<std::size_t> free;
  const auto give = [&](nn::Tensor t) {
    places.place[static_cast<std::size_t>(t)] = take(free, places, plan.shape(t).size());
  };
  for (const nn::Input& input : plan.inputs) give(input.tensor);
  for (std::size_t i = 0; i < plan.ops.size(); ++i) {
    give(nn::writes(plan.ops[i]));
    std::vector<nn::Tensor> read = nn::reads(plan.ops[i]);
    std::ranges::sort(read);
    read.erase(std::unique(read.begin(), read.end()), read.end());  // not by ranges: clang 14 knows no subrange
    for (const nn::Tensor t : read) {
      const auto k = static_cast<std::size_t>(t);
      if (!training && last[k] == i) free.push_back(places.place[k]);
    }
  }
  return places;
}

Index Places::total() const {
  Index sum = 0;
  for (const Index n : numbers) sum += n;
  return sum;
}

Index ScratchSizes::total() const {
  Index sum = 2 * weights + 4 * channels + 2 * mask;
  for (const Index b : buffers) sum += b;
  return sum;
}

}  // namespace scorefield::reference
