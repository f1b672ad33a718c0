#pragma once
#include <string>
#include <vector>

#include "scorefield/nn/unet.hpp"

namespace scorefield::nn {

/// The parts that UNet and Encoder share: time embedding, residual block, attention, the down half.
class BlockWriter {
 public:
  explicit BlockWriter(const UNet& spec);

  /// e = W_2 silu(W_1 sinusoid(t)) + extra
  void write_time(Tensor time, Tensor extra);
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
  Tensor attend(const std::string& name, Tensor x, double gain = 1);
  Tensor halve(const std::string& name, Tensor x, Index out);
  Tensor twice(const std::string& name, Tensor x, Index out, Tensor like);
  Norm norm(const std::string& name, Index channels) { return b.group_norm(name, channels, groups_, spec.eps); }

  Index levels() const { return static_cast<Index>(spec.widths.size()); }
  Index width(Index level) const { return spec.widths[static_cast<std::size_t>(level)]; }
  bool attends(Tensor x) const;

  const UNet spec;
  PlanBuilder b;
  std::vector<Tensor> skips;

 private:
  bool sequence() const { return spec.shape.width == 1 && spec.shape.height > 1; }
  Tensor cross_attend(const std::string& name, Tensor x, Index inner, Index heads);

  const Index groups_;
  Tensor embedding_ = none, text_ = none, ids_ = none;
};

}  // namespace scorefield::nn
