// Inference: every text that it can refuse a graph with, verbatim; then what it derives. This is
// the one place where a wrong graph stops, so every row here is a mistake that somebody makes.
#include <doctest/doctest.h>

#include <functional>

#include "core/error.h"
#include "core/uop.h"

using namespace niwaki;

namespace {

const PackedType fives = {"test_fives", 8, 5, {}};
const DType packed_fives = {Kind::Packed, 1, &fives};

UOp memory(std::vector<int64_t> shape, DType t = f32, bool constant = false) {
  auto ref = std::make_shared<Buffer>(Buffer{t, std::move(shape)});
  ref->constant = constant;
  return buffer(ref);
}

UOp with_dims(Op op, const UOp& u, const std::vector<int64_t>& dims) {
  std::vector<UOp> src = {u};
  for (int64_t dim : dims) src.push_back(index(dim));
  return make(op, std::move(src));
}

struct Row {
  const char* text;
  std::function<void()> make_it;
};

}  // namespace

TEST_CASE("every refusal, verbatim") {
  UOp x = memory({4, 8});
  UOp y = memory({4, 4});
  UOp ints = memory({4, 8}, i32);
  UOp bools = memory({4, 8}, boolean);
  UOp bytes = memory({2, 6}, u8);
  UOp packed = memory({2, 16}, packed_fives);
  UOp scalar = constant(f32, 1);
  UOp n = variable("n", 1, 64);
  UOp signed_n = variable("m", -2, 2);
  auto unary = [](Op op, const UOp& a) { return [=] { make(op, {a}); }; };
  auto binary = [](Op op, const UOp& a, const UOp& b) { return [=] { make(op, {a, b}); }; };
  auto dims = [](Op op, const UOp& a, std::vector<int64_t> d) {
    return [=] { with_dims(op, a, d); };
  };
  const Row rows[] = {
      {"add: shapes differ: (4, 8) and (4, 4)", binary(Op::Add, x, y)},
      {"less: shapes differ: (4, 8) and ()", binary(Op::Less, x, scalar)},
      {"mul: dtypes differ: f32 and i32, cast one", binary(Op::Mul, x, ints)},
      {"where: the condition is f32, not bool", [&] { where(x, x, x); }},
      {"where: shapes differ: (4, 8) and (4, 4)", [&] { where(bools, y, y); }},
      {"where: shapes differ: (4, 8) and (4, 4)", [&] { where(bools, x, y); }},
      {"where: dtypes differ: f32 and i32, cast one", [&] { where(bools, x, ints); }},
      {"add: no arithmetic on test_fives, cast it first", binary(Op::Add, packed, packed)},
      {"reduce: no arithmetic on test_fives, cast it first",
       [&] { make(Op::Reduce, {packed}, Reduction{Op::Add, {0}}); }},
      {"cast: no arithmetic on test_fives, cast it first",
       [&] { make(Op::Cast, {packed}, f32); }},
      {"sqrt: no arithmetic on void, cast it first", unary(Op::Sqrt, make(Op::Sink, {x}))},
      {"and: needs integers or bools, not f32", binary(Op::And, x, x)},
      {"xor: needs integers or bools, not f32", binary(Op::Xor, x, x)},
      {"shl: needs integers, not f32", binary(Op::Shl, x, x)},
      {"shr: needs integers, not bool", binary(Op::Shr, bools, bools)},
      {"mod: needs integers, not f32", binary(Op::Mod, x, x)},
      {"sqrt: needs floats, not i32", unary(Op::Sqrt, ints)},
      {"exp: needs floats, not i32", unary(Op::Exp, ints)},
      {"log2: needs floats, not bool", unary(Op::Log2, bools)},
      {"sin: needs floats, not i32", unary(Op::Sin, ints)},
      {"cast: numbers do not convert to test_fives", [&] { make(Op::Cast, {x}, packed_fives); }},
      {"cast: numbers do not convert to void", [&] { make(Op::Cast, {x}, void_type); }},
      {"reshape: sizes differ: (4, 8) to (4, 4)", dims(Op::Reshape, x, {4, 4})},
      {"reshape: sizes differ: (4, 8) to (n)", [&] { make(Op::Reshape, {x, n}); }},
      {"reshape: a dim of (-4, -8) may be negative", dims(Op::Reshape, x, {-4, -8})},
      {"reshape: a dim must be an i64 scalar", [&] { make(Op::Reshape, {x, constant(i32, 32)}); }},
      {"reshape: a dim must be an i64 scalar",
       [&] { make(Op::Reshape, {x, make(Op::Iota, {index(2)})}); }},
      {"permute: 1 dims given for the shape (4, 8)", [&] { make(Op::Permute, {x}, Axes{0}); }},
      {"permute: [0, 0] is no order of 2 dims", [&] { make(Op::Permute, {x}, Axes{0, 0}); }},
      {"permute: [0, 2] is no order of 2 dims", [&] { make(Op::Permute, {x}, Axes{0, 2}); }},
      {"permute: [-1, 0] is no order of 2 dims", [&] { make(Op::Permute, {x}, Axes{-1, 0}); }},
      {"expand: 1 dims given for the shape (4, 8)", dims(Op::Expand, x, {4})},
      {"expand: (4, 8) to (4, 16): only dims of size 1 expand", dims(Op::Expand, x, {4, 16})},
      {"expand: a dim of (-3) may be negative", [] {
         with_dims(Op::Expand, with_dims(Op::Reshape, constant(f32, 1), {1}), {-3});
       }},
      {"pad: 1 dims given for the shape (4, 8)", dims(Op::Pad, x, {0, 0})},
      {"pad: negative width -1, 0 for the shape (4, 8)", dims(Op::Pad, x, {0, 0, -1, 0})},
      {"pad: negative width 0, m for the shape (4, 8)",
       [&] { make(Op::Pad, {x, index(0), index(0), index(0), signed_n}); }},
      {"shrink: 1 dims given for the shape (4, 8)", dims(Op::Shrink, x, {0, 4})},
      {"shrink: [2, 2 + 4) leaves dim 0 of (4, 8)", dims(Op::Shrink, x, {2, 4, 0, 8})},
      {"shrink: [1, 1 + 8) leaves dim 1 of (4, 8)", dims(Op::Shrink, x, {0, 4, 1, 8})},
      {"shrink: [-1, -1 + 2) leaves dim 0 of (4, 8)", dims(Op::Shrink, x, {-1, 2, 0, 8})},
      {"shrink: [0, 0 + -2) leaves dim 0 of (4, 8)", dims(Op::Shrink, x, {0, -2, 0, 8})},
      {"shrink: [n, n + 1) leaves dim 1 of (4, 8)",
       [&] { make(Op::Shrink, {x, index(0), index(4), n, index(1)}); }},
      {"flip: axis 2 of the shape (4, 8)", [&] { make(Op::Flip, {x}, Axes{2}); }},
      {"flip: axis -1 of the shape (4, 8)", [&] { make(Op::Flip, {x}, Axes{-1}); }},
      {"reduce: axis 2 of the shape (4, 8)",
       [&] { make(Op::Reduce, {x}, Reduction{Op::Add, {2}}); }},
      {"reduce: axis -1 of the shape (4, 8)",
       [&] { make(Op::Reduce, {x}, Reduction{Op::Max, {0, -1}}); }},
      {"bitcast: a scalar f32 has not the width of u8", [&] { make(Op::Bitcast, {scalar}, u8); }},
      {"bitcast: 6 of u8 do not divide into f32", [&] { make(Op::Bitcast, {bytes}, f32); }},
      {"bitcast: 6 of u8 do not divide into test_fives",
       [&] { make(Op::Bitcast, {bytes}, packed_fives); }},
      {"bitcast: n of i32 do not divide into i64",
       [&] { make(Op::Bitcast, {cast(make(Op::Iota, {n}), i32)}, i64); }},
      {"bitcast: no bits are void", [&] { make(Op::Bitcast, {x}, void_type); }},
      {"iota: a dim of (m) may be negative", [&] { make(Op::Iota, {signed_n}); }},
      {"iota: a dim must be an i64 scalar", [&] { make(Op::Iota, {scalar}); }},
      {"variable: v has no value in [3, 2]", [] { variable("v", 3, 2); }},
      {"assign: the target is no buffer", [&] { make(Op::Assign, {scalar, scalar, scalar}); }},
      {"assign: the target is constant", [] {
         UOp fixed = memory({2}, f32, true);
         make(Op::Assign, {fixed, fixed, fixed});
       }},
      {"assign: shapes differ: (4, 8) and (4, 4)", [&] { make(Op::Assign, {x, x, y}); }},
      {"assign: dtypes differ: f32 and i32, cast one", [&] { make(Op::Assign, {x, x, ints}); }},
      {"assign: the target is no view of its buffer",
       [&] { make(Op::Assign, {x, y, y}); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK_THROWS_WITH_AS(row.make_it(), row.text, Error);
  }
}

TEST_CASE("what no caller can write is our fault") {
  UOp x = memory({4});
  UOp p = make(Op::Param, {}, ParamInfo{0, f32, 4, false});
  const Row rows[] = {
      {"internal error: add with 1 sources", [&] { make(Op::Add, {x}); }},
      {"internal error: const with 1 sources", [&] { make(Op::Const, {x}, Constant{}); }},
      {"internal error: reshape without sources", [] { make(Op::Reshape, {}); }},
      {"internal error: stack without sources", [] { make(Op::Stack, {}); }},
      {"internal error: pad with one width of dim 0", [&] { make(Op::Pad, {x, index(0)}); }},
      {"internal error: shrink without the size of dim 0",
       [&] { make(Op::Shrink, {x, index(0)}); }},
      {"internal error: reduce with less",
       [&] { make(Op::Reduce, {x}, Reduction{Op::Less, {0}}); }},
      {"internal error: reduce over a const",
       [&] { make(Op::Reduce, {index(1), index(1)}, Reduction{Op::Add, {}}); }},
      {"internal error: load without memory or index", [&] { make(Op::Load, {p}); }},
      {"internal error: load without memory or index", [&] { make(Op::Load, {x, index(0)}); }},
      {"internal error: store without memory, index or value",
       [&] { make(Op::Store, {p, index(0)}); }},
      {"internal error: store over a const",
       [&] { make(Op::Store, {p, index(0), constant(f32, 0), index(0)}); }},
      {"internal error: stage without values",
       [] { make(Op::Stage, {index(0)}, StageInfo{1, 1}); }},
      {"internal error: stage over a const",
       [] { make(Op::Stage, {index(0), constant(f32, 0), index(0)}, StageInfo{1, 1}); }},
      {"internal error: stage of bools",
       [] { make(Op::Stage, {index(0), constant(boolean, 0)}, StageInfo{1, 1}); }},
      {"internal error: stage of mixed values",
       [] {
         UOp zero = constant(f32, 0);
         make(Op::Stage, {index(0), zero, index(1), constant(f64, 0)}, StageInfo{2, 2});
       }},
      {"internal error: stack of mixed sources",
       [&] { make(Op::Stack, {index(0), constant(f32, 0)}); }},
      {"internal error: bitcast of f32x4 to u8x4",
       [] { make(Op::Bitcast, {make(Op::Stack, {constant(f32, 0)}, int64_t(4))}, u8.vec(4)); }},
      {"internal error: range 64 has no bit in a set of ranges",
       [] { range(index(4), 64, AxisKind::Loop); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK_THROWS_WITH_AS(row.make_it(), row.text, InternalError);
  }
}

TEST_CASE("a refused node leaves nothing behind") {
  UOp x = memory({4, 8});
  UOp y = memory({4, 4});
  size_t before = live_nodes();
  CHECK_THROWS_AS(make(Op::Add, {x, y}), Error);
  CHECK_THROWS_AS(with_dims(Op::Reshape, x, {5, 7}), Error);
  CHECK(live_nodes() == before);
}

TEST_CASE("shapes and dtypes that follow") {
  UOp x = memory({4, 8});
  UOp n = variable("n", 1, 64);
  UOp wide = make(Op::Reshape, {make(Op::Expand, {with_dims(Op::Reshape, x, {4, 8, 1}), index(4),
                                                  index(8), n}),
                                index(32), n});
  auto shape = [](const UOp& u) { return name(u->dtype) + to_string(u->shape); };
  CHECK(shape(with_dims(Op::Reshape, x, {2, 16})) == "f32(2, 16)");
  CHECK(shape(wide) == "f32(32, n)");
  // A product of dims counts by its factors, however they are spelled.
  CHECK(shape(make(Op::Reshape, {wide, n * index(32)})) == "f32((n * 32))");
  CHECK(shape(make(Op::Reshape, {make(Op::Reshape, {wide, n * index(32)}), index(32), n})) ==
        "f32(32, n)");
  CHECK(shape(make(Op::Permute, {wide}, Axes{1, 0})) == "f32(n, 32)");
  CHECK(shape(make(Op::Pad, {wide, index(1), index(2), index(0), n})) == "f32(35, (n * 2))");
  CHECK(shape(make(Op::Shrink, {x, index(1), index(2), index(0), index(8)})) == "f32(2, 8)");
  CHECK(shape(make(Op::Reduce, {wide}, Reduction{Op::Add, {1}})) == "f32(32, 1)");
  CHECK(shape(make(Op::Bitcast, {x}, u8)) == "u8(4, 32)");
  CHECK(shape(make(Op::Bitcast, {x}, f64)) == "f64(4, 4)");
  CHECK(shape(make(Op::Bitcast, {memory({2, 10}, u8)}, packed_fives)) == "test_fives(2, 16)");
  CHECK(shape(make(Op::Bitcast, {memory({2, 16}, packed_fives)}, u8)) == "u8(2, 10)");
  CHECK(shape(x < x) == "bool(4, 8)");
  CHECK(shape(where(x < x, x, x)) == "f32(4, 8)");
  CHECK(shape(make(Op::Iota, {n})) == "i64(n)");
  CHECK(shape(make(Op::Sink, {x})) == "void()");
}
