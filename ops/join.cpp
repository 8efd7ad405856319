// Tensors put together: one after another, side by side, repeated.
#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

DType number_dtype(DType t) { return t.packed ? f32 : t; }

}  // namespace

Tensor cat(const std::vector<Tensor>& parts, int64_t axis, Here) {
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

Tensor stack(const std::vector<Tensor>& parts, int64_t axis, Here) {
  check(!parts.empty(), "stack: no tensors");
  std::vector<Tensor> rows;
  for (const Tensor& part : parts) {
    check(part.shape() == parts[0].shape(), "stack: shapes differ: {} and {}",
          to_string(parts[0].shape()), to_string(part.shape()));
    rows.push_back(part.unsqueeze(axis));
  }
  return cat(rows, axis);
}

Tensor Tensor::repeat(Dims times, Here) const {
  check(int64_t(times.size()) >= rank(), "repeat: {} times for the shape {}", times.size(),
        to_string(shape()));
  Dims apart;
  Dims repeated;
  Dims joined;
  for (size_t i = 0; i < times.size(); ++i) {
    const UOp& n = times[i].uop;
    check(n->lo >= 0, "repeat: a negative number of times: {}", expression(n));
    size_t added = times.size() - size_t(rank());
    UOp dim = i < added ? index(1) : shape()[i - added];
    apart.insert(apart.end(), {Dim(1), Dim(dim)});
    repeated.insert(repeated.end(), {Dim(n), Dim(dim)});
    joined.push_back(Dim(dim_mul(n, dim)));
  }
  return reshape(apart).expand(repeated).reshape(joined);
}

Tensor Tensor::tile(Dims times, Here) const {
  while (int64_t(times.size()) < rank()) times.insert(times.begin(), Dim(1));
  return repeat(times);
}

Tensor Tensor::repeat_interleave(Dim times, int64_t axis, Here) const {
  check(times.uop->lo >= 0, "repeat_interleave: a negative number of times: {}",
        expression(times.uop));
  int64_t at = axis_of(axis);
  Tensor x = unsqueeze(at + 1);
  Dims dims = dims_of(x.shape());
  dims[size_t(at) + 1] = times;
  return x.expand(dims).flatten(at, at + 1);
}

Tensor Tensor::repeat_interleave(Dim times, Here) const {
  return flatten().repeat_interleave(times, 0);
}

}  // namespace niwaki
