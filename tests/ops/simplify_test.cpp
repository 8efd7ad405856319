// simplify(): what the index rules make of the expressions that movement ops leave behind. A table
// of typical ones, before and after; every value of small domains by brute force; and, for any
// expression at all, that the value stays, that twice is once, and that the work has a bound.
#include <doctest/doctest.h>

#include <set>

#include "core/text.h"
#include "ops/rules.h"
#include "tests/support/evaluate.h"
#include "tests/support/random_expression.h"

using namespace niwaki;

namespace {

const UOp i = range(index(8), 0, AxisKind::Loop);
const UOp j = range(index(16), 1, AxisKind::Loop);
const UOp k = range(index(4), 2, AxisKind::Loop);
const UOp n = variable("n", 1, 64);
const UOp s = variable("s", -20, 20);
const UOp p = variable("p", 0, 4095);

UOp op(Op o, const UOp& a, const UOp& b) { return make(o, {a, b}); }

size_t n_nodes(const UOp& u) {
  size_t count = 0;
  for (const UOp& node : toposort(u)) count += node->op != Op::Const;
  return count;
}

// The same in one line, for messages.
std::string text(const UOp& u) { return name(u->dtype) + " " + expression(u); }

// An index as movement ops make them: sums of ranges with factors, divided and taken modulo.
UOp random_index(RandomExpressions& random, const std::vector<UOp>& loops, int depth) {
  static const std::vector<int64_t> factors = {1, 2, 3, 4, 6, 8, 12};
  if (depth == 0) return random.pick(loops);
  UOp a = random_index(random, loops, depth - 1);
  switch (random.below(8)) {
    case 0:
    case 1: return a / index(random.pick(factors));
    case 2:
    case 3: return a % index(random.pick(factors));
    case 4: return a * index(random.pick(factors));
    case 5: return a + index(random.below(25) - 12);
    case 6: return a * index(random.pick(factors)) + random_index(random, loops, depth - 1);
    default: return a + random_index(random, loops, depth - 1) * index(random.pick(factors));
  }
}

}  // namespace

TEST_CASE("typical index expressions, before and after") {
  UOp flat = i * index(16) + j;
  UOp flat3 = flat * index(4) + k;
  struct Row {
    UOp before;
    const char* after;
  };
  const Row rows[] = {
      // Flattened and split again, in the same places and in others.
      {flat / 16.0, "r0"},
      {flat % 16.0, "r1"},
      {flat / 4.0, "((r0 * 4) + (r1 / 4))"},
      {flat % 4.0, "(r1 % 4)"},
      {flat / 32.0, "(r0 / 2)"},
      {flat % 32.0, "(((r0 % 2) * 16) + r1)"},
      {flat / 128.0, "0"},
      {flat % 128.0, "((r0 * 16) + r1)"},
      {flat3 / 64.0, "r0"},
      {flat3 / 4.0 % 16.0, "r1"},
      {flat3 % 4.0, "r2"},
      {flat3 % 64.0, "((r1 * 4) + r2)"},
      {flat3 / 8.0 % 8.0, "(r1 / 2)"},
      {flat / 16.0 * 16.0 + flat % 16.0, "((r0 * 16) + r1)"},
      {(i * 17.0 + k) % 16.0, "(r0 + r2)"},
      {(i * 17.0 + k) / 16.0, "r0"},
      {flat / 16.0 * 64.0 + flat % 16.0 * 4.0 + k, "(((r0 * 64) + (r1 * 4)) + r2)"},
      {p / 128.0 * 128.0 + p % 128.0, "p"},
      {p / 128.0 * 384.0 + p % 128.0 * 3.0, "(p * 3)"},
      // Quotients and remainders of each other.
      {p / 32.0 / 4.0, "(p / 128)"},
      {p % 64.0 % 16.0, "(p % 16)"},
      {p % 64.0 / 16.0, "((p / 16) % 4)"},
      {(p * 2.0 + 1.0) / 2.0, "p"},
      {(p * 2.0 + 1.0) % 2.0, "1"},
      {(p * 6.0 + 3.0) / 3.0, "((p * 2) + 1)"},
      {(p * 6.0 + 4.0) / 4.0, "(((p * 3) / 2) + 1)"},
      {(s * 4.0 + index(-3)) / 4.0, "(s + -1)"},
      {(s * 4.0 + index(-3)) % 4.0, "1"},
      {(flat + index(128)) / 16.0, "(r0 + 8)"},
      {(flat + index(5)) / 16.0, "(r0 + ((r1 + 5) / 16))"},
      {(flat + index(-16)) % 16.0, "r1"},
      {(n * 4.0 + k) / 4.0, "n"},
      {(n * 4.0 + k) % 4.0, "r2"},
      {p % 4096.0, "p"},
      {p / 4096.0, "0"},
      {s % 64.0, "(s % 64)"},
      {(s + index(20)) % 64.0, "(s + 20)"},
      // Sums.
      {s + s, "(s * 2)"},
      {s - s, "0"},
      {index(3) + s, "(s + 3)"},
      {(s + index(3)) + index(4), "(s + 7)"},
      {(s + index(2)) * index(3), "((s * 3) + 6)"},
      {s * 2.0 * 3.0, "(s * 6)"},
      {s * 0.0, "0"},
      {i + j * 2.0 + i + index(3) - j, "(((r0 * 2) + r1) + 3)"},
      {(i * index(-1) + index(7)) * index(-1) + index(7), "r0"},
      // Comparisons and choices.
      {i + index(3) < 8.0, "less(r0, 5)"},
      {i * 4.0 < 13.0, "less(r0, 4)"},
      {i < 8.0, "1"},
      {i < 0.0, "0"},
      {flat < 128.0, "1"},
      {op(Op::Max, i, index(-1)), "r0"},
      {op(Op::Max, i, index(20)), "20"},
      {op(Op::Max, i, j), "max(r0, r1)"},
      {where(i < 8.0, i, j), "r0"},
      {where(i < 3.0, j, j), "r1"},
      {where(i < 3.0, where(i < 3.0, i, j), k), "where(less(r0, 3), r0, r2)"},
      {where(i < 3.0, i, where(i < 3.0, j, k)), "where(less(r0, 3), r0, r2)"},
      // Rows that lie askew, and their gradient: factors beside a multiple of the divisor.
      {(k * index(10) + i) % index(11), "((r0 + (r2 * -1)) % 11)"},
      {(k * index(10) + i) / index(11), "(((r0 + (r2 * -1)) / 11) + r2)"},
      {(k * index(12) + i) % index(11), "(r0 + r2)"},
      {(k * index(12) + i) / index(11), "r2"},
      {(k * index(12) + j) % index(11), "((r1 + (r2 * 12)) % 11)"},
      {(i - k) % index(11) < index(8), "xor(less((r0 + (r2 * -1)), 0), 1)"},
      {(i - k) % index(11) < index(7),
       "and(xor(less((r0 + (r2 * -1)), 0), 1), less((r0 + (r2 * -1)), 7))"},
      {(i - k) % index(11) < index(9), "less(((r0 + (r2 * -1)) % 11), 9)"},
      // Bits.
      {op(Op::And, op(Op::And, p, index(255)), index(15)), "and(p, 15)"},
      {op(Op::Xor, op(Op::Xor, p, index(5)), index(5)), "p"},
      {op(Op::Xor, p, p), "0"},
      {op(Op::And, p, p), "p"},
      {op(Op::Ne, p, p), "0"},
      {op(Op::Shr, p, index(0)), "p"},
      {op(Op::Shl, p, index(0)), "p"},
  };
  for (const Row& row : rows) {
    CAPTURE(expression(row.before));
    CHECK(expression(simplify(row.before)) == row.after);
  }
}

TEST_CASE("what must stay, because it may wrap, or because a float says so") {
  UOp wide = variable("wide", INT64_MIN, INT64_MAX);
  UOp byte = cast(p, u8);
  UOp f = cast(s, f32);
  const UOp rows[] = {
      wide * 4.0 / 4.0,
      op(Op::Shl, wide, index(2)) / 4.0,
      op(Op::Max, wide, n),
      wide + index(1) < wide,
      wide + index(3) < 8.0,
      byte * constant(u8, 4) / constant(u8, 4),
      f + constant(f32, 0),
      f * constant(f32, 0),
      f / f,
      op(Op::Ne, f, f),
      (f * constant(f32, 3)) * constant(f32, 5),
  };
  for (const UOp& u : rows) {
    CAPTURE(text(u));
    CHECK(simplify(u) == u);
  }
}

TEST_CASE("a part of a sum may wrap where the whole does not: then nothing is split off") {
  int64_t big = int64_t(1) << 61;
  UOp x = variable("x", 0, big - 1);
  UOp y = variable("y", 1 - big, -big / 2);
  UOp z = variable("z", 0, big - 1);
  UOp sum = y * 4.0 + x * 3.0 + z * 3.0;
  std::unordered_map<const Node*, int64_t> ends = {
      {x.get(), x->hi}, {y.get(), y->hi}, {z.get(), z->hi}};
  for (const UOp& u : {sum / 4.0, sum % 4.0}) {
    UOp after = simplify(u);
    CAPTURE(text(after));
    CHECK(ScalarEvaluator(after).run(ends).i == ScalarEvaluator(u).run(ends).i);
  }
}

TEST_CASE("any expression: the value stays, twice is once, and it does not grow") {
  for (int64_t seed = 0; seed < 6'000; ++seed) {
    RandomExpressions random{uint64_t(seed)};
    random.new_variables(seed % 3 == 0);
    DType t = seed % 2 ? i64 : random.any_type();
    UOp before = random.expression(t, 5);
    UOp after = simplify(before);
    if (after->dtype != before->dtype || simplify(after) != after) {
      FAIL("seed ", seed, ": ", text(before), " is ", text(after), ", then ",
           text(simplify(after)));
    }
    if (n_nodes(after) > 2 * n_nodes(before) + 4) {
      FAIL("seed ", seed, ": ", text(before), " grows to ", text(after));
    }
    ScalarEvaluator a(before);
    ScalarEvaluator b(after);
    for (int sample = 0; sample < 10; ++sample) {
      std::unordered_map<const Node*, int64_t> binding;
      for (const UOp& v : random.variables()) binding[v.get()] = random.value_for(v);
      if (same_value(t, a.run(binding), b.run(binding))) continue;
      std::string values;
      for (const UOp& v : random.variables()) {
        values += fmt::format(" {}={}", v->get<Symbol>().name, binding[v.get()]);
      }
      FAIL("seed ", seed, ": ", text(before), " became ", text(after), ", wrong for", values);
    }
  }
}

TEST_CASE("index expressions by brute force: every value of two or three small ranges") {
  for (int64_t seed = 0; seed < 1'500; ++seed) {
    RandomExpressions random{uint64_t(seed)};
    std::vector<UOp> loops;
    for (int64_t id = 0; id < 2 + seed % 2; ++id) {
      loops.push_back(range(index(2 + random.below(7)), id, AxisKind::Loop));
    }
    if (seed % 5 == 0) loops.push_back(variable("v", -6, 7));
    UOp before = random_index(random, loops, 4);
    UOp after = simplify(before);
    if (simplify(after) != after) FAIL("seed ", seed, ": ", text(before), " not at once");
    ScalarEvaluator a(before);
    ScalarEvaluator b(after);
    std::unordered_map<const Node*, int64_t> at;
    for (const UOp& loop : loops) at[loop.get()] = loop->lo;
    for (bool more = true; more;) {
      if (a.run(at).i != b.run(at).i) FAIL("seed ", seed, ": ", text(before), " : ", text(after));
      more = false;
      for (const UOp& loop : loops) {
        if (++at[loop.get()] <= loop->hi) {
          more = true;
          break;
        }
        at[loop.get()] = loop->lo;
      }
    }
  }
}

TEST_CASE("flattened under one shape, split under another, and back: the very ranges") {
  static const std::vector<int64_t> sizes = {2, 3, 4, 5, 8, 16};
  for (int64_t seed = 0; seed < 300; ++seed) {
    RandomExpressions random{uint64_t(seed)};
    std::vector<UOp> loops;
    UOp flat = index(0);
    for (int64_t id = 0; id < 3; ++id) {
      loops.push_back(range(index(random.pick(sizes)), id, AxisKind::Loop));
      flat = flat * loops.back()[0] + loops.back();
    }
    // Through another split of the same elements.
    int64_t cut = random.pick(sizes);
    flat = flat / index(cut) * index(cut) + flat % index(cut);
    int64_t inner = 1;
    for (size_t d = 3; d-- > 0;) {
      int64_t size = *const_int(loops[d][0]);
      UOp found = flat / index(inner);
      if (d > 0) found = found % index(size);
      CAPTURE(seed);
      CHECK(expression(simplify(found)) == expression(loops[d]));
      inner *= size;
    }
  }
}

TEST_CASE("the work has a bound: rewrites for a big expression grow with its size") {
  auto work = [](int64_t size) {
    RandomExpressions random{42};
    std::vector<UOp> loops = {i, j, k, n};
    UOp u = index(0);
    for (int64_t at = 0; at < size; ++at) {
      u = op(Op::Max, u, random_index(random, loops, 4) + index(at));
    }
    int64_t before = rewrites_done();
    simplify(u);
    return rewrites_done() - before;
  };
  int64_t small = work(100);
  int64_t large = work(800);
  CAPTURE(small);
  CAPTURE(large);
  CHECK(small < 5'000);
  CHECK(large < 12 * small);
}

TEST_CASE("simplify remembers while a memo lives, the outermost, and keeps nothing beyond it") {
  auto work = [] {
    UOp s = variable("remembered", 0, 99);
    int64_t before = rewrites_done();
    CHECK(simplify((s * 4.0 + 3.0) / 4.0) == s);
    return rewrites_done() - before;
  };
  size_t alive = live_nodes();
  {
    SimplifyMemo outer;
    CHECK(work() > 0);
    {
      SimplifyMemo inner;
      CHECK(work() == 0);
    }
    CHECK(work() == 0);
    CHECK(live_nodes() > alive);
  }
  CHECK(live_nodes() == alive);
  CHECK(work() > 0);
}
