#include <algorithm>

#include "pass.hpp"
#include "scorefield/nn/embedding.hpp"
#include "scorefield/nn/sinusoid.hpp"

/// Embedding, Sinusoid, Resize, and the copies between rows and blocks at the border.
namespace scorefield::fast {
namespace {

alignas(64) constexpr float no_shift[lanes] = {};
alignas(64) constexpr float no_scale[lanes] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

Size size(const Shape& s) { return {narrow(s.height), narrow(s.width)}; }

/// f(position, row of the table or -1) for each position of sample n.
template <class F>
void for_ids(const Pass& pass, const nn::Embedding& e, Index n, F f) {
  const Shape s = pass.shape(e.y);
  const Index rows = e.table.size / s.channels;
  const float* ids = pass.tape.value(e.ids, n);
  for (Index p = 0; p < s.positions(); ++p) f(p, nn::row_of(ids[p * lanes], rows));
}

}  // namespace

// y_p = table[ids_p] + position_p
void forward(const Pass& pass, const nn::Embedding& e, std::size_t op, Index n0, Index n1) {
  const Index width = padded(pass.shape(e.y).channels), block = pass.tape.value_block(e.y);
  const float* table = pass.weights.tables[op].data();
  const float* position = e.position.size > 0 ? pass.weights.positions[op].data() : nullptr;
  for (Index n = n0; n < n1; ++n) {
    float* y = pass.tape.value(e.y, n);
    for_ids(pass, e, n, [&](Index p, Index id) {
      for (Index c = 0; c < width; ++c) {
        y[c / lanes * block + p * lanes + c % lanes] =
            (id < 0 ? 0 : table[id * width + c]) + (position == nullptr ? 0 : position[p * width + c]);
      }
    });
  }
  sum_tensor(pass, e.y, n0, n1);
}

// dtable[ids_p] += dy_p,  dposition_p += dy_p
void backward(const Pass& pass, const nn::Embedding& e, std::size_t op, Index n0, Index n1) {
  if (pass.row == nullptr) return;
  const Index channels = pass.shape(e.y).channels, block = pass.tape.grad_block(e.y);
  float* dtable = pass.row + pass.program.slices[op].table;
  float* dposition = e.position.size > 0 ? pass.row + pass.program.slices[op].position : nullptr;
  for (Index n = n0; n < n1; ++n) {
    const float* dy = pass.tape.grad(e.y, n);
    for_ids(pass, e, n, [&](Index p, Index id) {
      for (Index c = 0; c < channels; ++c) {
        const float d = dy[c / lanes * block + p * lanes + c % lanes];
        if (id >= 0) dtable[id * channels + c] += d;
        if (dposition != nullptr) dposition[p * channels + c] += d;
      }
    });
  }
}

namespace {

/// sin and cos of 2 pi turns_k u for a few k at a time, and where they go; u is t or ln t.
class Waves {
 public:
  Waves(const Pass& pass, const nn::Sinusoid& s, std::size_t op)
      : k_(pass.k),
        turns_(pass.weights.turns[op].data()),
        half_(pass.shape(s.y).channels / 2),
        sines_(s.cos_first ? half_ : 0),
        cosines_(s.cos_first ? 0 : half_) {}
  Index half() const { return half_; }
  Index sine_channel(Index k) const { return sines_ + k; }
  Index cosine_channel(Index k) const { return cosines_ + k; }
  double turns(Index k) const { return turns_[k]; }

  /// All waves of one time into whole blocks of y, if half of its channels are whole blocks.
  void blocks_at(double u, float* y, Index block) const {
    alignas(64) double angle[lanes];
    for (Index first = 0; first < half_; first += lanes) {
      for (Index l = 0; l < lanes; ++l) angle[l] = turns_[first + l] * u;
      k_.sincos(angle, lanes, y + (sines_ + first) / lanes * block, y + (cosines_ + first) / lanes * block);
    }
  }

  /// The same for a sample whose neighbour has the same time: all of a batch, while it is sampled.
  void copy_blocks(const float* from, float* y, Index block) const {
    for (Index first = 0; first < 2 * half_; first += lanes, from += block, y += block) std::copy_n(from, lanes, y);
  }

  /// f(k, sin, cos) for every k.
  template <class F>
  void at(double u, F f) const {
    alignas(64) double angle[lanes];
    alignas(64) float sine[lanes], cosine[lanes];
    for (Index first = 0; first < half_; first += lanes) {
      for (Index l = 0; l < lanes; ++l) angle[l] = turns_[first + l] * u;
      k_.sincos(angle, lanes, sine, cosine);
      for (Index l = 0; l < std::min(lanes, half_ - first); ++l) f(first + l, sine[l], cosine[l]);
    }
  }

 private:
  const kernels::Table& k_;
  const double* turns_;
  Index half_, sines_, cosines_;
};

}  // namespace

// y = [sin(w t), cos(w t)]
void forward(const Pass& pass, const nn::Sinusoid& s, std::size_t op, Index n0, Index n1) {
  const Waves waves(pass, s, op);
  const Index channels = pass.shape(s.y).channels, block = pass.tape.value_block(s.y);
  for (Index n = n0; n < n1; ++n) {
    float* y = pass.tape.value(s.y, n);
    const float t = pass.tape.value(s.t, n)[0];
    if (waves.half() % lanes == 0) {
      if (n > n0 && t == pass.tape.value(s.t, n - 1)[0])
        waves.copy_blocks(pass.tape.value(s.y, n - 1), y, block);
      else
        waves.blocks_at(nn::phase(s, static_cast<double>(t)), y, block);
      continue;
    }
    const auto to = [&](Index c) -> float& { return y[c / lanes * block + c % lanes]; };
    for (Index c = 2 * waves.half(); c < padded(channels); ++c) to(c) = 0;
    waves.at(nn::phase(s, static_cast<double>(t)), [&](Index k, float sine, float cosine) {
      to(waves.sine_channel(k)) = sine, to(waves.cosine_channel(k)) = cosine;
    });
  }
  sum_tensor(pass, s.y, n0, n1);
}

// With a_k = dy_sin cos(w u) - dy_cos sin(w u):  du = sum_k w_k a_k,  dfrequency_k += 2 pi u a_k
void backward(const Pass& pass, const nn::Sinusoid& s, std::size_t op, const Writers& first, Index n0, Index n1) {
  constexpr double two_pi = 6.283185307179586;
  const Waves waves(pass, s, op);
  const Index block = pass.tape.grad_block(s.y);
  float* learned =
      pass.row != nullptr && s.frequencies.size > 0 ? pass.row + pass.program.slices[op].frequencies : nullptr;
  if (learned == nullptr && !pass.tape.needs(s.t)) return;
  for (Index n = n0; n < n1; ++n) {
    const float* dy = pass.tape.grad(s.y, n);
    const double t = static_cast<double>(pass.tape.value(s.t, n)[0]), u = nn::phase(s, t);
    double du = 0;
    waves.at(u, [&](Index k, float sine, float cosine) {
      const auto d = [&](Index c) { return static_cast<double>(dy[c / lanes * block + c % lanes]); };
      const double a = d(waves.sine_channel(k)) * static_cast<double>(cosine) -
                       d(waves.cosine_channel(k)) * static_cast<double>(sine);
      du += two_pi * waves.turns(k) * a;
      if (learned != nullptr) learned[k] += static_cast<float>(two_pi * u * a);
    });
    if (!pass.tape.needs(s.t)) continue;
    float& to = pass.tape.grad(s.t, n)[0];
    to = (first.x ? 0 : to) + static_cast<float>(s.of_log ? du / t : du);
  }
}

namespace {

float divisor(const Pass& pass, const nn::Resize& r, Index n) {
  return r.divisor == none ? 1 : pass.tape.value(r.divisor, n)[0];
}

/// dy := factor dy / divisor,  ddivisor = -<dy, y> / divisor
void unscale(const Pass& pass, const nn::Resize& r, const Writers& first, Index n) {
  const Shape s = pass.shape(r.y);
  const float by = divisor(pass, r, n), gain = static_cast<float>(r.factor) / by;
  double product = 0;
  for (Index b = 0; b < blocks(s.channels); ++b) {
    const float* y = pass.tape.value(r.y, n) + b * pass.tape.value_block(r.y);
    float* dy = pass.tape.grad(r.y, n) + b * pass.tape.grad_block(r.y);
    for (Index i = 0; i < s.positions() * lanes; ++i) {
      product += static_cast<double>(dy[i]) * static_cast<double>(y[i]);
      dy[i] *= gain;
    }
  }
  if (!pass.tape.needs(r.divisor)) return;
  float& to = pass.tape.grad(r.divisor, n)[0];
  to = (first.vector ? 0 : to) - static_cast<float>(product / static_cast<double>(by));
}

}  // namespace

// y = (factor resample(x) + offset) / divisor
void forward(const Pass& pass, const nn::Resize& r, Index n0, Index n1) {
  const Shape from = pass.shape(r.x), to = pass.shape(r.y);
  alignas(64) float scale[lanes], shift[lanes];
  for (Index n = n0; n < n1; ++n) {
    const float by = divisor(pass, r, n);
    std::fill_n(scale, lanes, static_cast<float>(r.factor) / by);
    for (Index b = 0; b < blocks(from.channels); ++b) {
      for (Index l = 0; l < lanes; ++l)
        shift[l] = b * lanes + l < from.channels ? static_cast<float>(r.offset) / by : 0;
      pass.k.prologue(pass.tape.value(r.x, n) + b * pass.tape.value_block(r.x), size(from), no_shift, scale, shift,
                      Act::identity, nullptr, static_cast<kernels::Resize>(r.resample), size(to),
                      pass.tape.value(r.y, n) + b * pass.tape.value_block(r.y), count(to.width * lanes));
    }
  }
  sum_tensor(pass, r.y, n0, n1);
}

void backward(const Pass& pass, const nn::Resize& r, const Writers& first, Index n0, Index n1) {
  for (Index n = n0; r.rescales() && n < n1; ++n) unscale(pass, r, first, n);
  if (!pass.tape.needs(r.x)) return;
  const Shape from = pass.shape(r.x), to = pass.shape(r.y);
  alignas(64) float ignored[2 * lanes];
  for (Index n = n0; n < n1; ++n) {
    for (Index b = 0; b < blocks(from.channels); ++b) {
      pass.k.prologue_backward(pass.tape.value(r.x, n) + b * pass.tape.value_block(r.x), size(from), no_shift, no_scale,
                               no_shift, no_scale, Act::identity, nullptr, static_cast<kernels::Resize>(r.resample),
                               size(to), pass.tape.grad(r.y, n) + b * pass.tape.grad_block(r.y),
                               count(to.width * lanes), !first.x,
                               pass.tape.grad(r.x, n) + b * pass.tape.grad_block(r.x), ignored, ignored + lanes);
    }
  }
}

void to_blocks(const Shape& s, const float* nhwc, float* to, Index block) {
  for (Index b = 0; b < blocks(s.channels); ++b) {
    const Index valid = std::min(lanes, s.channels - b * lanes);
    for (Index p = 0; p < s.positions(); ++p) {
      const float* x = nhwc + p * s.channels + b * lanes;
      float* y = to + b * block + p * lanes;
      for (Index l = 0; l < lanes; ++l) y[l] = l < valid ? x[l] : 0;
    }
  }
}

void from_blocks(const Shape& s, const float* from, Index block, float* nhwc) {
  for (Index b = 0; b < blocks(s.channels); ++b) {
    const Index valid = std::min(lanes, s.channels - b * lanes);
    for (Index p = 0; p < s.positions(); ++p)
      std::copy_n(from + b * block + p * lanes, valid, nhwc + p * s.channels + b * lanes);
  }
}

}  // namespace scorefield::fast
