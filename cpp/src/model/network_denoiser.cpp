#include "scorefield/model/network_denoiser.hpp"

#include <algorithm>
#include <utility>

#include "network_rows.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/process/precondition.hpp"

namespace scorefield {

NetworkDenoiser::NetworkDenoiser(std::shared_ptr<const Inference> inference, std::shared_ptr<const Schedule> schedule,
                                 Prediction prediction, const Conditions& conditions, Index start, Poll poll,
                                 Index variance_channels)
    : inference_(std::move(inference)),
      schedule_(std::move(schedule)),
      prediction_(prediction),
      conditions_(inference_->plan(), conditions, start),
      dimension_(NetworkInputs(inference_->plan(), 1).x().cols()),
      variance_channels_(variance_channels),
      poll_(std::move(poll)) {
  require(prediction != Prediction::energy, "an energy network needs its derivative in x: it is not a NetworkDenoiser");
  require_serves(prediction, *schedule_);
  const Index out = inference_->plan().shape(inference_->plan().output).size();
  require(out == (variance_channels > 0 ? 2 : 1) * dimension_,
          "a denoiser's network must put out the shape of x, with learned variance twice its channels: it takes ",
          dimension_, " numbers and puts out ", out);
  require(variance_channels >= 0 && (variance_channels == 0 || dimension_ % variance_channels == 0),
          "variance_channels must be those of x, got ", variance_channels);
}

void NetworkDenoiser::denoise(In<double> x, Levels t, Index first, Out<double> x0) const {
  check_rows(x, t, first);
  apply(x, maps(t, &NetworkDenoiser::denoise_map), first, x0);
}

void NetworkDenoiser::denoise_with_variance(In<double> x, Levels t, Index first, Out<double> x0,
                                            Out<double> share) const {
  if (variance_channels_ == 0) return Denoiser::denoise_with_variance(x, t, first, x0, share);
  check_rows(x, t, first);
  Matrix<double> second(x.rows(), dimension_);
  apply(x, maps(t, &NetworkDenoiser::denoise_map), first, x0, &second);
  share = ((second.array() + 1) / 2).matrix();  // theory 2
}

void NetworkDenoiser::score(In<double> x, Levels t, Index first, Out<double> s) const {
  if (prediction_ != Prediction::score) return Denoiser::score(x, t, first, s);
  check_rows(x, t, first);
  apply(x, maps(t, &NetworkDenoiser::score_map), first, s);
}

void NetworkDenoiser::pullbacks(In<double> x, Levels t, Index first, In<double> dx0, Out<double> x0,
                                Out<double> dx) const {
  check_rows(x, t, first);
  const std::vector<Map> map = maps(t, &NetworkDenoiser::denoise_map);
  const Interrupt interrupt(poll_);
  const auto one_part = [&](Index begin, Index rows, Inference::Workspace& work) {
    Inputs<float> inputs = fill(work.inputs, x, map, first + begin, begin, rows);
    inputs.interrupt = &interrupt;
    auto y = work.y.topRows(rows);
    inference_->engine().forward(inference_->weights(), inputs, *work.tape, y);
    for (Index r = 0; r < rows; ++r) {
      const Map& m = at(map, begin + r);
      x0.row(begin + r) = m.a * x.row(begin + r) + m.b * part(y.row(r), 0);
    }
    Matrix<float> dy = Matrix<float>::Zero(rows, y.cols()), dinput(rows, dimension_);
    std::vector<OutMap<float>> dinputs = only_x(inference_->plan(), dinput);
    for (Index column = 0; column < dx0.cols(); column += dimension_) {
      for (Index r = 0; r < rows; ++r) {
        const double b = at(map, begin + r).b;
        for (Index e = 0; e < dimension_; ++e) dy(r, place(e, 0)) = static_cast<float>(b * dx0(begin + r, column + e));
      }
      inference_->engine().backward(inference_->weights(), inputs, *work.tape, dy, nullptr, dinputs);
      for (Index r = 0; r < rows; ++r) {
        const Map& m = at(map, begin + r);
        dx.row(begin + r).segment(column, dimension_) =
            m.a * dx0.row(begin + r).segment(column, dimension_) + m.c_in * dinput.row(r).cast<double>();
      }
    }
  };
  inference_->for_parts(x.rows(), Inference::Use::training, one_part, &interrupt);
}

void NetworkDenoiser::apply(In<double> x, const std::vector<Map>& map, Index first, Out<double> answer,
                            Matrix<double>* second) const {
  const Interrupt interrupt(poll_);
  const auto one_part = [&](Index begin, Index rows, Inference::Workspace& work) {
    Inputs<float> inputs = fill(work.inputs, x, map, first + begin, begin, rows);
    inputs.interrupt = &interrupt;
    auto y = work.y.topRows(rows);
    inference_->engine().forward(inference_->weights(), inputs, *work.tape, y);
    for (Index r = 0; r < rows; ++r) {
      const Map& m = at(map, begin + r);
      if (variance_channels_ == 0) {
        answer.row(begin + r) = m.a * x.row(begin + r) + m.b * y.row(r).cast<double>();
        continue;
      }
      answer.row(begin + r) = m.a * x.row(begin + r) + m.b * part(y.row(r), 0);
      if (second) second->row(begin + r) = part(y.row(r), 1);
    }
  };
  inference_->for_parts(x.rows(), Inference::Use::inference, one_part, &interrupt);
}

Inputs<float> NetworkDenoiser::fill(NetworkInputs& inputs, In<double> x, const std::vector<Map>& map, Index global,
                                    Index begin, Index rows) const {
  for (Index r = 0; r < rows; ++r) {
    const Map& m = at(map, begin + r);
    inputs.x().row(r) = (m.c_in * x.row(begin + r)).cast<float>();
    inputs.set_time(r, m.c_noise);
    conditions_.set(inputs, r, global + r);
  }
  return inputs.first(rows);
}

/// Where number e of the prediction (half 0) or of the share (half 1) stands in a row of the output: halves of
/// channels.
Index NetworkDenoiser::place(Index e, Index half) const {
  const Index C = variance_channels_;
  return C == 0 ? e : e / C * 2 * C + half * C + e % C;
}

RowVector<double> NetworkDenoiser::part(In<float> y, Index half) const {
  if (variance_channels_ == 0) return y.row(0).cast<double>();
  RowVector<double> out(dimension_);
  for (Index e = 0; e < dimension_; ++e) out[e] = static_cast<double>(y(0, place(e, half)));
  return out;
}

/// x0_hat = a x_t + b F by theory (9)-(14).
NetworkDenoiser::Map NetworkDenoiser::denoise_map(const Level& t) const {
  const ToX0 to = network_to_x0(prediction_, t, *schedule_);
  return {c_in(*schedule_, t), c_noise(*schedule_, t.t), to.x, to.y};
}

NetworkDenoiser::Map NetworkDenoiser::score_map(const Level& t) const {
  return {c_in(*schedule_, t), c_noise(*schedule_, t.t), 0, output_scale(prediction_, t, *schedule_)};
}

/// Before the network's own parallel region, which a schedule that is written in Python must not be asked in.
std::vector<NetworkDenoiser::Map> NetworkDenoiser::maps(Levels t,
                                                        Map (NetworkDenoiser::*map)(const Level&) const) const {
  constexpr Index block = 64;
  const auto count = static_cast<Index>(t.size());
  std::vector<Map> all(t.size());
  parallel_blocks(count, schedule_->serial() ? count : block, [&](Index begin, Index end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) all[i] = (this->*map)(t[i]);
  });
  return all;
}

void NetworkDenoiser::check_rows(In<double> x, Levels t, Index first) const {
  require_rows(x, t, dimension_);
  conditions_.check_known(first, x.rows());
}

}  // namespace scorefield
