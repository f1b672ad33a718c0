#include <algorithm>

#include "operand.hpp"
#include "scorefield/base/check.hpp"

/// The two passes over a plan: stage by stage, chunk by chunk, operation by operation.
namespace scorefield::fast {
namespace {

void forward_op(const Pass& pass, std::size_t op, Index n0, Index n1) {
  const nn::Op& any = pass.program.plan.ops[op];
  if (std::holds_alternative<nn::Conv>(any)) forward(pass, pass.program.conv(op), n0, n1);
  if (const auto* a = std::get_if<nn::Attention>(&any)) forward(pass, *a, n0, n1);
  if (const auto* e = std::get_if<nn::Embedding>(&any)) forward(pass, *e, op, n0, n1);
  if (const auto* s = std::get_if<nn::Sinusoid>(&any)) forward(pass, *s, op, n0, n1);
  if (const auto* r = std::get_if<nn::Resize>(&any)) forward(pass, *r, n0, n1);
}

void backward_op(const Pass& pass, std::size_t op, Index n0, Index n1) {
  const nn::Op& any = pass.program.plan.ops[op];
  if (!pass.tape.needs(nn::writes(any))) return;
  const Writers& first = pass.tape.layout.writers[op];
  if (std::holds_alternative<nn::Conv>(any)) backward(pass, pass.program.conv(op), n0, n1);
  if (const auto* a = std::get_if<nn::Attention>(&any)) backward(pass, *a, first, n0, n1);
  if (const auto* e = std::get_if<nn::Embedding>(&any)) backward(pass, *e, op, n0, n1);
  if (const auto* s = std::get_if<nn::Sinusoid>(&any)) backward(pass, *s, op, first, n0, n1);
  if (const auto* r = std::get_if<nn::Resize>(&any)) backward(pass, *r, first, n0, n1);
}

void check_interrupt(const Pass& pass) {
  if (pass.in.interrupt != nullptr) pass.in.interrupt->check();
}

void check_inputs(const Program& p, const Inputs<float>& in, Index n, const FastTape& tape) {
  require(n <= tape.capacity, "the tape holds ", tape.capacity, " samples, got ", n);
  require(in.values.size() == p.plan.inputs.size(), "the network takes ", p.plan.inputs.size(), " inputs, got ",
          in.values.size());
  for (std::size_t i = 0; i < in.values.size(); ++i) {
    const Index size = p.shape(p.plan.inputs[i].tensor).size();
    require(in.values[i].rows() == n && in.values[i].cols() == size, "input ", p.plan.inputs[i].name,
            " must have shape (", n, ", ", size, "), got (", in.values[i].rows(), ", ", in.values[i].cols(), ")");
  }
}

/// The gradients that this backward needs: of tensors that parameters (if a row is wanted) or a wanted input reach.
void mark_needed(const Program& p, FastTape& tape, bool parameters, std::span<OutMap<float>> dinputs) {
  std::ranges::fill(tape.needed, 0);
  for (std::size_t i = 0; i < dinputs.size(); ++i) {
    if (dinputs[i].size() > 0) tape.needed[count(p.plan.inputs[i].tensor)] = 1;
  }
  for (const nn::Op& op : p.plan.ops) {
    const auto* wave = std::get_if<nn::Sinusoid>(&op);
    const bool learns = std::holds_alternative<nn::Conv>(op) || std::holds_alternative<nn::Embedding>(op) ||
                        (wave != nullptr && wave->frequencies.size > 0);
    bool needed = parameters && learns;
    for_sources(op, [&](Tensor t) { needed = needed || tape.needs(t); });
    tape.needed[count(nn::writes(op))] = needed;
  }
  for (std::size_t t = 0; t < tape.needed.size(); ++t)
    tape.needed[t] = tape.needed[t] != 0 && tape.layout.grads[t].exists();
}

/// f(chunk begin, chunk end) for n samples of a stage.
template <class F>
void for_chunks(const Program& p, FastTape& tape, const Stage& stage, Index n, F f) {
  const Index chunk = p.chunk(stage, tape.capacity, tape.use);  // what the places of the tape were made for
  for (Index n0 = 0; n0 < n; n0 += chunk) {
    tape.base = n0;
    f(n0, std::min(n, n0 + chunk));
  }
}

void ensure_lane_constants(FastTape& tape) { std::fill_n(tape.lane_array(kZeros), tape.layout.sizes.lanes, 0.f); }

/// The inputs, in blocks.
void take_inputs(const Pass& pass, Index n) {
  for (std::size_t i = 0; i < pass.in.values.size(); ++i) {
    const Tensor t = pass.program.plan.inputs[i].tensor;
    for (Index r = 0; r < n; ++r) {
      to_blocks(pass.shape(t), pass.in.values[i].row(r).data(), pass.tape.value(t, r), pass.tape.value_block(t));
    }
    sum_tensor(pass, t, 0, n);
  }
}

/// What Winograd's products have left to do for the filters' part of the row. Every filter has had a part in the
/// output: a plan has no unused tensor.
void finish_filters(const Pass& pass) {
  for (const ConvLayout& f : pass.program.convs) {
    if (f.in.empty()) continue;
    if (const Index own = pass.tape.layout.own_dU[f.index]; own >= 0) flush(pass, f, pass.tape.scratch(own));
  }
}

void give_dinputs(const Pass& pass, Index n, std::span<OutMap<float>> dinputs) {
  for (std::size_t i = 0; i < dinputs.size(); ++i) {
    const Tensor t = pass.program.plan.inputs[i].tensor;
    if (dinputs[i].size() == 0) continue;
    if (!pass.tape.needs(t)) dinputs[i].setZero();
    for (Index r = 0; pass.tape.needs(t) && r < n; ++r) {
      from_blocks(pass.shape(t), pass.tape.grad(t, r), pass.tape.grad_block(t), dinputs[i].row(r).data());
    }
  }
}

}  // namespace

void run_forward(const Pass& pass, Out<float> y) {
  const Program& p = pass.program;
  const Index n = y.rows();
  check_inputs(p, pass.in, n, pass.tape);
  ensure_lane_constants(pass.tape);
  pass.tape.base = 0;
  take_inputs(pass, n);
  for (const Stage& stage : p.stages) {
    for_chunks(p, pass.tape, stage, n, [&](Index n0, Index n1) {
      for (const std::size_t op : stage.ops) {
        check_interrupt(pass);
        forward_op(pass, op, n0, n1);
      }
    });
  }
  const Tensor out = p.plan.output;
  for (Index r = 0; r < n; ++r)
    from_blocks(p.shape(out), pass.tape.value(out, r), pass.tape.value_block(out), y.row(r).data());
}

void run_backward(const Pass& pass, In<float> dy, std::span<OutMap<float>> dinputs) {
  const Program& p = pass.program;
  FastTape& tape = pass.tape;
  const Index n = dy.rows();
  require(tape.training(), "backward needs a training tape");
  check_inputs(p, pass.in, n, tape);
  mark_needed(p, tape, pass.row != nullptr, dinputs);
  std::ranges::fill(tape.begun, 0);
  if (pass.row != nullptr) std::fill(pass.row + p.row_filters, pass.row + p.row_size, 0.f);
  tape.base = 0;
  const Tensor out = p.plan.output;
  for (Index r = 0; r < n; ++r) to_blocks(p.shape(out), dy.row(r).data(), tape.grad(out, r), tape.grad_block(out));
  for (auto stage = p.stages.rbegin(); stage != p.stages.rend(); ++stage) {
    for_chunks(p, tape, *stage, n, [&](Index n0, Index n1) {
      for (auto op = stage->ops.rbegin(); op != stage->ops.rend(); ++op) {
        check_interrupt(pass);
        backward_op(pass, *op, n0, n1);
      }
    });
  }
  if (pass.row != nullptr) finish_filters(pass);
  tape.base = 0;
  give_dinputs(pass, n, dinputs);
}

}  // namespace scorefield::fast
