// What a kernel keeps inside, in which blocks, and when kernels become one.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "core/text.h"
#include "ops/gradient.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

std::vector<Kernel> kernels(const std::vector<Tensor>& outputs) {
  std::vector<UOp> uops;
  for (const Tensor& t : outputs) uops.push_back(t.uop());
  return schedule(uops).kernels;
}

std::vector<UOp> nodes_of(const Kernel& kernel, Op op) {
  std::vector<UOp> nodes = toposort(kernel.ast);
  std::erase_if(nodes, [&](const UOp& u) { return u->op != op; });
  return nodes;
}

Tensor floats(std::vector<int64_t> shape) { return Tensor::empty(std::move(shape)); }

}  // namespace

TEST_CASE("a softmax keeps a row of exponentials and adds them up while it does") {
  std::vector<Kernel> made = kernels({floats({64, 256}).softmax()});
  REQUIRE(made.size() == 1);
  std::vector<UOp> stages = nodes_of(made[0], Op::Stage);
  REQUIRE(stages.size() == 1);
  CHECK(memory_size(stages[0]) == 256);
  CHECK(nodes_of(made[0], Op::Exp).size() == 1);
  int64_t shared = 0;
  for (const UOp& u : nodes_of(made[0], Op::Reduce)) shared += loops_of(u) == loops_of(stages[0]);
  CHECK(shared == 1);
  CHECK(made[0].stages.size() == 1);
}

TEST_CASE("a row that does not fit the cache is stored") {
  CHECK(kernels({floats({4, 1 << 20}).softmax()}).size() == 2);
}

TEST_CASE("of a product that is normalised by heads, a head is kept") {
  Tensor y = floats({1, 512}).linear(floats({256, 512})).reshape({1, 4, 64});
  std::vector<Kernel> made = kernels({y.rms_norm(floats({64}), 1e-6)});
  REQUIRE(made.size() == 1);
  std::vector<UOp> stages = nodes_of(made[0], Op::Stage);
  REQUIRE(stages.size() == 1);
  CHECK(memory_size(stages[0]) == 64);
}

// For one token at a time every weight would be read again for each.
TEST_CASE("and of several tokens all, which share the weights") {
  Tensor y = floats({32, 512}).linear(floats({256, 512})).reshape({32, 4, 64});
  std::vector<Kernel> made = kernels({y.rms_norm(floats({64}), 1e-6)});
  REQUIRE(made.size() == 1);
  std::vector<UOp> stages = nodes_of(made[0], Op::Stage);
  REQUIRE(stages.size() == 1);
  CHECK(memory_size(stages[0]) == 32 * 64);
  // Heads are outside of tokens then.
  CHECK(loops_of(made[0].ast[0])[0] == range(index(4), 1, AxisKind::Loop));
}

// A wide product runs in tiles of its columns, and would normalise every row again for each.
TEST_CASE("rows that a wide product reads are all kept at once, for a narrow one a row") {
  Tensor rows = floats({32, 512}).rms_norm(floats({512}), 1e-6);
  for (int64_t columns : {256, 8192}) {
    CAPTURE(columns);
    std::vector<Kernel> made = kernels({rows.linear(floats({columns, 512}))});
    REQUIRE(made.size() == 1);
    int64_t longest = 0;
    for (const UOp& u : nodes_of(made[0], Op::Stage)) longest = std::max(longest, memory_size(u));
    CHECK(longest == (columns == 256 ? 512 : 32 * 512));
  }
}

TEST_CASE("a layer is not computed for each row of the next") {
  Tensor hidden = floats({64, 256}).linear(floats({512, 256})).relu();
  CHECK(kernels({hidden.linear(floats({256, 512}))}).size() == 2);
}

TEST_CASE("a sum of floats is computed in one place") {
  Tensor total = floats({64, 256}).sum({1});
  // In two kernels over different loops it is stored; in one that needs it twice, it is kept.
  std::vector<Kernel> apart = kernels({total.exp().sum(), total.reshape({64, 1}).expand({64, 8})});
  size_t sums = 0;
  for (const Kernel& kernel : apart) sums += kernel.reason.starts_with("a sum of floats");
  CHECK(sums == 1);
  std::vector<Kernel> together = kernels({(total == total.max()).cast(i32)});
  REQUIRE(together.size() == 1);
  CHECK(nodes_of(together[0], Op::Stage).size() == 1);
}

TEST_CASE("a long sum is two kernels, the parts and their sum") {
  std::vector<Kernel> made = kernels({(floats({1024, 1024}) * 2.0).sum()});
  REQUIRE(made.size() == 2);
  CHECK(made[0].args[0]->size() == 64);
  CHECK(made[0].reason == "parts of a long sum, for all threads");
  CHECK(made[1].args[0]->size() == 1);
  // One dim is cut, whatever the others are.
  CHECK(kernels({floats({1 << 20}).max()}).size() == 2);
  CHECK(kernels({floats({7, 1 << 20}).sum()}).size() == 2);
  // Not a short one, nor where there are more outputs or no parts.
  CHECK(kernels({floats({512, 1024}).sum()}).size() == 1);
  CHECK(kernels({floats({8, 1 << 20}).sum({1})}).size() == 1);
  CHECK(kernels({floats({1048583}).sum()}).size() == 1);
}

TEST_CASE("a sum is stored with what is added to it") {
  Tensor x = floats({64, 256});
  Tensor y = x + x.linear(floats({256, 256})) + floats({256});
  std::vector<Kernel> made = kernels({y.sum(), y.max({1})});
  for (const Kernel& kernel : made) {
    bool product = nodes_of(kernel, Op::Param).size() == 4;
    if (product) CHECK(kernel.ast[0][2]->op == Op::Add);
  }
}

TEST_CASE("values of the same elements are stored by one kernel") {
  Tensor m = floats({64, 64});
  Tensor w = floats({64, 64});
  Tensor g = floats({64, 64});
  Tensor moved = m.assign(m * 0.9 + g * 0.1);
  std::vector<Kernel> made = kernels({w.assign(w - moved * 0.01), moved});
  REQUIRE(made.size() == 1);
  CHECK(made[0].ast->src.size() == 2);
  CHECK(made[0].reason == "assign; assign");
}

TEST_CASE("but not where one reads what the other overwrites elsewhere") {
  Tensor m = floats({64});
  Tensor moved = m.assign(m + 1.0);
  CHECK(kernels({moved, m.flip({0}) * 2.0}).size() == 2);
  CHECK(kernels({moved * m.sum().contiguous(), moved}).size() >= 2);
}

TEST_CASE("contiguous asks for a kernel of its own") {
  Tensor x = floats({64});
  CHECK(kernels({(x * 2.0).contiguous() + 1.0}).size() == 2);
  CHECK(kernels({x * 2.0, (x * 2.0) + 1.0}).size() == 1);
}

}  // namespace niwaki::test
