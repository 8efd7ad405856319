// The text form: what is printed is parsed back to the very node, for every op and every kind of
// arg; and a text that is wrong is refused with the number of its line.
#include "core/text.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "tests/support/random_expression.h"

using namespace niwaki;

namespace {

const PackedType threes = {"test_threes", 8, 3, {}};

BufferRef memory(std::vector<int64_t> shape, DType t = f32) {
  return std::make_shared<Buffer>(Buffer{t, std::move(shape)});
}

UOp param(int64_t i, DType t, bool constant = false) {
  return make(Op::Param, {}, ParamInfo{i, t, 64, constant});
}

// One graph or more for every op, with every kind of arg.
std::vector<UOp> samples() {
  register_packed(&threes);
  UOp n = variable("n", 1, 64);
  UOp x = buffer(memory({4, 8}));
  UOp bytes = buffer(memory({2, 6}, u8));
  UOp packed = buffer(memory({2, 16}, {Kind::Packed, 1, &threes}));
  UOp symbolic = make(Op::Expand, {make(Op::Reshape, {x, index(4), index(1), index(8)}), index(4),
                                   n, index(8)});
  UOp i = range(n, 0, AxisKind::Parallel);
  UOp k = range(index(8), 1, AxisKind::Reduce);
  UOp in = param(1, f32, true);
  UOp out = param(0, f32);
  UOp loaded = make(Op::Load, {in, i * index(8) + k});
  UOp sum = make(Op::Reduce, {loaded, k}, Reduction{Op::Add, {}});
  UOp stage = make(Op::Stage, {k, loaded, k}, StageInfo{8, 1});
  UOp acc = make(Op::Acc, {constant(f32, 0)}, int64_t(3));
  UOp lanes = make(Op::Stack, {constant(f32, 1)}, int64_t(4));
  UOp f = cast(n, f32);
  return {
      x, n, bytes, packed, symbolic,
      constant(f32, 1.5), constant(boolean, 1), index(-7), constant(u8, 255),
      constant(bf16, INFINITY), constant(f16, NAN), constant(f64, 0.1), constant(f32, -0.0),
      constant(f32, 1e-40), constant(f64, 5e-324), constant(i64, Value::of(INT64_MIN)),
      constant(u64, Value::of(int64_t(-1))),
      make(Op::Iota, {n + index(1)}),
      make(Op::Permute, {x}, Axes{1, 0}),
      make(Op::Pad, {x, index(0), index(1), n, index(2)}),
      make(Op::Shrink, {x, index(1), index(2), index(0), index(8)}),
      make(Op::Flip, {x}, Axes{1}),
      make(Op::Flip, {x}, Axes{0, 1}),
      make(Op::Cast, {x}, bf16), make(Op::Bitcast, {x}, u8), make(Op::Bitcast, {packed}, u8),
      make(Op::Reduce, {x}, Reduction{Op::Add, {1}}),
      make(Op::Reduce, {symbolic}, Reduction{Op::Max, {0, 2}}),
      make(Op::Contiguous, {x}),
      make(Op::Assign, {x, make(Op::Shrink, {x, index(1), index(2), index(0), index(8)}),
                        make(Op::Expand, {make(Op::Reshape, {constant(f32, 2), index(1), index(1)}),
                                          index(2), index(8)})}),
      make(Op::Sink, {x, n}),
      make(Op::Sink, {}),
      make(Op::Sqrt, {f}), make(Op::Exp, {f}), make(Op::Log2, {f}), make(Op::Sin, {f}),
      f / 3.0, n % 3.0, make(Op::Max, {f, f}), n & index(3), make(Op::Xor, {n, index(1)}),
      make(Op::Shl, {n, index(1)}), make(Op::Shr, {n, index(1)}), f < 3.0,
      make(Op::Ne, {f, f}), where(n < 3.0, f, f * 2.0), make(Op::MulAdd, {f, f, f}),
      range(n, 5, AxisKind::Loop), range(n, 6, AxisKind::Global), range(n, 7, AxisKind::Local),
      param(3, u8, true), loaded, make(Op::Load, {in, i, i < 4.0}),
      make(Op::Load, {in, i}, int64_t(4)),
      stage, make(Op::Load, {stage, k}), make(Op::Scratch, {}, ParamInfo{2, f32, 8, false}),
      sum, make(Op::Store, {out, i, sum, i}), make(Op::Store, {out, index(0), constant(f32, 1)}),
      acc, make(Op::Update, {acc, acc + constant(f32, 1)}), make(Op::End, {k}),
      make(Op::Prefetch, {in, i}),
      lanes, make(Op::Stack, {f, f * 2.0}), lanes * 2.0, make(Op::Swizzle, {lanes}, Axes{3, 0}),
      make(Op::Cast, {lanes}, i32.vec(4)),
      make(Op::Lookup, {lanes, make(Op::Stack, {constant(u8, 3)}, int64_t(2))}),
  };
}

}  // namespace

TEST_CASE("print, parse, and it is the same node: every op, every kind of arg") {
  std::set<Op> seen;
  for (const UOp& u : samples()) {
    std::string text = print(u);
    CAPTURE(text);
    CHECK(parse(text, buffers_of(u)) == u);
    for (const UOp& node : toposort(u)) seen.insert(node->op);
  }
  for (int i = 0; i < n_ops; ++i) {
    CAPTURE(info(Op(i)).name);
    CHECK(seen.count(Op(i)) == 1);
  }
}

TEST_CASE("print, parse, and it is the same node: 2,000 random graphs") {
  for (int64_t seed = 0; seed < 2'000; ++seed) {
    RandomExpressions random{uint64_t(seed)};
    random.new_variables();
    UOp u = random.expression(random.any_type(), 7);
    if (parse(print(u)) != u) FAIL("seed ", seed, ":\n", print(u));
  }
}

TEST_CASE("what a graph looks like") {
  UOp n = variable("n", 1, 64);
  UOp x = buffer(memory({4, 8}));
  UOp sum = make(Op::Reduce, {x}, Reduction{Op::Add, {1}});
  UOp scale = make(Op::Reshape, {constant(f32, 0.125), index(1), index(1)});
  UOp root = sum * make(Op::Expand, {scale, index(4), index(1)});
  CHECK(print(root) ==
        "%0 = buffer {#0 f32 4 8} : f32[4, 8]\n"
        "%1 = reduce %0 {add 1} : f32[4, 1]\n"
        "%2 = reshape 0.125f32 1 1 : f32[1, 1]\n"
        "%3 = expand %2 4 1 : f32[4, 1]\n"
        "%4 = mul %1 %3 : f32[4, 1]\n");
  CHECK(print(where(n < 4.0, n, n / 2.0)) ==
        "%0 = variable {n 1 64} : i64\n"
        "%1 = less %0 4 : bool\n"
        "%2 = div %0 2 : i64\n"
        "%3 = where %1 %0 %2 : i64\n");
  CHECK(print(constant(f32, 1.5)) == "%0 = const 1.5f32 : f32\n");
  CHECK(print_constant(constant(f16, 1.0 / 3)) == "0.33325195f16");
  CHECK(print_constant(constant(boolean, 0)) == "false");
  CHECK(print_type(make(Op::Iota, {n + index(1)})) == "i64[(n + 1)]");
  BufferRef a = memory({2});
  BufferRef b = memory({2});
  UOp both = buffer(b) + buffer(a) * buffer(b);
  CHECK(buffers_of(both) == std::vector<BufferRef>{b, a});
}

TEST_CASE("a text that is wrong: the line, and what is wrong with it") {
  struct Row {
    const char* text;
    const char* error;
  };
  const Row rows[] = {
      {"", "text: no node"},
      {"\n  \n", "text: no node"},
      {"add", "text: line 1: expected '%n = op ...'"},
      {"x = add", "text: line 1: expected '%n = op ...'"},
      {"%0 add", "text: line 1: expected '%n = op ...'"},
      {"%0 = addd 1 2", "text: line 1: unknown op 'addd'"},
      {"%0 = ", "text: line 1: unknown op ''"},
      {"\n%0 = add 1", "text: line 2: add takes 2 sources"},
      {"%0 = reshape {}", "text: line 1: reshape takes a source"},
      {"%0 = const", "text: line 1: const takes 1 sources"},
      {"%0 = variable {n 0 3}\n%1 = const %0", "text: line 2: const of a node"},
      {"%0 = add %1 2", "text: line 1: %1 is not defined above"},
      {"%0 = add 1z 2", "text: line 1: '1z' is no integer"},
      {"%0 = add 1.5 2", "text: line 1: '1.5' is no integer"},
      {"%0 = add 99999999999999999999 2",
       "text: line 1: '99999999999999999999' is no integer"},
      {"%0 = add foo 2",
       "text: line 1: dtype: unknown name 'foo': known are bool, i8 to i64, u8 to u64, f16, bf16, "
       "f32, f64"},
      {"%0 = add xf32 2f32", "text: line 1: 'x' is no number"},
      {"%0 = add f32 2f32", "text: line 1: '' is no number"},
      {"%0 = add 1 2 : f32", "text: line 1: is i64, not f32"},
      {"%0 = add 1 2f32", "text: line 1: add: dtypes differ: i64 and f32, cast one"},
      {"%0 = cast 1 {f33}",
       "text: line 1: dtype: unknown name 'f33': known are bool, i8 to i64, u8 to u64, f16, bf16, "
       "f32, f64"},
      {"%0 = cast 1 {f32", "text: line 1: '{' is not closed"},
      {"%0 = buffer", "text: line 1: a buffer is '#n'"},
      {"%0 = buffer {0 f32}", "text: line 1: a buffer is '#n'"},
      {"%0 = buffer {#0 f32}", "text: line 1: buffer #0 was not given"},
      {"%0 = buffer {#-1 f32}", "text: line 1: buffer #-1 was not given"},
      {"%0 = range 4 {0 sideways}", "text: line 1: unknown axis 'sideways'"},
      {"%0 = range 4 {x loop}", "text: line 1: 'x' is no integer"},
      {"%0 = iota 4\n%1 = reduce %0 {sum 0}", "text: line 2: unknown op 'sum'"},
      {"%0 = iota 4\n%1 = permute %0 {1}", "text: line 2: permute: [1] is no order of 1 dims"},
      {"%0 = variable {n 5 3}", "text: line 1: variable: n has no value in [5, 3]"},
      {"%0 = variable {n}", "text: line 1: '' is no integer"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK_THROWS_WITH_AS(parse(row.text), row.error, Error);
  }
}
