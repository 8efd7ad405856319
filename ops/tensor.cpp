// Types and memory: the part of Tensor that computes nothing.
#include "ops/tensor.h"

#include <algorithm>

#include "core/error.h"

namespace niwaki {
int64_t Tensor::axis_of(int64_t axis) const {
  check(axis >= -rank() && axis < rank(), "axis {} of the shape {}", axis, to_string(shape()));
  return axis < 0 ? axis + rank() : axis;
}

Axes Tensor::axes_of(const Axes& axes) const {
  Axes found;
  for (int64_t axis : axes) found.push_back(axis_of(axis));
  if (axes.empty()) {
    for (int64_t axis = 0; axis < rank(); ++axis) found.push_back(axis);
  }
  return found;
}

Tensor Tensor::numbers() const { return dtype().packed ? cast(f32) : *this; }

Tensor Tensor::cast(DType t, Here) const {
  if (dtype() == t) return Tensor(uop_);
  if (!dtype().packed) return Tensor(make(Op::Cast, {uop_}, t));
  const PackedType& packed = *dtype().packed;
  Tensor blocks = bitcast(u8).reshape({-1, packed.bytes});
  Dims dims = dims_of(shape());
  return Tensor(packed.decode(blocks.uop_)).reshape(dims).cast(t);
}

Tensor Tensor::bitcast(DType t, Here) const {
  return dtype() == t ? *this : Tensor(make(Op::Bitcast, {uop_}, t));
}

Tensor Tensor::contiguous(Here) const { return Tensor(make(Op::Contiguous, {numbers().uop_})); }

Tensor Tensor::assign(const Tensor& value, Here) const {
  UOp base = uop_;
  while (is_movement(base->op)) base = base[0];
  Dims dims = dims_of(shape());
  return Tensor(make(Op::Assign, {base, uop_, value.cast(dtype()).expand(dims).uop_}));
}

}  // namespace niwaki
