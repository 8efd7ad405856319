// Arithmetic on tensors: choices, comparisons, rounding, sums, products, quotients and remainders.
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

using namespace niwaki;
using namespace niwaki::test;

namespace {

constexpr int least = INT32_MIN;
constexpr int greatest = INT32_MAX;
using T = const Tensor&;

}  // namespace

TEST_CASE("where") {
  Fixture f("elementwise", "where");
  f([](T x) { return where(x > 0.5, Tensor(4), Tensor(2)); });
  while (f.left() > 0) {
    f([](T x, T y, T z) { return where(x > 0.5, y, z); });
    f([](T x, T, T z) { return where(x > 0.5, 4, z); });
    f([](T x, T y, T) { return where(x > 0.5, y, 4); });
  }
}

TEST_CASE("where_permute") {
  Fixture f("elementwise", "where_permute");
  f([](T x) { return where((x > 0.3).transpose(), Tensor(2), Tensor(3)); });
}

namespace {

void compare(const char* name, Tensor (*op)(T, T)) {
  Fixture f("elementwise", name);
  for (int i = 0; i < 3; ++i) f(op);
  f([&](T x) { return op(x, 2); });
  f.rest(op);
}

}  // namespace

TEST_CASE("cmp_eq") {
  compare("cmp_eq", [](T x, T y) { return x == y; });
}
TEST_CASE("cmp_gt") {
  compare("cmp_gt", [](T x, T y) { return x > y; });
}
TEST_CASE("cmp_ge") {
  compare("cmp_ge", [](T x, T y) { return x >= y; });
}
TEST_CASE("cmp_lt") {
  compare("cmp_lt", [](T x, T y) { return x < y; });
}
TEST_CASE("cmp_le") {
  compare("cmp_le", [](T x, T y) { return x <= y; });
}

// No gradient passes a comparison, and none is lost beside it.
TEST_CASE("cmp_ne_backwards") {
  Tensor a = Tensor::from<float>({0.5f, -1.5f, 2.0f}, {3});
  Tensor b = Tensor::from<float>({0.5f, 1.5f, 1.0f}, {3});
  std::vector<Tensor> g = gradient((a * (a != b).cast(f32)).sum(), {a, b});
  CHECK(to_vector<float>(g[0]) == std::vector<float>{0, 1, 1});
  CHECK(to_vector<float>(g[1]) == std::vector<float>{0, 0, 0});
}

TEST_CASE("cmp_lt_backwards") {
  Tensor a = Tensor::from<float>({0.5f, -1.5f, 2.0f}, {3});
  Tensor b = Tensor::from<float>({0.5f, 1.5f, 1.0f}, {3});
  std::vector<Tensor> g = gradient((a * (a < b).cast(f32)).sum(), {a, b});
  CHECK(to_vector<float>(g[0]) == std::vector<float>{0, 1, 0});
  CHECK(to_vector<float>(g[1]) == std::vector<float>{0, 0, 0});
}

TEST_CASE("trunc") {
  Fixture f("elementwise", "trunc");
  f.rest([](T x) { return x.trunc(); });
}

TEST_CASE("floor") {
  Fixture f("elementwise", "floor");
  f.rest([](T x) { return x.floor(); });
}

TEST_CASE("ceil") {
  Fixture f("elementwise", "ceil");
  f.rest([](T x) { return x.ceil(); });
}

TEST_CASE("round") {
  Fixture f("elementwise", "round");
  f.rest([](T x) { return x.round(); });
}

TEST_CASE("rounding keeps the sign of zero") {
  Tensor x = Tensor::from<float>({-0.25f, -0.0f, 0.25f}, {3});
  std::vector<float> signs = {-INFINITY, -INFINITY, INFINITY};
  CHECK(to_vector<float>(1 / x.round()) == signs);
  CHECK(to_vector<float>(1 / x.trunc()) == signs);
  CHECK(to_vector<float>(1 / x.ceil())[0] == -INFINITY);
  CHECK(to_vector<float>(1 / x.floor())[1] == -INFINITY);
  CHECK(to_vector<float>(1 / x.floor())[2] == INFINITY);
}

TEST_CASE("round_quantization_gradient") {
  Fixture f("elementwise", "round_quantization_gradient");
  f([](T x) { return x + (x.round() - x).detach(); });
}

TEST_CASE("isinf") {
  Fixture f("elementwise", "isinf");
  f.rest([](T x) { return x.isinf(); });
}

TEST_CASE("isnan") {
  Fixture f("elementwise", "isnan");
  f.rest([](T x) { return x.isnan(); });
}

TEST_CASE("isfinite") {
  Fixture f("elementwise", "isfinite");
  f.rest([](T x) { return x.isfinite(); });
}

TEST_CASE("lerp") {
  Fixture f("elementwise", "lerp");
  f([](T x, T y, T z) { return x.lerp(y, z); });
  f([](T x, T y) { return x.lerp(y, 0.5); });
}

namespace {

void extreme(const char* name, Tensor (Tensor::*op)(T, Here) const) {
  Fixture f("elementwise", name);
  auto both = [&](T x, T y) { return (x.*op)(y, {}); };
  f(both);
  f(both);
  f([&](T x) { return (x.*op)(3.0, {}); });
  f(both);
  for (int bound : {greatest, least}) {
    for (int i = 0; i < 2; ++i) f([&](T x) { return (x.*op)(bound, {}); });
  }
  f(both);
  f([&](T x) { return (x.*op)(Tensor(constant(boolean, 1)), {}); });
  f(both);
  f(both);
}

}  // namespace

TEST_CASE("maximum") { extreme("maximum", &Tensor::maximum); }
TEST_CASE("minimum") { extreme("minimum", &Tensor::minimum); }

TEST_CASE("tiny_add") {
  Fixture("elementwise", "tiny_add")([](T x, T y) { return x + y; });
}
TEST_CASE("tiny_mul") {
  Fixture("elementwise", "tiny_mul")([](T x, T y) { return x * y; });
}

TEST_CASE("add") {
  Fixture f("elementwise", "add");
  f([](T x, T y) { return x + y; });
  f([](T x, T y) { return y + x; });
  f([] { return Tensor::from<int>({1, 2, 3}, {3}) + Tensor::from<int>({4, 5, 6}, {3}); });
  f([](T x, T y) { return x + y; });
}

TEST_CASE("add3") {
  Fixture("elementwise", "add3")([](T x, T y, T z) { return x + y + z; });
}

TEST_CASE("broadcasted_add") {
  Fixture f("elementwise", "broadcasted_add");
  f.rest([](T x, T y) { return x + y; });
}

TEST_CASE("broadcasted_add_2") {
  Fixture f("elementwise", "broadcasted_add_2");
  f([](T x, T y) { return x + y; });
  CHECK_THROWS_WITH(Tensor::empty({45, 65}) + Tensor::empty({45}),
                    "broadcast: (45, 65) with (45) at dim 1");
}

TEST_CASE("sub") {
  Fixture f("elementwise", "sub");
  f.rest([](T x, T y) { return x - y; });
}

TEST_CASE("scalar_sub") {
  Fixture f("elementwise", "scalar_sub");
  f.rest([](T x) { return x - 2; });
}

TEST_CASE("scalar_rsub") {
  Fixture f("elementwise", "scalar_rsub");
  f.rest([](T x) { return 2 - x; });
}

TEST_CASE("neg") {
  Fixture f("elementwise", "neg");
  f.rest([](T x) { return -x; });
}

TEST_CASE("logical_not") {
  Fixture f("elementwise", "logical_not");
  f.rest([](T x) { return x.logical_not(); });
}

TEST_CASE("mul") {
  Fixture f("elementwise", "mul");
  f.rest([](T x, T y) { return x * y; });
}

TEST_CASE("scalar_mul") {
  Fixture f("elementwise", "scalar_mul");
  for (int i = 0; i < 2; ++i) f([](T x) { return x * 2; });
  for (int i = 0; i < 2; ++i) f([](T x) { return 2.0 * x; });
  for (int i = 0; i < 2; ++i) f([](T x) { return x * -1; });
}

TEST_CASE("div") {
  Fixture f("elementwise", "div");
  f([](T x, T y) { return x / y; });
  f.rest([](T x, T y) { return x.div(y); });
}

TEST_CASE("div_rounding_mode") {
  Fixture f("elementwise", "div_rounding_mode");
  f([](T x, T y) { return x.div(y, "trunc"); });
  f([](T x, T y) { return x.div(y, "floor"); });
  for (int i = 0; i < 40; ++i) {
    f([](T x, T y) { return x.div(y); });
    f([](T x, T y) { return x.div(y, "trunc"); });
    f([](T x, T y) { return x.div(y, "floor"); });
  }
  while (f.left() > 0) {
    f([](T x, T y) { return x.div(y, "trunc"); });
    f([](T x, T y) { return x.floor_divide(y); });
  }
  CHECK_THROWS_WITH(Tensor(5).div(2, "typo"),
                    "div: rounding mode \"typo\" is neither trunc nor floor");
}

TEST_CASE("div_int") {
  Fixture f("elementwise", "div_int");
  f([](T x, T y) { return x / y; });
  f([](T x, T y) { return x.floor_divide(y); });
  f([](T x) { return x / 2; });
  f([](T x) { return x.floor_divide(2); });
  f([](T x, T y) { return x / y; });
  f([](T x, T y) { return x.floor_divide(y); });
  f([](T x, T y) { return x.floor_divide(y); });
}

TEST_CASE("scalar_div") {
  Fixture f("elementwise", "scalar_div");
  f([](T x) { return x / 255; });
  f([](T x) { return x / 1; });
  f([](T x) { return 1 / x; });
  f([](T x) { return x / 2; });
  f([](T x) { return 2 / x; });
  f([](T x) { return x / 2; });
  f([](T x) { return 2 / x; });
}

namespace {

void remainder(const char* name, Tensor (Tensor::*op)(T, Here) const) {
  Fixture f("elementwise", name);
  auto both = [&](T x, T y) { return (x.*op)(y, {}); };
  for (int float_a = 0; float_a < 2; ++float_a) {
    for (int float_b = 0; float_b < 2; ++float_b) f(both);
    f([&](T x) { return (x.*op)(2, {}); });
    f([&](T x) { return (x.*op)(3.5, {}); });
  }
  f.rest(both);
}

}  // namespace

TEST_CASE("mod") { remainder("mod", &Tensor::mod); }
TEST_CASE("fmod") { remainder("fmod", &Tensor::fmod); }

TEST_CASE("floor_divide") {
  Fixture f("elementwise", "floor_divide");
  f.rest([](T x, T y) { return x.floor_divide(y); });
}

// An integer is the floor of its quotients, and 0 where there is none, and x == x / y * y + x % y.
TEST_CASE("division of integers by zero and by -1") {
  Tensor x = Tensor::from<int>({7, -7, 0, least, least}, {5});
  Tensor y = Tensor::from<int>({0, 0, 0, -1, 0}, {5});
  for (const char* name : {"INTERP", "CPU"}) {
    auto numbers = [&](T t) { return to_vector<int>(t, device(name)); };
    CHECK(numbers(x.floor_divide(y)) == std::vector<int>{0, 0, 0, least, 0});
    CHECK(numbers(x.div(y, "trunc")) == std::vector<int>{0, 0, 0, least, 0});
    CHECK(numbers(x % y) == std::vector<int>{7, -7, 0, 0, least});
    CHECK(numbers(x.fmod(y)) == std::vector<int>{7, -7, 0, 0, least});
    CHECK(numbers(x.floor_divide(x)) == std::vector<int>{1, 1, 0, 1, 1});
    CHECK(numbers(x % x) == std::vector<int>{0, 0, 0, 0, 0});
  }
  CHECK_THROWS_WITH(Tensor(constant(boolean, 1)) % Tensor(constant(boolean, 1)),
                    "mod: needs integers, not bool");
}

TEST_CASE("mul_naninf") {
  Fixture f("elementwise", "mul_naninf");
  for (double v : {INFINITY, -INFINITY, NAN}) f([&](T x) { return x * v; });
}

TEST_CASE("div_naninf") {
  Fixture f("elementwise", "div_naninf");
  for (double v : {INFINITY, -INFINITY, NAN}) {
    f([&](T x) { return x / v; });
    f([&](T x) { return v / x; });
  }
}

TEST_CASE("masked_fill") {
  Fixture f("elementwise", "masked_fill");
  f([](T x) { return x.masked_fill(x > 0.1, -3); });
  f([](T x) { return x.masked_fill(x > 0.1, -INFINITY); });
  f([](T x, T y) { return x.masked_fill(x > 0.1, y); });
  CHECK_THROWS_WITH(Tensor::empty({2}).masked_fill(Tensor::empty({2}), 1),
                    "masked_fill: the mask is f32, not bool");
}

TEST_CASE("clip") {
  Fixture f("elementwise", "clip");
  f([](T x) { return x.clip(-2.3, 1.2); });
  f([](T x) { return x.clip(0, 0); });
  f([](T x) { return x.clip(10, 100); });
  f([](T x) { return x.clip(0, 0.1); });
  f([](T x) { return x.clip(-0.3, -0.2); });
  f([](T x) { return x.clip(3, 0); });
  f([](T x) { return x.clip({}, 0); });
  f([](T x) { return x.clip(0); });
  f([](T x) { return x.clamp(-2.5, 1.5); });
  f([](T x) { return x.clip(0, 5); });
  f([](T x, T y) { return x.clip(y, y + 1); });
  f([](T x) { return x.clip(-1, 1); });
  CHECK_THROWS_WITH(Tensor::empty({2}).clip({}, {}), "clip: neither bound is given");
}

TEST_CASE("isclose") {
  Fixture f("elementwise", "isclose");
  f([](T x) { return x.isclose(x); });
  f([](T x, T y) { return x.isclose(y); });
  f([](T x) { return x.isclose(x + 1e-6); });
  f([](T x, T y) { return x.isclose(y); });
  f([](T x, T y) { return x.isclose(y, 1e-5, 1e-6); });
  f([](T x, T y) { return x.isclose(y, 1e-5, 0); });
  f([](T x, T y) { return x.isclose(y, 0.1); });
  f([](T x, T y) { return x.isclose(y); });
}

TEST_CASE("isclose_edge_cases") {
  Fixture f("elementwise", "isclose_edge_cases");
  f([](T x, T y) { return x.isclose(y); });
  f([](T x, T y) { return x.isclose(y, 1e-5, 1e-8, true); });
}

TEST_CASE("isclose_scalar") {
  Fixture f("elementwise", "isclose_scalar");
  f([](T x) { return x.isclose(1); });
  for (double v : {1.0, double(INFINITY), double(NAN)}) {
    f([&](T x) { return x.isclose(v, 1e-5, 1e-8, true); });
  }
}

TEST_CASE("max_nan") {
  for (const char* name : {"INTERP", "CPU"}) {
    for (const std::vector<float>& values :
         {std::vector<float>{NAN, 2, 3}, std::vector<float>{1, NAN, 3}}) {
      Tensor x = Tensor::from(values, {3});
      CHECK(std::isnan(item<float>(x.max(), device(name))));
      CHECK(std::isnan(item<float>(x.min(), device(name))));
    }
  }
}

TEST_CASE("inf_where") {
  Tensor x = Tensor::full({3, 3}, INFINITY);
  for (const char* name : {"INTERP", "CPU"}) {
    CHECK(to_vector<float>(where(x < 0, x, 1), device(name)) == std::vector<float>(9, 1));
  }
}

TEST_CASE("topo_sort") {
  Fixture f("elementwise", "topo_sort");
  f.rest([](T x) { return (x + x) * x; });
}

namespace {

void broadcast(const char* name, int n) {
  Fixture f("elementwise", name);
  for (int i = 0; i < n; ++i) f([](T x, T y) { return x + y; });
  for (int i = 0; i < n; ++i) f([](T x, T y) { return x - y; });
  for (int i = 0; i < n; ++i) f([](T x, T y) { return x * y; });
  for (int i = 0; i < n; ++i) f([](T x, T y) { return x / y; });
  for (int i = 0; i < n; ++i) f([](T x, T y) { return x.pow(y); });
}

}  // namespace

TEST_CASE("broadcast_full") { broadcast("broadcast_full", 2); }
TEST_CASE("broadcast_partial") { broadcast("broadcast_partial", 4); }

TEST_CASE("broadcast_simple") {
  Fixture f("elementwise", "broadcast_simple");
  f.rest([](T x, T y) { return x / y; });
}

TEST_CASE("cast") {
  Fixture f("elementwise", "cast");
  f([](T x) { return x.cast(f32); });
  f([](T x) { return x.cast(i32); });
  f([](T x) { return x.cast(boolean); });
  f([](T x) { return x.cast(f32); });
  f([](T x) { return x.cast(f32); });
  f([](T x) { return x.cast(f16); });
}

TEST_CASE("bitcast") {
  Fixture("elementwise", "bitcast")([](T x) { return x.bitcast(i32); });
}

TEST_SUITE("uint8") {
  TEST_CASE("cast") {
    Fixture("elementwise", "uint8/cast")([](T x) { return x.cast(f32); });
  }

  TEST_CASE("cast_relu") {
    Fixture f("elementwise", "uint8/cast_relu");
    f([](T x) { return x.cast(u8).relu(); });
  }

  TEST_CASE("min") {
    Fixture f("elementwise", "uint8/min");
    f.rest([](T x) { return x.min(); });
  }
}
