// Gradients on the devices: near what the naive evaluator makes of the same graph, and in as few
// kernels as by hand; a training step that writes its weights in place.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"
#include "support/naive.h"

namespace niwaki::test {
namespace {

Schedule plan(const std::vector<Tensor>& tensors) {
  std::vector<UOp> uops;
  for (const Tensor& t : tensors) uops.push_back(t.uop());
  return schedule(uops);
}

void check_devices(const std::vector<Tensor>& tensors) {
  for (std::string name : {"INTERP", "CPU"}) {
    CAPTURE(name);
    for (const Tensor& t : tensors) {
      std::vector<float> found = to_vector<float>(t, device(name));
      std::vector<double> expected = evaluate(t.uop()).numbers();
      REQUIRE(found.size() == expected.size());
      double scale = 0;
      for (double v : expected) scale = std::max(scale, std::abs(v));
      for (size_t i = 0; i < found.size(); ++i) {
        CHECK(std::abs(found[i] - expected[i]) <= 2e-6 * scale);
      }
    }
  }
}

}  // namespace

TEST_CASE("gradients on the devices") {
  Tensor x = input({17, 24}, 1);
  Tensor w = input({24, 33}, 2);
  Tensor v = input({33, 5}, 3);
  Tensor table = input({9, 6}, 4);
  Tensor ids = Tensor::from(std::vector<int64_t>{8, 0, 8, 3}, {4});
  Tensor hidden = x.matmul(w).layer_norm(1e-5).tanh();
  check_devices(gradient((hidden.matmul(v).log_softmax() * input({17, 5}, 5)).sum(), {x, w, v}));
  check_devices(gradient(table.embedding(ids).exp().prod({0}).max(), {table}));
  Tensor q = input({4, 4, 8}, 6);
  Tensor k = input({4, 2, 8}, 7);
  check_devices(gradient(attention(q, k, k, 0), input({4, 4, 8}, 8), {q, k}));
}

TEST_CASE("the gradients of a product are two products; of a lookup, one pass over the rows") {
  Tensor x = Tensor::empty({64, 128});
  Tensor w = Tensor::empty({128, 32});
  Schedule made = plan(gradient(x.matmul(w), Tensor::empty({64, 32}), {x, w}));
  CHECK(made.kernels.size() == 2);
  CHECK(made.arena_bytes == 0);
  Tensor ids = Tensor::empty({10}, i64);
  Tensor table = Tensor::empty({1000, 16});
  made = plan(gradient(table.embedding(ids), Tensor::empty({10, 16}), {table}));
  CHECK(made.kernels.size() == 1);
  CHECK(made.arena_bytes == 0);
}

TEST_CASE("a detached value is in no kernel") {
  Tensor x = Tensor::empty({8});
  CHECK(plan({x.detach() * 2.0}).kernels[0].ast == plan({x * 2.0}).kernels[0].ast);
}

TEST_CASE("a training step writes the weights in place and is replayed") {
  Tensor x = input({16, 4}, 9);
  Tensor y = x.sum({-1}, true);
  Tensor w = Tensor::empty({4, 1});
  Tensor error = x.matmul(w) - y;
  Tensor loss = (error * error).mean();
  Replay step({loss, w.assign(w - gradient(loss, {w})[0] * 0.05)}, device("CPU"));
  std::vector<float> losses;
  for (int i = 0; i < 60; ++i) {
    step.run();
    losses.push_back(item<float>(step.tensor(0)));
    if (i > 0) CHECK(losses[size_t(i)] <= losses[size_t(i) - 1]);
  }
  CHECK(losses.back() < 1e-3f * losses.front());
}

}  // namespace niwaki::test
