// Integer bounds: a table of what is known where, and the property that matters: whatever the
// variables are, every node's value lies within the bounds that make() derived for it. A bound that
// is too narrow makes the index rules delete a check that was needed.
#include "core/bounds.h"

#include <doctest/doctest.h>

#include <limits>

#include "core/text.h"
#include "tests/support/evaluate.h"
#include "tests/support/random_expression.h"

using namespace niwaki;

namespace {

constexpr int64_t least = std::numeric_limits<int64_t>::min();
constexpr int64_t greatest = std::numeric_limits<int64_t>::max();

struct Row {
  UOp u;
  Interval expected;
};

UOp op(Op o, const UOp& a, const UOp& b) { return make(o, {a, b}); }

}  // namespace

TEST_CASE("what is known of a node") {
  UOp a = variable("a", 0, 9);
  UOp s = variable("s", -3, 5);
  UOp all = variable("all", least, greatest);
  UOp positive = variable("positive", 0, greatest);
  UOp small = cast(a, u8);
  UOp byte = cast(all, u8);
  UOp signed_byte = cast(all, i8);
  UOp shift = variable("shift", 0, 3);
  UOp condition = a < 5;
  UOp r = range(index(16), 0, AxisKind::Loop);
  UOp k = variable("k", 1, 7);
  UOp m = variable("m", 1, 7);
  UOp flat = range(a * k * m, 0, AxisKind::Loop);
  const Row rows[] = {
      {a, {0, 9}},
      {r, {0, 15}},
      {range(index(0), 0, AxisKind::Loop), {0, 0}},
      {constant(u8, 200), {200, 200}},
      {constant(boolean, 1), {1, 1}},
      // A loop over what symbolic dims were multiplied to, split again.
      {range(a * m * index(4), 0, AxisKind::Loop) / m / a, {0, 3}},
      {range(a * m * index(4), 0, AxisKind::Loop) / index(2) / m, {0, 17}},
      {range(a * s, 0, AxisKind::Loop) / s, {least, greatest}},
      {flat / m, {0, 62}},
      {flat / m / k, {0, 8}},
      {flat / m / a, {0, 6}},
      {flat / k, {0, 62}},
      {flat / m % a, {0, 8}},
      {flat % s, {least, greatest}},
      {a + s, {-3, 14}},
      {a * s, {-27, 45}},
      {s * s, {-15, 25}},
      {s * index(-2), {-10, 6}},
      {a - s, {-5, 12}},
      // What wraps may land anywhere.
      {positive + index(1), {least, greatest}},
      {positive * index(2), {least, greatest}},
      {positive + index(-1), {-1, greatest - 1}},
      {op(Op::Shl, positive, index(1)), {least, greatest}},
      {op(Op::Shl, index(1), variable("n", 0, 63)), {least, greatest}},
      {op(Op::Shl, index(1), variable("n", 0, 62)), {0, int64_t(1) << 62}},
      {op(Op::Shl, a, all), {least, greatest}},
      {small + constant(u8, 246), {246, 255}},
      {small + constant(u8, 247), {0, 255}},
      {small * constant(u8, 28), {0, 252}},
      {small * constant(u8, 29), {0, 255}},
      {a / 4.0, {0, 2}},
      {s / 4.0, {-1, 1}},
      {s / 0.0, {least, greatest}},
      {s / index(-1), {least, greatest}},
      {all / 4.0, {least / 4, greatest / 4}},
      {a % 16.0, {0, 9}},
      {a % 4.0, {0, 3}},
      {s % 4.0, {0, 3}},
      {(a + index(4)) % 16.0, {4, 13}},
      {(a + index(32)) % 16.0, {0, 9}},
      {index(least) % 3.0, {1, 1}},
      {all % 7.0, {0, 6}},
      {all % s, {least, greatest}},
      {op(Op::Max, a, s), {0, 9}},
      {op(Op::Max, a, index(4)), {4, 9}},
      {op(Op::And, a, index(6)), {0, 6}},
      {op(Op::And, all, index(6)), {0, 6}},
      {op(Op::And, all, all), {least, greatest}},
      {op(Op::Xor, a, index(16)), {0, 31}},
      {op(Op::Xor, s, index(1)), {least, greatest}},
      {op(Op::Shl, a, shift), {0, 72}},
      {op(Op::Shr, a, shift), {0, 9}},
      {op(Op::Shr, a, index(1)), {0, 4}},
      {op(Op::Shr, s, index(1)), {-2, 2}},
      {op(Op::Shr, s, all), {-3, 5}},
      {op(Op::Shr, s, index(64)), {-3, 5}},
      {op(Op::Shr, variable("negative", -8, -4), index(64)), {-8, 0}},
      {op(Op::Shr, variable("negative", -8, -4), index(1)), {-4, -2}},
      {a < 10.0, {1, 1}},
      {a < 0.0, {0, 0}},
      {condition, {0, 1}},
      {op(Op::Ne, a, index(10)), {1, 1}},
      {op(Op::Ne, index(3), index(3)), {0, 0}},
      {op(Op::Ne, a, index(3)), {0, 1}},
      {where(condition, a, s), {-3, 9}},
      {where(a < 10.0, a, s), {0, 9}},
      {where(a < 0.0, a, s), {-3, 5}},
      {where(a < s, a, s), {-3, 5}},
      {where(a < s, s, a), {0, 9}},
      {where(s < a, a, s), {0, 9}},
      {cast(a, u8), {0, 9}},
      {cast(s, u8), {0, 255}},
      {cast(s, i8), {-3, 5}},
      {byte, {0, 255}},
      {signed_byte, {-128, 127}},
      {cast(byte, i32), {0, 255}},
      {cast(a, boolean), {0, 1}},
      {cast(a + index(1), boolean), {1, 1}},
      {cast(condition, i64), {0, 1}},
      {condition + condition, {0, 1}},
      {cast(cast(a, f32), i64), {least, greatest}},
      {cast(cast(a, u64), i64), {least, greatest}},
      {cast(all, u64), {least, greatest}},
      {constant(u64, 5), {5, 5}},
      {constant(u64, Value::of(int64_t(-1))), {least, greatest}},
      {cast(a, u64) + constant(u64, 1), {least, greatest}},
      {cast(a, u64) < constant(u64, 1), {0, 1}},
      {cast(a, f32) < constant(f32, 1), {0, 1}},
      {make(Op::Stack, {a, s}), {-3, 9}},
      {make(Op::Swizzle, {make(Op::Stack, {a, s})}, Axes{0}), {-3, 9}},
      {make(Op::Iota, {index(8)}), {0, 7}},
      {make(Op::Pad, {make(Op::Iota, {index(8)}) , index(1), index(0)}), {0, 7}},
  };
  for (const Row& row : rows) {
    CAPTURE(print(row.u));
    CHECK(row.u->lo == row.expected.lo);
    CHECK(row.u->hi == row.expected.hi);
  }
}

TEST_CASE("the ends of a dtype") {
  CHECK(dtype_bounds(boolean) == Interval{0, 1});
  CHECK(dtype_bounds(i8) == Interval{-128, 127});
  CHECK(dtype_bounds(u16) == Interval{0, 65535});
  CHECK(dtype_bounds(u32) == Interval{0, 4294967295LL});
  CHECK(dtype_bounds(i64) == Interval{least, greatest});
  CHECK(dtype_bounds(u64) == Interval{least, greatest});
  CHECK(dtype_bounds(f32) == Interval{least, greatest});
}

TEST_CASE("every value lies within its bounds: 20,000 random expressions of every integer dtype") {
  int64_t narrower = 0;
  for (int64_t seed = 0; seed < 20'000; ++seed) {
    RandomExpressions random{uint64_t(seed)};
    random.new_variables();
    DType t = seed % 9 == 8 ? boolean : integer_types()[size_t(seed % 9)];
    UOp u = random.expression(t, 5);
    Interval whole = dtype_bounds(t);
    narrower += u->lo > whole.lo || u->hi < whole.hi;
    ScalarEvaluator evaluator(u);
    for (int sample = 0; sample < 12; ++sample) {
      std::vector<int64_t> inputs;
      for (const UOp& v : evaluator.inputs()) inputs.push_back(random.value_for(v));
      evaluator.run(inputs);
      for (size_t i = 0; i < evaluator.nodes().size(); ++i) {
        const UOp& node = evaluator.nodes()[i];
        if (within_bounds(node, evaluator.values()[i])) continue;
        FAIL("seed ", seed, ": ", evaluator.values()[i].i, " is not in [", node->lo, ", ",
             node->hi, "], the bounds of\n", print(node));
      }
    }
  }
  // Bounds that claim nothing would pass as well.
  CHECK(narrower > 6'000);
}
