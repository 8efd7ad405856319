// The verifier: what may not exist yet, or no longer, at each stage, and how it says so.
#include "core/verify.h"

#include <doctest/doctest.h>

#include "core/error.h"
#include "core/text.h"

using namespace niwaki;

namespace {

const PackedType sevens = {"test_sevens", 8, 7, {}};

UOp memory(std::vector<int64_t> shape, DType t = f32) {
  return buffer(std::make_shared<Buffer>(Buffer{t, std::move(shape)}));
}

UOp param(int64_t i, DType t) { return make(Op::Param, {}, ParamInfo{i, t, 16, false}); }

struct Row {
  const char* why;
  UOp culprit;
  UOp root;
  Stage stage;
};

}  // namespace

TEST_CASE("what is legal passes") {
  UOp x = memory({4, 8});
  UOp sum = make(Op::Reduce, {x}, Reduction{Op::Add, {1}});
  CHECK_NOTHROW(verify(make(Op::Sink, {sum}), Stage::Tensor, "test"));
  UOp i = range(index(4), 0, AxisKind::Loop);
  UOp k = range(index(8), 1, AxisKind::Reduce);
  UOp loaded = make(Op::Load, {param(1, f32), i * index(8) + k});
  UOp total = make(Op::Reduce, {loaded, k}, Reduction{Op::Add, {}});
  UOp store = make(Op::Store, {param(0, f32), i, total, i});
  CHECK_NOTHROW(verify(make(Op::Sink, {store}), Stage::Kernel, "test"));
  CHECK_NOTHROW(verify(store, Stage::Kernel, "test"));
}

TEST_CASE("what is not: the pass, the op, the reason and the graph") {
  UOp x = memory({4});
  UOp i = range(index(4), 0, AxisKind::Loop);
  UOp lanes = make(Op::Stack, {cast(variable("n", 0, 3), f32)}, int64_t(4));
  UOp p = param(0, f32);
  UOp kernel_sum = make(Op::Reduce, {i, i}, Reduction{Op::Add, {}});
  UOp shaped = make(Op::Iota, {index(4)});
  UOp axes = make(Op::Reduce, {index(1)}, Reduction{Op::Max, {}});
  UOp packed = make(Op::Load, {param(1, {Kind::Packed, 1, &sevens}), i});
  UOp narrow = make(Op::Load, {p, cast(i, i32)});
  UOp store = make(Op::Store, {p, cast(i, i32), constant(f32, 0), i});
  UOp where_shaped = make(Op::Reduce, {shaped < shaped}, Reduction{Op::Max, {0}});
  const Row rows[] = {
      {"has no place in this stage", i, i + index(1), Stage::Tensor},
      {"has no place in this stage", p, make(Op::Load, {p, index(0)}), Stage::Tensor},
      {"has no place in this stage", x, make(Op::Sink, {x}), Stage::Kernel},
      {"has no place in this stage", make(Op::End, {i}), make(Op::End, {i}), Stage::Kernel},
      {"has no place in this stage", kernel_sum, kernel_sum, Stage::Linear},
      {"is packed, but only bytes are loaded", packed, packed, Stage::Kernel},
      {"has an index that is no i64", narrow, narrow, Stage::Kernel},
      {"has an index that is no i64", store, store, Stage::Kernel},
  };
  for (const Row& row : rows) {
    std::string text = fmt::format("internal error: after test: {} {}:\n{}",
                                   info(row.culprit->op).name, row.why, print(row.culprit));
    CHECK_THROWS_WITH_AS(verify(row.root, row.stage, "after test"), text.c_str(), InternalError);
  }
  CHECK_NOTHROW(verify(axes, Stage::Kernel, "test"));
  CHECK_THROWS_WITH_AS(verify(lanes + lanes, Stage::Tensor, "test"),
                       doctest::Contains("stack has no place in this stage"), InternalError);
  CHECK_THROWS_WITH_AS(verify(where_shaped, Stage::Kernel, "test"),
                       doctest::Contains("iota has no place in this stage"), InternalError);
}

TEST_CASE("a kernel closes its ranges") {
  UOp i = range(index(4), 0, AxisKind::Loop);
  UOp store = make(Op::Store, {param(0, i64), i, i});
  CHECK_THROWS_WITH_AS(
      verify(make(Op::Sink, {store}), Stage::Kernel, "lower"),
      ("internal error: lower: ranges are left open in\n" + print(make(Op::Sink, {store}))).c_str(),
      InternalError);
}
