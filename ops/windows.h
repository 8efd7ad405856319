// What convolutions and pools share: windows that move over the last axes of a tensor.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ops/tensor.h"

namespace niwaki {

/// An axis of `size`, padded, and the `count` windows over it: element k of window o is position
/// o * stride + k * dilation of the padded axis.
struct Track {
  int64_t size;
  int64_t before;
  int64_t after;
  int64_t kernel;
  int64_t stride;
  int64_t dilation;
  int64_t count;
  int64_t span() const { return dilation * (kernel - 1) + 1; }
};

/// The last kernel.size() axes of `x`, outermost first. Error, beginning with `op`, where the
/// options have the wrong number or a window is larger than the padded axis.
std::vector<Track> tracks_of(const char* op, const Tensor& x, const std::vector<int64_t>& kernel,
                             const PoolOptions& how);

/// A pair an axis, outermost first, of: one number for all, one an axis, or a pair an axis,
/// innermost first, as torch's pad has it.
std::vector<std::pair<int64_t, int64_t>> paddings(const char* op, size_t axes,
                                                  const std::vector<int64_t>& padding);

/// One number an axis of: one for all, or one an axis.
std::vector<int64_t> one_an_axis(const char* op, const char* what, size_t axes,
                                 const std::vector<int64_t>& given);

/// `x` with `value` before and after the last axes.
Tensor padded(const Tensor& x, const std::vector<Track>& tracks, const Tensor& value = 0);

/// [..., n...] -> [..., o..., k...]: the windows over axes that are padded already.
Tensor windows(const Tensor& x, const std::vector<Track>& tracks);

}  // namespace niwaki
