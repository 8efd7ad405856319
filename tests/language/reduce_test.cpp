// Sums, products, extremes, any and all.
#include <doctest/doctest.h>

#include <cmath>

#include "core/error.h"
#include "language/fixture.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

using T = const Tensor&;

}  // namespace

TEST_CASE("sum_fake") {
  Fixture("reduce", "sum_fake")([](T x) { return x.sum({1}); });
}

TEST_CASE("sum_collapse") {
  Fixture("reduce", "sum_collapse")([] { return Tensor::ones({256, 256}).sum({1}); });
}

TEST_CASE("sum_collapse_neg") {
  Fixture("reduce", "sum_collapse_neg")([] { return (-Tensor::ones({3, 3})).sum({1}); });
}

TEST_CASE("sum_pad_collapse") {
  Fixture("reduce", "sum_pad_collapse")([] {
    return Tensor::ones({256, 256}).pad({{0, 0}, {0, 64}}).sum({1});
  });
}

TEST_CASE("sum_twice") {
  Fixture f("reduce", "sum_twice");
  f([](T x) { return x.sum({0, 1}).sum(); });
  f([](T x) { return x.sum({0, 2}).sum(); });
  f([](T x) { return x.sum({1, 2}).sum(); });
}

TEST_CASE("sum_cat_collapse") {
  Fixture("reduce", "sum_cat_collapse")([] {
    return cat({Tensor::ones({256, 256}), Tensor::zeros({256, 64})}, 1).sum({1});
  });
}

TEST_CASE("max_dont_collapse") {
  Fixture("reduce", "max_dont_collapse")([] { return Tensor::ones({256, 256}).max({1}); });
}

TEST_CASE("sum_simple") {
  Fixture("reduce", "sum_simple")([](T x) { return x.sum(); });
}
TEST_CASE("sum_full") {
  Fixture("reduce", "sum_full")([](T x) { return x.sum(); });
}
TEST_CASE("sum_relu") {
  Fixture("reduce", "sum_relu")([](T x) { return x.relu().sum(); });
}
TEST_CASE("sum_tiny") {
  Fixture("reduce", "sum_tiny")([](T x) { return x.sum({0, 2}); });
}

TEST_CASE("sum") {
  Fixture f("reduce", "sum");
  f([](T x) { return x.sum(); });
  for (const Axes& axes : {Axes{3}, {1, 3}, {0, 2}, {-3, -2}, {-3}, {}}) {
    f([&](T x) { return x.sum(axes); });
  }
  f([](T x) { return x.sum({0, 2}, true); });
  for (const Axes& axes : {Axes{}, {0}, {-1}}) f([&](T x) { return x.sum(axes); });
  Tensor x = Tensor::ones({3, 4, 5, 6});
  CHECK_THROWS_WITH(x.sum({5}), "axis 5 of the shape (3, 4, 5, 6)");
  CHECK_THROWS_WITH(x.sum({-5}), "axis -5 of the shape (3, 4, 5, 6)");
  CHECK_THROWS_WITH(Tensor::ones({}).sum({1}), "axis 1 of the shape (1)");
}

TEST_CASE("sum_dtype_arg") {
  Fixture f("reduce", "sum_dtype_arg");
  f([](T x) { return x.sum({}, false, f32); });
  f([](T x) { return x.sum({}, false, i32); });
}

TEST_CASE("sum_with_zeros_shape") {
  Fixture f("reduce", "sum_with_zeros_shape");
  f([](T x) { return x.sum({0}); });
  f([](T x) { return x.sum({1}); });
  f([](T x) { return x.sum(); });
}

TEST_CASE("prod") {
  Fixture f("reduce", "prod");
  f([](T x) { return x.prod(); });
  for (const Axes& axes : {Axes{3}, {1, 3}, {0, 2}, {1, 2}, {1}}) {
    f([&](T x) { return x.prod(axes); });
  }
  f.rest([](T x) { return x.prod(); });
}

TEST_CASE("prod_dtype_arg") {
  Fixture("reduce", "prod_dtype_arg")([](T x) { return x.prod({}, false, f32); });
  CHECK(Tensor::ones({2}, i8).prod({}, false, i64).dtype() == i64);
  CHECK(Tensor::ones({2}, boolean).prod({0}, true, u8).dtype() == u8);
}

TEST_CASE("min") {
  Fixture f("reduce", "min");
  f([](T x) { return x.min(); });
  f([](T x) { return x.min({0, 1}); });
  f([](T x) { return x.min() * 0.5; });
  f.rest([](T x) { return x.min(); });
}

TEST_CASE("max") {
  Fixture f("reduce", "max");
  f([](T x) { return x.max(); });
  f([](T x) { return x.max() * 0.5; });
  f([](T x) { return x.max() * 0.5; });
  f([](T x) { return x.max({1}); });
  f.rest([](T x) { return x.max(); });
}

TEST_CASE("const_reduce") {
  Fixture f("reduce", "const_reduce");
  Tensor two = Tensor::full({3, 3}, 2);
  f([&](T) { return two.sum(); });
  f([&](T) { return two.max(); });
  f([&](T) { return two.mean(); });
}

TEST_CASE("any") {
  Fixture("reduce", "any").rest([](T x) { return x.any(); });
}
TEST_CASE("any_axis") {
  Fixture("reduce", "any_axis")([](T x) { return x.any({1, 2}); });
}
TEST_CASE("any_zero_axis") {
  Fixture("reduce", "any_zero_axis")([](T x) { return x.any({1, 3}); });
}
TEST_CASE("all") {
  Fixture("reduce", "all").rest([](T x) { return x.all(); });
}
TEST_CASE("all_axis") {
  Fixture("reduce", "all_axis")([](T x) { return x.all({1, 2}); });
}
TEST_CASE("all_zero_axis") {
  Fixture("reduce", "all_zero_axis")([](T x) { return x.all({1, 3}); });
}
TEST_CASE("all_large") {
  Fixture("reduce", "all_large").rest([](T x) { return x.all(); });
}

TEST_CASE("reductions of NaN and infinity") {
  auto f = [](const char* name, auto op) { Fixture("reduce", name)(op); };
  f("more/max_odd", [](T x) { return x.max({1}); });
  f("more/min_odd", [](T x) { return x.min({1}); });
  f("more/sum_odd", [](T x) { return x.sum({1}); });
  f("more/prod_odd", [](T x) { return x.prod({1}); });
  f("more/mean_odd", [](T x) { return x.mean({1}); });
  f("more/var_odd", [](T x) { return x.var({1}); });
  f("more/any_odd", [](T x) { return x.any({1}); });
  f("more/all_odd", [](T x) { return x.all({1}); });
  f("more/logsumexp_odd", [](T x) { return x.logsumexp({1}); });
  f("more/norm_odd", [](T x) { return x.norm(2, {1}); });
  f("more/softmax_odd", [](T x) { return std::pair(x.softmax(1), x.log_softmax(1)); });
  f("more/logsumexp_large", [](T x) { return x.logsumexp(); });
}

TEST_CASE("reductions of nothing") {
  Fixture f("reduce", "more/empty");
  f([](T x) {
    return std::vector<Tensor>{x.sum({1}), x.prod({1}), x.any({1}),
                               x.all({1}), x.mean({1}), x.sum({0, 2})};
  });
  // Along the axis that is 0.
  f([](T x) {
    return std::vector<Tensor>{
        x.softmax(1),   x.log_softmax(1),        x.softmin(1),   x.normalize(), x.logsumexp({1}),
        x.norm(2, {1}), x.layer_norm(1e-5, {1}), x.group_norm(1)};
  });
  // Along another.
  f([](T x) {
    return std::vector<Tensor>{x.max({2}), x.min({2}), x.logsumexp({2}), x.softmax(2).sum({2}),
                               x.var({2})};
  });
  Tensor x = Tensor::zeros({2, 0, 3});
  CHECK_THROWS_WITH(x.max(), "max: no elements along axis 1: (2, 0, 3)");
  CHECK_THROWS_WITH(x.min({1}), "max: no elements along axis 1: (2, 0, 3)");
}

TEST_CASE("reductions of other dtypes") {
  using Numbers = std::vector<double>;
  auto values = [](T x) { return to_vector<double>(x); };
  for (DType t : {f16, bf16, f64, u8, i32}) {
    CAPTURE(name(t));
    Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 6}, {4}).cast(t);
    DType found = is_float(t) ? t : f32;
    for (T y : {x.mean(), x.var(), x.std(), x.logsumexp(), x.softmax(), x.log_softmax(),
                x.softmin(), x.normalize(2, 0), x.norm(), x.layer_norm()}) {
      CHECK(y.dtype() == found);
    }
    CHECK(values(x.mean()) == Numbers{3});
    CHECK(values(x.var({}, false, 0)) == Numbers{3.5});
    CHECK(values(x.norm(1)) == Numbers{12});
    CHECK(values(x.norm(0)) == Numbers{4});
    CHECK(values(x.sum()) == Numbers{12});
    CHECK(values(x.sum({}, false, f64)) == Numbers{12});
    CHECK(values(x.softmax().sum())[0] == doctest::Approx(1).epsilon(0.01));
    CHECK(values(x.logsumexp())[0] == doctest::Approx(6.0739).epsilon(0.01));
  }
  // Sixteen bits hold the results here, not what they are made of.
  Tensor large = Tensor::from(std::vector<float>{40000, 40000, -40000, -40000}, {4}).cast(f16);
  CHECK(values(large.std({}, false, 0)) == values(large.abs().mean()));
  CHECK(values(large.layer_norm()) == Numbers{1, 1, -1, -1});
  CHECK(values(large.norm(INFINITY)) == values(large.max()));
  CHECK(values(Tensor::from(std::vector<uint8_t>{200, 100}, {2}).sum()) == Numbers{44});
  CHECK(values(Tensor::from(std::vector<uint8_t>{200, 100}, {2}).sum({}, false, i32)) ==
        Numbers{300});
  CHECK(values(Tensor::from(std::vector<bool>{true, true, false}, {3}).sum()) == Numbers{2});
}

TEST_CASE("reductions over symbolic dims, for every value of the variable") {
  UOp n = variable("n", 1, 5);
  std::vector<float> numbers;
  for (int i = 0; i < 20; ++i) numbers.push_back(float(i * 7 % 20) - 8.5f);
  Tensor x = Tensor::from(numbers, {5, 4});
  Tensor classes = Tensor::from(std::vector<int32_t>{3, 0, 1, 1, 2}, {5});
  auto results = [&](const Dim& rows) {
    Tensor part = x.narrow(0, 0, rows);
    Tensor target = classes.narrow(0, 0, rows);
    std::vector<Tensor> all = {part.mean({0}),
                               part.var({0}),
                               part.std({}, false, 7),
                               part.softmax(0).max({0}),
                               part.logsumexp({0}),
                               part.normalize(3, 0).sum(),
                               part.layer_norm(1e-5, {0}).abs().sum(),
                               part.any(),
                               part.cross_entropy(target),
                               part.nll_loss(target, {}, 1),
                               scaled_dot_product_attention(x, part, part)};
    return all;
  };
  for (const char* name : {"INTERP", "CPU"}) {
    for (int64_t rows = 1; rows <= 5; ++rows) {
      CAPTURE(name);
      CAPTURE(rows);
      std::vector<Tensor> found = realize(results(n), {{"n", rows}}, device(name));
      std::vector<Tensor> wanted = realize(results(rows), {}, device(name));
      for (size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        std::vector<double> a = to_vector<double>(found[i]);
        std::vector<double> b = to_vector<double>(wanted[i]);
        REQUIRE(a.size() == b.size());
        for (size_t j = 0; j < a.size(); ++j) {
          bool same = a[j] == b[j] || (std::isnan(a[j]) && std::isnan(b[j]));
          if (!same) CHECK(a[j] == doctest::Approx(b[j]).epsilon(1e-5));
        }
      }
    }
  }
}

TEST_CASE("reductions: refusals") {
  Tensor x = Tensor::ones({2, 3, 4});
  CHECK_THROWS_WITH(x.mean({1, -2}), "reduce: axis 1 of (2, 3, 4) is given twice");
  CHECK_THROWS_WITH(Tensor::ones({}).sum({0, -1}), "reduce: axis 0 of (1) is given twice");
  CHECK_THROWS_WITH(x.norm(-1), "norm: the order -1 is negative");
  CHECK_THROWS_WITH(x.norm(NAN), "norm: the order nan is negative");
}

}  // namespace niwaki::test
