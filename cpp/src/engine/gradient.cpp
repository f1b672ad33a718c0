#include <algorithm>
#include <atomic>

#include "scorefield/base/check.hpp"
#include "scorefield/base/dual.hpp"
#include "scorefield/engine/engine.hpp"

namespace scorefield {

Shards Shards::of(Index n, Index parameters, Index products) {
  require(n >= 1, "a batch needs at least one sample, got ", n);
  const Index samples = std::clamp<Index>(64 * parameters / std::max<Index>(products, 1), 16, 64);
  const Index memory = (Index{1} << 25) / std::max<Index>(parameters, 1);
  const Index most = std::min(n, std::clamp<Index>(std::min(n / samples, memory), 4, 64));
  Index count = 1;
  while (2 * count <= most) count *= 2;
  return {n, count};
}

Shards Shards::of(Index n, const nn::Plan& plan) {
  Index products = 0;
  for (const nn::Op& op : plan.ops) {
    if (const auto* c = std::get_if<nn::Conv>(&op)) products += c->weight.size * plan.shape(c->y).positions();
  }
  return of(n, plan.parameter_count, products);
}

template <class S>
Inputs<S> Inputs<S>::rows(Index first, Index count) const {
  Inputs<S> part;
  part.values.reserve(values.size());
  for (const InMap<S>& v : values) part.values.emplace_back(v.data() + first * v.cols(), count, v.cols());
  if (dropout) part.dropout = dropout->at_sample(dropout->first() + first);
  part.interrupt = interrupt;
  return part;
}

namespace {

/// f(worker, i) for i in [0, count): workers, at most `team`, take the indices as they come.
void share_out(Index team, Index count, const std::function<void(Index, Index)>& f, const Interrupt* interrupt) {
  std::atomic<Index> next{0};
  parallel_for(
      std::min(team, count),
      [&](Index worker, Index) {
        for (Index i = next++; i < count; i = next++) f(worker, i);
      },
      interrupt);
}

template <class S>
void prepare(const Engine<S>& engine, Shards shards, Index team, GradientWorkspace<S>& work) {
  using Use = typename Engine<S>::Use;
  const Index rows = (shards.n + shards.count - 1) / shards.count,
              size = engine.plan().shape(engine.plan().output).size();
  const auto fits = [&](const auto& t) { return t->rows() >= rows; };
  if (!std::ranges::all_of(work.tapes, fits)) work.tapes.clear();
  while (static_cast<Index>(work.tapes.size()) < team) work.tapes.push_back(engine.tape(rows, Use::training));
  work.y.resize(work.tapes.size());
  work.dy.resize(work.tapes.size());
  for (std::size_t i = 0; i < work.y.size(); ++i) {
    if (work.y[i].rows() >= rows && work.y[i].cols() == size) continue;
    work.y[i].resize(rows, size);
    work.dy[i].resize(rows, size);
  }
  work.rows.prepare(shards.count, engine.row_size(), team);
}

}  // namespace

template <class S>
double gradient(const Engine<S>& engine, const Weights& weights, const Inputs<S>& in, Shards shards,
                const Loss<S>& loss, GradientWorkspace<S>& work, S* dtheta) {
  require(!in.values.empty() && in.values[0].rows() == shards.n, "gradient: the shards are of ", shards.n,
          " samples, not of the inputs'");
  require(1 <= shards.count && shards.count <= shards.n, "gradient: shards must be in 1..", shards.n, ", got ",
          shards.count);
  const Index team = std::min(threads(), shards.count);
  prepare(engine, shards, team, work);
  std::vector<double> losses(static_cast<std::size_t>(shards.count));
  const auto one_shard = [&](std::size_t w, Index i, S* row) {
    const Index first = shards.first(i), count = shards.first(i + 1) - first;
    const Inputs<S> part = in.rows(first, count);
    Out<S> y = work.y[w].topRows(count);
    Out<S> dy = work.dy[w].topRows(count);
    engine.forward(weights, part, *work.tapes[w], y);
    losses[static_cast<std::size_t>(i)] = loss(first, y, dy);
    engine.backward(weights, part, *work.tapes[w], dy, row, {});
  };
  const auto one_group = [&](Index worker, Index group) {
    work.rows.run(group, worker, [&](Index i, S* row) { one_shard(static_cast<std::size_t>(worker), i, row); });
  };
  share_out(team, work.rows.groups(), one_group, in.interrupt);
  engine.collect(work.rows.sum(), dtheta);
  double total = 0;
  for (const double l : losses) total += l;
  return total;
}

template <class S>
std::vector<std::unique_ptr<Tape>> inference_tapes(const Engine<S>& engine, Index n) {
  using Use = typename Engine<S>::Use;
  constexpr std::size_t enough = std::size_t{1} << 28;  // bytes: more would only leave the caches
  const Index team = std::max<Index>(1, std::min(threads(), n));
  Index rows = std::clamp<Index>((n + team - 1) / team, 1, 32);
  while (rows > 1 && engine.tape_bytes(rows, Use::inference) > enough) rows /= 2;
  std::vector<std::unique_ptr<Tape>> tapes;
  for (Index i = 0; i < team; ++i) tapes.push_back(engine.tape(rows, Use::inference));
  return tapes;
}

template <class S>
void infer(const Engine<S>& engine, const Weights& weights, const Inputs<S>& in,
           std::span<const std::unique_ptr<Tape>> tapes, Out<S> y) {
  require(!tapes.empty(), "infer needs at least one tape");
  Index most = tapes[0]->rows();
  for (const auto& t : tapes) most = std::min(most, t->rows());
  const Index n = y.rows(), parts = (n + most - 1) / most;
  const auto one_part = [&](Index worker, Index i) {
    const Index first = i * n / parts, count = (i + 1) * n / parts - first;
    engine.forward(weights, in.rows(first, count), *tapes[static_cast<std::size_t>(worker)],
                   y.middleRows(first, count));
  };
  share_out(static_cast<Index>(tapes.size()), parts, one_part, in.interrupt);
}

#define SCOREFIELD_INSTANTIATE(S)                                                                                    \
  template struct Inputs<S>;                                                                                         \
  template double gradient<S>(const Engine<S>&, const Weights&, const Inputs<S>&, Shards, const Loss<S>&,            \
                              GradientWorkspace<S>&, S*);                                                            \
  template std::vector<std::unique_ptr<Tape>> inference_tapes<S>(const Engine<S>&, Index);                           \
  template void infer<S>(const Engine<S>&, const Weights&, const Inputs<S>&, std::span<const std::unique_ptr<Tape>>, \
                         Out<S>);
SCOREFIELD_INSTANTIATE(float)
SCOREFIELD_INSTANTIATE(double)
SCOREFIELD_INSTANTIATE(Dual)
#undef SCOREFIELD_INSTANTIATE

}  // namespace scorefield
