// How much work a schedule is: equal layers are scheduled once.
#include <doctest/doctest.h>

#include <set>

#include "core/rewrite.h"
#include "ops/tensor.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

// Layers with weights and a cache of their own, as a language model has them.
Schedule network(int64_t layers) {
  UOp pos = variable("pos", 0, 90);
  UOp t = variable("t", 1, 6);
  Tensor x = Tensor::empty({6, 32}).narrow(0, 0, t);
  for (int64_t i = 0; i < layers; ++i) {
    Tensor w = Tensor::empty({32, 32});
    Tensor cache = Tensor::empty({96, 32});
    Tensor y = x.rms_norm(Tensor::empty({32}), 1e-6).linear(w).silu();
    Tensor kept = cache.narrow(0, pos, t).assign(y).narrow(0, 0, dim_add(pos, t));
    x = x + y.matmul(kept.transpose()).softmax(-1).matmul(kept).linear(w);
  }
  return schedule({x.uop()});
}

}  // namespace

TEST_CASE(
    "equal layers are scheduled once: their kernels are the same nodes, and cost no rewrites") {
  auto rewrites = [](int64_t layers) {
    int64_t before = rewrites_done();
    network(layers);
    return rewrites_done() - before;
  };
  auto distinct = [](const Schedule& made) {
    std::set<const Node*> asts;
    for (const Kernel& kernel : made.kernels) asts.insert(kernel.ast.get());
    return asts.size();
  };
  Schedule few = network(3);
  Schedule many = network(30);
  CHECK(many.kernels.size() > 9 * few.kernels.size());
  CHECK(distinct(many) == distinct(few));
  int64_t of_few = rewrites(3);
  int64_t of_many = rewrites(30);
  CAPTURE(of_few);
  // A few movement ops of each layer are merged before anything is known to be equal.
  CHECK(of_many < of_few + 27 * 10);
}

}  // namespace niwaki::test
