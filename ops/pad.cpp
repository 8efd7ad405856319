// Padding: what stands beyond the ends of a tensor.
//
// Zeros are a primitive. Another value is chosen where the padding of a true mask is false; a value
// is not added, because inf - inf is no padding. The modes are made of parts of the tensor itself,
// put beside it: reads and their gradients cost what is padded, whereas an index computed from the
// position (clamped, folded) would have to be searched for backwards.
#include <algorithm>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

using Widths = std::vector<std::pair<Dim, Dim>>;

void check_widths(const Tensor& x, size_t given) {
  check(int64_t(given) == x.rank(), "pad: {} pairs of widths for the shape {}", given,
        to_string(x.shape()));
}

// The tensor continued before and after by `before` and `after` positions, neither negative.
Tensor continued(const Tensor& x, int64_t axis, int64_t before, int64_t after, PadMode mode) {
  const UOp& n = x.dim(axis);
  auto at = [&](int64_t from_end) { return Dim(dim_sub(n, index(from_end))); };
  if (mode == PadMode::Circular) {
    check(before <= n->lo && after <= n->lo,
          "pad: circular widths ({}, {}) are beyond dim {} of {}: once around at most", before,
          after, axis, to_string(x.shape()));
    Dims times(size_t(x.rank()), Dim(1));
    times[size_t(axis)] = Dim(1 + (before > 0) + (after > 0));
    Dim start = before > 0 ? at(before) : Dim(0);
    return x.repeat(times).narrow(axis, start, Dim(dim_add(n, index(before + after))));
  }
  std::vector<Tensor> parts = {x};
  if (mode == PadMode::Reflect) {
    check(before < n->lo && after < n->lo,
          "pad: reflected widths ({}, {}) are not below dim {} of {}", before, after, axis,
          to_string(x.shape()));
    if (before > 0) parts.insert(parts.begin(), x.narrow(axis, 1, before).flip({axis}));
    if (after > 0) parts.push_back(x.narrow(axis, at(1 + after), after).flip({axis}));
  } else {
    check(n->lo > 0, "pad: nothing to replicate along axis {} of {}", axis, to_string(x.shape()));
    auto repeated = [&](const Tensor& edge, int64_t width) {
      return edge.repeat_interleave(width, axis);
    };
    if (before > 0) parts.insert(parts.begin(), repeated(x.narrow(axis, 0, 1), before));
    if (after > 0) parts.push_back(repeated(x.narrow(axis, at(1), 1), after));
  }
  return cat(parts, axis);
}

}  // namespace

Tensor Tensor::pad(Widths widths, Here) const {
  check_widths(*this, widths.size());
  Tensor x = numbers();
  std::vector<UOp> src(1);
  for (int64_t axis = 0; axis < rank(); ++axis) {
    auto& [before, after] = widths[size_t(axis)];
    // What a negative width cuts off.
    int64_t cut[2] = {};
    for (int side : {0, 1}) {
      Dim& width = side ? after : before;
      const int64_t* c = const_int(width.uop);
      if (!c || *c >= 0) continue;
      cut[side] = std::max(*c, -dim_max(dim(axis)) - 1);
      width = Dim(0);
    }
    if (cut[0] < 0 || cut[1] < 0) {
      UOp left = dim_add(dim(axis), index(cut[0] + cut[1]));
      check(left->lo >= 0, "pad: widths ({}, {}) cut more than dim {} of {}", cut[0], cut[1], axis,
            to_string(shape()));
      x = x.narrow(axis, -cut[0], left);
    }
    src.insert(src.end(), {before.uop, after.uop});
  }
  src[0] = x.uop_;
  return Tensor(make(Op::Pad, std::move(src)));
}

Tensor Tensor::pad(Widths widths, const Tensor& value, Here) const {
  check(value.rank() == 0, "pad: the value is {}, not a number", to_string(value.shape()));
  Tensor x = numbers();
  Tensor padded = x.pad(widths);
  Tensor inside = full(dims_of(shape()), 1, boolean).pad(widths);
  return niwaki::where(inside, padded, value.cast(x.dtype()));
}

Tensor Tensor::pad(const std::vector<std::pair<int64_t, int64_t>>& widths, PadMode mode,
                   Here) const {
  check_widths(*this, widths.size());
  Tensor x = numbers();
  Widths cut;
  for (int64_t axis = 0; axis < rank(); ++axis) {
    auto [before, after] = widths[size_t(axis)];
    check(mode != PadMode::Circular || (before >= 0 && after >= 0),
          "pad: a circular width is negative: ({}, {}); slice() cuts", before, after);
    cut.emplace_back(std::min<int64_t>(before, 0), std::min<int64_t>(after, 0));
    before = std::max<int64_t>(before, 0);
    after = std::max<int64_t>(after, 0);
    if (before > 0 || after > 0) x = continued(x, axis, before, after, mode);
  }
  return x.pad(cut);
}

}  // namespace niwaki
