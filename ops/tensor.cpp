// Creation, movement and types: the part of Tensor that computes nothing.
#include "ops/tensor.h"

#include <algorithm>

#include "core/error.h"

namespace niwaki {

template <> DType dtype_of<bool>() { return boolean; }
template <> DType dtype_of<int8_t>() { return i8; }
template <> DType dtype_of<uint8_t>() { return u8; }
template <> DType dtype_of<int16_t>() { return i16; }
template <> DType dtype_of<uint16_t>() { return u16; }
template <> DType dtype_of<int32_t>() { return i32; }
template <> DType dtype_of<uint32_t>() { return u32; }
template <> DType dtype_of<int64_t>() { return i64; }
template <> DType dtype_of<uint64_t>() { return u64; }
template <> DType dtype_of<float>() { return f32; }
template <> DType dtype_of<double>() { return f64; }

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

std::vector<UOp> with_dims(const UOp& u, const Dims& dims) {
  std::vector<UOp> src = {u};
  for (const Dim& dim : dims) src.push_back(dim.uop);
  return src;
}

}  // namespace

template <class T>
Tensor Tensor::from(const std::vector<T>& values, std::vector<int64_t> shape) {
  int64_t n = checked_size(shape);
  check(n == int64_t(values.size()), "from: {} values for the shape ({})", values.size(),
        fmt::join(shape, ", "));
  DType t = dtype_of<T>();
  std::shared_ptr<void> memory = allocate(n * byte_size(t));
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(memory.get())[i] = values[size_t(i)];
  auto made = std::make_shared<Buffer>(Buffer{t, std::move(shape), memory.get(), memory, false});
  return Tensor(buffer(std::move(made)));
}

template Tensor Tensor::from(const std::vector<bool>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<int8_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<uint8_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<int16_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<uint16_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<int32_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<uint32_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<int64_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<uint64_t>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<float>&, std::vector<int64_t>);
template Tensor Tensor::from(const std::vector<double>&, std::vector<int64_t>);

Tensor Tensor::view(const void* data, DType t, std::vector<int64_t> shape,
                    std::shared_ptr<const void> owner) {
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

Tensor Tensor::empty(std::vector<int64_t> shape, DType t) {
  std::shared_ptr<void> memory = allocate(checked_size(shape) * byte_size(t));
  auto made = std::make_shared<Buffer>(Buffer{t, std::move(shape), memory.get(), memory, false});
  return Tensor(buffer(std::move(made)));
}

Tensor Tensor::full(Dims shape, double number, DType t) {
  Dims ones(shape.size(), Dim(1));
  UOp value = constant(t, number);
  return Tensor(make(Op::Expand, with_dims(make(Op::Reshape, with_dims(value, ones)), shape)));
}

Tensor Tensor::arange(Dim n) { return Tensor(make(Op::Iota, {n.uop})); }

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

Tensor Tensor::reshape(Dims dims) const {
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

Tensor Tensor::permute(Axes order) const {
  Axes positive;
  for (int64_t axis : order) positive.push_back(axis_of(axis));
  return Tensor(make(Op::Permute, {numbers().uop_}, positive));
}

Tensor Tensor::transpose(int64_t a, int64_t b) const {
  Axes order = axes_of({});
  std::swap(order[size_t(axis_of(a))], order[size_t(axis_of(b))]);
  return permute(order);
}

Tensor Tensor::expand(Dims dims) const {
  Tensor x = numbers();
  check(int64_t(dims.size()) >= rank(), "expand: {} dims for the shape {}", dims.size(),
        to_string(shape()));
  if (int64_t(dims.size()) > rank()) {
    Dims padded(dims.size() - size_t(rank()), Dim(1));
    for (const UOp& dim : x.shape()) padded.push_back(Dim(dim));
    x = x.reshape(padded);
  }
  if (std::equal(dims.begin(), dims.end(), x.shape().begin(), x.shape().end(),
                 [](const Dim& a, const UOp& b) { return a.uop == b; })) {
    return x;
  }
  return Tensor(make(Op::Expand, with_dims(x.uop_, dims)));
}

Tensor Tensor::pad(std::vector<std::pair<Dim, Dim>> widths) const {
  Dims flat;
  for (auto& [lo, hi] : widths) {
    flat.push_back(lo);
    flat.push_back(hi);
  }
  return Tensor(make(Op::Pad, with_dims(numbers().uop_, flat)));
}

Tensor Tensor::flip(Axes axes) const {
  check(!axes.empty(), "flip: no axis given");
  return Tensor(make(Op::Flip, {numbers().uop_}, axes_of(axes)));
}

Tensor Tensor::narrow(int64_t axis, Dim start, Dim size) const {
  Dims box;
  for (int64_t i = 0; i < rank(); ++i) {
    bool here = i == axis_of(axis);
    box.push_back(here ? start : Dim(0));
    box.push_back(here ? size : Dim(dim(i)));
  }
  return Tensor(make(Op::Shrink, with_dims(numbers().uop_, box)));
}

Tensor Tensor::slice(int64_t axis, Dim start, Dim end) const {
  return narrow(axis, start, Dim(dim_sub(end.uop, start.uop)));
}

Tensor Tensor::unsqueeze(int64_t axis) const {
  int64_t at = axis < 0 ? axis + rank() + 1 : axis;
  check(at >= 0 && at <= rank(), "unsqueeze: axis {} of the shape {}", axis, to_string(shape()));
  Dims dims(shape().begin(), shape().end());
  dims.insert(dims.begin() + at, Dim(1));
  return reshape(dims);
}

Tensor Tensor::squeeze(int64_t axis) const {
  int64_t at = axis_of(axis);
  check(is_const(dim(at), 1), "squeeze: dim {} of {} is not 1", axis, to_string(shape()));
  Dims dims(shape().begin(), shape().end());
  dims.erase(dims.begin() + at);
  return reshape(dims);
}

Tensor Tensor::cast(DType t) const {
  if (dtype() == t) return Tensor(uop_);
  if (!dtype().packed) return Tensor(make(Op::Cast, {uop_}, t));
  const PackedType& packed = *dtype().packed;
  Tensor blocks = bitcast(u8).reshape({-1, packed.bytes});
  Dims dims(shape().begin(), shape().end());
  return Tensor(packed.decode(blocks.uop_)).reshape(dims).cast(t);
}

Tensor Tensor::bitcast(DType t) const {
  return dtype() == t ? *this : Tensor(make(Op::Bitcast, {uop_}, t));
}

Tensor Tensor::contiguous() const { return Tensor(make(Op::Contiguous, {numbers().uop_})); }

Tensor Tensor::assign(const Tensor& value) const {
  UOp base = uop_;
  while (is_movement(base->op)) base = base[0];
  Dims dims(shape().begin(), shape().end());
  return Tensor(make(Op::Assign, {base, uop_, value.cast(dtype()).expand(dims).uop_}));
}

}  // namespace niwaki
