// Attention and losses.
#include <doctest/doctest.h>

#include <cmath>

#include "core/error.h"
#include "language/fixture.h"
#include "ops/random.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

using T = const Tensor&;
using enum LossReduction;

constexpr LossReduction each[] = {Mean, Sum, None};

Tensor clipped(T y) { return y.maximum(0).minimum(1); }

}  // namespace

TEST_CASE("scaled_dot_product_attention") {
  Fixture f("losses", "scaled_dot_product_attention");
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v); });
  f([](T q, T k, T v, T mask) {
    return scaled_dot_product_attention(q, k, v, {.attn_mask = mask});
  });
}

TEST_CASE("scaled_dot_product_attention_mismatch_ls") {
  Fixture f("losses", "scaled_dot_product_attention_mismatch_ls");
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v); });
}

TEST_CASE("scaled_dot_product_attention_causal") {
  Fixture f("losses", "scaled_dot_product_attention_causal");
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v, {.is_causal = true}); });
  Tensor x = Tensor::ones({32, 8, 16, 64});
  Tensor mask = Tensor::ones({32, 8, 16, 16});
  CHECK_THROWS_WITH(scaled_dot_product_attention(x, x, x, {.attn_mask = mask, .is_causal = true}),
                    "scaled_dot_product_attention: a mask and is_causal, give one that is both");
}

TEST_CASE("scaled_dot_product_attention_gqa") {
  Fixture f("losses", "scaled_dot_product_attention_gqa");
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v, {.enable_gqa = true}); });
}

TEST_CASE("scaled_dot_product_attention_gqa_errors") {
  Tensor q = Tensor::ones({32, 31, 16, 64});
  Tensor k = Tensor::ones({32, 8, 16, 64});
  CHECK_THROWS_WITH(scaled_dot_product_attention(q, k, k, {.enable_gqa = true}),
                    "scaled_dot_product_attention: the heads of q (32, 31, 16, 64) are not a "
                    "multiple of those of k (32, 8, 16, 64) and v (32, 8, 16, 64)");
}

TEST_CASE("attention of other ranks, scales and masks") {
  Fixture f("losses", "more/attention");
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v); });
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v, {.scale = 0.3}); });
  f([](T q, T k, T v) { return scaled_dot_product_attention(q, k, v, {.is_causal = true}); });
  f([](T q, T k, T v, T mask) {
    return scaled_dot_product_attention(q, k, v, {.attn_mask = mask});
  });
  f([](T q, T k, T v, T mask) {
    return scaled_dot_product_attention(q, k, v, {.attn_mask = mask, .enable_gqa = true});
  });
  Tensor x = Tensor::ones({3, 4});
  CHECK_THROWS_WITH(
      scaled_dot_product_attention(x, Tensor::ones({3, 5}), x),
      "scaled_dot_product_attention: q (3, 4), k (3, 5), v (3, 4) are not [..., l, d], "
      "[..., s, d], [..., s, e]");
}

TEST_CASE("attention with dropout keeps the weights it does not drop, scaled") {
  Random random(7);
  Tensor q = Tensor::zeros({20, 4});
  Tensor k = Tensor::ones({10, 4});
  Tensor identity = (Tensor::arange(10).unsqueeze(-1) == Tensor::arange(10)).cast(f32);
  AttentionOptions options = {.dropout_p = 0.25, .random = &random};
  int64_t dropped = 0;
  for (double w : to_vector<double>(scaled_dot_product_attention(q, k, identity, options))) {
    dropped += w == 0;
    if (w != 0) CHECK(w == doctest::Approx(0.1 / 0.75));
  }
  CHECK(dropped > 25);
  CHECK(dropped < 75);
  options.random = nullptr;
  CHECK_THROWS_WITH(scaled_dot_product_attention(q, k, identity, options),
                    "scaled_dot_product_attention: dropout_p 0.25 without a random to draw from");
}

TEST_CASE("binary_crossentropy") {
  Fixture f("losses", "binary_crossentropy");
  f([](T x, T y) { return x.sigmoid().binary_crossentropy(y.sigmoid()); });
  f([](T x, T y) { return x.binary_crossentropy_logits(y.sigmoid()); });
  f([](T x, T y) { return x.sigmoid().binary_crossentropy(clipped(y)); });
  f([](T x, T y) { return x.binary_crossentropy_logits(clipped(y)); });
}

TEST_CASE("binary_crossentropy_reductions") {
  Fixture f("losses", "binary_crossentropy_reductions");
  for (LossReduction by : each) {
    f([&](T x, T y) { return x.sigmoid().binary_crossentropy(clipped(y), by); });
    f([&](T x, T y) { return x.binary_crossentropy_logits(clipped(y), by); });
  }
}

TEST_CASE("binary_crossentropy_logits_pos_weights") {
  Fixture f("losses", "binary_crossentropy_logits_pos_weights");
  f([](T x, T y, T w) { return x.binary_crossentropy_logits(clipped(y), Mean, w); });
}

TEST_CASE("binary_crossentropy of the certain and the extreme") {
  Fixture f("losses", "more/binary_crossentropy_certain");
  f([](T x, T y) { return x.binary_crossentropy(y, None); });
  Fixture logits("losses", "more/binary_crossentropy_logits_extreme");
  logits([](T x, T y) { return x.binary_crossentropy_logits(y, None); });
}

TEST_CASE("cross_entropy_class_probabilities") {
  Fixture f("losses", "cross_entropy_class_probabilities");
  f.rest([](T x, T y) { return x.cross_entropy(y); });
}

TEST_CASE("cross_entropy_class_indices") {
  Fixture f("losses", "cross_entropy_class_indices");
  f([](T x, T y) { return x.cross_entropy(y); });
  CHECK_THROWS_WITH(Tensor::ones({32, 10}).cross_entropy(Tensor::ones({32, 1}, i32)),
                    "cross_entropy: the target i32 (32, 1) is not a class, an integer, for each "
                    "place of (32, 10) but dim 1");
}

TEST_CASE("cross_entropy_reductions") {
  Fixture f("losses", "cross_entropy_reductions");
  for (LossReduction by : each) f([&](T x, T y) { return x.cross_entropy(y, by); });
}

TEST_CASE("cross_entropy_smoothing") {
  Fixture f("losses", "cross_entropy_smoothing");
  for (double smoothing : {0.0, 0.3, 0.7, 1.0}) {
    f([&](T x, T y) { return x.cross_entropy(y, Mean, smoothing); });
    f([&](T x, T y) { return x.cross_entropy(y, Mean, smoothing); });
  }
}

TEST_CASE("sparse_categorical_crossentropy") {
  Fixture f("losses", "sparse_categorical_crossentropy");
  f.rest([](T x, T y) { return x.sparse_categorical_crossentropy(y); });
}

TEST_CASE("sparse_categorical_crossentropy_reductions") {
  Fixture f("losses", "sparse_categorical_crossentropy_reductions");
  for (LossReduction by : each) {
    f([&](T x, T y) { return x.sparse_categorical_crossentropy(y, -1, 0, by); });
  }
}

TEST_CASE("sparse_categorical_crossentropy_ignore_index") {
  Fixture f("losses", "sparse_categorical_crossentropy_ignore_index");
  for (int64_t i : {-1, 0, 3}) {
    f([&](T x, T y) { return x.sparse_categorical_crossentropy(y, i); });
  }
}

TEST_CASE("sparse_categorical_crossentropy_label_smoothing") {
  Fixture f("losses", "sparse_categorical_crossentropy_label_smoothing");
  for (double smoothing : {0.3, 0.9}) {
    f([&](T x, T y) { return x.sparse_categorical_crossentropy(y, -1, smoothing); });
  }
}

TEST_CASE("nll_loss") {
  Fixture f("losses", "nll_loss");
  f([](T x, T y) { return x.log_softmax(1).nll_loss(y); });
}

TEST_CASE("nll_loss_3d") {
  Fixture f("losses", "nll_loss_3d");
  f([](T x, T y) { return x.log_softmax(1).nll_loss(y); });
}

TEST_CASE("nll_loss_reductions") {
  Fixture f("losses", "nll_loss_reductions");
  for (LossReduction by : each) {
    f([&](T x, T y) { return x.log_softmax(1).nll_loss(y, {}, {}, by); });
  }
}

TEST_CASE("nll_loss_weight") {
  Fixture f("losses", "nll_loss_weight");
  for (LossReduction by : each) {
    f([&](T x, T y, T w) { return x.log_softmax(1).nll_loss(y, w, {}, by); });
  }
}

TEST_CASE("nll_loss_3d_weight") {
  Fixture f("losses", "nll_loss_3d_weight");
  for (LossReduction by : each) {
    f([&](T x, T y, T w) { return x.log_softmax(1).nll_loss(y, w, {}, by); });
  }
}

TEST_CASE("nll_loss_ignore_index") {
  Fixture f("losses", "nll_loss_ignore_index");
  for (LossReduction by : each) {
    f([&](T x, T y) { return x.log_softmax(1).nll_loss(y, {}, 1, by); });
  }
}

TEST_CASE("losses of other ranks and options") {
  Fixture entropy("losses", "more/cross_entropy");
  entropy([](T x, T y) { return x.cross_entropy(y, None); });
  entropy([](T x, T y) { return x.cross_entropy(y); });
  entropy([](T x, T y) { return x.cross_entropy(y); });
  Fixture("losses", "more/sparse_all")(
      [](T x, T y) { return x.sparse_categorical_crossentropy(y, 2, 0.3, Sum); });
  Fixture nll("losses", "more/nll_loss");
  nll([](T x, T y, T w) { return x.log_softmax(1).nll_loss(y, w, -100); });
  nll([](T x, T y) { return x.log_softmax().nll_loss(y, {}, {}, None); });
  Fixture mse("losses", "more/mse_loss");
  Fixture l1("losses", "more/l1_loss");
  Fixture huber("losses", "more/huber_loss");
  for (LossReduction by : each) {
    mse([&](T x, T y) { return x.mse_loss(y, by); });
    l1([&](T x, T y) { return x.l1_loss(y, by); });
    huber([&](T x, T y) { return x.huber_loss(y, by, 0.75); });
  }
}

TEST_CASE("a class that does not exist makes the loss NaN, unless it is ignored") {
  Tensor x = Tensor::ones({4, 3});
  Tensor y = Tensor::from(std::vector<int32_t>{0, 3, -1, 2}, {4});
  for (const char* name : {"INTERP", "CPU"}) {
    CAPTURE(name);
    auto values = [&](T t) { return realize(t, {}, device(name)).uop()->get<BufferRef>(); };
    BufferRef found = values(x.cross_entropy(y, None));
    const float* loss = static_cast<const float*>(found->data);
    CHECK(loss[0] == doctest::Approx(std::log(3)));
    CHECK(std::isnan(loss[1]));
    CHECK(std::isnan(loss[2]));
    found = values(x.nll_loss(y, {}, -1, None));
    loss = static_cast<const float*>(found->data);
    CHECK(std::isnan(loss[1]));
    CHECK(loss[2] == 0);
    found = values(x.nll_loss(y, {}, -1));
    CHECK(std::isnan(*static_cast<const float*>(found->data)));
  }
}

TEST_CASE("losses: refusals") {
  Tensor x = Tensor::ones({4, 3});
  Tensor y = Tensor::ones({4}, i32);
  auto other = [](const char* op) {
    return std::string(op) +
           ": the target's shape is not the input's: (4, 1) and (4, 3), reshape one";
  };
  Tensor column = Tensor::ones({4, 1});
  CHECK_THROWS_WITH(x.mse_loss(column), other("mse_loss").c_str());
  CHECK_THROWS_WITH(x.l1_loss(column), other("l1_loss").c_str());
  CHECK_THROWS_WITH(x.huber_loss(column), other("huber_loss").c_str());
  CHECK_THROWS_WITH(x.binary_crossentropy(column), other("binary_crossentropy").c_str());
  CHECK_THROWS_WITH(x.binary_crossentropy_logits(column),
                    other("binary_crossentropy_logits").c_str());
  CHECK_THROWS_WITH(x.huber_loss(x, Mean, 0), "huber_loss: delta 0 is not above 0");
  CHECK_THROWS_WITH(x.cross_entropy(y, Mean, 1.5),
                    "cross_entropy: label_smoothing 1.5 is not in [0, 1]");
  CHECK_THROWS_WITH(Tensor::ones({}).cross_entropy(y), "cross_entropy: () has no dim of classes");
  CHECK_THROWS_WITH(x.nll_loss(Tensor::ones({4})),
                    "nll_loss: the target f32 (4) is not a class, an integer, for each place of "
                    "(4, 3) but dim 1");
  CHECK_THROWS_WITH(x.nll_loss(y, Tensor::ones({4})),
                    "nll_loss: weights (4) for the classes, dim 1 of (4, 3)");
}

}  // namespace niwaki::test
