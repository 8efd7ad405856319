// Convolution: windows, a product, a sum.
//
// The windows are a view (windows.h), so the sum is one kernel that reads input and weight where
// they lie. Groups are one more axis of both. The transposed convolution is the gradient of the
// other with respect to its input: a convolution of the input with stride - 1 zeros between its
// elements, with the kernel turned around.
//
// Rejected: the windows stored as a matrix (im2col), which is as many copies of the input as the
// kernel has elements, and Winograd's transformation, which rounds differently.
#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "ops/windows.h"

namespace niwaki {
namespace {

using Sizes = std::vector<int64_t>;

// The sizes of a weight [., ., k...] for an input [b, c, n...], with as many axes.
Sizes kernel_of(const char* op, const Tensor& x, const Tensor& weight, const ConvOptions& how) {
  check(x.rank() > 2 && weight.rank() == x.rank(),
        "{}: an input {} and a weight {}: both are two dims and one for each axis", op,
        to_string(x.shape()), to_string(weight.shape()));
  Sizes numbers;
  for (const UOp& dim : weight.shape()) {
    check(const_int(dim), "{}: the weight {} has a symbolic dim", op, to_string(weight.shape()));
    numbers.push_back(*const_int(dim));
  }
  check(how.groups > 0 && numbers[0] % how.groups == 0,
        "{}: {} groups do not divide the first dim of the weight {}", op, how.groups,
        to_string(weight.shape()));
  return Sizes(numbers.begin() + 2, numbers.end());
}

Tensor with_bias(const char* op, const Tensor& y, const Tensor& bias) {
  check(bias.rank() == 1 && bias.dim(0) == y.dim(1), "{}: a bias {} for the output {}", op,
        to_string(bias.shape()), to_string(y.shape()));
  Dims column(size_t(y.rank()) - 1, Dim(1));
  column[0] = Dim(bias.dim(0));
  return y + bias.reshape(column);
}

// A dim of each axis from `from` on is added to `dims`.
void append(Dims& dims, const Tensor& x, int64_t from) {
  dims.insert(dims.end(), x.shape().begin() + from, x.shape().end());
}

}  // namespace

Tensor Tensor::conv2d(const Tensor& weight, const ConvOptions& how, Here) const {
  Sizes kernel = kernel_of("conv2d", *this, weight, how);
  int64_t n = int64_t(kernel.size());
  int64_t groups = how.groups;
  int64_t out = *const_int(weight.dim(0)) / groups;
  UOp in = weight.dim(1);
  check(dim(1) == dim_mul(in, index(groups)),
        "conv2d: {} channels of {} for a weight {} and {} groups", expression(dim(1)),
        to_string(shape()), to_string(weight.shape()), groups);
  std::vector<Track> tracks =
      tracks_of("conv2d", *this, kernel,
                {.stride = how.stride, .padding = how.padding, .dilation = how.dilation});
  Tensor x = windows(padded(*this, tracks), tracks);  // b c o k
  Dims apart = {dim(0), groups, 1, in};
  append(apart, x, 2);
  Dims filter = {groups, out, in};
  filter.insert(filter.end(), size_t(n), Dim(1));
  append(filter, weight, 2);
  Tensor products = x.reshape(apart) * weight.reshape(filter);  // b groups out in o k
  Axes summed(size_t(n) + 1, 3);
  std::iota(summed.begin() + 1, summed.end(), 4 + n);
  return products.sum(summed).flatten(1, 2);
}

Tensor Tensor::conv2d(const Tensor& weight, const Tensor& bias, const ConvOptions& how,
                      Here) const {
  return with_bias("conv2d", conv2d(weight, how), bias);
}

Tensor Tensor::conv_transpose2d(const Tensor& weight, const ConvOptions& how, Here) const {
  const char* op = "conv_transpose2d";
  Sizes kernel = kernel_of(op, *this, weight, how);
  size_t n = kernel.size();
  check(dim(1) == weight.dim(0), "{}: {} channels of {} for a weight {}", op, expression(dim(1)),
        to_string(shape()), to_string(weight.shape()));
  std::vector<std::pair<int64_t, int64_t>> padding = paddings(op, n, how.padding);
  Sizes added = one_an_axis(op, "output_padding", n, how.output_padding);
  // The windows of the convolution that this is the gradient of say nothing new but their checks.
  Sizes stride = one_an_axis(op, "stride", n, how.stride);
  Sizes dilation = one_an_axis(op, "dilation", n, how.dilation);
  Tensor x = *this;
  Sizes around(2 * n);
  Axes axes;
  for (size_t i = 0; i < n; ++i) {
    int64_t axis = int64_t(i) + 2;
    axes.push_back(axis);
    const int64_t* size = const_int(dim(axis));
    constexpr int64_t most = int64_t(1) << 30;
    check(size && *size > 0 && std::min(stride[i], dilation[i]) > 0 &&
              std::max(stride[i], dilation[i]) < most,
          "{}: stride {} and dilation {} at axis {} of {}", op, stride[i], dilation[i], axis,
          to_string(shape()));
    check(added[i] >= 0 && added[i] < std::max(stride[i], dilation[i]),
          "{}: output_padding {} is not less than the stride {} or the dilation {}", op, added[i],
          stride[i], dilation[i]);
    if (stride[i] > 1) {
      std::vector<std::pair<Dim, Dim>> zeros(size_t(rank()) + 1, {Dim(0), Dim(0)});
      zeros[size_t(axis) + 1].second = Dim(stride[i] - 1);
      x = x.unsqueeze(axis + 1).pad(zeros).flatten(axis, axis + 1);
      x = x.narrow(axis, 0, (*size - 1) * stride[i] + 1);
    }
    int64_t reach = dilation[i] * (kernel[i] - 1);
    int64_t left = (*size - 1) * stride[i] + reach + 1 + added[i];
    check(padding[i].first + padding[i].second < left,
          "{}: padding ({}, {}) takes all {} of axis {}: input {}, weight {}", op, padding[i].first,
          padding[i].second, left, axis, to_string(shape()), to_string(weight.shape()));
    size_t pair = 2 * (n - 1 - i);
    around[pair] = reach - padding[i].first;
    around[pair + 1] = reach - padding[i].second + added[i];
  }
  // c d k as d c k, by groups, turned around.
  UOp out = weight.dim(1);
  Dims filter = {Dim(out->lo * how.groups), Dim(*const_int(weight.dim(0)) / how.groups)};
  append(filter, weight, 2);
  Tensor turned = weight.unflatten(0, {how.groups, -1}).transpose(1, 2).reshape(filter).flip(axes);
  return x.conv2d(turned, {.padding = around, .dilation = dilation, .groups = how.groups});
}

Tensor Tensor::conv_transpose2d(const Tensor& weight, const Tensor& bias, const ConvOptions& how,
                                Here) const {
  return with_bias("conv_transpose2d", conv_transpose2d(weight, how), bias);
}

}  // namespace niwaki
