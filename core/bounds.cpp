// Integer bounds of a node, from the bounds of its sources: interval arithmetic. Where the interval
// leaves the dtype the value may wrap, and the dtype's own range is all that is known; so bounds
// narrower than i64 also prove that no sum or product on the way wrapped. u64 has no interval in
// int64: anything is possible, and nothing is claimed.
#include <algorithm>
#include <bit>
#include <limits>

#include "core/bounds.h"

namespace niwaki {
namespace {

constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
constexpr int64_t highest = std::numeric_limits<int64_t>::max();

// The interval, or all of int64 where its ends leave that: what wraps may land anywhere.
Interval unless_wrapped(__int128 lo, __int128 hi) {
  if (lo < lowest || hi > highest) return {lowest, highest};
  return {int64_t(lo), int64_t(hi)};
}

Interval product(Interval a, Interval b) {
  __int128 corners[] = {__int128(a.lo) * b.lo, __int128(a.lo) * b.hi, __int128(a.hi) * b.lo,
                        __int128(a.hi) * b.hi};
  auto [low, high] = std::minmax_element(corners, corners + 4);
  return unless_wrapped(*low, *high);
}

// For b > 0.
int64_t floor_quotient(int64_t a, int64_t b) { return a / b - (a % b < 0); }

Interval quotient(Interval a, Interval b) {
  if (b.lo <= 0) return {lowest, highest};
  int64_t corners[] = {floor_quotient(a.lo, b.lo), floor_quotient(a.lo, b.hi),
                       floor_quotient(a.hi, b.lo), floor_quotient(a.hi, b.hi)};
  auto [low, high] = std::minmax_element(corners, corners + 4);
  return {*low, *high};
}

Interval remainder(Interval a, Interval b) {
  if (b.lo <= 0) return {lowest, highest};
  if (b.lo == b.hi && floor_quotient(a.lo, b.lo) == floor_quotient(a.hi, b.lo)) {
    __int128 base = __int128(floor_quotient(a.lo, b.lo)) * b.lo;
    return {int64_t(a.lo - base), int64_t(a.hi - base)};
  }
  return {0, b.hi - 1};
}

// All numbers with as many bits as `v` needs.
int64_t mask_of(int64_t v) {
  return v <= 0 ? 0 : int64_t(~uint64_t(0) >> std::countl_zero(uint64_t(v)));
}

Interval bitwise(Op op, Interval a, Interval b) {
  if (op == Op::And) {
    if (a.lo >= 0 && b.lo >= 0) return {0, std::min(a.hi, b.hi)};
    if (a.lo >= 0) return {0, a.hi};
    if (b.lo >= 0) return {0, b.hi};
    return {lowest, highest};
  }
  if (a.lo >= 0 && b.lo >= 0) return {0, mask_of(a.hi) | mask_of(b.hi)};
  return {lowest, highest};
}

Interval shifted(Op op, Interval a, Interval b, int64_t bits) {
  bool in_range = b.lo >= 0 && b.hi < bits;
  if (op == Op::Shl) {
    if (!in_range || a.lo < 0) return {lowest, highest};
    return unless_wrapped(0, __int128(a.hi) << b.hi);
  }
  if (!in_range) return {std::min<int64_t>(a.lo, 0), std::max<int64_t>(a.hi, 0)};
  return {a.lo < 0 ? a.lo >> b.lo : a.lo >> b.hi, a.hi < 0 ? a.hi >> b.hi : a.hi >> b.lo};
}

Interval less(Interval a, Interval b) {
  if (a.hi < b.lo) return {1, 1};
  if (a.lo >= b.hi) return {0, 0};
  return {0, 1};
}

Interval not_equal(Interval a, Interval b) {
  if (a.hi < b.lo || b.hi < a.lo) return {1, 1};
  if (a.lo == a.hi && a.lo == b.lo && b.lo == b.hi) return {0, 0};
  return {0, 1};
}

// c ? a : b; where the condition compares the two alternatives this is their minimum or maximum.
Interval select(const Node& n) {
  const UOp& c = n.src[0];
  Interval a = {n.src[1]->lo, n.src[1]->hi};
  Interval b = {n.src[2]->lo, n.src[2]->hi};
  if (c->lo == 1) return a;
  if (c->hi == 0) return b;
  if (c->op == Op::Less && c->src[0] == n.src[1] && c->src[1] == n.src[2]) {
    return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
  }
  if (c->op == Op::Less && c->src[0] == n.src[2] && c->src[1] == n.src[1]) {
    return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
  }
  return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
}

// The most that a quotient or remainder of a loop can be whose end is a product of the divisors and
// more, as where a reshape splits what symbolic dims were multiplied to: r < x * d gives r / d <= x
// - 1, and a d that is not 0, so that r % d <= d - 1.
int64_t most_of_split(const Node& n) {
  if (n.src[1]->op == Op::Const) return highest;
  std::vector<UOp> divisors = {n.src[1]};
  UOp loop = n.src[0];
  for (; loop->op == Op::Div; loop = loop[0]) divisors.push_back(loop[1]);
  if (loop->op != Op::Range || loop[0]->hi == highest) return highest;
  DimFactors left = factors_of({loop[0]});
  for (const UOp& d : divisors) {
    const int64_t* c = const_int(d);
    auto found = std::find(left.others.begin(), left.others.end(), d);
    if (d->lo < 0) return highest;
    if (found != left.others.end()) left.others.erase(found);
    else if (c && *c > 0 && left.number % *c == 0) left.number /= *c;
    else return highest;
  }
  if (n.op == Op::Mod) return std::max<int64_t>(n.src[1]->hi - 1, 0);
  int64_t most = left.number;
  for (const UOp& x : left.others) {
    if (x->lo < 0 || __builtin_mul_overflow(most, x->hi, &most)) return highest;
  }
  return std::max<int64_t>(most - 1, 0);
}

Interval of_sources(const Node& n) {
  Interval all{highest, lowest};
  for (const UOp& s : n.src) all = {std::min(all.lo, s->lo), std::max(all.hi, s->hi)};
  return all;
}

// What a stage was filled with, and the 0 of a closed gate; of other memory nothing is known.
Interval staged(const Node& load) {
  const UOp& memory = load.src[0];
  if (memory->op != Op::Stage) return {lowest, highest};
  Interval all = {highest, lowest};
  for (size_t i = 1; i < first_loop(*memory); i += 2) {
    all = {std::min(all.lo, memory[i]->lo), std::max(all.hi, memory[i]->hi)};
  }
  if (load.src.size() > 2) all = {std::min<int64_t>(all.lo, 0), std::max<int64_t>(all.hi, 0)};
  return all;
}

Interval unclamped(const Node& n) {
  auto source = [&](size_t i) { return Interval{n.src[i]->lo, n.src[i]->hi}; };
  switch (n.op) {
    case Op::Const: {
      int64_t v = n.get<Constant>().value.i;
      return {v, v};
    }
    case Op::Variable: return {n.get<Symbol>().min, n.get<Symbol>().max};
    case Op::Range:
    case Op::Iota: return {0, std::max<int64_t>(0, n.src[0]->hi - 1)};
    case Op::Add: {
      Interval a = source(0);
      Interval b = source(1);
      return unless_wrapped(__int128(a.lo) + b.lo, __int128(a.hi) + b.hi);
    }
    case Op::Mul: return product(source(0), source(1));
    case Op::Div:
    case Op::Mod: {
      int64_t most = most_of_split(n);
      bool divides = n.op == Op::Div;
      Interval b = divides ? quotient(source(0), source(1)) : remainder(source(0), source(1));
      return most < highest ? Interval{0, std::min(b.hi, most)} : b;
    }
    case Op::Max: {
      Interval a = source(0);
      Interval b = source(1);
      return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
    }
    case Op::And:
    case Op::Xor: return bitwise(n.op, source(0), source(1));
    case Op::Shl:
    case Op::Shr: return shifted(n.op, source(0), source(1), bit_size(n.dtype));
    case Op::Less: return less(source(0), source(1));
    case Op::Ne: return not_equal(source(0), source(1));
    case Op::Where: return select(n);
    case Op::Pad: return {std::min<int64_t>(n.src[0]->lo, 0), std::max<int64_t>(n.src[0]->hi, 0)};
    case Op::Stack: return of_sources(n);
    case Op::Load: return staged(n);
    case Op::Cast: return source(0);
    case Op::Reshape:
    case Op::Permute:
    case Op::Expand:
    case Op::Shrink:
    case Op::Flip:
    case Op::Contiguous:
    case Op::Swizzle:
    case Op::Lookup: return source(0);
    default: return {lowest, highest};
  }
}

}  // namespace

Interval dtype_bounds(DType t) {
  switch (t.kind) {
    case Kind::Bool: return {0, 1};
    case Kind::I8: return {-128, 127};
    case Kind::U8: return {0, 255};
    case Kind::I16: return {-32768, 32767};
    case Kind::U16: return {0, 65535};
    case Kind::I32: return {-2147483648LL, 2147483647LL};
    case Kind::U32: return {0, 4294967295LL};
    default: return {lowest, highest};
  }
}

Interval bounds(const Node& n) {
  Interval all = dtype_bounds(n.dtype);
  bool integers = is_integer(n.dtype) || n.dtype.kind == Kind::Bool;
  if (!integers || n.dtype.kind == Kind::U64) {
    if (n.op != Op::Const || !integers) return all;
    int64_t v = n.get<Constant>().value.i;
    return v < 0 ? all : Interval{v, v};
  }
  for (const UOp& s : n.src) {
    // A comparison or cast of floats or of u64 says nothing about integers.
    if ((is_float(s->dtype) || s->dtype.kind == Kind::U64) && n.op != Op::Where) return all;
  }
  Interval found = unclamped(n);
  if (n.dtype.kind == Kind::Bool && n.op == Op::Cast) {
    return not_equal({n.src[0]->lo, n.src[0]->hi}, {0, 0});
  }
  return found.lo < all.lo || found.hi > all.hi ? all : found;
}

}  // namespace niwaki
