// Activations, their slopes at kinks and what they are far from zero.
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"

using namespace niwaki;
using namespace niwaki::test;

namespace {

using T = const Tensor&;

void all(const char* name, Tensor (*op)(T)) { Fixture("activations", name).rest(op); }

}  // namespace

TEST_CASE("relu") {
  all("relu", [](T x) { return x.relu(); });
}
TEST_CASE("relu_exact") {
  all("relu_exact", [](T x) { return x.relu(); });
}
TEST_CASE("relu_maximum_exact") {
  all("relu_maximum_exact", [](T x) { return x.maximum(0); });
}
TEST_CASE("leaky_relu") {
  all("leaky_relu", [](T x) { return x.leaky_relu(); });
}

TEST_CASE("celu") {
  Fixture f("activations", "celu");
  for (int alpha = 1; alpha < 5; ++alpha) {
    for (int i = 0; i < 2; ++i) f([&](T x) { return x.celu(alpha); });
  }
}

TEST_CASE("selu") {
  all("selu", [](T x) { return x.selu(); });
}
TEST_CASE("silu") {
  all("silu", [](T x) { return x.silu(); });
}
TEST_CASE("swish") {
  all("swish", [](T x) { return x.swish(); });
}
TEST_CASE("softsign") {
  all("softsign", [](T x) { return x.softsign(); });
}
TEST_CASE("softsign_exact") {
  all("softsign_exact", [](T x) { return x.softsign(); });
}
TEST_CASE("logsigmoid") {
  all("logsigmoid", [](T x) { return x.logsigmoid(); });
}
TEST_CASE("hardsigmoid") {
  all("hardsigmoid", [](T x) { return x.hardsigmoid(); });
}
TEST_CASE("hardsigmoid_extreme") {
  all("hardsigmoid_extreme", [](T x) { return x.hardsigmoid(); });
}

TEST_CASE("softplus") {
  Fixture f("activations", "softplus");
  for (int i = 0; i < 2; ++i) f([](T x) { return x.softplus(); });
  f([](T x) { return x.softplus(3); });
  f([](T x) { return x.softplus(1.0 / 3); });
  f.rest([](T x) { return x.softplus(); });
}

TEST_CASE("gelu") {
  Fixture f("activations", "gelu");
  for (int i = 0; i < 2; ++i) f([](T x) { return x.gelu("tanh"); });
  for (int i = 0; i < 2; ++i) f([](T x) { return x.gelu(); });
  CHECK_THROWS_WITH(Tensor::empty({2}).gelu("fast"),
                    "gelu: approximation \"fast\" is neither none nor tanh");
}

TEST_CASE("gelu_extreme") {
  Fixture f("activations", "gelu_extreme");
  for (int i = 0; i < 2; ++i) f([](T x) { return x.gelu("tanh"); });
  for (int i = 0; i < 2; ++i) f([](T x) { return x.gelu(); });
}

TEST_CASE("quick_gelu") {
  all("quick_gelu", [](T x) { return x.quick_gelu(); });
}
TEST_CASE("quick_gelu_extreme") {
  all("quick_gelu_extreme", [](T x) { return x.quick_gelu(); });
}

TEST_CASE("elu") {
  Fixture f("activations", "elu");
  for (int i = 0; i < 2; ++i) f([](T x) { return x.elu(); });
  f([](T x) { return x.elu(0.1); });
  f.rest([](T x) { return x.elu(); });
}

TEST_CASE("relu6") {
  all("relu6", [](T x) { return x.relu6(); });
}
TEST_CASE("hardswish") {
  all("hardswish", [](T x) { return x.hardswish(); });
}
TEST_CASE("mish") {
  all("mish", [](T x) { return x.mish(); });
}

TEST_CASE("hardtanh") {
  Fixture f("activations", "hardtanh");
  for (int v = 10; v < 30; v += 5) {
    for (int i = 0; i < 2; ++i) f([&](T x) { return x.hardtanh(-v, v); });
  }
  f([](T x) { return x.hardtanh(); });
}

TEST_CASE("activations of f16") {
  Fixture f("activations", "activations of f16");
  f([](T x) { return x.silu(); });
  f([](T x) { return x.gelu(); });
}
