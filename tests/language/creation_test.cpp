// Creation, counting, parts; and sums of constants, which the compiler works out.
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"
#include "ops/random.h"
#include "runtimes/realize.h"

using namespace niwaki;
using namespace niwaki::test;

TEST_CASE("full_like") {
  Fixture f("creation", "full_like");
  f.rest([](const Tensor& x) { return x.full_like(4); });
  CHECK(Tensor::empty({2}, i16).full_like(4).dtype() == i16);
}

TEST_CASE("full") {
  Fixture f("creation", "full");
  f([] { return Tensor::full({45, 65}, 4, i32); });
}

TEST_CASE("negative_dims") {
  Fixture f("creation", "negative_dims");
  f([] { return Tensor::zeros({0, 2}); });
  CHECK_THROWS_WITH(Tensor::empty({10, -2}), "tensor: no memory has the shape (10, -2)");
  CHECK_THROWS_WITH(Tensor::zeros({-10, 2}), "full: a dim of -10, which may be negative");
  CHECK_THROWS_WITH(Tensor::ones({10, -2}), "full: a dim of -2, which may be negative");
  CHECK_THROWS_WITH(Tensor::arange(-3), "iota: a dim of (-3) may be negative");
}

TEST_CASE("negative_dims_full") {
  CHECK_THROWS_WITH(Tensor::full({-3}, 1), "full: a dim of -3, which may be negative");
  CHECK_THROWS_WITH(Tensor::full({-1}, 1), "full: a dim of -1, which may be negative");
  UOp n = variable("n", 0, 8);
  CHECK_THROWS_WITH(Tensor::full({2, dim_add(n, index(-4))}, 1),
                    "full: a dim of (n + -4), which may be negative");
}

TEST_CASE("negative_dims_eye") {
  CHECK_THROWS_WITH(Tensor::eye(-10), "eye: a dim of -10, which may be negative");
  CHECK_THROWS_WITH(Tensor::eye(2, -10), "eye: a dim of -10, which may be negative");
  CHECK_THROWS_WITH(Tensor::eye(-10, 2), "eye: a dim of -10, which may be negative");
}

TEST_CASE("negative_dims_kaiming") {
  using Method = Tensor (Random::*)(std::vector<int64_t>, double, DType, Here);
  for (Method method : {Method(&Random::kaiming_uniform), Method(&Random::kaiming_normal)}) {
    Random random(1);
    for (std::vector<int64_t> shape : {std::vector<int64_t>{-3, 2}, {2, -3}, {2, -3, 2}}) {
      CHECK_THROWS_AS((random.*method)(shape, 0, f32, {}), Error);
    }
  }
}

TEST_CASE("zeros") {
  Fixture f("creation", "zeros");
  f([] { return Tensor::zeros({45, 65}); });
  f([] { return Tensor::zeros({}); });
  f([] { return Tensor::zeros({3, 0}); });
}

TEST_CASE("ones") {
  Fixture f("creation", "ones");
  f([] { return Tensor::ones({45, 65}); });
  f([] { return Tensor::ones({}); });
  f([] { return Tensor::ones({3, 0}); });
}

TEST_CASE("zeros_like") {
  Fixture f("creation", "zeros_like");
  f.rest([](const Tensor& x) { return x.zeros_like(); });
}

TEST_CASE("ones_like") {
  Fixture f("creation", "ones_like");
  f.rest([](const Tensor& x) { return x.ones_like(); });
}

TEST_CASE("empty_0") {
  Fixture f("creation", "empty_0");
  f([] { return Tensor::empty({45, 65}) * 0 / 0; });
}

TEST_CASE("eye") {
  Fixture f("creation", "eye");
  f([] { return Tensor::eye(10); });
  f([] { return Tensor::eye(3, 5); });
  f([] { return Tensor::eye(5, 3); });
  f([] { return Tensor::eye(0); });
  f([] { return Tensor::eye(0, 3); });
  UOp n = variable("n", 1, 8);
  Tensor some = realize(Tensor::eye(n, 3, i32).sum(), {{"n", 2}}, device("INTERP"));
  CHECK(item<int>(some) == 2);
}

TEST_CASE("split") {
  Fixture f("creation", "split");
  for (int64_t size : {1, 2, 3, 4, 5}) {
    for (int64_t axis : {0, -1}) f([&](const Tensor& x) { return x.split(size, axis); });
  }
  for (const std::vector<int64_t>& sizes :
       {std::vector<int64_t>{3, 3}, std::vector<int64_t>{1, 4, 1}, std::vector<int64_t>{0, 6}}) {
    for (int64_t axis : {0, -1}) f([&](const Tensor& x) { return x.split(sizes, axis); });
  }
  Tensor x = Tensor::empty({6, 4});
  CHECK(x.split(7, 1).size() == 1);
  CHECK(Tensor::empty({0}).split(0).size() == 1);
  CHECK_THROWS_WITH(x.split({2, 3}, 0), "split: parts of (2, 3) do not make up dim 0 of (6, 4)");
  CHECK_THROWS_WITH(x.split({-2, 8}, 0), "split: a part of -2");
  CHECK_THROWS_WITH(x.split({INT64_MAX, 8}, 0), "split: parts beyond any dim");
  CHECK_THROWS_WITH(x.split(0, 1), "split: dim 1 of (6, 4) in parts of 0");
  CHECK_THROWS_WITH(x.split(2, 2), "axis 2 of the shape (6, 4)");
  Tensor symbolic = Tensor::zeros({variable("n", 0, 8)});
  CHECK_THROWS_WITH(symbolic.split(2), "split: dim 0 of (n) is no number");
  CHECK_THROWS_WITH(symbolic.chunk(2), "chunk: dim 0 of (n) is no number");
}

TEST_CASE("chunk") {
  Fixture f("creation", "chunk");
  Tensor x = Tensor::arange(13).unsqueeze(1).expand({13, 8});
  f([&] { return x.chunk(6, 1); });
  f([&] { return x.chunk(6, 0); });
  f([&] { return x.chunk(3, -1); });
  f([&] { return x.unsqueeze(2).expand({13, 8, 3}).chunk(3, -2); });
  CHECK(Tensor::empty({0, 2}).chunk(3).size() == 3);
  CHECK_THROWS_WITH(x.chunk(0), "chunk: 0 parts");
}

TEST_CASE("unfold") {
  Fixture f("creation", "unfold");
  f([](const Tensor& x) { return x.unfold(0, 2, 1); });
  f([](const Tensor& x) { return x.unfold(0, 2, 2); });
  f([](const Tensor& x) { return x.unfold(0, 7, 3); });
  f([](const Tensor& x) { return x.unfold(0, 1, 5); });
  f([](const Tensor& x) { return x.unfold(0, 8, 9); });
  f([](const Tensor& x) { return x.unfold(2, 2, 8); });
  f([](const Tensor& x) { return x.unfold(-2, 2, 1); });
  f([](const Tensor& x) { return x.unfold(1, 3, 4); });
  f([](const Tensor& x) { return x.unfold(2, 2, 1); });
  f([](const Tensor& x) { return x.unfold(1, 0, 1); });
  Tensor x = Tensor::empty({8});
  CHECK(to_vector<float>(x.unfold(0, 3, INT64_MAX)).size() == 3);
  CHECK_THROWS_WITH(x.unfold(0, 9, 3), "unfold: windows of 9 in dim 0 of (8)");
  CHECK_THROWS_WITH(x.unfold(0, -1, 3), "unfold: windows of -1 in dim 0 of (8)");
  CHECK_THROWS_WITH(x.unfold(1, 8, 1), "axis 1 of the shape (8)");
  CHECK_THROWS_WITH(x.unfold(0, 1, -1), "unfold: a step of -1");
  CHECK_THROWS_WITH(Tensor::zeros({variable("n", 0, 8)}).unfold(0, 1, 1),
                    "unfold: dim 0 of (n) is no number");
}

TEST_CASE("meshgrid") {
  Fixture f("creation", "meshgrid");
  for (const char* indexing : {"ij", "xy"}) {
    f([&](const Tensor& a) { return meshgrid({a}, indexing); });
    f([&](const Tensor& a, const Tensor& b) { return meshgrid({a, b}, indexing); });
    f([&](const Tensor& a, const Tensor& b, const Tensor& c) {
      return meshgrid({a, b, c}, indexing);
    });
    f([&](const Tensor& a, const Tensor& b) { return meshgrid({a, b}, indexing); });
  }
  Tensor x = Tensor::empty({3});
  CHECK_THROWS_WITH(meshgrid({x}, "ii"), "meshgrid: indexing \"ii\" is neither ij nor xy");
  CHECK_THROWS_WITH(meshgrid({x, Tensor::empty({2, 3})}), "meshgrid: (2, 3) is no vector");
}

TEST_CASE("arange") {
  Fixture f("creation", "arange");
  f([] { return Tensor::arange(10); });
  f([] { return Tensor::arange(36); });
  f([] { return Tensor::arange(5, 10, 3); });
  f([] { return Tensor::arange(10, 5, -3); });
  f([] { return Tensor::arange(11, 5, -3); });
  f([] { return Tensor::arange(1, 78, 2); });
  f([] { return Tensor::arange(5.5, 175.5, 2.5); });
  f([] { return Tensor::arange(-30.2, -0.3, 0.75); });
  f([] { return Tensor::arange(-50.3, -380.2, -2.25); });
  f([] { return Tensor::arange(0, 1, 0.1); });
  f([] { return Tensor::arange(0, 0); });
  f([] { return Tensor::arange(5, -5); });
  f([] { return Tensor::arange(-3, 4); });
  f([] { return Tensor::arange(0, 5.5); });
  f([] { return Tensor::arange(1, 2, 0.3); });
  f([] { return Tensor::arange(-4, 3, 3); });
  CHECK(Tensor::arange(3).uop() == Tensor::arange(0, 3).uop());
  CHECK(to_vector<int64_t>(Tensor::arange(INT64_MIN, INT64_MAX, INT64_MAX)) ==
        std::vector<int64_t>{INT64_MIN, -1, INT64_MAX - 1});
  CHECK_THROWS_WITH(Tensor::arange(1, 3, 0), "arange: the step from 1 to 3 is 0");
  CHECK_THROWS_WITH(Tensor::arange(1, 3.5, 0), "arange: 1 to 3.5 by 0 is no number of steps");
  CHECK_THROWS_WITH(Tensor::arange(0.0, INFINITY, 1),
                    "arange: 0 to inf by 1 is no number of steps");
  CHECK_THROWS_WITH(Tensor::arange(0.0, double(NAN), 1),
                    "arange: 0 to nan by 1 is no number of steps");
  CHECK_THROWS_WITH(Tensor::arange(INT64_MIN, INT64_MAX),
                    "arange: too many numbers from -9223372036854775808 to 9223372036854775807");
}

TEST_CASE("arange with symbolic ends") {
  UOp n = variable("n", 1, 16);
  for (const char* name : {"INTERP", "CPU"}) {
    auto sum = [&](const Tensor& t) {
      return item<int64_t>(realize(t.sum(), {{"n", 7}}, device(name)));
    };
    CHECK(sum(Tensor::arange(n)) == 21);
    CHECK(sum(Tensor::arange(n, 20)) == 169);
    CHECK(sum(Tensor::arange(0, n, 3)) == 9);
    CHECK(sum(Tensor::arange(n, 0, -2)) == 16);
    CHECK(sum(Tensor::arange(n, dim_add(n, index(4)))) == 34);
  }
  CHECK_THROWS_WITH(Tensor::arange(n, 4, INT64_MIN),
                    "arange: a step of -9223372036854775808 cannot be turned");
  CHECK_THROWS_WITH(Tensor::arange(n, 4), "iota: a dim of (((n * -1) + 4)) may be negative");
}

TEST_CASE("arange_big") {
  Fixture f("creation", "arange_big");
  f([] { return Tensor::arange(256); });
}

TEST_CASE("arange_4096") {
  Fixture f("creation", "arange_4096");
  f([] { return Tensor::arange(4096); });
}

TEST_CASE("linspace") {
  Fixture f("creation", "linspace");
  f([] { return Tensor::linspace(5, 10, 3); });
  f([] { return Tensor::linspace(5, 10, 1); });
  f([] { return Tensor::linspace(5, 10, 0); });
  f([] { return Tensor::linspace(5, 10, 30); });
  f([] { return Tensor::linspace(-5.5, 5.5, 10); });
  f([] { return Tensor::linspace(5.5, -5.5, 10); });
  f([] { return Tensor::linspace(5, 10, 3, i32); });
  f([] { return Tensor::linspace(5, 10, 4, i32); });
  f([] { return Tensor::linspace(5, -5, 4, i32); });
  f([] { return Tensor::linspace(0, 100, 7, i32); });
  f([] { return Tensor::linspace(1, 0.1, 1001); });
  Tensor ends = Tensor::linspace(1, 0.1, 1001);
  CHECK(item<float>(ends.slice(0, 1000, 1001)) == 0.1f);
  CHECK_THROWS_WITH(Tensor::linspace(5, 10, -1), "linspace: -1 steps");
  CHECK_THROWS_WITH(Tensor::linspace(5, 10, 3, boolean), "linspace: bools are not spaced");
}

TEST_CASE("sum_fake") {
  Fixture f("creation", "sum_fake");
  f([](const Tensor& x) { return x.sum({1}); });
}

TEST_CASE("sum_collapse") {
  Fixture f("creation", "sum_collapse");
  f([] { return Tensor::ones({256, 256}).sum({1}); });
}

TEST_CASE("sum_collapse_neg") {
  Fixture f("creation", "sum_collapse_neg");
  f([] { return (-Tensor::ones({256, 256})).sum({1}); });
}

TEST_CASE("sum_pad_collapse") {
  Fixture f("creation", "sum_pad_collapse");
  f([] { return Tensor::ones({256, 256}).pad({{0, 0}, {0, 64}}).sum({1}); });
}

TEST_CASE("sum_twice") {
  Fixture f("creation", "sum_twice");
  f([](const Tensor& x) { return x.sum({0, 1}).sum(); });
  f([](const Tensor& x) { return x.sum({0, 2}).sum(); });
  f([](const Tensor& x) { return x.sum({1, 2}).sum(); });
}

TEST_CASE("sum_cat_collapse") {
  Fixture f("creation", "sum_cat_collapse");
  f([] { return cat({Tensor::ones({256, 256}), Tensor::zeros({256, 64})}, 1).sum({1}); });
}

TEST_CASE("max_dont_collapse") {
  Fixture f("creation", "max_dont_collapse");
  f([] { return Tensor::ones({256, 256}).max({1}); });
}

TEST_CASE("tril") {
  Fixture f("creation", "tril");
  for (int shape = 0; shape < 4; ++shape) {
    for (int64_t diagonal : {0, 1, 2, -1}) f([&](const Tensor& x) { return x.tril(diagonal); });
  }
  f([](const Tensor& x) { return x.tril(); });
  f([](const Tensor& x) { return x.tril(7); });
  f([](const Tensor& x) { return x.tril(-7); });
  CHECK_THROWS_WITH(Tensor::empty({3}).tril(), "tril: the shape (3) has no matrices");
}

TEST_CASE("triu") {
  Fixture f("creation", "triu");
  for (int shape = 0; shape < 4; ++shape) {
    for (int64_t diagonal : {0, 1, 2, -1}) f([&](const Tensor& x) { return x.triu(diagonal); });
  }
  f([](const Tensor& x) { return x.triu(); });
  f([](const Tensor& x) { return x.triu(7); });
  f([](const Tensor& x) { return x.triu(-7); });
  CHECK_THROWS_WITH(Tensor::empty({3}).triu(), "triu: the shape (3) has no matrices");
}

TEST_CASE("flip_eye_crash") {
  Fixture f("creation", "flip_eye_crash");
  f([] { return Tensor::eye(10).matmul(Tensor::eye(10).flip({0})); });
}
