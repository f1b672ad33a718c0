#include "operand.hpp"

#include <algorithm>
#include <cmath>

namespace scorefield::fast {
namespace {

/// Mean and 1 / sqrt(variance + eps) of each group, in double, from the lanes' sums around their centres:
///   mean_l = c + s / P,   P var = sum_l (q_l - s_l^2 / P) + P sum_l (mean_l - mean)^2   (Chan, Golub and LeVeque 1983;
///   all over the channels)
void fold_groups(const Pass& pass, const ConvLayout& f, Index n) {
  double* mean = pass.tape.groups.data();
  double* rstd = mean + f.op.norm.groups;
  std::fill_n(mean, 2 * f.op.norm.groups, 0.0);
  const double position = 1 / static_cast<double>(f.x.positions()),
               channel = static_cast<double>(f.x.positions()) * f.group_inverse;
  const auto each = [&](auto use) {
    const Index* group = f.group.data();
    for (const InputBlock& in : f.in) {
      const float* s = pass.tape.sums(in.tensor, n) + in.block * 3 * lanes;
      for (Index l = 0; l < in.valid; ++l) {
        const double sum = static_cast<double>(s[lanes + l]) * position;
        use(group[l], static_cast<double>(s[l]) + sum, static_cast<double>(s[2 * lanes + l]) * position - sum * sum);
      }
      group += lanes;
    }
  };
  each([&](Index g, double lane_mean, double) { mean[g] += lane_mean * channel; });
  each([&](Index g, double lane_mean, double spread) {
    const double apart = lane_mean - mean[g];
    rstd[g] += (spread + apart * apart) * channel;
  });
  for (Index g = 0; g < f.op.norm.groups; ++g) rstd[g] = 1 / std::sqrt((rstd[g] < 0 ? 0 : rstd[g]) + f.op.norm.eps);
}

/// FiLM (Perez et al. 2018): normalised (1 + scale) + shift.
void modulate(const Pass& pass, const ConvLayout& f, Index n, const Moments& m) {
  const Tensor t = f.op.norm.scale_shift;
  const float* v = pass.tape.value(t, n);
  const Index block = pass.tape.value_block(t);
  const auto at = [&](Index channel) { return v[channel / lanes * block + channel % lanes]; };
  for (Index b = 0; b < f.in_blocks(); ++b) {
    const InputBlock& in = f.in[count(b)];
    for (Index l = 0; l < in.valid; ++l) {
      const Index i = b * lanes + l;
      const float factor = 1 + at(in.channel + l);
      m.scale[i] *= factor;
      m.shift[i] = m.shift[i] * factor + at(f.channels + in.channel + l);
    }
  }
}

}  // namespace

Moments moments_place(const Pass& pass, const ConvLayout& f, Index n) {
  const Place& p = pass.tape.layout.moments[f.index];
  if (!p.exists())
    return {pass.tape.lane_array(kMean), pass.tape.lane_array(kScale), pass.tape.lane_array(kShift),
            pass.tape.lane_array(kRstd)};
  float* m = pass.tape.at(p, n);
  return {m, m + f.in_lanes(), m + 2 * f.in_lanes(), m + 3 * f.in_lanes()};
}

void fold(const Pass& pass, const ConvLayout& f, Index n, const Moments& m) {
  const FastWeights::Conv& w = pass.weights.convs[f.index];
  if (f.group_norm()) fold_groups(pass, f, n);
  const double* mean = pass.tape.groups.data();
  const double* rstd = mean + f.op.norm.groups;
  for (Index i = 0; i < f.in_lanes(); ++i) {
    const Index g = f.group_norm() ? f.group[count(i)] : -1;
    const bool real = i % lanes < f.in[count(i / lanes)].valid;
    m.mean[i] = g < 0 ? 0 : static_cast<float>(mean[g]);
    m.rstd[i] = g < 0 ? 1 : static_cast<float>(rstd[g]);
    m.scale[i] = g < 0 ? (real ? 1.f : 0.f) : static_cast<float>(static_cast<double>(w.gamma[i]) * rstd[g]);
    m.shift[i] = g < 0 ? 0 : w.beta[i];
  }
  if (f.modulated()) modulate(pass, f, n, m);
}

const float* dropout_mask(const Pass& pass, const ConvLayout& f, Index n) {
  if (f.op.dropout == 0 || !pass.in.dropout) return nullptr;
  const Noise noise = pass.in.dropout->at_sample(pass.in.dropout->first() + n);
  const Index positions = f.x.positions();
  auto u = pass.tape.uniform.leftCols(positions * f.channels);
  noise.uniform(u, static_cast<std::uint32_t>(f.index));
  float* mask = pass.tape.scratch(pass.tape.layout.at.mask);
  const float keep = static_cast<float>(1 / (1 - f.op.dropout));
  for (Index b = 0; b < f.in_blocks(); ++b) {
    const InputBlock& in = f.in[count(b)];
    for (Index p = 0; p < positions; ++p) {
      float* to = mask + (b * positions + p) * lanes;
      for (Index l = 0; l < lanes; ++l) {
        to[l] = l < in.valid && !(u(0, p * f.channels + in.channel + l) < f.op.dropout) ? keep : 0;
      }
    }
  }
  return mask;
}

void make_block(const Pass& pass, const ConvLayout& f, Index n, Index b, const Moments& m, const float* mask,
                float* out, Index stride) {
  const InputBlock& in = f.in[count(b)];
  const float* x = pass.tape.value(in.tensor, n) + in.block * pass.tape.value_block(in.tensor);
  pass.k.prologue(x, {narrow(f.x.height), narrow(f.x.width)}, m.mean + b * lanes, m.scale + b * lanes,
                  m.shift + b * lanes, f.act(), mask == nullptr ? nullptr : mask + b * f.x.positions() * lanes,
                  f.resize(), {narrow(f.mid.height), narrow(f.mid.width)}, out, count(stride));
}

namespace {

kernels::Blocks source_operand(const Pass& pass, const ConvLayout& f, Index n) {
  for (Index b = 0; b < f.in_blocks(); ++b) {
    const InputBlock& in = f.in[count(b)];
    pass.tape.pointers[count(b)] = pass.tape.value(in.tensor, n) + in.block * pass.tape.value_block(in.tensor);
  }
  return {pass.tape.pointers.data(), 0, narrow(f.in_blocks()), f.operand_quarters.data()};
}

/// act(x) for rows n .. n + samples - 1, made by the first operation that reads it so, and kept.
kernels::Blocks kept_operand(const Pass& pass, const ConvLayout& f, Index n) {
  const Place& kept = pass.tape.layout.kept[f.index];
  for (Index b = 0; b < f.in_blocks(); ++b) pass.tape.pointers[count(b)] = pass.tape.at(kept, n) + b * kept.block;
  return {pass.tape.pointers.data(), 0, narrow(f.in_blocks()), f.operand_quarters.data()};
}

void layer_norm_operand(const Pass& pass, const ConvLayout& f, Index n, float* V, Index V_block) {
  const kernels::Blocks x = source_operand(pass, f, n);
  const FastWeights::Conv& w = pass.weights.convs[f.index];
  pass.k.layer_norm(x.block, x.count, narrow(f.rows), narrow(f.channels), w.gamma, w.beta,
                    static_cast<float>(f.op.norm.eps), f.act(), V, count(V_block));
}

/// One sample's part of V, which begins at row `first`.
void make_sample(const Pass& pass, const ConvLayout& f, Index n, const Extent& e, Index first) {
  float* V = pass.tape.scratch(pass.tape.layout.at.V) + first * lanes;
  if (f.layer_norm()) {
    layer_norm_operand(pass, f, n, V, e.V_block);
    return;
  }
  const Moments m = moments_place(pass, f, n);
  if (!pass.tape.layout.moments[f.index].exists()) fold(pass, f, n, m);
  const float* mask = dropout_mask(pass, f, n);
  float* plane = pass.tape.scratch(pass.tape.layout.at.plane);
  float* inside = plane + f.pad * f.plane_stride() + f.pad_across * lanes;
  for (Index b = 0; b < f.in_blocks(); ++b) {
    if (f.method == Method::linear) {
      make_block(pass, f, n, b, m, mask, V + b * e.V_block, f.mid.width * lanes);
      continue;
    }
    make_block(pass, f, n, b, m, mask, inside, f.plane_stride());
    if (f.method == Method::winograd) {
      pass.k.winograd_input(plane, count(f.plane_stride()), f.tiles, V + b * e.V_block, count(e.V_xs));
    } else {
      pass.k.gather(plane, count(f.plane_stride()), f.window, V + b * f.taps * e.V_block, count(e.V_block));
    }
  }
}

}  // namespace

kernels::Blocks operand(const Pass& pass, const ConvLayout& f, Index n, Index samples) {
  if (f.operand == Operand::source) return source_operand(pass, f, n);
  if (f.operand == Operand::kept) return kept_operand(pass, f, n);
  const Extent e(f, samples);
  if (f.method != Method::linear) std::fill_n(pass.tape.scratch(pass.tape.layout.at.plane), f.plane_size(), 0.f);
  for (Index i = 0; i < samples; ++i) make_sample(pass, f, n + i, e, i * f.rows);
  for (Index b = 0; b < f.operand_blocks(); ++b)
    pass.tape.pointers[count(b)] = pass.tape.scratch(pass.tape.layout.at.V) + b * e.V_block;
  return {pass.tape.pointers.data(), count(f.points > 1 ? e.V_xs : 0), narrow(f.operand_blocks()),
          f.operand_quarters.data()};
}

}  // namespace scorefield::fast
