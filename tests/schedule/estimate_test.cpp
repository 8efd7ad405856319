// What kernels are estimated to cost, beside what one counts by hand.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "schedule/estimate.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

UOp kernel_of(const Tensor& t) {
  std::vector<Kernel> kernels = schedule({t.uop()}).kernels;
  REQUIRE(kernels.size() == 1);
  return kernels[0].ast;
}

Tensor floats(std::vector<int64_t> shape) { return Tensor::empty(std::move(shape)); }

}  // namespace

TEST_CASE("operations and bytes are those of the graph, each element once") {
  struct Row {
    const char* name;
    Tensor result;
    double operations;
    double bytes_read;
    double bytes_written;
  };
  Tensor ids = Tensor::empty({6}, i64);
  const Row rows[] = {
      {"add", floats({4, 32}) + floats({4, 32}), 128, 1024, 512},
      {"a tensor with itself is read once", floats({8, 8}).transpose() + 1.0, 64, 256, 256},
      {"matmul", floats({16, 32}).matmul(floats({32, 8})), 2 * 16 * 32 * 8, 4 * (16 * 32 + 32 * 8),
       4 * 16 * 8},
      {"broadcast", floats({4, 1}) * floats({8}), 32, 4 * 12, 4 * 32},
      {"embedding reads its rows", floats({1000, 16}).embedding(ids), 0, 6 * 8 + 6 * 16 * 4,
       6 * 16 * 4},
      {"what a slice leaves out is not read", floats({100}).narrow(0, 10, 20) * 2.0, 20, 80, 80},
      {"windows that overlap", floats({1, 1, 6, 6}).conv2d(floats({1, 1, 3, 3})), 2 * 16 * 9,
       4 * (36 + 9), 4 * 16},
      {"integers compute nothing that a float would", Tensor::empty({8}, i32) + 1, 0, 32, 32},
      {"an exp is worth more than an add", floats({8}).exp(), 8 * 15, 32, 32},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    KernelCost cost = kernel_cost(kernel_of(row.result));
    CHECK(cost.operations == row.operations);
    CHECK(cost.bytes_read == row.bytes_read);
    CHECK(cost.bytes_written == row.bytes_written);
    CHECK(cost.bytes() == row.bytes_read + row.bytes_written);
  }
}

TEST_CASE("weights of one bit: every byte once, a multiply-add a weight, a negation a block") {
  KernelCost cost = kernel_cost(kernel_of(floats({1, 256}).linear(one_bit_weights(32, 256, 2))));
  CHECK(cost.bytes_read == 4 * 256 + 32 * 256 / 128 * 18);
  CHECK(cost.operations == 2 * 32 * 256 + 32 * 256 / 128);
  Tensor rows = one_bit_weights(1000, 256, 2).embedding(Tensor::empty({3}, i64));
  CHECK(kernel_cost(kernel_of(rows)).bytes_read == 3 * 8 + 3 * 256 / 128 * 18);
}

TEST_CASE("a cost is one at values of the variables") {
  UOp n = variable("n", 1, 100);
  UOp ast = kernel_of(floats({100, 4}).narrow(0, 0, n) * 2.0);
  CHECK(kernel_cost(ast).bytes_read == 1600);
  const UOp variables[] = {n};
  const int64_t values[] = {10};
  KernelCost some = kernel_cost(with_values(ast, variables, values));
  CHECK(some.bytes_read == 160);
  CHECK(some.operations == 40);
}

TEST_CASE("no kernel of the cases reads or writes more than its buffers hold") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    std::vector<UOp> uops;
    for (const Tensor& t : c.make()) uops.push_back(t.uop());
    for (const Kernel& kernel : schedule(uops).kernels) {
      double held = 0;
      for (const BufferRef& b : kernel.args) held += double(b->bytes());
      KernelCost cost = kernel_cost(kernel.ast);
      CHECK(cost.bytes_written > 0);
      CHECK(cost.bytes_read <= held);
      CHECK(cost.bytes_written <= held);
      CHECK(kernel_work(kernel.ast) > 0);
    }
  }
}

}  // namespace niwaki::test
