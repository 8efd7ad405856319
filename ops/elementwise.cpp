// Arithmetic on tensors: broadcasting and promotion, then one node or a short composition.
//
// What is no primitive is built so that the gradient of the composition is the wanted one, at kinks
// and at the ends of a domain too: there a where() chooses between forms, and since a gradient of 0
// times an infinite slope is NaN, the form that is not chosen is given a harmless operand. What has
// no gradient (rounding, say) is computed from detach().
#include <cmath>
#include <limits>

#include "core/bounds.h"
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

Tensor infinity() { return Tensor(std::numeric_limits<double>::infinity()); }

// Where one operand is negative and the other is not.
Tensor signs_differ(const Tensor& a, const Tensor& b) { return (a < 0) != (b < 0); }

// x^n by squaring, n > 0.
Tensor power(Tensor x, int64_t n) {
  while (n % 2 == 0) {
    x = x * x;
    n /= 2;
  }
  return n == 1 ? x : x * power(x * x, n / 2);
}

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

// An amount that the left dtype cannot hold is one beyond its width.
static Tensor shifted(Op op, const Tensor& a, Tensor b) {
  DType t = a.dtype();
  check(!is_float(b.dtype()), "{}: shifts by integers, not by {}", info(op).name, name(b.dtype()));
  check(is_integer(t), "{}: needs integers, not {}", info(op).name, name(t));
  Interval held = dtype_bounds(t);
  if (b.uop()->lo < held.lo || b.uop()->hi > held.hi) {
    b = where((b < 0) | (b > bit_size(t)), bit_size(t), b);
  }
  return binary(op, a, b.cast(t));
}

Tensor operator+(const Operand& a, const Operand& b) { return binary(Op::Add, a, b); }
Tensor operator-(const Operand& a, const Operand& b) { return binary(Op::Add, a, -b.tensor); }
Tensor operator*(const Operand& a, const Operand& b) { return binary(Op::Mul, a, b); }
Tensor operator/(const Operand& a, const Operand& b) {
  auto [x, y] = matched(a, b);
  if (is_float(x.dtype())) return Tensor(make(Op::Div, {x.uop(), y.uop()}));
  return Tensor(make(Op::Div, {x.cast(f32).uop(), y.cast(f32).uop()}));
}
Tensor operator%(const Operand& a, const Operand& b) { return a.tensor.mod(b); }
Tensor operator&(const Operand& a, const Operand& b) { return binary(Op::And, a, b); }
Tensor operator|(const Operand& a, const Operand& b) { return (a ^ b) ^ (a & b); }
Tensor operator^(const Operand& a, const Operand& b) { return binary(Op::Xor, a, b); }
Tensor operator<<(const Operand& a, const Operand& b) { return shifted(Op::Shl, a, b); }
Tensor operator>>(const Operand& a, const Operand& b) { return shifted(Op::Shr, a, b); }
Tensor operator<(const Operand& a, const Operand& b) { return binary(Op::Less, a, b); }
Tensor operator>(const Operand& a, const Operand& b) { return b < a; }
// NaN makes every comparison but != false, so a <= b is (a < b) | (a == b), not !(b < a).
Tensor operator<=(const Operand& a, const Operand& b) {
  if (is_float(a.tensor.dtype()) || is_float(b.tensor.dtype())) return (a < b) | (a == b);
  return !(b < a);
}
Tensor operator>=(const Operand& a, const Operand& b) { return b <= a; }
Tensor operator==(const Operand& a, const Operand& b) { return !(a != b); }
Tensor operator!=(const Operand& a, const Operand& b) { return binary(Op::Ne, a, b); }

Tensor where(const Tensor& c, const Tensor& a, const Tensor& b, Here) {
  auto [x, y] = matched(a, b);
  Dims dims = dims_of(broadcast(c.shape(), x.shape()));
  return Tensor(niwaki::where(c.expand(dims).uop(), x.expand(dims).uop(), y.expand(dims).uop()));
}

// As functions see it that give floats.
Tensor Tensor::floats() const {
  Tensor x = numbers();
  return !is_float(x.dtype()) || x.weak_ ? x.cast(f32) : x;
}

Tensor Tensor::operator-() const {
  // The negative of a number is a number: x - 1 has the dtype of x.
  if (weak_ == 1) return whole(int64_t(0 - uint64_t(*const_int(uop_))));
  if (weak_ == 2) return fraction(-uop_->get<Constant>().value.f);
  return *this * (is_float(numbers().dtype()) ? Tensor(-1.0) : Tensor(-1));
}

Tensor Tensor::operator!() const { return cast(boolean) ^ Tensor(constant(boolean, 1)); }
Tensor Tensor::maximum(const Tensor& other, Here) const { return binary(Op::Max, *this, other); }
Tensor Tensor::minimum(const Tensor& other, Here) const {
  auto [x, y] = matched(*this, other);
  if (is_float(x.dtype())) return -((-x).maximum(-y));
  return niwaki::where(x < y, x, y);
}

Tensor Tensor::operator~() const {
  Tensor x = numbers();
  check(!is_float(x.dtype()), "bitwise_not: needs integers or bools, not {}", name(x.dtype()));
  return x ^ Tensor(constant(x.dtype(), Value::of(int64_t(x.dtype() == boolean ? 1 : -1))));
}

Tensor Tensor::logical_and(const Tensor& other, Here) const {
  return cast(boolean) & other.cast(boolean);
}

Tensor Tensor::logical_or(const Tensor& other, Here) const {
  return cast(boolean) | other.cast(boolean);
}

Tensor Tensor::sign(Here) const {
  Tensor x = numbers();
  if (x.dtype() == boolean) return x;
  return (Tensor(0) < x).cast(x.dtype()) - (x < 0).cast(x.dtype());
}

Tensor Tensor::square(Here) const { return *this * *this; }
Tensor Tensor::reciprocal(Here) const { return Tensor(1.0) / *this; }

Tensor Tensor::copysign(const Tensor& sign, Here) const {
  auto [x, s] = matched(floats(), sign.floats());
  Tensor negative = s.bitcast(unsigned_of_same_width(s.dtype())) >> (bit_size(s.dtype()) - 1);
  Tensor magnitude = x.abs();
  return niwaki::where(negative != 0, -magnitude, magnitude);
}

Tensor Tensor::lerp(const Tensor& end, const Tensor& weight, Here) const {
  return *this + (end - *this) * weight;
}

Tensor Tensor::clip(const std::optional<Tensor>& lo, const std::optional<Tensor>& hi, Here) const {
  check(lo || hi, "clip: neither bound is given");
  Tensor x = lo ? niwaki::where(*this < *lo, *lo, *this) : *this;
  return hi ? niwaki::where(*hi < x, *hi, x) : x;
}

Tensor Tensor::masked_fill(const Tensor& mask, const Tensor& value, Here) const {
  check(mask.dtype() == boolean, "masked_fill: the mask is {}, not bool", name(mask.dtype()));
  return niwaki::where(mask, value, *this);
}

Tensor Tensor::isnan(Here) const { return *this != *this; }
Tensor Tensor::isinf(Here) const { return abs() == infinity(); }
Tensor Tensor::isfinite(Here) const { return abs() < infinity(); }

Tensor Tensor::isclose(const Tensor& other, double rtol, double atol, bool equal_nan, Here) const {
  auto [x, y] = matched(floats(), other.floats());
  Tensor distance = (x - y).abs();
  Tensor close = (x == y) | (distance.isfinite() & (distance <= y.abs() * rtol + atol));
  return equal_nan ? close | (x.isnan() & y.isnan()) : close;
}

// log(e^a + e^b) = a + log(1 + e^(b - a)), where b is the lesser.
Tensor Tensor::logaddexp(const Tensor& other, Here) const {
  auto [a, b] = matched(floats(), other.floats());
  Tensor swap = a < b;
  Tensor greater = niwaki::where(swap, b, a);
  Tensor behind = niwaki::where(swap, a, b) - greater;
  return greater + niwaki::where(greater.isinf(), 0, behind).exp().log1p();
}

// --- rounding ---

// Adding 2^d, where the dtype stores d binary digits, leaves none for a fraction, and rounds as
// every addition does; from there on all numbers are whole. x * 0 is the zero with the sign of x.
Tensor Tensor::round(Here) const {
  if (is_integer(dtype()) || dtype() == boolean) return *this;
  Tensor x = floats().detach();
  DType t = x.dtype();
  double whole = t == f16 ? 0x1p10 : t == bf16 ? 0x1p7 : t == f32 ? 0x1p23 : 0x1p52;
  Tensor rounded = niwaki::where(x < 0, (x - whole) + whole, (x + whole) - whole);
  rounded = niwaki::where(rounded == 0, x * 0, rounded);
  return niwaki::where(x.abs() < whole, rounded, x);
}

Tensor Tensor::floor(Here) const {
  if (is_integer(dtype()) || dtype() == boolean) return *this;
  Tensor x = floats().detach();
  Tensor nearest = x.round();
  return niwaki::where(x < nearest, nearest - 1, nearest);
}

Tensor Tensor::ceil(Here) const {
  return is_integer(dtype()) || dtype() == boolean ? *this : -(-*this).floor();
}

Tensor Tensor::trunc(Here) const { return niwaki::where(*this < 0, ceil(), floor()); }

// --- division ---

// Of floats a - trunc(a / b) * b in f64, which is exact where a and b are of f32 and the quotient
// is below 2^29; where it is 0, b may be infinite.
Tensor Tensor::fmod(const Tensor& other, Here) const {
  auto [a, b] = matched(*this, other);
  if (is_float(a.dtype())) {
    Tensor x = a.cast(f64);
    Tensor y = b.cast(f64);
    Tensor quotient = (x / y).trunc();
    return niwaki::where(quotient == 0, x, x - quotient * y).cast(a.dtype());
  }
  Tensor left = binary(Op::Mod, a, b);
  return niwaki::where((left != 0) & signs_differ(left, a), left - b, left);
}

Tensor Tensor::mod(const Tensor& other, Here) const {
  auto [a, b] = matched(*this, other);
  if (!is_float(a.dtype())) return binary(Op::Mod, a, b);
  Tensor left = a.fmod(b);
  return niwaki::where((left != 0) & signs_differ(left, b), left + b, left);
}

Tensor Tensor::floor_divide(const Tensor& other, Here) const {
  auto [a, b] = matched(*this, other);
  if (!is_float(a.dtype())) return binary(Op::Div, a, b);
  Tensor x = a.detach().cast(f64);
  Tensor y = b.detach().cast(f64);
  Tensor left = x.fmod(y);
  Tensor quotient = ((x - left) / y).round();
  quotient = niwaki::where((left != 0) & signs_differ(left, y), quotient - 1, quotient);
  return niwaki::where(y == 0, x / y, quotient).cast(a.dtype());
}

Tensor Tensor::div(const Tensor& other, std::string_view rounding_mode, Here) const {
  if (rounding_mode == "floor") return floor_divide(other);
  if (rounding_mode.empty()) return *this / other;
  check(rounding_mode == "trunc", "div: rounding mode \"{}\" is neither trunc nor floor",
        rounding_mode);
  auto [a, b] = matched(*this, other);
  return is_float(a.dtype()) ? (a / b).trunc() : binary(Op::Div, a - a.fmod(b), b);
}

// --- powers ---

// An element of the exponent decides for every one of its bits whether that power is a factor. Less
// than 0 it leaves the truncated quotient.
static Tensor integer_power(const Tensor& base, const Tensor& exponent) {
  DType t = base.dtype();
  Tensor one(constant(t, 1));
  Tensor result = one;
  Tensor factor = base;
  int64_t bits = bit_size(t) - int64_t(is_signed(t));
  for (int64_t bit = 0; bit < bits; ++bit) {
    if (bit > 0) factor = factor * factor;
    result = where(((exponent >> bit) & 1) != 0, result * factor, result);
  }
  if (is_unsigned(t)) return result;
  Tensor odd = (exponent & 1) != 0;
  Tensor inverse = where(base == 1, one, where(base == -1, where(odd, base, one), 0));
  return where(exponent < 0, inverse, result);
}

// exp2(b log2 a), and apart from it: the sign of a negative base with a whole exponent, 1 to any
// power and any number to the power 0, and 0 to a power above 0, whose slope is that of the nearest
// power with a name.
static Tensor float_power(const Tensor& a, const Tensor& b) {
  Tensor whole = b.floor() == b;
  Tensor odd = whole & ((b * 0.5).floor() != b * 0.5);
  Tensor flips = (a < 0) & (whole | a.isinf());
  Tensor magnitude = where(flips, -a, a);
  Tensor of_zero = (a == 0) & (Tensor(0) < b);
  Tensor is_one = (b == 0) & !((Tensor(0) < a) & a.isfinite());
  Tensor y = (b * where(of_zero | is_one, 1, magnitude).log2()).exp2();
  y = where(flips & odd, -y, y);
  y = where((magnitude == 1) & !b.isfinite(), 1, y);
  Tensor zero = where(of_zero, a, 1);
  Tensor root = where(of_zero & (b < 1), a, 1).sqrt();
  zero = where(b < 1, root, where(b == 1, zero, zero * zero));
  return where(of_zero, zero, y);
}

Tensor Tensor::pow(const Tensor& exponent, Here) const {
  bool by_number = exponent.uop_->op == Op::Const;
  auto [a, b] = matched(*this, exponent);
  if (a.dtype() == boolean) return a.cast(i64).pow(b.cast(i64));
  DType t = a.dtype();
  if (by_number) {
    const Constant& c = exponent.uop_->get<Constant>();
    double number = is_float(c.dtype) ? c.value.f : double(c.value.i);
    check(is_float(t) || number >= 0, "pow: integers to the power {}: cast them to floats", number);
    if (number == 0) return a.ones_like();
    if (number == 0.5) return a.sqrt();
    if (number == std::floor(number) && std::abs(number) <= 64) {
      return power(number < 0 ? a.reciprocal() : a, int64_t(std::abs(number)));
    }
  }
  if (!is_float(t)) return integer_power(a, b);
  // Sixteen-bit floats are for storage: the logarithm needs more.
  bool half = t == f16 || t == bf16;
  return half ? float_power(a.cast(f32), b.cast(f32)).cast(t) : float_power(a, b);
}

}  // namespace niwaki
