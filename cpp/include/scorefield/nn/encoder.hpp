#pragma once
#include <vector>

#include "scorefield/nn/plan_builder.hpp"

namespace scorefield::nn {

/// The UNet's down half (Ho et al. 2020, appendix B), halved further to one position by means of what lies inside, then
/// y = W act(norm(.)) + b. It hears the time as the UNet does.
struct Encoder {
  Shape shape;                     // of x
  std::vector<Index> widths;       // one per resolution
  Index out = 1;                   // numbers that come out
  Index depth = 2;                 // blocks per resolution
  std::vector<Index> attention{};  // heights of the resolutions with attention
  Index head_channels = 0;         // 0: one head
  Index groups = 0;                // 0: default_groups(widths)
  double eps = 1e-5, dropout = 0;
};

Plan plan(const Encoder& spec);

}  // namespace scorefield::nn
