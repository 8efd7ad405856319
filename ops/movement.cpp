// Movement: which element of a tensor stands where. Nothing here computes or copies: all of it ends
// as an index expression in the kernel that reads (schedule/ranges.cpp), and can be written through
// by assign() as long as every element shown has one place in memory.
#include <algorithm>

#include "core/error.h"
#include "ops/rules.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

std::vector<UOp> with_dims(const UOp& u, const Dims& dims) {
  std::vector<UOp> src = {u};
  for (const Dim& dim : dims) src.push_back(dim.uop);
  return src;
}

int64_t constant_dim(const Tensor& x, int64_t axis, const char* op) {
  const int64_t* n = const_int(x.dim(axis));
  check(n, "{}: dim {} of {} is not constant", op, axis, to_string(x.shape()));
  return *n;
}

}  // namespace

Tensor Tensor::reshape(Dims dims, Here) const {
  Tensor x = numbers();
  int64_t unknown = -1;
  UOp known = index(1);
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t* c = const_int(dims[i].uop);
    if (c && *c == -1) {
      check(unknown < 0, "reshape: two dims are -1");
      unknown = int64_t(i);
    } else {
      known = dim_mul(known, dims[i].uop);
    }
  }
  if (unknown >= 0) {
    // The missing dim: what the others leave of the constant factor and of the symbolic ones.
    DimFactors left = factors_of(x.shape());
    DimFactors given = factors_of({known});
    check(given.number > 0 && left.number % given.number == 0,
          "reshape: {} elements of {} do not divide by {}", expression(dim_product(x.shape())),
          to_string(x.shape()), expression(known));
    for (const UOp& factor : given.others) {
      auto found = std::find(left.others.begin(), left.others.end(), factor);
      check(found != left.others.end(), "reshape: the dim -1 of {} cannot be told",
            to_string(x.shape()));
      left.others.erase(found);
    }
    dims[size_t(unknown)] = dim_mul(dim_product(left.others), index(left.number / given.number));
  }
  return Tensor(make(Op::Reshape, with_dims(x.uop_, dims)));
}

Tensor Tensor::flatten(int64_t start, int64_t end, Here) const {
  if (rank() == 0 && start >= -1 && start <= 0 && end >= -1 && end <= 0) return reshape({1});
  int64_t first = axis_of(start);
  int64_t last = axis_of(end);
  check(first <= last, "flatten: dims {} through {} of {}", start, end, to_string(shape()));
  Dims dims = dims_of(shape());
  Shape joined(shape().begin() + first, shape().begin() + last + 1);
  dims.erase(dims.begin() + first, dims.begin() + last);
  dims[size_t(first)] = Dim(dim_product(joined));
  return reshape(dims);
}

Tensor Tensor::unflatten(int64_t axis, Dims parts, Here) const {
  int64_t at = axis_of(axis);
  Dims dims = dims_of(shape());
  dims.erase(dims.begin() + at);
  dims.insert(dims.begin() + at, parts.begin(), parts.end());
  return reshape(dims);
}

Tensor Tensor::permute(Axes order, Here) const {
  Axes positive;
  for (int64_t axis : order) positive.push_back(axis_of(axis));
  return Tensor(make(Op::Permute, {numbers().uop_}, positive));
}

Tensor Tensor::transpose(int64_t a, int64_t b, Here) const {
  Axes order = axes_of({});
  std::swap(order[size_t(axis_of(a))], order[size_t(axis_of(b))]);
  return permute(order);
}

Tensor Tensor::expand(Dims dims, Here) const {
  Tensor x = numbers();
  check(int64_t(dims.size()) >= rank(), "expand: {} dims for the shape {}", dims.size(),
        to_string(shape()));
  if (int64_t(dims.size()) > rank()) {
    Dims padded(dims.size() - size_t(rank()), Dim(1));
    for (const UOp& dim : x.shape()) padded.push_back(Dim(dim));
    x = x.reshape(padded);
  }
  for (size_t i = dims.size() - size_t(rank()); i < dims.size(); ++i) {
    if (is_const(dims[i].uop, -1)) dims[i] = Dim(x.shape()[i]);
  }
  if (std::equal(dims.begin(), dims.end(), x.shape().begin(), x.shape().end(),
                 [](const Dim& a, const UOp& b) { return a.uop == b; })) {
    return x;
  }
  return Tensor(make(Op::Expand, with_dims(x.uop_, dims)));
}

Tensor Tensor::flip(Axes axes, Here) const {
  if (axes.empty()) return numbers();
  Axes turned = axes_of(axes);
  std::sort(turned.begin(), turned.end());
  check(std::adjacent_find(turned.begin(), turned.end()) == turned.end(),
        "flip: an axis is given twice: [{}]", fmt::join(axes, ", "));
  return Tensor(make(Op::Flip, {numbers().uop_}, axes_of(axes)));
}

Tensor Tensor::narrow(int64_t axis, Dim start, Dim size, Here) const {
  Dims box;
  for (int64_t i = 0; i < rank(); ++i) {
    bool here = i == axis_of(axis);
    box.push_back(here ? start : Dim(0));
    box.push_back(here ? size : Dim(dim(i)));
  }
  return Tensor(make(Op::Shrink, with_dims(numbers().uop_, box)));
}

Tensor Tensor::slice(int64_t axis, Dim start, Dim end, Here) const {
  return narrow(axis, start, Dim(dim_sub(end.uop, start.uop)));
}

Tensor Tensor::unsqueeze(int64_t axis, Here) const {
  int64_t at = axis < 0 ? axis + rank() + 1 : axis;
  check(at >= 0 && at <= rank(), "unsqueeze: axis {} of the shape {}", axis, to_string(shape()));
  Dims dims = dims_of(shape());
  dims.insert(dims.begin() + at, Dim(1));
  return reshape(dims);
}

Tensor Tensor::squeeze(Here) const {
  Dims dims;
  for (const UOp& dim : shape()) {
    if (!is_const(dim, 1)) dims.push_back(Dim(dim));
  }
  return reshape(dims);
}

Tensor Tensor::squeeze(int64_t axis, Here) const {
  if (rank() == 0 && (axis == 0 || axis == -1)) return *this;
  int64_t at = axis_of(axis);
  if (!is_const(dim(at), 1)) return *this;
  Dims dims = dims_of(shape());
  dims.erase(dims.begin() + at);
  return reshape(dims);
}

Tensor Tensor::diag(Here) const {
  check(rank() == 1, "diag: needs a vector, not {}; diagonal() takes one from a matrix",
        to_string(shape()));
  Tensor position = arange(dim(0));
  return niwaki::where(position.unsqueeze(-1) == position, *this, 0);
}

Tensor Tensor::diagonal(int64_t offset, int64_t a, int64_t b, Here) const {
  int64_t row = axis_of(a);
  int64_t column = axis_of(b);
  check(row != column, "diagonal: of dims {} and {}: they are the same of {}", a, b,
        to_string(shape()));
  Axes order;
  for (int64_t axis = 0; axis < rank(); ++axis) {
    if (axis != row && axis != column) order.push_back(axis);
  }
  order.insert(order.end(), {row, column});
  int64_t n = constant_dim(*this, row, "diagonal");
  int64_t m = constant_dim(*this, column, "diagonal");
  offset = std::clamp(offset, -n, m);
  int64_t down = std::max<int64_t>(-offset, 0);
  int64_t right = std::max<int64_t>(offset, 0);
  int64_t k = std::min(n - down, m - right);
  // In rows one longer than the square is wide, the diagonal is a column.
  Tensor square = permute(order).narrow(-2, down, k).narrow(-1, right, k);
  Tensor flat = square.flatten(-2, -1);
  std::vector<std::pair<Dim, Dim>> widths(size_t(flat.rank()), {Dim(0), Dim(0)});
  widths.back().second = Dim(k);
  return flat.pad(widths).unflatten(-1, {k, k + 1}).narrow(-1, 0, 1).flatten(-2, -1);
}

Tensor Tensor::roll(std::vector<int64_t> shifts, Axes axes, Here) const {
  check(shifts.size() == axes.size(), "roll: {} shifts along {} axes", shifts.size(), axes.size());
  Tensor x = numbers();
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t axis = axis_of(axes[i]);
    const UOp& n = x.dim(axis);
    if (is_const(n, 0)) continue;
    // Twice in a row, it is the part that begins where the new first element is.
    Dims times(size_t(rank()), Dim(1));
    times[size_t(axis)] = Dim(2);
    UOp start = simplify(index(int64_t(0 - uint64_t(shifts[i]))) % n);
    x = x.repeat(times).narrow(axis, start, n);
  }
  return x;
}

Tensor Tensor::roll(int64_t shift, Here) const {
  return flatten().roll({shift}, {0}).reshape(dims_of(shape()));
}

}  // namespace niwaki
