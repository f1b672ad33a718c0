#include "scorefield/train/evaluate.hpp"

#include <algorithm>
#include <numeric>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

constexpr Index chunk = 256;  // rows that are noised at once

/// What is asked, band after band. Neighbouring rows of the data stand in neighbouring bands, so that data sorted by
/// class, say, put every class into every band.
struct Questions {
  Index n, bins, each;  // rows of data, bands, questions in each band
  Questions(Index rows, Index bands) : n(rows), bins(bands), each(std::max<Index>(16, (rows + bands - 1) / bands)) {}
  Index count() const { return bins * each; }
  Index row(Index j) const { return (j % each * bins + j / each) % n; }
};

/// Rising times, spread as training spreads them: the k-th of `bins` equal parts of the list is band k. Even where
/// training is.
std::vector<double> rising_times(const Objective& objective, Index count, const Noise& noise) {
  std::vector<double> t(static_cast<std::size_t>(count)), weight(t.size());
  if (!objective.schedule()) return t;
  const bool even = objective.times() == Times::uniform || objective.times() == Times::importance;
  make_time_sampler(even ? Times::stratified : objective.times(), objective.schedule())->draw(noise, t, weight);
  std::ranges::sort(t);
  return t;
}

}  // namespace

HeldOut evaluate(const nn::Plan& plan, const Objective& objective, const Values& values, const TrainingData& data,
                 Index bins, std::uint64_t seed, const Interrupt& interrupt) {
  check_data(plan, objective, data);
  require(bins >= 1, "bins must be >= 1, got ", bins);
  const Questions questions(data.x.rows(), bins);
  const Noise noise(seed, Stream::evaluate), condition_noise(seed, Stream::evaluate, 1);
  const std::vector<double> t = rising_times(objective, questions.count(), Noise(seed, Stream::evaluate, 2));
  std::vector<double> sums(static_cast<std::size_t>(bins));
  for (Index first = 0; first < questions.count(); first += chunk) {
    interrupt.check();
    Batch batch(plan, std::min(chunk, questions.count() - first));
    for (Index r = 0; r < batch.size(); ++r) batch.rows[static_cast<std::size_t>(r)] = questions.row(first + r);
    std::copy_n(t.begin() + first, batch.size(), batch.t.begin());
    objective.prepare(batch);
    fill(batch, data, objective, noise.at_sample(first), condition_noise.at_sample(first));
    Inputs<float> inputs = batch.inputs.first(batch.size());
    inputs.interrupt = &interrupt;
    values(batch, inputs, first);
    for (Index r = 0; r < batch.size(); ++r)
      sums[static_cast<std::size_t>((first + r) / questions.each)] += batch.value[static_cast<std::size_t>(r)];
  }
  HeldOut held{0, sums};
  for (double& band : held.bands) band /= static_cast<double>(questions.each);
  held.loss = std::accumulate(held.bands.begin(), held.bands.end(), 0.0) / static_cast<double>(bins);
  return held;
}

}  // namespace scorefield
