// Arithmetic on tensors: broadcasting and promotion, then one node; and the functions of one
// variable that are short compositions.
#include <cmath>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

Shape broadcast(const Shape& a, const Shape& b) {
  size_t rank = std::max(a.size(), b.size());
  Shape shape(rank);
  for (size_t i = 0; i < rank; ++i) {
    UOp x = i < rank - a.size() ? index(1) : a[i - (rank - a.size())];
    UOp y = i < rank - b.size() ? index(1) : b[i - (rank - b.size())];
    check(x == y || is_const(x, 1) || is_const(y, 1), "broadcast: {} with {} at dim {}",
          to_string(a), to_string(b), i);
    shape[i] = is_const(x, 1) ? y : x;
  }
  return shape;
}

Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

DType number_dtype(DType t) { return t.packed ? f32 : t; }

}  // namespace

// Both operands in one dtype and shape. A number yields to a tensor, but a fraction does not yield
// to integers: there it makes both f32; nor does an integer to bools: there it makes both i64.
std::pair<Tensor, Tensor> matched(const Tensor& a, const Tensor& b) {
  Tensor x = a.numbers();
  Tensor y = b.numbers();
  auto weak = [](const Tensor& t, DType other) {
    if (t.weak_ == 2 && !is_float(other)) return f32;
    if (other.kind == Kind::Bool) return i64;
    return other;
  };
  DType common;
  if (x.weak_ && y.weak_) common = x.weak_ + y.weak_ > 2 ? f32 : i64;
  else if (x.weak_) common = weak(x, y.dtype());
  else if (y.weak_) common = weak(y, x.dtype());
  else common = promote(x.dtype(), y.dtype());
  auto typed = [&](const Tensor& t) {
    if (!t.weak_) return t.cast(common);
    const Constant& c = t.uop_->get<Constant>();
    if (is_float(c.dtype)) return Tensor(constant(common, c.value.f));
    if (is_float(common)) return Tensor(constant(common, double(c.value.i)));
    return Tensor(constant(common, c.value));
  };
  x = typed(x);
  y = typed(y);
  Dims dims = dims_of(broadcast(x.shape(), y.shape()));
  return {x.expand(dims), y.expand(dims)};
}

Tensor binary(Op op, const Tensor& a, const Tensor& b) {
  auto [x, y] = matched(a, b);
  return Tensor(make(op, {x.uop_, y.uop_}));
}

Tensor operator+(const Tensor& a, const Tensor& b) { return binary(Op::Add, a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return binary(Op::Add, a, -b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return binary(Op::Mul, a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return binary(Op::Div, a, b); }
Tensor operator%(const Tensor& a, const Tensor& b) { return binary(Op::Mod, a, b); }
Tensor operator&(const Tensor& a, const Tensor& b) { return binary(Op::And, a, b); }
Tensor operator|(const Tensor& a, const Tensor& b) { return (a ^ b) ^ (a & b); }
Tensor operator^(const Tensor& a, const Tensor& b) { return binary(Op::Xor, a, b); }
Tensor operator<<(const Tensor& a, const Tensor& b) {
  return binary(Op::Shl, a, b.cast(number_dtype(a.dtype())));
}
Tensor operator>>(const Tensor& a, const Tensor& b) {
  return binary(Op::Shr, a, b.cast(number_dtype(a.dtype())));
}
Tensor operator<(const Tensor& a, const Tensor& b) { return binary(Op::Less, a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return b < a; }
// NaN makes every comparison but != false, so a <= b is (a < b) | (a == b), not !(b < a).
Tensor operator<=(const Tensor& a, const Tensor& b) {
  if (is_float(a.dtype()) || is_float(b.dtype())) return (a < b) | (a == b);
  return !(b < a);
}
Tensor operator>=(const Tensor& a, const Tensor& b) { return b <= a; }
Tensor operator==(const Tensor& a, const Tensor& b) { return !(a != b); }
Tensor operator!=(const Tensor& a, const Tensor& b) { return binary(Op::Ne, a, b); }

Tensor where(const Tensor& c, const Tensor& a, const Tensor& b) {
  auto [x, y] = matched(a, b);
  Dims dims = dims_of(broadcast(c.shape(), x.shape()));
  return Tensor(niwaki::where(c.expand(dims).uop(), x.expand(dims).uop(), y.expand(dims).uop()));
}

Tensor Tensor::unary(Op op) const {
  Tensor x = numbers();
  if (!is_float(x.dtype()) || x.weak_) x = x.cast(f32);
  return Tensor(make(op, {x.uop_}));
}

Tensor Tensor::operator-() const {
  // The negative of a number is a number: x - 1 has the dtype of x.
  if (weak_ == 1) return whole(int64_t(0 - uint64_t(*const_int(uop_))));
  if (weak_ == 2) return fraction(-uop_->get<Constant>().value.f);
  return *this * (is_float(numbers().dtype()) ? Tensor(-1.0) : Tensor(-1));
}

Tensor Tensor::operator!() const { return cast(boolean) ^ Tensor(constant(boolean, 1)); }
Tensor Tensor::maximum(const Tensor& other) const { return binary(Op::Max, *this, other); }
Tensor Tensor::minimum(const Tensor& other) const {
  auto [x, y] = matched(*this, other);
  if (is_float(x.dtype())) return -((-x).maximum(-y));
  return niwaki::where(x < y, x, y);
}
Tensor Tensor::abs() const { return is_unsigned(dtype()) ? *this : maximum(-*this); }
Tensor Tensor::sqrt() const { return unary(Op::Sqrt); }
Tensor Tensor::rsqrt() const { return Tensor(1.0) / sqrt(); }
Tensor Tensor::exp2() const { return unary(Op::Exp2); }
Tensor Tensor::exp() const { return (*this * M_LOG2E).exp2(); }
Tensor Tensor::log2() const { return unary(Op::Log2); }
Tensor Tensor::log() const { return log2() * M_LN2; }
Tensor Tensor::sin() const { return unary(Op::Sin); }
Tensor Tensor::cos() const { return (Tensor(M_PI / 2) - *this).sin(); }
Tensor Tensor::relu() const { return maximum(0); }
Tensor Tensor::sigmoid() const { return Tensor(1.0) / (Tensor(1.0) + (-*this).exp()); }
Tensor Tensor::silu() const { return *this * sigmoid(); }
Tensor Tensor::tanh() const { return Tensor(2.0) * (*this * 2.0).sigmoid() - 1.0; }

}  // namespace niwaki
