// Tensors from nothing: numbers of the user's, constants, counting; and a tensor taken apart.
//
// Whatever counts is Iota and arithmetic on it, so nothing here takes memory: a range, a triangle
// or the identity is computed where it is used. The integers of a range are i64, whatever the
// numbers given: they are mostly used as positions.
#include <cmath>

#include "core/error.h"
#include "ops/rules.h"
#include "ops/tensor.h"

namespace niwaki {

template <>
DType dtype_of<bool>() {
  return boolean;
}
template <>
DType dtype_of<int8_t>() {
  return i8;
}
template <>
DType dtype_of<uint8_t>() {
  return u8;
}
template <>
DType dtype_of<int16_t>() {
  return i16;
}
template <>
DType dtype_of<uint16_t>() {
  return u16;
}
template <>
DType dtype_of<int32_t>() {
  return i32;
}
template <>
DType dtype_of<uint32_t>() {
  return u32;
}
template <>
DType dtype_of<int64_t>() {
  return i64;
}
template <>
DType dtype_of<uint64_t>() {
  return u64;
}
template <>
DType dtype_of<float>() {
  return f32;
}
template <>
DType dtype_of<double>() {
  return f64;
}

namespace {

// Elements of a shape that memory may have, few enough for their bytes to be counted.
int64_t checked_size(const std::vector<int64_t>& shape) {
  constexpr int64_t most = int64_t(1) << 56;
  int64_t n = 1;
  for (int64_t dim : shape) {
    check(dim >= 0 && !__builtin_mul_overflow(n, dim, &n) && n <= most,
          "tensor: no memory has the shape ({})", fmt::join(shape, ", "));
  }
  return n;
}

void check_dims(const char* op, const Dims& dims) {
  for (const Dim& dim : dims) {
    if (dim.uop->lo < 0) fail("{}: a dim of {}, which may be negative", op, expression(dim.uop));
  }
}

// How many of start, start + step, ... come before stop.
Dim count_of(const Dim& start, const Dim& stop, int64_t step) {
  const int64_t* a = const_int(start.uop);
  const int64_t* b = const_int(stop.uop);
  if (a && b) {
    using Wide = __int128;
    Wide span = step > 0 ? Wide(*b) - *a : Wide(*a) - *b;
    Wide stride = step > 0 ? Wide(step) : -Wide(step);
    Wide n = span > 0 ? (span + stride - 1) / stride : 0;
    check(n <= INT64_MAX, "arange: too many numbers from {} to {}", *a, *b);
    return Dim(int64_t(n));
  }
  check(step > INT64_MIN, "arange: a step of {} cannot be turned", step);
  UOp span = step > 0 ? dim_sub(stop.uop, start.uop) : dim_sub(start.uop, stop.uop);
  int64_t stride = std::abs(step);
  return Dim(simplify(dim_add(span, index(stride - 1)) / index(stride)));
}

// Element (row, column) of a matrix: how far it is right of the diagonal.
Tensor column_past_row(const Dim& rows, const Dim& columns) {
  return Tensor::arange(columns) - Tensor::arange(rows).unsqueeze(1);
}

}  // namespace

template <class T>
Tensor Tensor::from(const std::vector<T>& values, std::vector<int64_t> shape, Here) {
  int64_t n = checked_size(shape);
  check(n == int64_t(values.size()), "from: {} values for the shape ({})", values.size(),
        fmt::join(shape, ", "));
  DType t = dtype_of<T>();
  std::shared_ptr<void> memory = allocate(n * byte_size(t));
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(memory.get())[i] = values[size_t(i)];
  auto made = std::make_shared<Buffer>(Buffer{t, std::move(shape), memory.get(), memory, false});
  return Tensor(buffer(std::move(made)));
}

template Tensor Tensor::from(const std::vector<bool>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<int8_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<uint8_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<int16_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<uint16_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<int32_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<uint32_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<int64_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<uint64_t>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<float>&, std::vector<int64_t>, Here);
template Tensor Tensor::from(const std::vector<double>&, std::vector<int64_t>, Here);

Tensor Tensor::view(const void* data, DType t, std::vector<int64_t> shape,
                    std::shared_ptr<const void> owner, Here) {
  checked_size(shape);
  if (t.packed) {
    check(!shape.empty() && shape.back() % t.packed->values == 0,
          "view: rows of ({}) do not divide into the {} values of a {} block",
          fmt::join(shape, ", "), t.packed->values, name(t));
  }
  auto made = std::make_shared<Buffer>(
      Buffer{t, std::move(shape), const_cast<void*>(data), std::move(owner), true});
  return Tensor(buffer(std::move(made)));
}

Tensor Tensor::empty(std::vector<int64_t> shape, DType t, Here) {
  std::shared_ptr<void> memory = allocate(checked_size(shape) * byte_size(t));
  auto made = std::make_shared<Buffer>(Buffer{t, std::move(shape), memory.get(), memory, false});
  return Tensor(buffer(std::move(made)));
}

Tensor Tensor::full(Dims shape, double number, DType t, Here) {
  check_dims("full", shape);
  Tensor value = Tensor(constant(t, number)).reshape(Dims(shape.size(), Dim(1)));
  return value.expand(std::move(shape));
}

Tensor Tensor::full_like(double number, Here) const {
  return full(dims_of(shape()), number, numbers().dtype());
}

Tensor Tensor::eye(Dim n, std::optional<Dim> m, DType t, Here) {
  Dims shape = {n, m ? *m : n};
  check_dims("eye", shape);
  return (column_past_row(shape[0], shape[1]) == 0).cast(t);
}

Tensor Tensor::arange(Dim n, Here) { return Tensor(make(Op::Iota, {n.uop})); }

Tensor Tensor::arange(Dim start, Dim stop, int64_t step, Here) {
  check(step != 0, "arange: the step from {} to {} is 0", expression(start.uop),
        expression(stop.uop));
  Tensor numbers = arange(count_of(start, stop, step));
  if (step != 1) numbers = numbers * step;
  return is_const(start.uop, 0) ? numbers : numbers + Tensor(start.uop);
}

Tensor Tensor::arange_of_floats(double start, double stop, double step) {
  double n = std::ceil((stop - start) / step);
  check(step != 0 && n < 0x1p53, "arange: {} to {} by {} is no number of steps", start, stop, step);
  return arange(std::max(int64_t(0), int64_t(std::max(n, 0.0)))).cast(f32) * step + start;
}

Tensor Tensor::linspace(double start, double stop, int64_t steps, DType t, Here) {
  check(steps >= 0, "linspace: {} steps", steps);
  check(t.kind != Kind::Bool, "linspace: bools are not spaced");
  double step = steps > 1 ? (stop - start) / double(steps - 1) : 0;
  // Each half from its own end, so that both ends are met.
  Tensor i = arange(steps);
  Tensor up = i.cast(f32) * step + start;
  Tensor down = stop - (steps - 1 - i).cast(f32) * step;
  return niwaki::where(i < steps - steps / 2, up, down).cast(t);
}

Tensor Tensor::tril(int64_t diagonal, Here) const {
  check(rank() >= 2, "tril: the shape {} has no matrices", to_string(shape()));
  return niwaki::where(column_past_row(dim(-2), dim(-1)) <= diagonal, *this, zeros_like());
}

Tensor Tensor::triu(int64_t diagonal, Here) const {
  check(rank() >= 2, "triu: the shape {} has no matrices", to_string(shape()));
  return niwaki::where(column_past_row(dim(-2), dim(-1)) < diagonal, zeros_like(), *this);
}

std::vector<Tensor> Tensor::split(const std::vector<int64_t>& sizes, int64_t axis, Here) const {
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t size : sizes) {
    check(size >= 0, "split: a part of {}", size);
    check(!__builtin_add_overflow(start, size, &start), "split: parts beyond any dim");
  }
  check(is_const(dim(axis), double(start)), "split: parts of ({}) do not make up dim {} of {}",
        fmt::join(sizes, ", "), axis, to_string(shape()));
  start = 0;
  for (int64_t size : sizes) {
    parts.push_back(narrow(axis, start, size));
    start += size;
  }
  return parts;
}

std::vector<Tensor> Tensor::split(int64_t size, int64_t axis, Here) const {
  const int64_t* n = const_int(dim(axis));
  check(n, "split: dim {} of {} is no number", axis, to_string(shape()));
  check(size > 0 || (size == 0 && *n == 0), "split: dim {} of {} in parts of {}", axis,
        to_string(shape()), size);
  std::vector<int64_t> sizes;
  for (int64_t left = *n; left > 0; left -= size) sizes.push_back(std::min(size, left));
  if (sizes.empty()) sizes.push_back(0);
  return split(sizes, axis);
}

std::vector<Tensor> Tensor::chunk(int64_t n, int64_t axis, Here) const {
  check(n > 0, "chunk: {} parts", n);
  const int64_t* d = const_int(dim(axis));
  check(d, "chunk: dim {} of {} is no number", axis, to_string(shape()));
  if (*d == 0) return split(std::vector<int64_t>(size_t(n), 0), axis);
  return split(*d / n + (*d % n != 0), axis);
}

// A row of `size` copies of the axis, cut into rows of one element more than the axis has, begins
// row i with element i: column c holds the window that begins at c. So windows are a movement, and
// what is summed over them has a movement as gradient.
Tensor Tensor::unfold(int64_t axis, int64_t size, int64_t step, Here) const {
  int64_t at = axis_of(axis);
  const int64_t* d = const_int(dim(at));
  check(d, "unfold: dim {} of {} is no number", axis, to_string(shape()));
  check(size >= 0 && size <= *d, "unfold: windows of {} in dim {} of {}", size, axis,
        to_string(shape()));
  check(step > 0, "unfold: a step of {}", step);
  int64_t n = *d;
  step = std::min(step, n + 1);
  int64_t windows = (n - size) / step + 1;
  int64_t columns = std::min(n + 1, windows * step);
  Axes order = axes_of({});
  order.erase(order.begin() + at);
  order.push_back(at);
  Tensor x = permute(order);  // ... n
  Dims outer(x.shape().begin(), x.shape().end() - 1);
  auto with = [&](std::initializer_list<int64_t> inner) {
    Dims dims = outer;
    dims.insert(dims.end(), inner.begin(), inner.end());
    return dims;
  };
  x = x.unsqueeze(-2).expand(with({size + 1, n})).reshape(with({(size + 1) * n}));
  x = x.narrow(-1, 0, size * (n + 1)).reshape(with({size, n + 1}));  // ... size n+1
  std::vector<std::pair<Dim, Dim>> widths(size_t(x.rank()), {Dim(0), Dim(0)});
  widths.back().second = Dim(windows * step - columns);
  x = x.narrow(-1, 0, columns).pad(widths).reshape(with({size, windows, step}));
  x = x.narrow(-1, 0, 1).squeeze(-1);  // ... size windows
  // The windows go where the axis was, their elements to the end.
  order.clear();
  for (int64_t i = 0; i < rank() - 1; ++i) order.push_back(i);
  order.insert(order.begin() + at, rank());
  order.push_back(rank() - 1);
  return x.permute(order);
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& axes, std::string_view indexing, Here) {
  check(indexing == "ij" || indexing == "xy", "meshgrid: indexing \"{}\" is neither ij nor xy",
        indexing);
  std::vector<Tensor> grid;
  Dims shape;
  for (const Tensor& axis : axes) {
    check(axis.rank() <= 1, "meshgrid: {} is no vector", to_string(axis.shape()));
    shape.push_back(axis.rank() ? Dim(axis.dim(0)) : Dim(1));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    Dims along(axes.size(), Dim(1));
    along[i] = shape[i];
    Tensor spread = axes[i].reshape(along).expand(shape);
    grid.push_back(indexing == "xy" && axes.size() > 1 ? spread.transpose(0, 1) : spread);
  }
  return grid;
}

Tensor Tensor::whole(int64_t number) {
  Tensor t(index(number));
  t.weak_ = 1;
  return t;
}

Tensor Tensor::fraction(double number) {
  Tensor t(constant(f64, number));
  t.weak_ = 2;
  return t;
}

}  // namespace niwaki
