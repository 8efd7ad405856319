// The node: the op table that it is made by, interning, who owns what, order, dims and their text.
#include "core/uop.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "core/error.h"

using namespace niwaki;

namespace {

BufferRef memory(std::vector<int64_t> shape, DType t = f32) {
  return std::make_shared<Buffer>(Buffer{t, std::move(shape)});
}

}  // namespace

TEST_CASE("the op table: small, named once, and its groups are what they say") {
  CHECK(n_ops <= 50);
  int primitives = 0;
  std::set<std::string_view> names;
  for (int i = 0; i < n_ops; ++i) {
    Op op = Op(i);
    primitives += is_tensor_primitive(op);
    CHECK(names.insert(info(op).name).second);
    CHECK(op_from_name(info(op).name) == op);
    CHECK(info(op).stages != 0);
    CHECK_FALSE(info(op).meaning.empty());
    if (info(op).commutative) CHECK(info(op).sources == 2);
    if (is_movement(op)) CHECK(info(op).stages == uint8_t(Stage::Tensor));
    if (is_elementwise(op)) CHECK((info(op).stages & uint8_t(Stage::Linear)) != 0);
  }
  CHECK(primitives <= 25);
  CHECK_FALSE(op_from_name("no such op"));
  CHECK_FALSE(op_from_name(""));
}

TEST_CASE("interning: equal nodes are one node") {
  UOp a = variable("a", 0, 9);
  CHECK(a == variable("a", 0, 9));
  CHECK(a != variable("a", 0, 8));
  CHECK(a != variable("a", 1, 9));
  CHECK(a != variable("b", 0, 9));
  CHECK(a + index(1) == a + index(1));
  CHECK(a + index(1) != index(1) + a);
  CHECK((a + index(1)).get() == (a + index(1)).get());
  CHECK(a + index(1) != a + index(2));
  CHECK(a * index(1) != a + index(1));
}

TEST_CASE("interning: constants by dtype and bits") {
  CHECK(constant(f32, 1) == constant(f32, 1.0));
  CHECK(constant(f32, 1) != constant(f64, 1));
  CHECK(constant(i32, 1) != constant(u32, 1));
  CHECK(constant(f32, 0.0) != constant(f32, -0.0));
  CHECK(constant(f32, NAN) == constant(f32, NAN));
  CHECK(constant(f32, 0.1) == constant(f32, double(0.1f)));
  CHECK(constant(u8, Value::of(int64_t(256))) == constant(u8, 0));
  CHECK(index(3) == constant(i64, 3));
}

TEST_CASE("interning: every kind of arg tells nodes apart") {
  BufferRef one = memory({4});
  BufferRef two = memory({4});
  UOp x = buffer(one);
  CHECK(x == buffer(one));
  CHECK(x != buffer(two));
  CHECK(make(Op::Cast, {x}, i32) == make(Op::Cast, {x}, i32));
  CHECK(make(Op::Cast, {x}, i32) != make(Op::Cast, {x}, u32));
  CHECK(make(Op::Flip, {x}, Axes{0}) == make(Op::Flip, {x}, Axes{0}));
  CHECK(make(Op::Flip, {x}, Axes{0}) != make(Op::Flip, {x}, Axes{}));
  CHECK(make(Op::Reduce, {x}, Reduction{Op::Add, {0}}) !=
        make(Op::Reduce, {x}, Reduction{Op::Max, {0}}));
  CHECK(range(index(4), 0, AxisKind::Loop) != range(index(4), 1, AxisKind::Loop));
  CHECK(range(index(4), 0, AxisKind::Loop) != range(index(4), 0, AxisKind::Reduce));
  CHECK(range(index(4), 0, AxisKind::Loop) != range(index(5), 0, AxisKind::Loop));
  auto param = [](int64_t i, DType t, int64_t n, bool constant) {
    return make(Op::Param, {}, ParamInfo{i, t, n, constant});
  };
  CHECK(param(0, f32, 4, true) == param(0, f32, 4, true));
  CHECK(param(0, f32, 4, true) != param(0, f32, 4, false));
  CHECK(param(0, f32, 4, true) != param(1, f32, 4, true));
  CHECK(param(0, f32, 4, true) != param(0, f16, 4, true));
  CHECK(param(0, f32, 4, true) != param(0, f32, 5, true));
  CHECK(make(Op::Stack, {index(1)}, int64_t(4)) != make(Op::Stack, {index(1)}, int64_t(8)));
}

TEST_CASE("ownership: what nobody holds is gone") {
  size_t before = live_nodes();
  {
    UOp a = variable("owned", 0, 9);
    UOp sum = a + a;
    CHECK(live_nodes() == before + 2);
    UOp copy = sum;
    sum = UOp();
    CHECK(live_nodes() == before + 2);
    UOp moved = std::move(copy);
    CHECK_FALSE(bool(copy));
    moved = moved[0];
    CHECK(moved == a);
    CHECK(live_nodes() == before + 1);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("ownership: a diamond of diamonds is freed once") {
  size_t before = live_nodes();
  {
    UOp u = variable("diamond", 0, 1);
    for (int i = 0; i < 60; ++i) u = u * u + u;
    CHECK(live_nodes() == before + 121);
    CHECK(toposort(u).size() == 121);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("ownership: a chain of a million nodes is built, sorted and dropped without recursion") {
  size_t before = live_nodes();
  {
    UOp u = variable("chain", 0, 1);
    UOp one = index(1);
    for (int i = 0; i < 1'000'000; ++i) u = make(i % 2 ? Op::And : Op::Xor, {u, one});
    CHECK(live_nodes() - before >= 1'000'001);
    CHECK(toposort(u).size() == 1'000'002);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("ownership: a node lives through its buffer's memory and lets it go") {
  BufferRef ref = memory({4});
  {
    UOp x = buffer(ref);
    CHECK(ref.use_count() == 2);
  }
  CHECK(ref.use_count() == 1);
}

TEST_CASE("toposort: sources before users, each once, root last") {
  UOp a = variable("a", 0, 9);
  UOp b = variable("b", 0, 9);
  UOp root = where(a < b, (a + b) * (a + b), b % a);
  std::vector<UOp> order = toposort(root);
  CHECK(order.back() == root);
  for (size_t i = 0; i < order.size(); ++i) {
    for (const UOp& s : order[i]->src) {
      CHECK(std::find(order.begin(), order.begin() + int64_t(i), s) != order.begin() + int64_t(i));
    }
    CHECK(std::count(order.begin(), order.end(), order[i]) == 1);
  }
  CHECK(with_sources(root, root->src) == root);
  CHECK(with_sources(a + b, {b, a}) == b + a);
}

TEST_CASE("ranges: free until something closes them") {
  UOp i = range(index(4), 0, AxisKind::Loop);
  UOp k = range(index(8), 1, AxisKind::Reduce);
  UOp sum = make(Op::Reduce, {i + k, k}, Reduction{Op::Add, {}});
  CHECK(i->ranges == 1);
  CHECK((i + k)->ranges == 3);
  CHECK(sum->ranges == 1);
  UOp out = make(Op::Param, {}, ParamInfo{0, i64, 4, false});
  UOp store = make(Op::Store, {out, i, sum, i});
  CHECK(store->ranges == 0);
  CHECK(bound_ranges(*sum) == 2);
  UOp stage = make(Op::Stage, {k, i * k, k}, StageInfo{4, 1});
  CHECK(stage->ranges == 1);
  CHECK(bound_ranges(*stage) == 2);
  CHECK(loops_of(stage) == std::vector<UOp>{k});
  CHECK(make(Op::Load, {stage, k})->ranges == 3);
}

TEST_CASE("an element of a stage is bounded by what it is filled with") {
  UOp k = range(index(4), 1, AxisKind::Reduce);
  UOp stage = make(Op::Stage, {k, k + 3.0, k}, StageInfo{4, 1});
  UOp load = make(Op::Load, {stage, k});
  CHECK(load->lo == 3);
  CHECK(load->hi == 6);
  CHECK(make(Op::Load, {stage, k, k < 2.0})->lo == 0);
}

TEST_CASE("dims fold as they grow") {
  UOp n = variable("n", 1, 64);
  CHECK(dim_add(index(2), index(3)) == index(5));
  CHECK(dim_add(n, index(0)) == n);
  CHECK(dim_add(index(0), n) == n);
  CHECK(dim_add(index(2), n) == n + index(2));
  CHECK(dim_mul(index(2), index(3)) == index(6));
  CHECK(dim_mul(n, index(1)) == n);
  CHECK(dim_mul(index(1), n) == n);
  CHECK(dim_mul(index(4), n) == n * index(4));
  CHECK(dim_sub(n, n) == index(0));
  CHECK(dim_sub(index(5), index(3)) == index(2));
  CHECK(dim_product({index(2), n, index(3)}) == n * index(2) * index(3));
  CHECK(dim_product({}) == index(1));
  CHECK(dim_max(n + index(1)) == 65);
  CHECK(to_string(shape_of({4, 8})) == "(4, 8)");
  CHECK(to_string(Shape{}) == "()");
  CHECK(to_string({index(1), n + index(1)}) == "(1, (n + 1))");
  CHECK_THROWS_WITH_AS(dim_mul(index(int64_t(1) << 40), index(int64_t(1) << 40)),
                       "shape: 1099511627776 * 1099511627776 elements are more than can be counted",
                       Error);
  CHECK_THROWS_WITH_AS(
      dim_add(index(int64_t(1) << 62), index(int64_t(1) << 62)),
      "shape: 4611686018427387904 + 4611686018427387904 elements are more than can be counted",
      Error);
}

TEST_CASE("expressions in infix form") {
  UOp a = variable("a", 0, 9);
  UOp r = range(index(4), 2, AxisKind::Loop);
  CHECK(expression(a * index(4) + r) == "((a * 4) + r2)");
  CHECK(expression(a / index(4) % index(2)) == "((a / 4) % 2)");
  CHECK(expression(where(a < r, a, index(-1))) == "where(less(a, r2), a, -1)");
}

TEST_CASE("small builders") {
  UOp a = variable("a", 0, 9);
  UOp x = cast(a, f32);
  CHECK(cast(a, i64) == a);
  CHECK(x * 2.0 == x * constant(f32, 2));
  CHECK((a - index(3)) == a + index(3) * index(-1));
  CHECK(negate(a < 3) == make(Op::Xor, {a < 3, constant(boolean, 1)}));
  CHECK(*const_int(index(7)) == 7);
  CHECK(const_int(constant(f32, 7)) == nullptr);
  CHECK(const_int(a) == nullptr);
  CHECK(is_const(index(7), 7));
  CHECK_FALSE(is_const(index(7), 7.5));
  CHECK_FALSE(is_const(index(0), 0.5));
  CHECK(is_const(constant(f32, 0.0), 0));
  CHECK_FALSE(is_const(constant(f32, -0.0), 0));
  UOp lanes = make(Op::Stack, {x}, int64_t(4));
  CHECK((lanes * 2.0)->dtype == f32.vec(4));
  CHECK(is_const((lanes * 2.0)[1], 2));
}
