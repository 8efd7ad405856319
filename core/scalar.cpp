#include "core/scalar.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"

namespace niwaki {
namespace {

int64_t wrap(DType t, int64_t v) {
  switch (t.kind) {
    case Kind::Bool: return v != 0;
    case Kind::I8: return int8_t(v);
    case Kind::U8: return uint8_t(v);
    case Kind::I16: return int16_t(v);
    case Kind::U16: return uint16_t(v);
    case Kind::I32: return int32_t(v);
    case Kind::U32: return uint32_t(v);
    default: return v;
  }
}

// `v` rounded to a binary format of `mantissa` stored bits and the given least normal exponent.
// The quotient by the unit in the last place is exact, so nearbyint rounds once.
double round_binary(double v, int mantissa, int min_exponent, double largest) {
  if (!std::isfinite(v) || v == 0) return v;
  int exponent = std::max(std::ilogb(v), min_exponent);
  double rounded = std::scalbn(std::nearbyint(std::scalbn(v, mantissa - exponent)),
                               exponent - mantissa);
  return std::abs(rounded) > largest ? std::copysign(INFINITY, v) : rounded;
}

double round_float(DType t, double v) {
  switch (t.kind) {
    case Kind::F16: return round_binary(v, 10, -14, 65504.0);
    case Kind::BF16: return round_binary(v, 7, -126, 3.3895313892515355e38);
    case Kind::F32: return double(float(v));
    default: return v;
  }
}

int64_t floor_div(DType t, int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (is_unsigned(t)) return int64_t(uint64_t(a) / uint64_t(b));
  if (b == -1) return int64_t(0 - uint64_t(a));
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

int64_t shift(Op op, DType t, int64_t a, int64_t b) {
  bool in_range = b >= 0 && b < bit_size(t);
  if (op == Op::Shl) return in_range ? int64_t(uint64_t(a) << b) : 0;
  if (is_unsigned(t)) return in_range ? int64_t(uint64_t(a) >> b) : 0;
  return a >> (in_range ? b : 63);
}

bool less(DType t, int64_t a, int64_t b) {
  return is_unsigned(t) ? uint64_t(a) < uint64_t(b) : a < b;
}

Value integer_op(Op op, DType t, const Value* x) {
  int64_t a = x[0].i;
  int64_t b = x[1].i;
  switch (op) {
    case Op::Add: return Value::of(int64_t(uint64_t(a) + uint64_t(b)));
    case Op::Mul: return Value::of(int64_t(uint64_t(a) * uint64_t(b)));
    case Op::Div: return Value::of(floor_div(t, a, b));
    case Op::Mod: {
      uint64_t q = uint64_t(floor_div(t, a, b));
      return Value::of(int64_t(uint64_t(a) - q * uint64_t(b)));
    }
    case Op::Max: return Value::of(less(t, a, b) ? b : a);
    case Op::And: return Value::of(a & b);
    case Op::Xor: return Value::of(a ^ b);
    case Op::Shl:
    case Op::Shr: return Value::of(shift(op, t, a, b));
    case Op::Less: return Value::of(int64_t(less(t, a, b)));
    case Op::Ne: return Value::of(int64_t(a != b));
    case Op::MulAdd: return Value::of(int64_t(uint64_t(a) * uint64_t(b) + uint64_t(x[2].i)));
    default: throw InternalError(fmt::format("{} has no integer meaning", info(op).name));
  }
}

// What has no exact value is computed in f32 for smaller types on every device, and then rounded.
double through_f32(DType t, double v) { return t.kind == Kind::F64 ? v : double(float(v)); }

Value float_op(Op op, DType t, const Value* x) {
  double a = x[0].f;
  switch (op) {
    case Op::Sqrt: return Value::of(std::sqrt(a));
    case Op::Exp: return Value::of(through_f32(t, std::exp(a)));
    case Op::Log2: return Value::of(through_f32(t, std::log2(a)));
    case Op::Sin: return Value::of(through_f32(t, std::sin(a)));
    default: break;
  }
  double b = x[1].f;
  switch (op) {
    case Op::Add: return Value::of(a + b);
    case Op::Mul: return Value::of(a * b);
    case Op::Div: return Value::of(a / b);
    case Op::Max: return Value::of(a > b || a != a ? a : b);
    case Op::Less: return Value::of(int64_t(a < b));
    case Op::Ne: return Value::of(int64_t(a != b));
    case Op::MulAdd:
      if (t.kind == Kind::F32) {
        return Value::of(double(std::fma(float(a), float(b), float(x[2].f))));
      }
      return Value::of(std::fma(a, b, x[2].f));
    default: throw InternalError(fmt::format("{} has no float meaning", info(op).name));
  }
}

int64_t saturate(DType t, double v) {
  if (v != v) return 0;
  double bits = double(bit_size(t));
  double low = is_unsigned(t) ? 0.0 : -std::exp2(bits - 1);
  double high = std::exp2(is_unsigned(t) ? bits : bits - 1);
  if (v <= low) return is_unsigned(t) ? 0 : int64_t(low);
  if (v >= high) return wrap(t, is_unsigned(t) ? -1 : int64_t(uint64_t(high) - 1));
  return is_unsigned(t) ? int64_t(uint64_t(v)) : int64_t(v);
}

// A 64-bit integer rounds once, to the target. On the way to 16 bits it passes through a double,
// whose last bit keeps whether anything was cut off below, so that no tie is made.
double from_integer(DType to, int64_t v, bool negative) {
  uint64_t magnitude = negative ? 0 - uint64_t(v) : uint64_t(v);
  double sign = negative ? -1.0 : 1.0;
  if (to.kind == Kind::F64) return sign * double(magnitude);
  if (to.kind == Kind::F32) return sign * double(float(magnitude));
  constexpr uint64_t below = 0x7ff;
  if (magnitude >> 53) magnitude = (magnitude & ~below) | uint64_t((magnitude & below) != 0) << 11;
  return sign * round_float(to, double(magnitude));
}

Value cast(DType to, DType from, Value v) {
  if (to.kind == Kind::Bool) return Value::of(int64_t(is_float(from) ? v.f != 0 : v.i != 0));
  if (is_float(to)) {
    if (is_float(from)) return Value::of(round_float(to, v.f));
    return Value::of(from_integer(to, v.i, !is_unsigned(from) && v.i < 0));
  }
  return Value::of(is_float(from) ? saturate(to, v.f) : wrap(to, v.i));
}

// A NaN of `width` bits, `mantissa` of them stored, as a double and back with its sign and payload:
// bits that only travel must arrive, and a conversion in hardware would set the quiet bit.
double widen_nan(uint64_t bits, int mantissa, int width) {
  uint64_t payload = bits & ((uint64_t(1) << mantissa) - 1);
  uint64_t sign = bits >> (width - 1);
  return std::bit_cast<double>(sign << 63 | uint64_t(0x7ff) << 52 | payload << (52 - mantissa));
}

uint64_t narrow_nan(double v, int mantissa, int width) {
  uint64_t bits = std::bit_cast<uint64_t>(v);
  uint64_t payload = (bits & ((uint64_t(1) << 52) - 1)) >> (52 - mantissa);
  if (payload == 0) payload = uint64_t(1) << (mantissa - 1);
  uint64_t exponent = (uint64_t(1) << (width - 1 - mantissa)) - 1;
  return (bits >> 63) << (width - 1) | exponent << mantissa | payload;
}

uint64_t f32_bits(double v) {
  return std::isnan(v) ? narrow_nan(v, 23, 32) : std::bit_cast<uint32_t>(float(v));
}

double f32_value(uint32_t bits) {
  float v = std::bit_cast<float>(bits);
  return std::isnan(v) ? widen_nan(bits, 23, 32) : double(v);
}

uint64_t to_bits(DType t, Value v) {
  switch (t.kind) {
    case Kind::F16: return f16_bits(v.f);
    case Kind::BF16: return bf16_bits(v.f);
    case Kind::F32: return f32_bits(v.f);
    default: return v.bits;
  }
}

Value from_bits(DType t, uint64_t bits) {
  switch (t.kind) {
    case Kind::F16: return Value::of(f16_value(uint16_t(bits)));
    case Kind::BF16: return Value::of(bf16_value(uint16_t(bits)));
    case Kind::F32: return Value::of(f32_value(uint32_t(bits)));
    case Kind::F64: return Value::of(std::bit_cast<double>(bits));
    default: return Value::of(wrap(t, int64_t(bits)));
  }
}

}  // namespace

uint16_t f16_bits(double v) {
  if (v != v) return uint16_t(narrow_nan(v, 10, 16));
  uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  double r = std::abs(round_binary(v, 10, -14, 65504.0));
  if (std::isinf(r)) return sign | 0x7c00;
  if (r < 0x1p-14) return sign | uint16_t(r * 0x1p24);
  int exponent = std::ilogb(r);
  return sign | uint16_t((exponent + 15) << 10) | uint16_t(std::scalbn(r, 10 - exponent) - 1024);
}

double f16_value(uint16_t bits) {
  double sign = bits & 0x8000 ? -1.0 : 1.0;
  int exponent = (bits >> 10) & 31;
  int mantissa = bits & 1023;
  if (exponent == 31) return mantissa ? widen_nan(bits, 10, 16) : sign * INFINITY;
  if (exponent == 0) return sign * mantissa * 0x1p-24;
  return sign * std::scalbn(1024.0 + mantissa, exponent - 25);
}

uint16_t bf16_bits(double v) {
  if (v != v) return uint16_t(narrow_nan(v, 7, 16));
  float rounded = float(round_float(bf16, v));
  return uint16_t(std::bit_cast<uint32_t>(rounded) >> 16);
}

double bf16_value(uint16_t bits) { return f32_value(uint32_t(bits) << 16); }

Value round_to(DType t, Value v) {
  return is_float(t) ? Value::of(round_float(t, v.f)) : Value::of(wrap(t, v.i));
}

Value value_of(DType t, double number) {
  if (is_float(t)) return Value::of(round_float(t, number));
  if (t.kind == Kind::Bool) return Value::of(int64_t(number != 0));
  // What int64 holds wraps, so that -1 is all ones of any width; what it does not hold saturates.
  if (number >= -0x1p63 && number < 0x1p63) return Value::of(wrap(t, int64_t(number)));
  return Value::of(saturate(t, number));
}

Value evaluate(Op op, DType result, DType operand, std::span<const Value> args) {
  switch (op) {
    case Op::Where: return args[0].i ? args[1] : args[2];
    case Op::Cast: return cast(result, operand, args[0]);
    case Op::Bitcast: return from_bits(result, to_bits(operand, args[0]));
    default: break;
  }
  Value v = is_float(operand) ? float_op(op, operand, args.data())
                              : integer_op(op, operand, args.data());
  return round_to(result, v);
}

Value load_value(DType t, const void* address) {
  uint64_t bits = 0;
  std::memcpy(&bits, address, size_t(byte_size(t)));
  return from_bits(t, bits);
}

void store_value(DType t, void* address, Value v) {
  uint64_t bits = to_bits(t, v);
  std::memcpy(address, &bits, size_t(byte_size(t)));
}

}  // namespace niwaki
