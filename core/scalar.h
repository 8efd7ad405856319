// The scalar meaning of every op: the one place where arithmetic is defined. Constant folding, the
// rule fuzzer and the interpreter call it; generated code must agree with it.
//
// Semantics, for all dtypes and devices:
//  - integers wrap; division and remainder are those of the floor; x / 0 is 0 and x % 0 is x, so
//    that x == x / y * y + x % y always holds; the least integer divided by -1 is itself;
//  - a shift by less than 0 or at least the width leaves 0, or the sign for signed >>;
//  - floats follow IEEE 754 with round to nearest even; f16 and bf16 results are the f32 (or more
//    precise) result rounded once; comparisons with NaN are false but for ne; max gives NaN when
//    either operand is NaN;
//  - arithmetic, sqrt and casts have one result, and devices give all its bits. exp, log2 and sin
//    of f32 are within 1 ulp of the true value on INTERP and CPU; of what tensors compose of them
//    (ops/functions.cpp) exp2, log, cos, tanh, erf and sigmoid are within 2 ulp, the others within
//    4. Of f16 and bf16 they are the f32 result, rounded;
//  - float to integer truncates toward zero, saturates, and takes NaN to 0; integer to integer
//    wraps; anything to bool is x != 0.
//
// What is composed of these (ops/elementwise.cpp) means what it means in torch:
//  - `/` of integers is their quotient in f32; floor_divide and `%` are those of the floor,
//    div(.., "trunc") and fmod those of C, for floats too, where x % 0 is NaN; round takes ties to
//    even, and it, floor, ceil and trunc keep -0;
//  - pow is C's: 1 to any power is 1, and so is anything to the power 0, NaN included; of integers
//    it wraps, and below 0 it is the truncated quotient, with 0 for 1 / 0;
//  - sign(NaN) is 0; relu and clip leave NaN; isclose is true for equal infinities;
//  - equal operands of a maximum or minimum get half of the gradient each.
// Where torch raises or leaves open, here is a value: integers divided by 0, shifts out of range.
#pragma once

#include <cstdint>
#include <span>

#include "core/dtype.h"
#include "core/op.h"

namespace niwaki {

/// One scalar. Integers and bools live in `i` (u64 as its two's complement), floats in `f`, already
/// rounded to their dtype.
union Value {
  int64_t i;
  double f;
  uint64_t bits;

  constexpr Value() : i(0) {}
  static constexpr Value of(int64_t v) { Value r; r.i = v; return r; }
  static constexpr Value of(double v) { Value r; r.f = v; return r; }
};

/// `v`, of `t`'s class (float or not), rounded or wrapped to `t`.
Value round_to(DType t, Value v);

/// `number` as a value of `t`: an integer wraps while int64 holds it, and saturates beyond.
Value value_of(DType t, double number);

/// What `op` gives on scalars of type `operand` (of the last source, for Where); ops of op.def's
/// elementwise part, Cast (to `result`) and Bitcast.
Value evaluate(Op op, DType result, DType operand, std::span<const Value> args);

/// Reads or writes one element of a plain dtype in memory.
Value load_value(DType t, const void* address);
void store_value(DType t, void* address, Value v);

/// IEEE half and bfloat16 conversions, round to nearest even.
uint16_t f16_bits(double v);
double f16_value(uint16_t bits);
uint16_t bf16_bits(double v);
double bf16_value(uint16_t bits);

}  // namespace niwaki
