// Gradients: reverse mode as a transformation of the graph (gradient.cpp has the table of rules).
// What comes back is tensors like any other: they fuse, they schedule, and they can be
// differentiated again; all but the second derivative of prod() at an exact zero come out right.
#pragma once

#include <optional>
#include <vector>

#include "ops/tensor.h"

namespace niwaki {

/// d loss / d input for each input, in its shape and dtype; zeros where the loss does not depend on
/// it. Error unless the loss is one float and the inputs are floats computed from a buffer.
std::vector<Tensor> gradient(const Tensor& loss, const std::vector<Tensor>& inputs, Here = {});

/// The vector-Jacobian product: the gradients of (output * upstream).sum(), upstream held constant.
std::vector<Tensor> gradient(const Tensor& output, const Tensor& upstream,
                             const std::vector<Tensor>& inputs, Here = {});

/// Whether gradients flow through `op`; nothing for an op without a row in the table of rules.
std::optional<bool> differentiable(Op op);

}  // namespace niwaki
