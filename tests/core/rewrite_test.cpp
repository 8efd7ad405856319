// The rewriter: rules by domain and condition, the fixpoint, the memo, the trace, and graphs too
// deep for recursion.
#include "core/rewrite.h"

#include <doctest/doctest.h>

#include <map>

#include "core/error.h"
#include "core/text.h"

using namespace niwaki;
using namespace niwaki::letters;

namespace {

const UOp a = variable("a", 0, 9);
const UOp b = variable("b", 0, 9);

}  // namespace

TEST_CASE("a rule applies where pattern, domain and condition allow") {
  Rule rule(x / c, x % c, c > 2);
  CHECK(rule.apply(a / 4.0) == a % 4.0);
  CHECK_FALSE(rule.apply(a / 2.0));
  CHECK_FALSE(rule.apply(a / b));
  CHECK(rule.place().starts_with("rewrite_test.cpp:"));
  CHECK(rule.text() == rule.place() + ": div(x, c) -> mod(x, c) if less(2, c)");
  UOp f = cast(a, f32);
  UOp byte = cast(a, u8);
  UOp condition = a < b;
  for (Domain domain : {Domain::Any, Domain::Integers, Domain::Index}) {
    Rules rules(domain, {Rule(x * 1, x)});
    CHECK(bool(rules.apply(f * 1.0)) == (domain == Domain::Any));
    CHECK(bool(rules.apply(byte * constant(u8, 1))) == (domain != Domain::Index));
    CHECK(bool(rules.apply(condition * constant(boolean, 1))) == (domain != Domain::Index));
    CHECK(bool(rules.apply(a * 1.0)));
  }
}

TEST_CASE("a comparison's domain is its operands', not its own bool") {
  Rules integers(Domain::Integers, {Rule(x < y, x != y)});
  CHECK(integers.apply(a < b) == make(Op::Ne, {a, b}));
  CHECK_FALSE(integers.apply(cast(a, f32) < cast(b, f32)));
  Rules indices(Domain::Index, {Rule(x < y, x != y)});
  CHECK(bool(indices.apply(a < b)));
  CHECK_FALSE(indices.apply(cast(a, i32) < cast(b, i32)));
}

TEST_CASE("the first rule that changes something wins; null and the same node are no change") {
  Rules rules = {
      {x + y, [](const Match& m) { return m.root; }},
      {x + y, [](const Match&) { return UOp(); }},
      {x + y, x},
      {x + y, y},
  };
  CHECK(rules.apply(a + b) == a);
  CHECK_FALSE(rules.apply(a * b));
  Rules joined = Rules{{x * y, x}} + rules;
  CHECK(joined.apply(a * b) == a);
  CHECK(joined.all().size() == 5);
}

TEST_CASE("rewriting goes on until nothing changes") {
  Rules count_down = {{x / c, [](const Match& m) {
                         int64_t n = m.value('c');
                         return n > 0 ? m['x'] / index(n - 1) : UOp();
                       }}};
  CHECK(graph_rewrite(a / 50.0, count_down) == a / 0.0);
  CHECK(graph_rewrite(b + (a / 3.0) * (a / 2.0), count_down) ==
        b + (a / 0.0) * (a / 0.0));
  // What a rule builds is rewritten as well, below its root too.
  Rules expand = {{x / 9, (x % 3) / 3}, {x % 3, x & 7}};
  CHECK(graph_rewrite(a / 9.0, expand) == (a & index(7)) / 3.0);
  CHECK(graph_rewrite(a, expand) == a);
}

TEST_CASE("constants fold on the way up") {
  Rules none(std::vector<Rule>{});
  CHECK(graph_rewrite((index(2) + index(3)) * index(4), none) == index(20));
  CHECK(graph_rewrite(a + index(2) * index(3), none) == a + index(6));
  CHECK(graph_rewrite(where(index(1) < index(2), a, b), none) ==
        where(constant(boolean, 1), a, b));
}

TEST_CASE("each node is visited once, however often it is shared") {
  UOp u = a;
  for (int i = 0; i < 60; ++i) u = u * u;
  int64_t calls = 0;
  UOp same = graph_rewrite(u, std::function<UOp(const UOp&)>([&](const UOp&) {
    ++calls;
    return UOp();
  }));
  CHECK(same == u);
  CHECK(calls == 61);
  Rules rename = {{x * y, x + y}};
  int64_t before = rewrites_done();
  UOp sums = graph_rewrite(u, rename);
  CHECK(rewrites_done() - before == 60);
  CHECK(toposort(sums).size() == 61);
}

TEST_CASE("a chain a million deep is rewritten and substituted without recursion") {
  UOp one = index(1);
  UOp u = a;
  for (int i = 0; i < 1'000'000; ++i) {
    u = make(i % 2 || i < 900'000 ? Op::Xor : Op::And, {u, one});
  }
  int64_t before = rewrites_done();
  UOp v = graph_rewrite(u, Rules{{x & 1, x % 2}});
  CHECK(rewrites_done() - before == 50'000);
  CHECK(v->op == u->op);
  CHECK(v != u);
  v = substitute(u, {{a, b}});
  CHECK(v != u);
}

TEST_CASE("a table that does not end is stopped") {
  Rules circle = {{x / y, x % y}, {x % y, x / y}};
  CHECK_THROWS_WITH_AS(graph_rewrite(a / b, circle),
                       doctest::Contains("internal error: rewriting does not end at"),
                       InternalError);
}

TEST_CASE("a trace names the rule, its place, before and after; the inner trace takes over") {
  Rule rule(x / y, x % y);
  Rules rules(std::vector<Rule>{rule});
  RewriteTrace outer;
  graph_rewrite(a / b + b / a, rules);
  {
    RewriteTrace inner;
    graph_rewrite(a / a, rules);
    CHECK(inner.steps.size() == 1);
  }
  graph_rewrite(a, rules);
  REQUIRE(outer.steps.size() == 2);
  std::map<std::string, std::string> rewritten;
  for (const RewriteStep& step : outer.steps) {
    CHECK(step.rule == rule.place() + ": div(x, y) -> mod(x, y)");
    CHECK(step.seconds >= 0);
    rewritten[step.before] = step.after;
  }
  CHECK(rewritten[print(a / b)] == print(a % b));
  CHECK(rewritten[print(b / a)] == print(b % a));
}

TEST_CASE("rewrites are counted") {
  int64_t before = rewrites_done();
  graph_rewrite(a + b, Rules{{x / y, x % y}});
  CHECK(rewrites_done() == before);
  graph_rewrite((a / b) + (b / a), Rules{{x / y, x % y}});
  CHECK(rewrites_done() == before + 2);
}

TEST_CASE("substitute: everywhere, all at once, and not within what it puts in") {
  UOp u = (a + b) * (a + b) + a;
  CHECK(substitute(u, {{a, b}}) == (b + b) * (b + b) + b);
  CHECK(substitute(u, {{a, b}, {b, a}}) == (b + a) * (b + a) + b);
  CHECK(substitute(u, {{a + b, a}}) == a * a + a);
  CHECK(substitute(u, {{a, a + b}}) == ((a + b) + b) * ((a + b) + b) + (a + b));
  CHECK(substitute(u, {}) == u);
  CHECK(substitute(u, {{u, a}}) == a);
}

TEST_CASE("rewriting keeps nothing alive") {
  size_t before = live_nodes();
  {
    UOp u = variable("kept", 0, 9);
    for (int i = 0; i < 100; ++i) u = u / b + index(i);
    graph_rewrite(u, Rules{{x / y, x % y}});
  }
  CHECK(live_nodes() == before);
}
