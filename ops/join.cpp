// Tensors put together: one after another, side by side, repeated.
#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

DType number_dtype(DType t) { return t.packed ? f32 : t; }

}  // namespace

Tensor cat(const std::vector<Tensor>& parts, int64_t axis) {
  check(!parts.empty(), "cat: no tensors");
  const Tensor& first = parts[0];
  int64_t at = axis < 0 ? axis + first.rank() : axis;
  check(at >= 0 && at < first.rank(), "cat: axis {} of the shape {}", axis,
        to_string(first.shape()));
  UOp total = index(0);
  DType t = number_dtype(first.dtype());
  for (const Tensor& part : parts) {
    bool fits = part.rank() == first.rank();
    for (int64_t i = 0; fits && i < first.rank(); ++i) {
      fits = i == at || part.dim(i) == first.dim(i);
    }
    check(fits, "cat: shapes differ beside axis {}: {} and {}", axis, to_string(first.shape()),
          to_string(part.shape()));
    total = dim_add(total, part.dim(at));
    t = promote(t, number_dtype(part.dtype()));
  }
  Dims along(size_t(first.rank()), Dim(1));
  along[size_t(at)] = Dim(total);
  Tensor position = Tensor::arange(total).reshape(along);
  UOp start = index(0);
  Tensor joined = first;
  for (size_t i = 0; i < parts.size(); ++i) {
    std::vector<std::pair<Dim, Dim>> widths(size_t(first.rank()), {Dim(0), Dim(0)});
    UOp end = dim_add(start, parts[i].dim(at));
    UOp after = index(0);
    for (size_t j = i + 1; j < parts.size(); ++j) after = dim_add(after, parts[j].dim(at));
    widths[size_t(at)] = {Dim(start), Dim(after)};
    Tensor padded = parts[i].cast(t).pad(widths);
    joined = i == 0 ? padded : where(position < Tensor(start), joined, padded);
    start = end;
  }
  return joined;
}

}  // namespace niwaki
