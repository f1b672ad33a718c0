#include "weights.hpp"

#include <algorithm>
#include <cmath>

#include "scorefield/base/parallel.hpp"

namespace scorefield::fast {
namespace {

class Loader {
 public:
  Loader(const float* theta, FastWeights& weights) : theta_(theta), w_(weights), k_(kernels::table()) {}

  void conv(const ConvLayout& f) {
    const FastWeights::Conv& c = w_.convs[f.index];
    std::copy_n(theta_ + f.op.bias.begin, f.y.channels, c.bias);
    if (f.op.norm.kind != nn::Norm::Kind::none) {
      for (Index b = 0; b < f.in_blocks(); ++b) {
        const InputBlock& in = f.in[count(b)];
        std::copy_n(f.op.norm.gamma.of(theta_) + in.channel, in.valid, c.gamma + b * lanes);
        std::copy_n(f.op.norm.beta.of(theta_) + in.channel, in.valid, c.beta + b * lanes);
      }
    }
    for (Index kb = 0; kb < f.out_blocks; ++kb) {
      for (Index b = 0; b < f.in_blocks(); ++b) filters(f, c, b, kb);
    }
  }

 private:
  /// One pair of blocks: theta's (out, in, tap) -> [lane][tap][16 outputs] and [output][tap][16 lanes].
  void filters(const ConvLayout& f, const FastWeights::Conv& c, Index b, Index kb) {
    const InputBlock& in = f.in[count(b)];
    const Index taps = f.method == Method::winograd ? 9 : f.taps, outputs = std::min(lanes, f.y.channels - kb * lanes);
    const float* g = theta_ + f.op.weight.begin + (kb * lanes * f.channels + in.channel) * taps;
    if (taps == 1) return pointwise(f, c, b, kb, g);
    by_lane_.resize(count(lanes * taps * lanes));
    by_output_.resize(by_lane_.size());
    std::fill(by_lane_.begin() + in.valid * taps * lanes, by_lane_.end(), 0.f);
    k_.pack(g, count(f.channels * taps), narrow(outputs), narrow(in.valid * taps), by_lane_.data());
    k_.transpose_pairs(by_lane_.data(), narrow(taps), by_output_.data());
    if (f.method == Method::winograd) {
      k_.winograd_filter(by_lane_.data(), c.U + (kb * f.in_lanes() + b * lanes) * lanes, count(f.filter_xs()));
      k_.winograd_filter(by_output_.data(), c.U_transposed + (b * f.out_blocks + kb) * lanes * lanes,
                         count(f.filter_xs()));
      return;
    }
    for (Index t = 0; t < taps; ++t) {
      float* U = c.U + (kb * f.operand_blocks() + b * taps + t) * lanes * lanes;
      float* T = c.U_transposed + ((b * taps + t) * f.out_blocks + kb) * lanes * lanes;
      for (Index i = 0; i < lanes; ++i) {
        std::copy_n(by_lane_.data() + (i * taps + t) * lanes, lanes, U + i * lanes);
        std::copy_n(by_output_.data() + (i * taps + t) * lanes, lanes, T + i * lanes);
      }
    }
  }

  /// One tap: the blocks lie as the products read them.
  void pointwise(const ConvLayout& f, const FastWeights::Conv& c, Index b, Index kb, const float* g) {
    const InputBlock& in = f.in[count(b)];
    float* U = c.U + (kb * f.operand_blocks() + b) * lanes * lanes;
    float* T = c.U_transposed + (b * f.out_blocks + kb) * lanes * lanes;
    std::fill(U + in.valid * lanes, U + lanes * lanes, 0.f);
    k_.pack(g, count(f.channels), narrow(std::min(lanes, f.y.channels - kb * lanes)), narrow(in.valid), U);
    k_.transpose_pairs(U, 1, T);
  }

  const float* theta_;
  FastWeights& w_;
  const kernels::Table& k_;
  std::vector<float> by_lane_, by_output_;
};

void load_embedding(const Program& p, const nn::Embedding& e, const float* theta, std::vector<float>& table,
                    std::vector<float>& position) {
  const Index channels = p.shape(e.y).channels, width = padded(channels);
  for (Index r = 0; r < e.table.size / channels; ++r)
    std::copy_n(e.table.of(theta) + r * channels, channels, table.data() + r * width);
  for (Index r = 0; r < e.position.size / channels; ++r)
    std::copy_n(e.position.of(theta) + r * channels, channels, position.data() + r * width);
}

/// Turns per unit of time: max_period^(-k / (half - shift)) / (2 pi), or the learned frequencies.
void load_sinusoid(const Program& p, const nn::Sinusoid& s, const float* theta, std::vector<double>& turns) {
  const Index half = p.shape(s.y).channels / 2;
  for (Index k = 0; k < half; ++k) {
    const double exponent = -static_cast<double>(k) / (static_cast<double>(half) - s.shift);
    turns[count(k)] = s.frequencies.size > 0 ? static_cast<double>(s.frequencies.of(theta)[k])
                                             : std::pow(s.max_period, exponent) / 6.283185307179586;
  }
}

}  // namespace

FastWeights::FastWeights(const Program& p)
    : convs(p.plan.ops.size()), tables(p.plan.ops.size()), positions(p.plan.ops.size()), turns(p.plan.ops.size()) {
  Layout layout;
  std::vector<Index> begin(p.plan.ops.size());
  const auto affine = [](const ConvLayout& f) { return f.op.norm.kind == nn::Norm::Kind::none ? 0 : f.in_lanes(); };
  for (const ConvLayout& f : p.convs) {
    if (!f.in.empty()) begin[f.index] = layout.take(2 * f.filter_size() + f.out_blocks * lanes + 2 * affine(f));
  }
  memory = Floats(layout.size());
  for (const ConvLayout& f : p.convs) {
    if (f.in.empty()) continue;
    Conv& c = convs[f.index];
    c.U = memory.data() + begin[f.index];
    c.U_transposed = c.U + f.filter_size();
    c.bias = c.U_transposed + f.filter_size();
    c.gamma = c.bias + f.out_blocks * lanes;
    c.beta = c.gamma + affine(f);
  }
  for (std::size_t i = 0; i < p.plan.ops.size(); ++i) {
    if (const auto* e = std::get_if<nn::Embedding>(&p.plan.ops[i])) {
      const Index channels = p.shape(e->y).channels;
      tables[i].assign(count(e->table.size / channels * padded(channels)), 0);
      positions[i].assign(count(e->position.size / channels * padded(channels)), 0);
    }
    if (const auto* s = std::get_if<nn::Sinusoid>(&p.plan.ops[i]))
      turns[i].assign(count(padded(p.shape(s->y).channels / 2)), 0);
  }
}

void FastWeights::load(const Program& p, const float* theta) {
  parallel_for(static_cast<Index>(p.plan.ops.size()), [&](Index i, Index) {
    const std::size_t op = count(i);
    if (!p.convs[op].in.empty()) Loader(theta, *this).conv(p.convs[op]);
    if (const auto* e = std::get_if<nn::Embedding>(&p.plan.ops[op]))
      load_embedding(p, *e, theta, tables[op], positions[op]);
    if (const auto* s = std::get_if<nn::Sinusoid>(&p.plan.ops[op])) load_sinusoid(p, *s, theta, turns[op]);
  });
}

namespace {

class Collector {
 public:
  Collector(const Program& program, const float* row, float* dtheta)
      : p_(program), row_(row), dtheta_(dtheta), k_(kernels::table()) {}

  void conv(const ConvLayout& f) const {
    const Index taps = f.method == Method::winograd ? 9 : f.taps;
    float* dw = dtheta_ + f.op.weight.begin;
    for (Index kb = 0; kb < f.out_blocks; ++kb) {
      const Index outputs = std::min(lanes, f.y.channels - kb * lanes);
      for (Index b = 0; b < f.in_blocks(); ++b) {
        const InputBlock& in = f.in[count(b)];
        float* to = dw + (kb * lanes * f.channels + in.channel) * taps;
        const float* from = row_ + f.row_filter + (kb * f.in_blocks() + b) * lanes * taps * lanes;
        if (f.method != Method::gathered) {  // [lane][tap][16]
          k_.unpack(from, count(f.channels * taps), narrow(outputs), narrow(in.valid * taps), to);
          continue;
        }
        for (Index o = 0; o < outputs; ++o) {  // [tap][lane][16]
          for (Index lane = 0; lane < in.valid; ++lane) {
            for (Index t = 0; t < taps; ++t)
              to[(o * f.channels + lane) * taps + t] = from[(t * lanes + lane) * lanes + o];
          }
        }
      }
    }
    std::copy_n(row_ + f.row_bias, f.y.channels, dtheta_ + f.op.bias.begin);
    if (f.op.norm.kind == nn::Norm::Kind::none) return;
    for (Index b = 0; b < f.in_blocks(); ++b) {
      const InputBlock& in = f.in[count(b)];
      std::copy_n(row_ + f.row_gamma + b * lanes, in.valid, f.op.norm.gamma.of(dtheta_) + in.channel);
      std::copy_n(row_ + f.row_beta + b * lanes, in.valid, f.op.norm.beta.of(dtheta_) + in.channel);
    }
  }
  void slice(Index from, const nn::Slice& s) const { std::copy_n(row_ + from, s.size, dtheta_ + s.begin); }

 private:
  const Program& p_;
  const float* row_;
  float* dtheta_;
  const kernels::Table& k_;
};

}  // namespace

void collect(const Program& p, const float* row, float* dtheta) {
  const Collector to(p, row, dtheta);
  parallel_for(static_cast<Index>(p.plan.ops.size()), [&](Index i, Index) {
    const std::size_t op = count(i);
    if (!p.convs[op].in.empty()) to.conv(p.convs[op]);
    if (p.slices[op].shared) return;
    if (const auto* e = std::get_if<nn::Embedding>(&p.plan.ops[op]))
      to.slice(p.slices[op].table, e->table), to.slice(p.slices[op].position, e->position);
    if (const auto* s = std::get_if<nn::Sinusoid>(&p.plan.ops[op])) to.slice(p.slices[op].frequencies, s->frequencies);
  });
}

}  // namespace scorefield::fast
