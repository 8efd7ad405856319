// What has as many elements as its values say. Shapes are known before values, so the count is
// realized first and the op is given it as a size; in a Replay the ops with a size are the ones to
// use.
#pragma once

#include "ops/tensor.h"
#include "runtimes/device.h"

namespace niwaki {

/// The positions of all elements that are not 0, in row-major order: i64[count, rank].
Tensor nonzero(const Tensor& x, Device& device = default_device());

/// All elements where `mask` is true, in row-major order: [count].
Tensor masked_select(const Tensor& x, const Tensor& mask, Device& device = default_device());

}  // namespace niwaki
