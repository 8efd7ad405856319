// What reductions, norms, losses and attention cost in kernels, and a loss in loops.
#include <doctest/doctest.h>

#include "ops/gradient.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

std::vector<Kernel> kernels(const std::vector<Tensor>& outputs) {
  std::vector<UOp> uops;
  for (const Tensor& t : outputs) uops.push_back(t.uop());
  return schedule(uops).kernels;
}

std::vector<Kernel> kernels_with_gradients(const Tensor& loss, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs = gradient(loss, inputs);
  outputs.push_back(loss);
  return kernels(outputs);
}

}  // namespace

TEST_CASE("reductions, norms, losses and attention in few kernels") {
  Tensor x = Tensor::empty({32, 10});
  Tensor y = Tensor::empty({32}, i32);
  Tensor w = Tensor::empty({10});
  Tensor q = Tensor::empty({2, 3, 16, 8});
  Tensor k = Tensor::empty({2, 3, 16, 8});
  Tensor v = Tensor::empty({2, 3, 16, 8});
  CHECK(kernels({x.std()}).size() <= 1);
  CHECK(kernels({x.var({1})}).size() <= 1);
  CHECK(kernels({x.logsumexp({1})}).size() <= 1);
  CHECK(kernels({x.normalize()}).size() <= 1);
  CHECK(kernels({x.layer_norm(1e-5, {-1}, w, w)}).size() <= 2);
  CHECK(kernels({x.cross_entropy(y)}).size() <= 1);
  CHECK(kernels({x.sparse_categorical_crossentropy(y, 3)}).size() <= 1);
  CHECK(kernels({x.nll_loss(y, w, 3)}).size() <= 1);
  CHECK(kernels({x.binary_crossentropy_logits(x)}).size() <= 1);
  CHECK(kernels({scaled_dot_product_attention(q, k, v)}).size() <= 3);
  CHECK(kernels({scaled_dot_product_attention(q, k, v, {.is_causal = true})}).size() <= 3);
  CHECK(kernels_with_gradients(x.nll_loss(y, w, 3), {x}).size() <= 4);
  CHECK(kernels_with_gradients(x.cross_entropy(y), {x}).size() <= 5);
  CHECK(kernels_with_gradients(scaled_dot_product_attention(q, k, v).sum(), {q, k, v}).size() <=
        10);
}

// The loop over the classes of a one-hot product is gone; those of the softmax, which have its
// number, are not.
TEST_CASE("a class is looked up without a loop") {
  Tensor x = Tensor::empty({32, 10});
  Tensor y = Tensor::empty({32}, i32);
  auto loops = [](Tensor loss) {
    int64_t n = 0;
    for (const Kernel& kernel : kernels({loss})) {
      for (const UOp& u : toposort(kernel.ast)) n += u->op == Op::Reduce;
    }
    return n;
  };
  CHECK(loops(x.nll_loss(y, {}, {}, LossReduction::None)) == 0);
  CHECK(loops(x.nll_loss(y, Tensor::empty({10}), 3, LossReduction::None)) == 0);
  CHECK(loops(x.cross_entropy(y, LossReduction::None)) == 2);
}

}  // namespace niwaki::test
