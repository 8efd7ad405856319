// Reductions: sums, products, extremes, and what follows from them alone.
#include <algorithm>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {

Tensor Tensor::reduce(Op op, const Axes& axes, bool keep) const {
  Tensor x = numbers();
  Axes over = x.axes_of(axes);
  if (x.rank() == 0) return x;
  DType t = x.dtype();
  // Sixteen-bit floats are for storage: a sum of them that rounded at every step would stop
  // growing.
  if (t == f16 || t == bf16) return x.cast(f32).reduce(op, axes, keep).cast(t);
  Tensor reduced(make(Op::Reduce, {x.uop_}, Reduction{op, over}));
  if (keep) return reduced;
  Dims dims;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (std::find(over.begin(), over.end(), i) == over.end()) dims.push_back(Dim(x.dim(i)));
  }
  return reduced.reshape(dims);
}

// Bools are counted, as numbers.
Tensor Tensor::sum(Axes axes, bool keep) const {
  Tensor x = dtype().kind == Kind::Bool ? cast(i64) : *this;
  return x.reduce(Op::Add, axes, keep);
}

Tensor Tensor::prod(Axes axes, bool keep) const {
  Tensor x = dtype().kind == Kind::Bool ? cast(i64) : *this;
  return x.reduce(Op::Mul, axes, keep);
}

Tensor Tensor::max(Axes axes, bool keep) const { return reduce(Op::Max, axes, keep); }

Tensor Tensor::min(Axes axes, bool keep) const {
  Tensor x = numbers();
  if (is_float(x.dtype())) return -((-x).max(axes, keep));
  // Of integers, the complement reverses the order without a value that has no negative.
  Tensor ones(constant(x.dtype(), Value::of(int64_t(-1))));
  return (x ^ ones).max(axes, keep) ^ ones;
}

Tensor Tensor::mean(Axes axes, bool keep) const {
  Tensor x = numbers();
  UOp count = index(1);
  for (int64_t axis : x.axes_of(axes)) count = dim_mul(count, x.dim(axis));
  // Sixteen-bit floats are for storage: the sum may be beyond them where the mean is not.
  DType t = x.dtype() == f64 ? f64 : f32;
  Tensor total = x.cast(t).sum(axes, keep);
  const int64_t* n = const_int(count);
  Tensor found = n ? total * (1.0 / double(*n)) : total / Tensor(count).cast(t);
  return is_float(x.dtype()) ? found.cast(x.dtype()) : found;
}

}  // namespace niwaki
