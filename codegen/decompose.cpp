// What a target lacks becomes what it has. Every rewrite here is exact: the value that core's
// scalar meaning gives. What is not (exp, log2, sin) is written out in transcendental.cpp.
//
// After this pass there is no bf16, and no f16 where the target has none: sixteen-bit floats are
// u16 in memory and are widened and rounded by integer arithmetic. There is no bool in memory.
// Integers are divided where floor and truncation agree and never by zero, shifts are by less than
// the width, max is a comparison, a cast of a float to an integer cannot leave its range: what C
// and LLVM leave undefined is not rendered.
#include <bit>
#include <cmath>
#include <functional>

#include "codegen/arithmetic.h"
#include "codegen/lower.h"
#include "codegen/transcendental.h"
#include "core/bounds.h"
#include "core/error.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// Bottom up, each node once: what `rule` makes is not offered to it again.
UOp rewrite_once(const UOp& ast, const std::function<UOp(const UOp&)>& rule) {
  NodeMap<UOp> memo;
  for (const UOp& u : toposort(ast)) {
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(*memo.find(s.get()));
    UOp same = with_sources(u, std::move(src));
    UOp changed = rule(same);
    memo[u.get()] = changed ? changed : same;
  }
  return *memo.find(ast.get());
}

// --- sixteen-bit floats, as their bits in u16 ---

// f16 bits to f32: shifting the exponent into place leaves the value too small by 2^112, which a
// multiplication mends, for subnormals too; infinity and NaN keep all exponent bits.
UOp widen_f16(const UOp& h) {
  UOp u = cast(h, u32);
  UOp magnitude = bitcast_to(shift_left(mask(u, 0x7fff), 13), f32);
  UOp finite = bitcast_to(magnitude * number(magnitude, 0x1p112), u32);
  UOp special = equal(mask(u, 0x7c00), bits_number(u, 0x7c00));
  UOp all_exponent = either(shift_left(mask(u, 0x7fff), 13), bits_number(u, 0x7f800000));
  UOp sign = shift_left(mask(u, 0x8000), 16);
  return bitcast_to(make(Op::Xor, {where(special, all_exponent, finite), sign}), f32);
}

// f32 to f16 bits, to nearest even. Normal results: add the rounding to the bits and shift. Results
// below 2^-14: adding 0.5 aligns the value so that f32's own rounding is the wanted one.
UOp narrow_f16(const UOp& f) {
  UOp u = bitcast_to(f, u32);
  UOp sign = mask(shift_right(u, 16), 0x8000);
  UOp a = mask(u, 0x7fffffff);
  UOp odd = mask(shift_right(a, 13), 1);
  UOp rounded = shift_right(a + bits_number(a, 0xfff - 0x38000000) + odd, 13);
  UOp aligned = bitcast_to(a, f32) + number(f, 0.5);
  UOp subnormal = bitcast_to(aligned, u32) + bits_number(a, -int64_t(0x3f000000));
  UOp finite = where(a < bits_number(a, 0x38800000), subnormal, rounded);
  UOp infinite = bits_number(a, 0x7c00);
  UOp limited = where(a < bits_number(a, 0x477ff000), finite, infinite);
  UOp nan = bits_number(a, 0x7e00);
  UOp result = where(bits_number(a, 0x7f800000) < a, nan, limited);
  return cast(make(Op::Xor, {result, sign}), u16);
}

UOp widen_bf16(const UOp& h) { return bitcast_to(shift_left(cast(h, u32), 16), f32); }

UOp narrow_bf16(const UOp& f) {
  UOp u = bitcast_to(f, u32);
  UOp odd = mask(shift_right(u, 16), 1);
  UOp rounded = shift_right(u + bits_number(u, 0x7fff) + odd, 16);
  UOp sign = mask(shift_right(u, 16), 0x8000);
  UOp nan = make(Op::Xor, {bits_number(u, 0x7fc0), sign});
  UOp is_nan = bits_number(u, 0x7f800000) < mask(u, 0x7fffffff);
  return cast(where(is_nan, nan, rounded), u16);
}

bool is_half(DType t) { return t.kind == Kind::F16 || t.kind == Kind::BF16; }

// Arithmetic on halves: in f32, rounded after every op.
UOp compute_in_f32(const UOp& u) {
  bool arithmetic = is_elementwise(u->op) && u->op != Op::Cast && u->op != Op::Where;
  if (!arithmetic || !is_half(u->src.back()->dtype)) return {};
  std::vector<UOp> src;
  for (const UOp& s : u->src) src.push_back(cast(s, f32));
  UOp wide = make(u->op, std::move(src), u->arg);
  return wide->dtype.kind == Kind::Bool ? wide : cast(wide, u->dtype.scalar());
}

// f64 to f32, rounded to odd: inexact results get a last bit of 1, so that rounding them again to a
// half is as good as rounding the f64.
UOp narrow_to_odd(const UOp& x) {
  UOp nearest = cast(x, f32);
  UOp back = cast(nearest, f64);
  UOp u = bitcast_to(nearest, u32);
  auto magnitude = [](const UOp& d) { return mask(bitcast_to(d, u64), 0x7fffffffffffffff); };
  UOp inexact = make(Op::And, {make(Op::Ne, {back, x}), equal(x, x)});
  UOp even = equal(mask(u, 1), bits_number(u, 0));
  UOp below = magnitude(back) < magnitude(x);
  UOp odd = where(below, u + bits_number(u, 1), u + bits_number(u, -1));
  return bitcast_to(where(make(Op::And, {inexact, even}), odd, u), f32);
}

// Casts to and from halves go through f32, those of wider numbers through f64 before.
UOp cast_through_f32(const UOp& u) {
  if (u->op != Op::Cast) return {};
  DType from = u[0]->dtype.scalar();
  DType to = u->dtype.scalar();
  if (is_half(from) && to != f32) return cast(cast(u[0], f32), to);
  if (!is_half(to) || from == f32) return {};
  bool exact = is_half(from) || byte_size(from) <= 2;
  return cast(exact ? cast(u[0], f32) : narrow_to_odd(cast(u[0], f64)), to);
}

// Half-typed nodes become their bits, in u16; a cast from a half is where the bits are widened, and
// only there is it known which half they were.
UOp emulate_halves(const UOp& ast, const Target& target) {
  auto emulated = [&](DType t) {
    return t.kind == Kind::BF16 || (t.kind == Kind::F16 && !target.native_f16);
  };
  UOp in_f32 = rewrite_once(ast, compute_in_f32);
  in_f32 = rewrite_once(in_f32, cast_through_f32);
  NodeMap<UOp> memo;
  auto as_bits = [&](const UOp& u, std::vector<UOp> src) -> UOp {
    DType to = u->dtype.scalar();
    DType from = u->src.empty() ? to : u[0]->dtype.scalar();
    bool converts = u->op == Op::Cast || u->op == Op::Bitcast;
    if (converts && emulated(from)) {
      if (u->op == Op::Bitcast && emulated(to)) return src[0];
      if (u->op == Op::Bitcast) return make(Op::Bitcast, std::move(src), u->dtype);
      return from == f16 ? widen_f16(src[0]) : widen_bf16(src[0]);
    }
    if (!emulated(to)) return with_sources(u, std::move(src));
    switch (u->op) {
      case Op::Cast: return to == f16 ? narrow_f16(src[0]) : narrow_bf16(src[0]);
      case Op::Bitcast: return make(Op::Bitcast, std::move(src), u16.vec(u->dtype.lanes));
      case Op::Const: {
        double v = u->get<Constant>().value.f;
        return constant(u16, Value::of(int64_t(to == f16 ? f16_bits(v) : bf16_bits(v))));
      }
      case Op::Param: {
        ParamInfo p = u->get<ParamInfo>();
        p.dtype = u16;
        return make(Op::Param, {}, p);
      }
      default: return make(u->op, std::move(src), u->arg);
    }
  };
  for (const UOp& u : toposort(in_f32)) {
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(*memo.find(s.get()));
    memo[u.get()] = as_bits(u, std::move(src));
  }
  return simplify(*memo.find(in_f32.get()));
}

// --- integers ---

bool known_nonnegative(const UOp& u) { return u->lo >= 0 || is_unsigned(u->dtype); }

// The bounds of a vector's lanes are those of the node.
UOp divide(const UOp& u) {
  DType t = u->dtype.scalar();
  if (!is_integer(t)) return {};
  const UOp& a = u[0];
  const UOp& b = u[1];
  bool remainder = u->op == Op::Mod;
  if (!is_unsigned(t)) {
    // Floor and truncation agree: the division that every target has.
    if (known_nonnegative(a) && b->lo > 0) return {};
    DType unsigned_t = unsigned_of_same_width(t);
    // Of magnitudes, then the sign; a negative quotient with a remainder is one less.
    UOp zero = bits_number(a, 0);
    UOp negative_a = a < zero;
    UOp negative_b = b < zero;
    UOp x = cast(where(negative_a, a * bits_number(a, -1), a), unsigned_t);
    UOp y = cast(where(negative_b, b * bits_number(b, -1), b), unsigned_t);
    bool never_zero = b->lo > 0 || b->hi < 0;
    if (!never_zero) y = where(equal(y, bits_number(y, 0)), bits_number(y, 1), y);
    UOp signs_differ = make(Op::Ne, {negative_a, negative_b});
    UOp q = make(Op::Div, {x, y});
    UOp inexact = make(Op::Ne, {q * y, x});
    UOp down = cast(make(Op::And, {signs_differ, inexact}), unsigned_t);
    UOp floor = cast(q + down, t);
    UOp signed_floor = where(signs_differ, floor * bits_number(floor, -1), floor);
    // Division by zero gives 0, with remainder a.
    UOp result = never_zero ? signed_floor : where(equal(b, zero), zero, signed_floor);
    return remainder ? a + result * b * bits_number(b, -1) : result;
  }
  bool constant_divisor = b->lo == b->hi || (b->op == Op::Const && !is_const(b, 0));
  if (constant_divisor ? b->lo != 0 : b->lo > 0 && t.kind != Kind::U64) return {};
  UOp zero = bits_number(b, 0);
  UOp is_zero = equal(b, zero);
  UOp guarded = make(u->op, {a, where(is_zero, bits_number(b, 1), b)});
  return where(is_zero, remainder ? a : zero, guarded);
}

UOp shift(const UOp& u) {
  const UOp& n = u[1];
  int64_t bits = bit_size(u->dtype.scalar());
  bool in_range = n->lo >= 0 && n->hi < bits && n->dtype.kind != Kind::U64;
  if (in_range) return {};
  // By the unsigned count, a negative one is out of range too.
  DType unsigned_t = unsigned_of_same_width(n->dtype.scalar());
  UOp count = cast(n, unsigned_t);
  UOp ok = count < bits_number(count, bits);
  UOp masked = mask(n, bits - 1);
  UOp shifted = make(u->op, {u[0], masked});
  bool keeps_sign = u->op == Op::Shr && is_signed(u->dtype);
  UOp beyond = keeps_sign ? shift_right(u[0], bits - 1) : bits_number(u[0], 0);
  return where(ok, shifted, beyond);
}

UOp maximum(const UOp& u) {
  const UOp& a = u[0];
  const UOp& b = u[1];
  if (u->dtype.kind == Kind::Bool) return either(a, b);
  if (!is_float(u->dtype)) return where(a < b, b, a);
  // The inner choice is what processors call the maximum.
  return where(make(Op::Ne, {a, a}), a, where(b < a, a, b));
}

// --- casts and bools ---

const double* float_constant(const UOp& u) {
  const UOp& c = u->op == Op::Stack && u->src.size() == 1 ? u[0] : u;
  return c->op == Op::Const ? &c->get<Constant>().value.f : nullptr;
}

// A clamp that NaN does not pass, within (least, end): low < x ? (x < high ? x : high) : low.
bool is_clamped(const UOp& u, double least, double end) {
  if (u->op != Op::Where || u[1]->op != Op::Where) return false;
  const UOp& inner = u[1];
  const double* low = float_constant(u[2]);
  const double* high = float_constant(inner[2]);
  bool clamp = u[0] == (u[2] < inner[1]) && inner[0] == (inner[1] < inner[2]);
  return clamp && low && high && *low > least && *high < end;
}

UOp float_to_integer(const UOp& u) {
  if (u->op != Op::Cast) return {};
  DType from = u[0]->dtype.scalar();
  DType to = u->dtype.scalar();
  if (!is_float(from) || !is_integer(to)) return {};
  double bits = double(bit_size(to));
  double low = is_unsigned(to) ? 0.0 : -std::exp2(bits - 1);
  double end = std::exp2(is_unsigned(to) ? bits : bits - 1);
  const UOp& x = u[0];
  if (is_clamped(x, low, end)) return {};
  UOp inside = make(Op::And, {negate(x < number(x, low)), x < number(x, end)});
  UOp guarded = cast(where(inside, x, number(x, 0)), to);
  Interval limits = dtype_bounds(to);
  int64_t top = to.kind == Kind::U64 ? -1 : limits.hi;
  int64_t bottom = is_unsigned(to) ? 0 : limits.lo;
  UOp over = negate(x < number(x, end));
  UOp is_number = equal(x, x);
  UOp above = make(Op::And, {over, is_number});
  UOp below = x < number(x, low);
  return where(above, bits_number(guarded, top),
               where(below, bits_number(guarded, bottom), guarded));
}

UOp bool_ops(const UOp& u) {
  if (u->dtype.kind != Kind::Bool) return {};
  bool on_bools = !u->src.empty() && u[0]->dtype.kind == Kind::Bool;
  if (u->op == Op::Cast) return make(Op::Ne, {u[0], number(u[0], 0)});
  if (u->op == Op::Add) return either(u[0], u[1]);
  if (u->op == Op::Mul || u->op == Op::Div) return u[0] & u[1];
  if (u->op == Op::Less && on_bools) return negate(u[0]) & u[1];
  if (u->op == Op::Ne && on_bools) return make(Op::Xor, {u[0], u[1]});
  return {};
}

// A bool in memory is a byte.
UOp bools_as_bytes(const UOp& ast) {
  return rewrite_once(ast, [](const UOp& u) -> UOp {
    bool in_memory = u->op == Op::Load || u->op == Op::Store;
    if (!in_memory || u[0]->op != Op::Param || u[0]->dtype.kind != Kind::Bool) return {};
    ParamInfo p = u[0]->get<ParamInfo>();
    p.dtype = u8;
    std::vector<UOp> src = u->src;
    src[0] = make(Op::Param, {}, p);
    if (u->op == Op::Store) {
      src[2] = cast(src[2], u8);
      return make(Op::Store, std::move(src), u->arg);
    }
    UOp byte = make(Op::Load, std::move(src), u->arg);
    return make(Op::Ne, {byte, number(byte, 0)});
  });
}

// --- vectors that a scalar target cannot hold ---

// The bytes of a wider element, joined by shifts.
UOp join_bytes(const UOp& u) {
  if (u->op != Op::Bitcast || u[0]->op != Op::Stack || u->dtype.lanes > 1) return {};
  DType wide = unsigned_of_same_width(u->dtype);
  DType part = unsigned_of_same_width(u[0]->dtype.scalar());
  UOp joined;
  for (size_t i = 0; i < u[0]->src.size(); ++i) {
    UOp bits = cast(bitcast_to(u[0][i], part), wide);
    UOp moved = shift_left(bits, int64_t(i) * bit_size(part));
    joined = joined ? make(Op::Add, {joined, moved}) : moved;
  }
  return bitcast_to(joined, u->dtype);
}

// How far the bit that each lane tests is from the top of a word; null where that is not one bit.
UOp shifts_to_sign(const UOp& bits) {
  if (bits->op != Op::Stack) return {};
  std::vector<UOp> shifts;
  for (const UOp& bit : bits->src) {
    const int64_t* value = const_int(bit);
    if (value && *value > 0 && !(*value & (*value - 1))) {
      shifts.push_back(constant(u32, 31 - __builtin_ctzll(uint64_t(*value))));
    } else if (bit->op == Op::Shl && is_const(bit[0], 1)) {
      shifts.push_back(make(Op::Xor, {cast(bit[1], u32), constant(u32, 31)}));
    } else {
      return {};
    }
  }
  return make(Op::Stack, std::move(shifts), bits->arg);
}

// A choice of words by a bit of a byte: the byte becomes a word, and its bit is shifted to where
// the sign is, which is what chooses. To compare bytes, the results would have to be widened. A
// byte that all lanes share fills its word, which costs nothing.
UOp test_by_sign(const UOp& u) {
  if (u->op != Op::Where || u->dtype.lanes == 1 || bit_size(u->dtype.scalar()) != 32) return {};
  const UOp& condition = u[0];
  bool test = condition->op == Op::Ne && condition[0]->op == Op::And && is_const(condition[1], 0);
  if (!test || condition[0]->dtype.scalar() != u8) return {};
  const UOp& bytes = condition[0][0];
  UOp shifts = shifts_to_sign(condition[0][1]);
  if (!shifts) return {};
  DType words = u32.vec(u->dtype.lanes);
  bool shared = bytes->op == Op::Stack && bytes->src.size() == 1;
  UOp filled = shared ? make(Op::Bitcast, {make(Op::Stack, {bytes[0]}, 4 * words.lanes)}, words)
                      : cast(bytes, u32);
  UOp moved = bitcast_to(shift_left(filled, shifts), i32);
  return where(moved < number(moved, 0), u[1], u[2]);
}

// --- lookups ---

// A lookup without an instruction is a load for each lane.
UOp load_each_lane(const UOp& u) {
  const UOp& table = u[0];
  UOp chosen = mask(u[1], table->dtype.lanes - 1);
  std::vector<UOp> lanes;
  for (int64_t i = 0; i < u->dtype.lanes; ++i) {
    UOp lane = u->dtype.lanes == 1 ? chosen : make(Op::Swizzle, {chosen}, Axes{i});
    lanes.push_back(make(Op::Load, {table[0], table[1] + cast(lane, i64)}));
  }
  return lanes.size() == 1 ? lanes[0] : make(Op::Stack, std::move(lanes));
}

// A table of twice the entries of the instruction's is two, between which the next bit of the index
// chooses: brought to where a sign is, as processors choose by it. An index of bytes has to be
// below the entries itself.
UOp lookups(const UOp& u, const Target& target) {
  if (u->op != Op::Lookup) return {};
  expect(u[0]->op == Op::Load, "a lookup in a vector that is not in memory");
  const LaneLookup* l = target.lookup(byte_size(u->dtype.scalar()));
  const UOp& table = u[0];
  int64_t entries = table->dtype.lanes;
  bool fits = l && l->lanes == u->dtype.lanes && entries <= 2 * l->entries;
  if (!fits) return load_each_lane(u);
  if (entries <= l->entries) {
    bool exact = (entries == l->entries && l->bytes > 1) || u[1]->hi < entries;
    return exact ? UOp() : make(Op::Lookup, {table, mask(u[1], entries - 1)});
  }
  auto half = [&](int64_t first) {
    UOp part = make(Op::Load, {table[0], table[1] + index(first)}, l->entries);
    return make(Op::Lookup, {part, u[1]});
  };
  int64_t to_sign = bit_size(u[1]->dtype.scalar()) - std::bit_width(uint64_t(l->entries));
  DType words = u[1]->dtype.scalar() == u32 ? i32 : i8;
  UOp sign = bitcast_to(shift_left(u[1], to_sign), words);
  return where(sign < number(sign, 0), half(l->entries), half(0));
}

}  // namespace

UOp decompose(const UOp& ast, const Target& target) {
  if (target.interpreted) return ast;
  UOp result = emulate_halves(bools_as_bytes(ast), target);
  result = rewrite_once(result, [&](const UOp& u) -> UOp {
    UOp expanded = target.native_functions ? UOp() : expand_transcendental(u);
    if (expanded) return expanded;
    if (u->op == Op::Max) return maximum(u);
    if (u->op == Op::Lookup) return lookups(u, target);
    if (u->op == Op::Div || u->op == Op::Mod) return divide(u);
    if (u->op == Op::Bitcast && target.lanes == 1) return join_bytes(u);
    return target.masks ? UOp() : test_by_sign(u);
  });
  result = rewrite_once(result, [&](const UOp& u) -> UOp {
    if (u->op == Op::Shl || u->op == Op::Shr) return shift(u);
    return float_to_integer(u);
  });
  return simplify(rewrite_once(result, bool_ops));
}

UOp combine(Op op, const UOp& acc, const UOp& value, const Target& target) {
  UOp combined = make(op, {acc, value});
  if (target.interpreted) return combined;
  if (op == Op::Max) combined = maximum(combined);
  UOp on_bools = bool_ops(combined);
  if (on_bools) return on_bools;
  bool product = op == Op::Add && value->op == Op::Mul && is_float(value->dtype);
  return product ? make(Op::MulAdd, {value[0], value[1], acc}) : combined;
}

}  // namespace niwaki
