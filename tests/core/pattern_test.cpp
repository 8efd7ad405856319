// Patterns: what matches, what a letter is bound to, what is built, and how a condition is valued.
#include "core/pattern.h"

#include <doctest/doctest.h>

#include "core/error.h"

using namespace niwaki;
using namespace niwaki::letters;

namespace {

const UOp a = variable("a", 0, 9);
const UOp b = variable("b", 0, 9);

bool matches(const Pat& p, const UOp& u) {
  Match m;
  return p.match(u, m);
}

Match matched(const Pat& p, const UOp& u) {
  Match m;
  REQUIRE(p.match(u, m));
  return m;
}

}  // namespace

TEST_CASE("letters match anything, the same letter the same node") {
  Match m = matched(x / y, a / b);
  CHECK(m['x'] == a);
  CHECK(m['y'] == b);
  CHECK(m.root == a / b);
  CHECK(matches(x, a + b));
  CHECK(matches(x / x, (a + b) / (a + b)));
  CHECK_FALSE(matches(x / x, a / b));
  CHECK(matches((x / y) / (x / y), (a / b) / (a / b)));
  CHECK_FALSE(matches((x / y) / (x / y), (a / b) / (b / a)));
  CHECK_FALSE(matches(x / y, a % b));
  CHECK(matches(where(w, x, y), where(a < b, a, b)));
  CHECK_FALSE(matches(where(w, x, x), where(a < b, a, b)));
}

TEST_CASE("constants and numbers") {
  Match m = matched(x / c, a / 4.0);
  CHECK(m['c'] == index(4));
  CHECK(m.value('c') == 4);
  CHECK_FALSE(matches(x / c, a / b));
  CHECK(matches((x / c) / d, a / 4.0 / 2.0));
  CHECK(matches((x / c) / c, a / 4.0 / 4.0));
  CHECK_FALSE(matches((x / c) / c, a / 4.0 / 2.0));
  CHECK(matches(x / 4, a / 4.0));
  CHECK_FALSE(matches(x / 4, a / 5.0));
  CHECK_FALSE(matches(x / 4, a / b));
  UOp f = cast(a, f32);
  CHECK(matches(x * 1, f * 1.0));
  CHECK(matches(x * 0, f * 0.0));
  CHECK_FALSE(matches(x * 0, f * -0.0));
  CHECK(matches(x * 1, cast(a, u8) * constant(u8, 1)));
  CHECK_THROWS_WITH_AS(m.value('x'), "internal error: letter x is no integer constant",
                       InternalError);
}

TEST_CASE("commutative operands are tried both ways, others are not") {
  CHECK(matched(x + c, index(3) + a)['x'] == a);
  CHECK(matched(x * c, index(3) * a)['c'] == index(3));
  CHECK(matches(x + 0, index(0) + a));
  CHECK(matches((x & c) & d, index(3) & (index(5) & a)));
  CHECK(matches(max(x, 3), make(Op::Max, {index(3), a})));
  CHECK(matches(x != 3, make(Op::Ne, {index(3), a})));
  CHECK(matches(x ^ 3, make(Op::Xor, {index(3), a})));
  CHECK_FALSE(matches(x / 3, index(3) / a));
  CHECK_FALSE(matches(x % 3, index(3) % a));
  CHECK_FALSE(matches(x < 3, index(3) < a));
  CHECK_FALSE(matches(x << 3, make(Op::Shl, {index(3), a})));
  CHECK_FALSE(matches(x >> 3, make(Op::Shr, {index(3), a})));
}

TEST_CASE("matching comes back from a choice that did not work out") {
  // The first order binds x to a; only the second fits the rest.
  CHECK(matches((x + y) / y, (a + b) / a));
  CHECK(matches((x + y) / y, (a + b) / b));
  CHECK_FALSE(matches((x + y) / y, (a + b) / (a + b)));
  // What the first order bound before it failed is forgotten.
  CHECK(matched(x + Pat(4) / y, index(4) / a + index(5) / b)['y'] == a);
  Pat deep = (x + y) + (y * z) + (z * w);
  UOp d = variable("d", 0, 9);
  UOp u = (d * a) + ((b + a) + (b * d));
  Match m = matched(deep, u);
  CHECK(m['x'] == a);
  CHECK(m['y'] == b);
  CHECK(m['z'] == d);
  CHECK(m['w'] == a);
  CHECK(matched((x % c) + (x / c) * c, (a / 4.0) * 4.0 + a % 4.0)['x'] == a);
  CHECK_FALSE(matches((x % c) + (x / c) * c, (a / 4.0) * 8.0 + a % 4.0));
  CHECK_FALSE(matches((x % c) + (x / c) * c, (a / 4.0) * 4.0 + b % 4.0));
}

TEST_CASE("an arg in a pattern must be equal, and a pattern without one takes any") {
  Pat to_byte(Op::Cast, {x}, Arg(u8));
  CHECK(matches(to_byte, cast(a, u8)));
  CHECK_FALSE(matches(to_byte, cast(a, i8)));
  CHECK(matches(Pat(Op::Cast, {x}), cast(a, i8)));
  CHECK_FALSE(matches(Pat(Op::Stack, {x}), make(Op::Stack, {a, b})));
}

TEST_CASE("building: numbers take the dtype beside them, constants fold") {
  UOp byte = cast(a, u8);
  Match m = matched(x / c, byte / constant(u8, 4));
  CHECK((x * (c * 2)).build(m, m.root) == byte * constant(u8, 8));
  CHECK((x + 1).build(m, m.root) == byte + constant(u8, 1));
  CHECK((x < 1).build(m, m.root) == (byte < constant(u8, 1)));
  CHECK(where(x < 1, x, 0).build(m, m.root) ==
        where(byte < constant(u8, 1), byte, constant(u8, 0)));
  CHECK(Pat(7).build(m, m.root) == constant(u8, 7));
  CHECK((c - 5).build(m, m.root) == constant(u8, 255));
  UOp lanes = make(Op::Stack, {byte}, int64_t(4));
  Match v = matched(x, lanes);
  UOp one = make(Op::Stack, {constant(u8, 1)}, int64_t(4));
  CHECK((x + 1).build(v, lanes) == lanes + one);
}

TEST_CASE("conditions are valued in integers, over constants and bounds") {
  Match m = matched(x / c, a / 4.0);
  CHECK(lo(x).evaluate(m) == 0);
  CHECK(hi(x).evaluate(m) == 9);
  CHECK((c * 2 - 1).evaluate(m) == 7);
  struct Row {
    Pat condition;
    int64_t expected;
  };
  const Row rows[] = {
      {c > 3, 1},       {c > 4, 0},       {c >= 4, 1},       {c >= 5, 0},
      {c <= 4, 1},      {c <= 3, 0},      {c == 4, 1},       {c == 5, 0},
      {c != 4, 0},      {c % 2 == 0, 1},  {c % 3 == 0, 0},   {hi(x) < c, 0},
      {c > 0 && c < 5, 1}, {c > 0 && c < 4, 0}, {lo(x) >= 0 && hi(x) < c * 3, 1},
      {max(c, 9) == 9, 1}, {(c & 5) == 4, 1}, {c << 1 == 8, 1}, {c >> 1 == 2, 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.condition.text());
    CHECK(row.condition.evaluate(m) == row.expected);
  }
  CHECK_THROWS_WITH_AS((x > 3).evaluate(m), "internal error: condition on x, which is not constant",
                       InternalError);
}

TEST_CASE("patterns as text") {
  CHECK(((x / c) / d).text() == "div(div(x, c), d)");
  CHECK((lo(x) >= 0 && hi(x) < c).text() == "and(less(0, add(lo(x), 1)), less(hi(x), c))");
  CHECK(((x + y).root_op() == Op::Add));
  CHECK_FALSE(x.root_op());
}

TEST_CASE("folding: elementwise ops and bitcasts of constants, nothing else") {
  CHECK(fold(index(7) / index(2)) == index(3));
  CHECK(fold(index(2) < index(7)) == constant(boolean, 1));
  CHECK(fold(cast(constant(f32, 2.75), i8)) == constant(i8, 2));
  CHECK(fold(make(Op::Bitcast, {constant(f32, 1)}, u32)) == constant(u32, 0x3f800000));
  CHECK(fold(where(constant(boolean, 0), index(1), index(2))) == index(2));
  CHECK_FALSE(fold(a + index(1)));
  CHECK_FALSE(fold(index(1)));
  CHECK_FALSE(fold(make(Op::Stack, {index(1)}, int64_t(4))));
  CHECK_FALSE(fold(make(Op::Reshape, {index(1), index(1)})));
}
