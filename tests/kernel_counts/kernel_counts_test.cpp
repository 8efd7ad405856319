// How many kernels a graph may become: a line a graph. The first number is what an expert would
// draw. Where a line has a second one, that many are allowed until the scheduler learns to do with
// fewer: needing more than that is an error, and needing fewer is said, for it to be lowered or
// deleted.
//
// The shapes are those at which the graphs are used, for what is stored and what is recomputed
// depends on sizes, and a toy may be fused where the real thing is not. Nothing is run.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "cases/cases.h"
#include "core/text.h"
#include "models/layers.h"
#include "ops/gradient.h"
#include "ops/optim.h"
#include "schedule/schedule.h"
#include "support/qwen3_shapes.h"

namespace niwaki::test {
namespace {

struct Graph {
  std::vector<Tensor> outputs;
  Graph(Tensor t) : outputs{std::move(t)} {}
  Graph(std::vector<Tensor> t) : outputs(std::move(t)) {}
};

struct Row {
  std::string name;
  std::function<Graph()> make;
  size_t most;
  size_t today = 0;
};

std::vector<Kernel> kernels(const Graph& graph) {
  std::vector<UOp> uops;
  for (const Tensor& t : graph.outputs) uops.push_back(t.uop());
  return schedule(uops).kernels;
}

// --- what the graphs are made of ---

constexpr int64_t chunk = 64;
constexpr int64_t context = 4096;

Tensor floats(std::vector<int64_t> shape) { return Tensor::empty(std::move(shape)); }
Tensor ids(std::vector<int64_t> shape) { return Tensor::empty(std::move(shape), i32); }
Tensor matrix() { return floats({512, 256}); }
Tensor row() { return floats({256}); }
Tensor heads() { return floats({2, 8, 128, 64}); }

UOp position() { return variable("pos", 0, context); }
UOp tokens() { return variable("t", 1, chunk); }

Graph shared_case(const char* name) { return find_case(name).make(); }

// A loss and its gradients.
Graph trained(const Tensor& loss, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs = gradient(loss, inputs);
  outputs.push_back(loss);
  return outputs;
}

// --- graphs that take more than a line ---

Tensor chain_with_movement() {
  Tensor x = matrix();
  Tensor y = (x.transpose().flip({0}) * 2 + 1).pad({{1, 1}, {0, 0}}).narrow(0, 1, 256).exp();
  return cat({y.reshape({256, 8, 64}).permute({1, 0, 2}).flatten(), x.abs().flatten()}).sqrt();
}

Tensor inference_conv() {
  Tensor x = floats({1, 64, 56, 56});
  Tensor per_channel[] = {floats({64}), floats({64}), floats({64}), floats({64})};
  const auto& [mean, var, weight, bias] = per_channel;
  Tensor y = x.conv2d(floats({64, 64, 3, 3}), ConvOptions{.padding = {1}});
  return y.batch_norm(mean, var, weight, bias).relu();
}

Graph batch_norm_training() {
  BatchNorm norm(64);
  std::vector<Tensor> outputs;
  Tensor y = norm.train(floats({32, 64, 28, 28}), outputs);
  outputs.push_back(y);
  return outputs;
}

Graph softmax_with_gradient() {
  Tensor x = matrix();
  Tensor y = x.softmax();
  return std::vector{y, gradient(y, matrix(), {x})[0]};
}

Graph attention_with_gradients() {
  Tensor q = heads();
  Tensor k = heads();
  Tensor v = heads();
  return trained(scaled_dot_product_attention(q, k, v).sum(), {q, k, v});
}

Tensor sparse_cross_entropy() { return matrix().sparse_categorical_crossentropy(ids({512}), 3); }

Graph nll_loss_with_gradient() {
  Tensor x = matrix();
  return trained(x.nll_loss(ids({512}), row(), 3), {x});
}

Graph cross_entropy_with_gradient() {
  Tensor x = matrix();
  return trained(x.cross_entropy(ids({512})), {x});
}

Graph adam_step() {
  Tensor w = floats({128, 256});
  Tensor b = floats({128});
  Tensor loss = (matrix().linear(w) + b).mse_loss(floats({512, 128}));
  std::vector<Tensor> outputs = adam({w, b}).step(gradient(loss, {w, b}));
  outputs.push_back(loss);
  return outputs;
}

Tensor plain_attention(bool causal) {
  return scaled_dot_product_attention(heads(), heads(), heads(), {.is_causal = causal});
}

// As a model calls it: t queries at pos, over the part of the caches that is filled.
Tensor cached_attention(const UOp& t, int64_t n_heads, int64_t n_kv_heads) {
  UOp seen = dim_add(position(), t);
  Tensor q = floats({chunk, n_heads, 128}).narrow(0, 0, t);
  Tensor k = floats({context + chunk, n_kv_heads, 128}).narrow(0, 0, seen);
  Tensor v = floats({context + chunk, n_kv_heads, 128}).narrow(0, 0, seen);
  return attention(q, k, v, position());
}

Tensor block(const Qwen3Config& config, const UOp& t) {
  Qwen3 model = hollow_qwen3(with_layers(config, 1), context + chunk);
  Tensor hidden = floats({chunk, config.dim}).narrow(0, 0, t);
  return model.block(hidden, model.layers[0], position());
}

Tensor token(const Qwen3Config& config) {
  Qwen3 model = hollow_qwen3(config, context + chunk);
  return model.logits(model.forward(ids({1}), position()));
}

Tensor embedding() { return floats({4096, 256}).embedding(ids({512})); }
Tensor fancy_gather() { return floats({4096, 256}).slice({ids({512, 1}), ids({512, 8})}); }
Tensor one_hot_product() { return ids({512}).one_hot(4096).matmul(ids({4096, 256})); }

Tensor one_hot_product_of_floats() {
  return ids({512}).one_hot(4096).cast(f32).matmul(floats({4096, 256}));
}

// clang-format off
const Row rows[] = {
    {"elementwise chain with any movement", [] { return chain_with_movement(); }, 1},
    {"matmul + bias + relu", [] { return (matrix().linear(matrix()) + floats({512})).relu(); }, 1},
    {"conv + bn (inference) + relu", [] { return inference_conv(); }, 1},
    {"sum of elementwise", [] { return (matrix() * matrix() + 1).exp().sum(); }, 1},
    {"sums of elementwise", [] { return (matrix() * matrix() + 1).exp().sum({1}); }, 1},
    {"case add", [] { return shared_case("add"); }, 1},
    {"case movement", [] { return shared_case("movement"); }, 1},
    {"case cat", [] { return shared_case("cat"); }, 1},
    {"case sum", [] { return shared_case("sum"); }, 1},
    {"case matmul", [] { return shared_case("matmul"); }, 1},
    {"case matmul_bias_relu", [] { return shared_case("matmul_bias_relu"); }, 1},

    {"softmax", [] { return matrix().softmax(); }, 1},
    {"log_softmax", [] { return matrix().log_softmax(); }, 1},
    {"layer_norm", [] { return matrix().layer_norm(1e-5, {-1}, row(), row()); }, 1},
    {"rms_norm", [] { return matrix().rms_norm(row(), 1e-6); }, 1},
    {"argmax", [] { return matrix().argmax(1); }, 1},
    {"logsumexp", [] { return matrix().logsumexp({1}); }, 1},
    {"std", [] { return matrix().std(); }, 1},
    {"var of rows", [] { return matrix().var({1}); }, 1},
    {"normalize", [] { return matrix().normalize(); }, 1},
    {"case softmax", [] { return shared_case("softmax"); }, 1},
    {"case layer_norm", [] { return shared_case("layer_norm"); }, 1},
    {"case rms_norm", [] { return shared_case("rms_norm"); }, 1},
    {"case argmax", [] { return shared_case("argmax"); }, 1},

    {"attention", [] { return plain_attention(false); }, 1},
    {"attention, causal", [] { return plain_attention(true); }, 1},
    {"attention, prefill", [] { return cached_attention(tokens(), 16, 16); }, 1},
    {"attention, prefill, grouped heads", [] { return cached_attention(tokens(), 16, 8); }, 1},
    {"attention, decode", [] { return cached_attention(index(1), 16, 16); }, 1},
    {"attention, decode, grouped heads", [] { return cached_attention(index(1), 16, 8); }, 1},
    {"case attention_prefill (writes)", [] { return shared_case("attention_prefill"); }, 3},
    {"case attention_decode (writes)", [] { return shared_case("attention_decode"); }, 3},

    {"softmax, forward and backward", [] { return softmax_with_gradient(); }, 2},
    {"attention, forward and backward", [] { return attention_with_gradients(); }, 4, 8},
    {"nll_loss, forward and backward", [] { return nll_loss_with_gradient(); }, 2},
    {"cross_entropy, forward and backward", [] { return cross_entropy_with_gradient(); }, 3, 5},

    {"sparse cross-entropy", [] { return sparse_cross_entropy(); }, 2},
    {"cross_entropy", [] { return matrix().cross_entropy(ids({512})); }, 2},
    {"nll_loss", [] { return matrix().nll_loss(ids({512}), row(), 3); }, 1},
    {"binary_crossentropy_logits", [] { return matrix().binary_crossentropy_logits(matrix()); }, 1},
    {"batchnorm forward in training", [] { return batch_norm_training(); }, 2},

    {"embedding", [] { return embedding(); }, 1},
    {"fancy gather", [] { return fancy_gather(); }, 1},
    {"one-hot times matrix", [] { return one_hot_product(); }, 1},
    {"one-hot times matrix of floats", [] { return one_hot_product_of_floats(); }, 1},
    {"case embedding", [] { return shared_case("embedding"); }, 1},

    {"case rope", [] { return shared_case("rope"); }, 1},
    {"case silu_product", [] { return shared_case("silu_product"); }, 1},
    {"case q1_0_matvec", [] { return shared_case("q1_0_matvec"); }, 1},
    {"case q1_0_matmul", [] { return shared_case("q1_0_matmul"); }, 1},
    {"Qwen3 block of 1.7B, decode", [] { return block(shape_1_7b(), index(1)); }, 7},
    {"Qwen3 block of 1.7B, prefill", [] { return block(shape_1_7b(), tokens()); }, 7},
    {"Qwen3 block of 8B, decode", [] { return block(shape_8b(), index(1)); }, 7},
    {"Qwen3 block of 8B, prefill", [] { return block(shape_8b(), tokens()); }, 7},
    {"token of 8B, 36 blocks", [] { return token(shape_8b()); }, 260},

    {"Adam step of a linear layer with its backward", [] { return adam_step(); }, 8},
};
// clang-format on

}  // namespace

TEST_CASE("kernel counts") {
  for (const Row& row : rows) {
    std::vector<Kernel> found = kernels(row.make());
    size_t n = found.size();
    std::string stored;
    for (const Kernel& kernel : found) stored += "\n  " + kernel.reason;
    CHECK_MESSAGE(n <= std::max(row.most, row.today), row.name, ": ", n, " kernels:", stored);
    if (n < row.today) MESSAGE(row.name, ": the second number can be ", n);
  }
}

TEST_CASE("what looks up rows has no loop over the table") {
  for (const Tensor& t : {embedding(), fancy_gather(), one_hot_product()}) {
    for (const Kernel& kernel : kernels(t)) {
      std::vector<UOp> nodes = toposort(kernel.ast);
      bool sums = std::ranges::any_of(nodes, [](const UOp& u) { return u->op == Op::Reduce; });
      CHECK_MESSAGE(!sums, "a sum is left in\n", print(kernel.ast));
    }
  }
}

}  // namespace niwaki::test
