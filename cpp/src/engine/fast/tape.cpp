#include "tape.hpp"

#include <algorithm>
#include <map>

namespace scorefield::fast {
namespace {

/// The order of execution and, for each tensor, who writes and reads it. Steps: 0 the inputs arrive, 1.. the
/// operations, `turn` the output leaves and its gradient arrives, then the operations backwards, `end`.
class Timeline {
 public:
  explicit Timeline(const Program& p) : p_(p), step_(p.plan.ops.size()), stage_(p.plan.ops.size()) {
    Index step = 1;
    for (std::size_t s = 0; s < p.stages.size(); ++s) {
      for (const std::size_t op : p.stages[s].ops) order_.push_back(op), step_[op] = step++, stage_[op] = s;
    }
    turn_ = step;
    readers_.resize(p.plan.tensors.size());
    writer_.assign(p.plan.tensors.size(), none_op);
    for (const std::size_t op : order_) {
      writer_[count(nn::writes(p.plan.ops[op]))] = op;
      for (const Tensor t : nn::reads(p.plan.ops[op])) readers_[count(t)].push_back(op);
    }
  }
  static constexpr std::size_t none_op = static_cast<std::size_t>(-1);

  const std::vector<std::size_t>& order() const { return order_; }
  std::size_t stage_of(std::size_t op) const { return stage_[op]; }
  const std::vector<std::size_t>& readers(Tensor t) const { return readers_[count(t)]; }
  std::size_t writer(Tensor t) const { return writer_[count(t)]; }

  /// Made and read within one stage, so that the samples of a chunk suffice.
  bool local(Tensor t) const {
    if (writer(t) == none_op || t == p_.plan.output) return false;
    return std::ranges::all_of(readers(t), [&](std::size_t op) { return stage_[op] == stage_[writer(t)]; });
  }
  Lifetime value(Tensor t) const {
    Index first = writer(t) == none_op ? 0 : step_[writer(t)], last = t == p_.plan.output ? turn_ : first;
    for (const std::size_t op : readers(t)) last = std::max(last, step_[op]);
    return local(t) ? Lifetime{first, last} : Lifetime{begin_of(first), end_of(last)};
  }
  Lifetime grad(Tensor t) const {
    Index late = t == p_.plan.output ? turn_ : 0;
    const Index early = writer(t) == none_op ? 0 : step_[writer(t)];
    for (const std::size_t op : readers(t)) late = std::max(late, step_[op]);
    const Lifetime forward = local(t) ? Lifetime{early, late} : Lifetime{begin_of(early), end_of(late)};
    return {2 * turn_ - forward.last, 2 * turn_ - forward.first};
  }

 private:
  /// The first (last) step of the stage that `step` belongs to: chunks go through a stage one after the other.
  Index begin_of(Index step) const {
    return step == 0 || step >= turn_ ? step : step_[p_.stages[stage_at(step)].ops.front()];
  }
  Index end_of(Index step) const {
    return step == 0 || step >= turn_ ? step : step_[p_.stages[stage_at(step)].ops.back()];
  }
  std::size_t stage_at(Index step) const { return stage_[order_[count(step - 1)]]; }

  const Program& p_;
  std::vector<Index> step_;
  std::vector<std::size_t> stage_, order_, writer_;
  std::vector<std::vector<std::size_t>> readers_;
  Index turn_ = 0;
};

std::vector<char> gradient_tensors(const Program& p, const Timeline& time) {
  std::vector<char> has(p.plan.tensors.size(), 0);
  has[count(p.plan.output)] = 1;
  for (auto op = time.order().rbegin(); op != time.order().rend(); ++op) {
    if (has[count(nn::writes(p.plan.ops[*op]))] == 0) continue;
    for_sources(p.plan.ops[*op], [&](Tensor t) { has[count(t)] = 1; });
  }
  return has;
}

/// True if the parts of `a` that lie in tensor t fill it without overlap, in whole blocks.
bool fills(const Program& p, const nn::Attention& a, Tensor t) {
  const Index channels = p.shape(a.y).channels, d = channels / a.heads;
  std::vector<Index> firsts;
  for (const nn::Attention::Part& part : {a.q, a.k, a.v}) {
    if (part.tensor == t) firsts.push_back(part.first);
  }
  std::ranges::sort(firsts);
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    if (firsts[i] != static_cast<Index>(i) * channels) return false;
  }
  return d % lanes == 0 && static_cast<Index>(firsts.size()) * channels == p.shape(t).channels;
}

Writers attention_writers(const Program& p, const nn::Attention& a, std::vector<char>& written) {
  Writers w;
  const auto first = [&](Tensor t, bool& assigns, bool& clears) {
    const bool fresh = written[count(t)] == 0;
    assigns = fresh && fills(p, a, t);
    clears = fresh && !assigns;
  };
  first(a.q.tensor, w.q, w.clear_q), first(a.k.tensor, w.k, w.clear_k), first(a.v.tensor, w.v, w.clear_v);
  for (const Tensor t : {a.q.tensor, a.k.tensor, a.v.tensor}) written[count(t)] = 1;
  return w;
}

std::vector<Writers> find_writers(const Program& p, const Timeline& time, const std::vector<char>& has) {
  std::vector<Writers> all(p.plan.ops.size());
  std::vector<char> written(p.plan.tensors.size(), 0);
  written[count(p.plan.output)] = 1;
  const auto fresh = [&](Tensor t) {
    if (t == none || written[count(t)] != 0) return false;
    written[count(t)] = 1;
    return true;
  };
  for (auto op = time.order().rbegin(); op != time.order().rend(); ++op) {
    Writers& w = all[*op];
    if (has[count(nn::writes(p.plan.ops[*op]))] == 0) continue;
    if (const auto* c = std::get_if<nn::Conv>(&p.plan.ops[*op])) {  // in the order in which backward writes
      w.residual = fresh(c->residual), w.vector = fresh(c->vector), w.x = fresh(c->x), w.x2 = fresh(c->x2);
      w.modulation = fresh(c->norm.scale_shift);
    }
    if (const auto* a = std::get_if<nn::Attention>(&p.plan.ops[*op])) w = attention_writers(p, *a, written);
    if (const auto* s = std::get_if<nn::Sinusoid>(&p.plan.ops[*op])) w.x = fresh(s->t);
    if (const auto* r = std::get_if<nn::Resize>(&p.plan.ops[*op])) w.vector = fresh(r->divisor), w.x = fresh(r->x);
  }
  return all;
}

Scratch conv_scratch(const ConvLayout& f, Index chunk, bool training) {
  Scratch s;
  const Index P = f.vectors && f.method == Method::linear ? chunk : std::min(f.block_samples(), chunk) * f.rows;
  s.V = f.points * (f.operand_blocks() * P * lanes + lanes);
  if (f.method == Method::winograd || f.op.gain != 1) s.M = f.points * (f.out_blocks * P * lanes + lanes);
  s.plane = f.plane_size();
  Index longest = 0;
  for (const Span& span : f.spans) longest = std::max(longest, span.last - span.first);
  s.dz = training ? longest * f.x.positions() * lanes : 0;
  s.lanes = std::max({f.in_lanes(), f.out_blocks * lanes, 3 * lanes});
  s.groups = f.group_norm() ? 2 * f.op.norm.groups : 0;
  s.mask = f.op.dropout > 0 ? f.in_lanes() * f.x.positions() : 0;
  s.pointers = std::max(f.operand_blocks(), f.out_blocks);
  return s;
}

/// Each array is large enough for weights (queries x keys) or a head's channels at all positions.
Scratch attention_scratch(const Program& p, const nn::Attention& a) {
  const Index queries = padded(p.shape(a.y).positions()), keys = padded(p.shape(a.k.tensor).positions());
  const Index d = padded(p.shape(a.y).channels / a.heads);
  Scratch s;
  s.attention = std::max({queries * keys, queries * d, keys * d});
  s.pointers = std::max(blocks(queries), d / lanes);
  return s;
}

}  // namespace

void Scratch::cover(const Scratch& o) {
  for (Index Scratch::* m : {&Scratch::V, &Scratch::M, &Scratch::plane, &Scratch::dz, &Scratch::lanes, &Scratch::groups,
                             &Scratch::mask, &Scratch::attention, &Scratch::dU, &Scratch::pointers}) {
    this->*m = std::max(this->*m, o.*m);
  }
}

TapeLayout::TapeLayout(const Program& p, Index rows, Use use)
    : values(p.plan.tensors.size()),
      grads(values.size()),
      sums(values.size()),
      kept(p.plan.ops.size()),
      slopes(kept.size()),
      keeps(kept.size(), 0),
      moments(kept.size()),
      own_dU(kept.size(), -1) {
  const Timeline time(p);
  const bool training = use == Use::training;
  Layout layout;
  const auto chunk_of = [&](std::size_t op) { return p.chunk(p.stages[time.stage_of(op)], rows, use); };
  const auto place = [&](Shape s, Index samples, bool local, Lifetime life) {
    const Index b = blocks(s.channels), plane = s.positions() * lanes;
    Place q{layout.take(samples * b * plane, life), b * plane, plane, local};
    if (s.positions() == 1) q.sample = lanes, q.block = samples * lanes;  // vectors: rows of a matrix product
    return q;
  };
  const std::vector<char> has_grad = gradient_tensors(p, time);
  for (Tensor t = 0; t < static_cast<Tensor>(values.size()); ++t) {
    const bool local = time.local(t);
    const Index part = local ? chunk_of(time.writer(t)) : rows;
    const Shape s = p.shape(t);
    values[count(t)] = place(s, training ? rows : part, local && !training, training ? Lifetime{} : time.value(t));
    if (p.has_sums[count(t)] != 0) {
      const Index b = 3 * blocks(s.channels) * lanes;
      const bool here = local && !training;
      sums[count(t)] = {layout.take((here ? part : rows) * b, training ? Lifetime{} : time.value(t)), b, 3 * lanes,
                        here};
    }
    if (training && has_grad[count(t)] != 0) grads[count(t)] = place(s, part, local, time.grad(t));
  }
  std::map<std::pair<Tensor, nn::Activation>, std::size_t> keepers;
  for (const std::size_t op : time.order()) {
    const ConvLayout& f = p.convs[op];
    if (f.in.empty()) {
      if (const auto* a = std::get_if<nn::Attention>(&p.plan.ops[op])) sizes.cover(attention_scratch(p, *a));
      continue;
    }
    sizes.cover(conv_scratch(f, chunk_of(op), training));
    if (f.operand == Operand::kept) {
      const auto [it, fresh] = keepers.try_emplace({f.op.x, f.op.act}, op);
      keeps[op] = fresh;
      if (fresh) {
        kept[op] = place(f.x, rows, false, {});
        if (training) slopes[op] = place(f.x, rows, false, {});
      } else {
        kept[op] = kept[it->second], slopes[op] = slopes[it->second];
      }
    }
    if (!training) continue;
    if (f.operand == Operand::made) moments[op] = {layout.take(rows * 4 * f.in_lanes()), 4 * f.in_lanes(), 0, false};
    if (f.method != Method::winograd) continue;
    if (chunk_of(op) < rows) {
      own_dU[op] = layout.take(f.filter_size());
    } else {
      sizes.dU = std::max(sizes.dU, f.filter_size());
    }
  }
  if (training) writers = find_writers(p, time, has_grad);
  sizes.lanes = std::max(sizes.lanes, 3 * lanes);
  at.V = layout.take(sizes.V), at.M = layout.take(sizes.M);
  at.plane = layout.take(2 * sizes.plane), at.dz = layout.take(sizes.dz);
  at.lanes = layout.take(FastTape::lane_arrays * sizes.lanes);
  at.mask = layout.take(sizes.mask), at.dU = layout.take(sizes.dU);
  at.attention = layout.take(attention_arrays * sizes.attention);
  floats = layout.size();
}

FastTape::FastTape(const Program& p, Index rows, Use u)
    : program(p),
      capacity(rows),
      use(u),
      layout(p, rows, u),
      arena(layout.floats),
      pointers(count(layout.sizes.pointers)),
      targets(pointers.size()),
      groups(count(layout.sizes.groups)),
      needed(p.plan.tensors.size(), 0),
      begun(p.plan.ops.size(), 0),
      uniform(1, layout.sizes.mask) {}

}  // namespace scorefield::fast
