#pragma once
#include <string>
#include <vector>

#include "scorefield/nn/unet.hpp"

namespace scorefield::nn {

/// The parts that UNet and Encoder share: time embedding, residual block, attention, the down half.
class BlockWriter {
 public:
  explicit BlockWriter(const UNet& spec);

  /// e = W_2 silu(W_1 waves(t)) + extra + as_it_is
  void write_time(Tensor time, Tensor extra, Tensor as_it_is = none);
  /// W_2 silu(W_1 waves(number)) + extra + as_it_is
  Tensor hear(const std::string& name, Tensor number, Tensor extra, Tensor as_it_is = none);
  void write_text();
  /// conv_in and all levels; every resnet, downsampler and conv_in leaves a skip. Returns the last tensor.
  Tensor write_down(Tensor x, Tensor image);

  Tensor conv3(const std::string& name, Index out, Conv c, Tensor like = none);
  Tensor block(const std::string& name, Index j, Tensor x, Tensor skip, Index out, bool attention);
  /// What a block in the middle or between two resolutions does besides: y = gain (resample(x) + ...).
  struct Residual {
    Resample resample = Resample::none;
    Tensor like = none;  // gives the size of an upsampled y
    double gain = 1;
  };
  Tensor res(const std::string& name, Tensor x, Tensor skip, Index out, Residual how);
  Tensor res(const std::string& name, Tensor x, Tensor skip, Index out) { return res(name, x, skip, out, Residual{}); }
  Tensor attend(const std::string& name, Tensor x) {
    return attend(name, x, norm(name + ".group_norm", b.channels(x)));
  }
  Tensor attend(const std::string& name, Tensor x, const Norm& norm, double gain = 1);
  Tensor halve(const std::string& name, Tensor x, Index out);
  Tensor twice(const std::string& name, Tensor x, Index out, Tensor like);
  Norm norm(const std::string& name, Index channels) { return b.group_norm(name, channels, groups_, spec.eps); }
  Norm middle_norm(const std::string& name);

  Index levels() const { return static_cast<Index>(spec.widths.size()); }
  Index width(Index level) const { return spec.widths[static_cast<std::size_t>(level)]; }
  Index time_width() const { return spec.time_width > 0 ? spec.time_width : 4 * width(0); }
  bool attends(Tensor x) const { return among(spec.attention, x); }
  bool attends_up(Tensor x) const { return among(spec.attention_up.value_or(spec.attention), x); }

  const UNet spec;
  PlanBuilder b;
  std::vector<Tensor> skips;

 private:
  bool sequence() const { return spec.shape.width == 1 && spec.shape.height > 1; }
  bool among(const std::vector<Index>& heights, Tensor x) const;
  Tensor waves(Tensor number);
  Tensor cross_attend(const std::string& name, Tensor x, Index inner, Index heads);

  const Index groups_;
  Slice time_proj_{};  // what the waves have learnt, or the table
  Tensor embedding_ = none, text_ = none, ids_ = none;
};

}  // namespace scorefield::nn
