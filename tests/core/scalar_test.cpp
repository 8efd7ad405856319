// The scalar meaning of every op. Everything else (constant folding, the interpreter, generated
// code) is judged by core/scalar.h, so it is judged here by something that shares nothing with it:
// arithmetic in 128 bits, wrapped by hand, and tables of the cases that languages disagree on.
#include "core/scalar.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/bounds.h"
#include "core/error.h"
#include "tests/support/evaluate.h"
#include "tests/support/random_expression.h"

using namespace niwaki;

namespace {

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 Wrapping;

constexpr int64_t least = std::numeric_limits<int64_t>::min();
constexpr int64_t greatest = std::numeric_limits<int64_t>::max();
constexpr double inf = INFINITY;
constexpr double quiet = NAN;

Value run(Op op, DType result, DType operand, std::vector<Value> args) {
  return evaluate(op, result, operand, args);
}

int64_t integers(Op op, DType t, int64_t a, int64_t b) {
  bool compares = op == Op::Less || op == Op::Ne;
  return run(op, compares ? boolean : t, t, {Value::of(a), Value::of(b)}).i;
}

double floats(Op op, DType t, double a, double b) {
  return run(op, t, t, {Value::of(a), Value::of(b)}).f;
}

int64_t compared(Op op, double a, double b) {
  return run(op, boolean, f32, {Value::of(a), Value::of(b)}).i;
}

// What a stored value stands for as a number: u64 lives in int64 as its two's complement.
Wide number(DType t, int64_t v) { return t == u64 ? Wide(uint64_t(v)) : Wide(v); }

// The value of `t` congruent to `v`.
int64_t wrapped(DType t, Wide v) {
  int64_t bits = bit_size(t);
  Wide modulus = Wide(1) << bits;
  Wide low = v % modulus;
  if (low < 0) low += modulus;
  if (is_signed(t) && low >= modulus / 2) low -= modulus;
  return int64_t(uint64_t(low));
}

Wide floor_quotient(Wide a, Wide b) {
  Wide q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

Wide reference(Op op, DType t, Wide a, Wide b) {
  bool in_range = b >= 0 && b < bit_size(t);
  switch (op) {
    case Op::Add: return a + b;
    case Op::Mul: return Wide(Wrapping(a) * Wrapping(b));
    case Op::Div: return b == 0 ? 0 : floor_quotient(a, b);
    case Op::Mod: return b == 0 ? a : a - floor_quotient(a, b) * b;
    case Op::Max: return a > b ? a : b;
    case Op::Shl: return in_range ? Wide(uint64_t(a)) << int(b) : 0;
    case Op::Shr: return in_range ? a >> int(b) : (a < 0 ? -1 : 0);
    case Op::Less: return a < b;
    case Op::Ne: return a != b;
    default: throw InternalError("no reference");
  }
}

std::vector<int64_t> corners(DType t) {
  std::vector<int64_t> values = {0, 1, 2, 3, 7, 8, 15, 31, 32, 63, 64, 100, -1, -2, -7, -64};
  Interval all = dtype_bounds(t);
  for (int64_t v : {all.lo, all.lo + 1, all.hi, all.hi - 1, all.hi / 2 + 1}) values.push_back(v);
  std::vector<int64_t> fitting;
  for (int64_t v : values) fitting.push_back(round_to(t, Value::of(v)).i);
  return fitting;
}

}  // namespace

TEST_CASE("integer ops against arithmetic in 128 bits, all dtypes, all corners") {
  const Op ops[] = {Op::Add, Op::Mul, Op::Div,  Op::Mod, Op::Max,
                    Op::Shl, Op::Shr, Op::Less, Op::Ne};
  for (DType t : integer_types()) {
    for (int64_t a : corners(t)) {
      for (int64_t b : corners(t)) {
        for (Op op : ops) {
          Wide exact = reference(op, t, number(t, a), number(t, b));
          bool compares = op == Op::Less || op == Op::Ne;
          CAPTURE(info(op).name);
          CAPTURE(name(t));
          CAPTURE(a);
          CAPTURE(b);
          REQUIRE(integers(op, t, a, b) == (compares ? int64_t(exact) : wrapped(t, exact)));
        }
        REQUIRE(integers(Op::And, t, a, b) == wrapped(t, Wide(a & b)));
        REQUIRE(integers(Op::Xor, t, a, b) == wrapped(t, Wide(a ^ b)));
        Wide product = reference(Op::Mul, t, number(t, a), number(t, b));
        Value sum = run(Op::MulAdd, t, t, {Value::of(a), Value::of(b), Value::of(a)});
        REQUIRE(sum.i == wrapped(t, Wide(Wrapping(product) + Wrapping(number(t, a)))));
        int64_t back = wrapped(t, number(t, integers(Op::Mod, t, a, b)) +
                                      number(t, wrapped(t, reference(Op::Mul, t,
                                          number(t, integers(Op::Div, t, a, b)), number(t, b)))));
        REQUIRE_MESSAGE(back == a, "x == x / y * y + x % y");
      }
    }
  }
}

TEST_CASE("what languages disagree on, in numbers") {
  CHECK(integers(Op::Div, i32, -7, 2) == -4);
  CHECK(integers(Op::Mod, i32, -7, 2) == 1);
  CHECK(integers(Op::Mod, i32, 7, -2) == -1);
  CHECK(integers(Op::Div, i32, 7, 0) == 0);
  CHECK(integers(Op::Mod, i32, 7, 0) == 7);
  CHECK(integers(Op::Div, i64, least, -1) == least);
  CHECK(integers(Op::Mod, i64, least, -1) == 0);
  CHECK(integers(Op::Div, i8, -128, -1) == -128);
  CHECK(integers(Op::Add, i64, greatest, 1) == least);
  CHECK(integers(Op::Add, u8, 200, 100) == 44);
  CHECK(integers(Op::Mul, i16, 300, 300) == int16_t(90000));
  CHECK(integers(Op::Shl, i8, 1, 7) == -128);
  CHECK(integers(Op::Shl, i8, 1, 8) == 0);
  CHECK(integers(Op::Shl, i32, 1, -1) == 0);
  CHECK(integers(Op::Shr, i32, -5, 1) == -3);
  CHECK(integers(Op::Shr, i32, -5, 40) == -1);
  CHECK(integers(Op::Shr, i32, 5, -1) == 0);
  CHECK(integers(Op::Shr, u64, -1, 63) == 1);
  CHECK(integers(Op::Shr, u64, -1, 64) == 0);
  CHECK(integers(Op::Less, u64, 1, -1) == 1);
  CHECK(integers(Op::Max, u64, 1, -1) == -1);
  CHECK(integers(Op::Div, u64, -1, 2) == greatest);
  CHECK(integers(Op::Mul, boolean, 1, 0) == 0);
  CHECK(integers(Op::Add, boolean, 1, 1) == 1);
  CHECK(run(Op::Where, i8, i8, {Value::of(int64_t(0)), Value::of(int64_t(3)),
                                Value::of(int64_t(4))}).i == 4);
}

TEST_CASE("float ops: NaN, infinity, rounding to the dtype") {
  CHECK(compared(Op::Less, quiet, 1) == 0);
  CHECK(compared(Op::Less, 1, quiet) == 0);
  CHECK(compared(Op::Ne, quiet, quiet) == 1);
  CHECK(compared(Op::Ne, 0.0, -0.0) == 0);
  CHECK(std::isnan(floats(Op::Max, f32, quiet, 1)));
  CHECK(std::isnan(floats(Op::Max, f32, 1, quiet)));
  CHECK(floats(Op::Max, f32, -inf, -3) == -3);
  CHECK(floats(Op::Div, f32, 1, 0) == inf);
  CHECK(floats(Op::Div, f32, -1, 0.0) == -inf);
  CHECK(std::isnan(floats(Op::Div, f32, 0, 0)));
  CHECK(floats(Op::Add, f32, 16777216, 1) == 16777216);
  CHECK(floats(Op::Add, f64, 16777216, 1) == 16777217);
  CHECK(floats(Op::Add, f16, 2048, 1) == 2048);
  CHECK(floats(Op::Add, bf16, 256, 1) == 256);
  CHECK(floats(Op::Mul, f16, 256, 256) == inf);
  CHECK(floats(Op::Mul, f32, 1e30, 1e30) == inf);
  CHECK(run(Op::Sqrt, f32, f32, {Value::of(2.0)}).f == double(std::sqrt(2.0f)));
  CHECK(std::isnan(run(Op::Sqrt, f32, f32, {Value::of(-1.0)}).f));
  CHECK(run(Op::Exp, f32, f32, {Value::of(-inf)}).f == 0);
  CHECK(run(Op::Exp, f16, f16, {Value::of(M_LN2 * 10)}).f == 1024);
  CHECK(run(Op::Log2, f32, f32, {Value::of(0.0)}).f == -inf);
  CHECK(run(Op::Sin, f64, f64, {Value::of(1.0)}).f == std::sin(1.0));
  float a = 1.0f + 0x1p-23f;
  Value fused = run(Op::MulAdd, f32, f32, {Value::of(double(a)), Value::of(double(a)),
                                           Value::of(-1.0)});
  CHECK(fused.f == double(std::fma(a, a, -1.0f)));
}

TEST_CASE("f32 arithmetic in double, rounded once, is the machine's f32 arithmetic") {
  RandomExpressions random(1);
  for (int i = 0; i < 100'000; ++i) {
    float a = std::bit_cast<float>(uint32_t(random.below(int64_t(1) << 32)));
    float b = std::bit_cast<float>(uint32_t(random.below(int64_t(1) << 32)));
    CAPTURE(a);
    CAPTURE(b);
    auto same = [&](Op op, float machine) {
      return same_value(f32, Value::of(floats(op, f32, a, b)), Value::of(double(machine)));
    };
    REQUIRE(same(Op::Add, a + b));
    REQUIRE(same(Op::Mul, a * b));
    REQUIRE(same(Op::Div, a / b));
  }
}

TEST_CASE("casts: truncation, saturation, wrapping, to bool") {
  auto cast_float = [](DType to, double v) { return run(Op::Cast, to, f64, {Value::of(v)}).i; };
  CHECK(cast_float(i8, 2.9) == 2);
  CHECK(cast_float(i8, -2.9) == -2);
  CHECK(cast_float(i8, 127.9) == 127);
  CHECK(cast_float(i8, 128) == 127);
  CHECK(cast_float(i8, -1e9) == -128);
  CHECK(cast_float(u8, -0.5) == 0);
  CHECK(cast_float(u8, -1) == 0);
  CHECK(cast_float(u8, 255.5) == 255);
  CHECK(cast_float(u8, 256) == 255);
  CHECK(cast_float(i32, inf) == 2147483647);
  CHECK(cast_float(i32, -inf) == -2147483648LL);
  CHECK(cast_float(i32, quiet) == 0);
  CHECK(cast_float(i64, 0x1p63) == greatest);
  CHECK(cast_float(i64, -0x1p63) == least);
  CHECK(cast_float(u64, 0x1p63) == least);
  CHECK(cast_float(u64, 0x1p64) == -1);
  CHECK(cast_float(u64, quiet) == 0);
  CHECK(cast_float(boolean, 0.25) == 1);
  CHECK(cast_float(boolean, -0.0) == 0);
  CHECK(cast_float(boolean, quiet) == 1);
  auto cast_integer = [](DType to, DType from, int64_t v) {
    return run(Op::Cast, to, from, {Value::of(v)});
  };
  CHECK(cast_integer(i8, i32, 200).i == -56);
  CHECK(cast_integer(u16, i32, -1).i == 65535);
  CHECK(cast_integer(boolean, i32, 256).i == 1);
  CHECK(cast_integer(f64, u64, -1).f == 0x1p64);
  CHECK(cast_integer(f32, i64, 16777217).f == 16777216);
  // Rounded once: through a double these would round to a tie first, and the tie to even.
  CHECK(cast_integer(f32, i64, (1LL << 62) + (1LL << 38) + 1).f == 0x1p62 + 0x1p39);
  CHECK(cast_integer(bf16, i64, (1LL << 62) + (1LL << 54) + 1).f == 0x1p62 + 0x1p55);
  CHECK(cast_integer(bf16, u64, int64_t((3ULL << 62) + (1ULL << 55) + 1)).f ==
        0x1.8p63 + 0x1p56);
  CHECK(cast_integer(bf16, i64, -((1LL << 62) + (1LL << 54) + 1)).f == -0x1p62 - 0x1p55);
  CHECK(cast_integer(f16, i64, 65519).f == 65504);
  CHECK(cast_integer(f16, i64, 65520).f == inf);
}

TEST_CASE("value_of takes a number to any dtype") {
  CHECK(value_of(u8, -1).i == 255);
  CHECK(value_of(i8, 130).i == -126);
  CHECK(value_of(u64, 0x1p63).i == least);
  CHECK(value_of(u64, -1).i == -1);
  CHECK(value_of(i64, 1e300).i == greatest);
  CHECK(value_of(i32, quiet).i == 0);
  CHECK(value_of(boolean, 0.5).i == 1);
  CHECK(value_of(boolean, 2).i == 1);
  CHECK(value_of(f16, 1.0 / 3).f == 0x1.554p-2);
}

TEST_CASE("memory: every dtype is read back as it was written") {
  RandomExpressions random(2);
  std::vector<DType> types = integer_types();
  types.insert(types.end(), float_types().begin(), float_types().end());
  types.push_back(boolean);
  for (DType t : types) {
    for (int i = 0; i < 2000; ++i) {
      Value v = is_float(t) ? random.constant_of(t)->get<Constant>().value
                            : round_to(t, Value::of(random.interesting(t)));
      uint8_t memory[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0xa5};
      uint8_t* end = memory + 8 - byte_size(t);
      store_value(t, end, v);
      REQUIRE(same_value(t, load_value(t, end), v));
      REQUIRE(memory[8] == 0xa5);
    }
  }
}

TEST_CASE("an op without a meaning for the dtype is our fault") {
  Value two[] = {Value::of(int64_t(1)), Value::of(int64_t(1))};
  CHECK_THROWS_WITH_AS(evaluate(Op::Sqrt, i64, i64, two), "sqrt has no integer meaning",
                       InternalError);
  CHECK_THROWS_WITH_AS(evaluate(Op::Shl, f32, f32, two), "shl has no float meaning",
                       InternalError);
}
