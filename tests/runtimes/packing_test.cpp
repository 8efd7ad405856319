// What is packed for the iterations of a loop is what they would have read: kernels that the
// heuristic packs, in stores and in stages, against the oracle. Sums of whole numbers are exact in
// any order.
#include <doctest/doctest.h>

#include "codegen/lower.h"
#include "runtimes/realize.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

// -5 .. 5 in a pattern.
Tensor numbers(std::vector<int64_t> shape) {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(float(i * 7 % 11) - 5);
  return realize(Tensor::from(values, std::move(shape)).contiguous());
}

// Loops that the kernels of a tensor pack for, of stores and of stages.
struct Packed {
  int64_t stores = 0;
  int64_t stages = 0;
};

Packed packed(const Tensor& t) {
  Packed n;
  for (const Kernel& kernel : schedule({t.uop()}).kernels) {
    for (const Move& move : choose_axes(kernel.ast, device("CPU").target())) {
      if (move.kind == Move::Kind::Pack) ++(move.reduce ? n.stages : n.stores);
    }
  }
  return n;
}

void check_same(const Tensor& t, const Bindings& bindings = {}) {
  Tensor fast = realize(t, bindings, device("CPU"));
  Tensor slow = realize(t, bindings, device("INTERP"));
  CHECK(to_vector<float>(fast) == to_vector<float>(slow));
}

// Rows of heads that are all known before one is written.
Tensor centred(const Tensor& heads) { return heads - heads.max({-1}, true); }

TEST_CASE("products and convolutions of packed operands") {
  for (int64_t k : {16, 37}) {
    for (int64_t n : {640, 677}) {
      CAPTURE(k);
      CAPTURE(n);
      Tensor out = numbers({40, k}).matmul(numbers({k, n}));
      CHECK(packed(out).stores == 1);
      check_same(out);
    }
  }
  Tensor out = numbers({1, 8, 24, 24}).conv2d(numbers({40, 8, 3, 3}), {.padding = {1}});
  CHECK(packed(out).stores == 1);
  check_same(out);
}

TEST_CASE("a stage of its own rows is packed for them, however many there are") {
  UOp t = variable("t", 1, 40);
  Tensor x = numbers({40, 48}).narrow(0, 0, Dim(t));
  Tensor heads = x.linear(numbers({256, 48})).reshape({Dim(t), 2, 128});
  CHECK(packed(centred(heads)).stages == 1);
  for (int64_t rows : {1, 5, 40}) {
    CAPTURE(rows);
    check_same(centred(heads), {{"t", rows}});
  }
}

}  // namespace
}  // namespace niwaki::test
