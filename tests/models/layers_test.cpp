// Layers against their formulas, written with tensor ops that are tested elsewhere, and a model's
// state through a file.
#include "models/layers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "models/safetensors.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

Tensor sample(std::vector<int64_t> shape, uint64_t seed) {
  Random random(seed);
  return realize(random.normal(Dims(shape.begin(), shape.end())));
}

void check_close(const Tensor& found, const Tensor& wanted, double tolerance = 1e-5) {
  REQUIRE(found.shape() == wanted.shape());
  std::vector<double> a = to_vector<double>(found);
  std::vector<double> b = to_vector<double>(wanted);
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= tolerance);
}

double greatest(const Tensor& x) { return item<double>(x.abs().max()); }

}  // namespace

TEST_CASE("a linear layer is x @ w^T + b") {
  Random random(1);
  Linear layer(5, 3, random);
  Tensor x = sample({2, 4, 5}, 2);
  check_close(layer(x), x.matmul(layer.weight.transpose()) + *layer.bias);
  CHECK(greatest(layer.weight) <= 1 / std::sqrt(5.0));
  CHECK(greatest(layer.weight) > 0.3 / std::sqrt(5.0));
  Linear bare(5, 3, random, false);
  CHECK(state_of(bare).size() == 1);
  check_close(bare(x), x.linear(bare.weight));
  CHECK_THROWS_WITH(Linear(0, 3, random), "layer: a weight of shape (3, 0) has no inputs");
}

TEST_CASE("a convolution in groups") {
  Random random(1);
  Conv2d layer(4, 6, {3, 3}, random, {.padding = {1}, .groups = 2});
  Tensor x = sample({2, 4, 5, 5}, 2);
  check_close(layer(x), x.conv2d(layer.weight, *layer.bias, {.padding = {1}, .groups = 2}));
  CHECK(to_string(layer.weight.shape()) == "(6, 2, 3, 3)");
  CHECK(greatest(layer.weight) <= 1 / std::sqrt(18.0));
  CHECK_THROWS_WITH(Conv2d(4, 6, {3, 3}, random, {.groups = 3}),
                    "conv2d: 4 channels do not divide into 3 groups");
}

TEST_CASE("an embedding gives rows") {
  Random random(1);
  Embedding layer(7, 4, random);
  Tensor ids = Tensor::from<int32_t>({6, 0, 6}, {3});
  check_close(layer(ids).slice(0, 1, 2), layer.weight.slice(0, 0, 1));
  check_close(layer(ids).slice(0, 2, 3), layer.weight.slice(0, 6, 7));
}

TEST_CASE("norms have mean 0 and variance 1 before weight and bias") {
  Tensor x = realize(sample({3, 4, 5}, 3) * 7.0 + 2.0);
  auto check_standard = [](const Tensor& y, Axes axes) {
    check_close(y.mean(axes), y.mean(axes).zeros_like(), 2e-6);
    check_close(y.var(axes, false, 0), y.mean(axes).ones_like(), 1e-4);
  };
  check_standard(LayerNorm(5)(x), {2});
  check_standard(GroupNorm(2, 4)(x).reshape({3, 2, 2, 5}), {2, 3});
  std::vector<Tensor> updates;
  check_standard(BatchNorm(4).train(x, updates), {0, 2});
  Tensor y = RmsNorm(5)(x);
  check_close((y * y).mean({2}), y.mean({2}).ones_like(), 1e-4);

  LayerNorm shifted(5);
  load_state(shifted, {{"weight", realize(Tensor::full({5}, 3).contiguous())},
                       {"bias", realize(Tensor::full({5}, -1).contiguous())}});
  check_close(shifted(x), LayerNorm(5)(x) * 3.0 - 1.0);
}

TEST_CASE("a batch norm learns the statistics of its batches") {
  BatchNorm layer(2, 1e-5, 0.25);
  Tensor x = realize(sample({8, 2, 3}, 4) * 2.0 + 5.0);
  std::vector<float> mean = to_vector<float>(x.mean({0, 2}));
  std::vector<float> var = to_vector<float>(x.var({0, 2}));
  std::vector<Tensor> updates;
  Tensor y = layer.train(x, updates);
  updates.push_back(y);
  realize(updates);
  std::vector<float> learnt_mean = to_vector<float>(layer.running_mean);
  std::vector<float> learnt_var = to_vector<float>(layer.running_var);
  for (size_t c = 0; c < 2; ++c) {
    CHECK(learnt_mean[c] == doctest::Approx(0.25 * mean[c]).epsilon(1e-5));
    CHECK(learnt_var[c] == doctest::Approx(0.75 + 0.25 * var[c]).epsilon(1e-5));
  }
  Tensor scale = (layer.running_var + 1e-5).rsqrt().reshape({2, 1});
  check_close(layer(x), (x - layer.running_mean.reshape({2, 1})) * scale, 1e-4);
  CHECK(parameters_of(layer).size() == 2);
  CHECK(state_of(layer).size() == 4);
  CHECK_THROWS_WITH(layer.train(Tensor::empty({3}), updates), "batch_norm: (3) has no channels");
}

TEST_CASE("gradients reach every parameter") {
  Random random(5);
  Conv2d conv(3, 4, {3}, random);
  GroupNorm group(2, 4);
  Linear last(4, 2, random);
  Tensor x = sample({2, 3, 6}, 6);
  Tensor y = last(group(conv(x)).relu().transpose(1, 2));
  for (const auto& layer : {parameters_of(conv), parameters_of(group), parameters_of(last)}) {
    for (const Tensor& g : gradient((y * y).sum(), layer)) CHECK(greatest(g) > 1e-4);
  }
}

TEST_CASE("a model is saved and loaded by name") {
  std::string path = std::filesystem::temp_directory_path() / "niwaki_layers_test.safetensors";
  Random random(7);
  Linear first(3, 4, random);
  save_safetensors(path, state_of(first));
  Linear second(3, 4, random);
  Tensor x = sample({2, 3}, 8);
  Replay captured({second(x)}, default_device());
  load_state(second, load_safetensors(path));
  captured.run();
  check_close(captured.tensor(0), first(x), 0);
  Linear other(3, 5, random);
  CHECK_THROWS_WITH(load_state(other, load_safetensors(path)),
                    "state: bias is f32 (4), in the model f32 (5)");
  std::filesystem::remove(path);
}

}  // namespace niwaki::test
