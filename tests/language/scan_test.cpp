// Running totals and order along an axis, against NumPy (fixtures/scan.py) and std:: algorithms.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "language/fixture.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

using namespace niwaki;
using niwaki::test::Fixture;

namespace {

using Pair = std::pair<Tensor, Tensor>;

// The calls of an entry and those of its zero-size neighbour, in the order of the fixtures.
template <class F>
void each_axis(const std::string& name, const std::vector<int64_t>& axes, F op) {
  Fixture f("scan", name);
  for (int64_t axis : axes) f([&](const Tensor& x) { return op(x, axis); });
}

const std::vector<int64_t> axes{0, 0, 1, 2, -1, 0, 0, 0};

Tensor cumsum(const Tensor& x, int64_t axis) { return x.cumsum(axis); }
Tensor cumprod(const Tensor& x, int64_t axis) { return x.cumprod(axis); }
Pair cummax(const Tensor& x, int64_t axis) { return x.cummax(axis); }
Pair cummin(const Tensor& x, int64_t axis) { return x.cummin(axis); }

template <class F>
void check_axes(F op) {
  Tensor scalar = Tensor::ones({});
  Tensor row = Tensor::ones({20});
  CHECK_THROWS_WITH(op(scalar, 1), "axis 1 of the shape (1)");
  CHECK_THROWS_WITH(op(row, 1), "axis 1 of the shape (20)");
  CHECK_THROWS_WITH(op(row, -2), "axis -2 of the shape (20)");
}

// Integers with many ties.
std::vector<int32_t> some_integers(int64_t n) {
  std::vector<int32_t> x;
  uint32_t state = uint32_t(n) + 1;
  for (int64_t i = 0; i < n; ++i) {
    state = state * 1664525 + 1013904223;
    x.push_back(int32_t(state >> 28) - 8);
  }
  return x;
}

std::vector<int64_t> stable_order(const std::vector<int32_t>& x, bool descending) {
  std::vector<int64_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return descending ? x[size_t(b)] < x[size_t(a)] : x[size_t(a)] < x[size_t(b)];
  });
  return order;
}

template <class T>
std::vector<T> stored(const Tensor& t) {
  const Buffer& b = *t.uop()->get<BufferRef>();
  return std::vector<T>(static_cast<const T*>(b.data), static_cast<const T*>(b.data) + b.size());
}

}  // namespace

// --- running totals ---

TEST_CASE("small_cumsum") { each_axis("small_cumsum", {0}, cumsum); }
TEST_CASE("simple_cumsum") { each_axis("simple_cumsum", {0, 0}, cumsum); }
TEST_CASE("cumsum") {
  each_axis("cumsum", axes, cumsum);
  check_axes(cumsum);
}
TEST_CASE("cumsum_zero_axis") { each_axis("cumsum_zero_axis", {1, 0, 2}, cumsum); }

TEST_CASE("small_cumprod") { each_axis("small_cumprod", {0}, cumprod); }
TEST_CASE("simple_cumprod") { each_axis("simple_cumprod", {0, 0}, cumprod); }
TEST_CASE("cumprod") {
  each_axis("cumprod", axes, cumprod);
  check_axes(cumprod);
}
TEST_CASE("cumprod_zero_axis") { each_axis("cumprod_zero_axis", {1, 0, 2}, cumprod); }

TEST_CASE("small_cummax") { each_axis("small_cummax", {0}, cummax); }
TEST_CASE("simple_cummax") { each_axis("simple_cummax", {0, 0}, cummax); }
TEST_CASE("cummax") {
  each_axis("cummax", {0, 0, 1, 2, -1, 0, 0, 0, 0, 0}, cummax);
  check_axes(cummax);
}
TEST_CASE("cummax_zero_axis") { each_axis("cummax_zero_axis", {1, 0, 2}, cummax); }

TEST_CASE("small_cummin") { each_axis("small_cummin", {0}, cummin); }
TEST_CASE("simple_cummin") { each_axis("simple_cummin", {0, 0}, cummin); }
TEST_CASE("cummin") {
  each_axis("cummin", {0, 0, 1, 2, -1, 0, 0, 0, 0, 0}, cummin);
  check_axes(cummin);
}
TEST_CASE("cummin_zero_axis") { each_axis("cummin_zero_axis", {1, 0, 2}, cummin); }

TEST_CASE("logcumsumexp") {
  each_axis("logcumsumexp", {0, 1, 0, 2, 0, 3, -1, 0, 0},
            [](const Tensor& x, int64_t axis) { return x.logcumsumexp(axis); });
}
TEST_CASE("logcumsumexp_numerical") {
  Fixture f("scan", "logcumsumexp_numerical");
  f([](const Tensor& x) { return x.logcumsumexp(0); });
}

TEST_CASE("edgecases/zero_products") {
  Fixture f("scan", "edgecases/zero_products");
  f([](const Tensor& x) { return x.cumprod(0); });
}

TEST_CASE("logcumsumexp of infinities") {
  std::vector<float> x{-INFINITY, -INFINITY, 1, INFINITY};
  CHECK(to_vector<float>(Tensor::from(x, {4}).logcumsumexp(0)) ==
        std::vector<float>{-INFINITY, -INFINITY, 1, INFINITY});
}

TEST_CASE("running totals of many elements are found in few kernels") {
  constexpr int64_t n = 5000;
  std::vector<int32_t> x = some_integers(n);
  std::vector<int32_t> sums(x.size());
  std::partial_sum(x.begin(), x.end(), sums.begin());
  Tensor t = Tensor::from(x, {n});
  CHECK(to_vector<int32_t>(t.cumsum(0)) == sums);
  Replay replay({t.cumsum(0)}, default_device());
  CHECK(replay.n_kernels() <= 4);
}

TEST_CASE("a running total along a symbolic axis") {
  UOp n = variable("n", 1, 8);
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, {8}).slice(0, 0, n);
  Tensor sums = realize(x.cumsum(0), {{"n", 3}});
  CHECK(to_vector<float>(sums) == std::vector<float>{1, 3, 6});
}

// --- positions of extremes ---

TEST_CASE("argmax") {
  Fixture f("scan", "argmax");
  for (int i = 0; i < 7; ++i) f([](const Tensor& x) { return x.argmax(); });
  f([](const Tensor& x) { return x.argmax(0, false); });
  f([](const Tensor& x) { return x.argmax(1, false); });
  f([](const Tensor& x) { return x.argmax(1, true); });
  f([](const Tensor& x) { return x.argmax(-1); });
  CHECK_THROWS_WITH(Tensor::zeros({2, 0}).argmax(1), "argmax: no elements along axis 1: (2, 0)");
  CHECK_THROWS_WITH(Tensor::zeros({2}).argmax(1), "axis 1 of the shape (2)");
}

TEST_CASE("argmin") {
  Fixture f("scan", "argmin");
  for (int i = 0; i < 7; ++i) f([](const Tensor& x) { return x.argmin(); });
  f([](const Tensor& x) { return x.argmin(0, false); });
  f([](const Tensor& x) { return x.argmin(1, false); });
  f([](const Tensor& x) { return x.argmin(1, true); });
}

TEST_CASE("argmax of one element and of all dims kept") {
  CHECK(to_vector<int64_t>(Tensor::ones({}).argmax()) == std::vector<int64_t>{0});
  Tensor kept = Tensor::from(std::vector<float>{1, 3, 2, 0}, {2, 2}).argmax({}, true);
  CHECK(to_string(kept.shape()) == "(1, 1)");
  CHECK(to_vector<int64_t>(kept) == std::vector<int64_t>{1});
}

// --- order ---

TEST_CASE("sort") {
  Fixture f("scan", "sort");
  for (int64_t axis : {-1, 0, 1}) {
    for (bool descending : {true, false}) {
      f([&](const Tensor& x) { return x.sort(axis, descending); });
    }
  }
  for (bool descending : {true, false}) {
    f([&](const Tensor& x) { return x.sort(-1, descending); });
  }
  for (int64_t axis : {-1, 0, -1, 0, 1, -1, 0, -1, 0, 1}) {
    f([&](const Tensor& x) { return x.sort(axis); });
  }
  CHECK_THROWS_WITH(Tensor::ones({3}).sort(1), "axis 1 of the shape (3)");
  Tensor symbolic = Tensor::ones({8}).slice(0, 0, variable("n", 1, 8));
  CHECK_THROWS_WITH(symbolic.sort(), "sort: the dim n of (n) is not a number");
}

TEST_CASE("argsort") {
  Fixture f("scan", "argsort");
  for (int64_t axis : {-1, 0, 1}) {
    for (bool descending : {true, false}) {
      f([&](const Tensor& x) { return x.argsort(axis, descending); });
    }
  }
}

TEST_CASE("topk") {
  Fixture f("scan", "topk");
  f([](const Tensor& x) { return x.topk(3); });
  f([](const Tensor& x) { return x.topk(4, 0, true); });
  f([](const Tensor& x) { return x.topk(4, 1, false); });
  f([](const Tensor& x) { return x.topk(3); });
  f([](const Tensor& x) { return x.topk(3, -1, false); });
  Tensor four = Tensor::ones({4});
  CHECK_THROWS_WITH(four.topk(5), "topk: 5 elements of axis -1 of (4)");
  CHECK_THROWS_WITH(four.topk(-1), "topk: -1 elements of axis -1 of (4)");
}

TEST_CASE("edgecases/order") {
  Fixture f("scan", "edgecases/order");
  f([](const Tensor& x) { return Pair{x.argmax(), x.argmin()}; });
  f([](const Tensor& x) { return x.sort(); });
  f([](const Tensor& x) { return x.sort(-1, true); });
  f([](const Tensor& x) { return x.topk(3); });
}

TEST_CASE("order of every length") {
  for (int64_t n = 0; n <= 70; ++n) {
    CAPTURE(n);
    std::vector<int32_t> x = some_integers(n);
    Tensor t = Tensor::from(x, {n});
    std::vector<Tensor> wanted{t.cumsum(0), t.topk(n / 2).second};
    std::vector<int32_t> sums(x.size());
    std::partial_sum(x.begin(), x.end(), sums.begin());
    for (bool descending : {false, true}) {
      auto [values, order] = t.sort(0, descending);
      wanted.push_back(values);
      wanted.push_back(order);
    }
    std::vector<Tensor> found = realize(wanted, {}, device("INTERP"));
    CHECK(stored<int32_t>(found[0]) == sums);
    for (bool descending : {false, true}) {
      std::vector<int64_t> order = stable_order(x, descending);
      std::vector<int32_t> values;
      for (int64_t i : order) values.push_back(x[size_t(i)]);
      CHECK(stored<int32_t>(found[descending ? 4 : 2]) == values);
      CHECK(stored<int64_t>(found[descending ? 5 : 3]) == order);
      order.resize(size_t(n / 2));
      if (descending) CHECK(stored<int64_t>(found[1]) == order);
    }
  }
}

TEST_CASE("order of rows that are merged") {
  for (int64_t n : {64, 65, 129, 300, 1000}) {
    CAPTURE(n);
    std::vector<int32_t> x = some_integers(2 * n);
    Tensor order = Tensor::from(x, {2, n}).argsort();
    std::vector<int64_t> wanted = stable_order({x.begin(), x.begin() + n}, false);
    std::vector<int64_t> second = stable_order({x.begin() + n, x.end()}, false);
    wanted.insert(wanted.end(), second.begin(), second.end());
    CHECK(to_vector<int64_t>(order) == wanted);
  }
}

TEST_CASE("a sort is a kernel for each step of a merge, and equal sorts are one") {
  constexpr int64_t n = 1000;
  Tensor x = Tensor::from(some_integers(n), {n});
  CHECK(x.argsort().uop() == x.sort().second.uop());
  // Four merges of 7 to 10 steps; positions, order and keys after each; what comes before and last.
  Replay replay({x.argsort()}, device("INTERP"));
  CHECK(replay.n_kernels() <= 7 + 8 + 9 + 10 + 3 * 4 + 7);
}

TEST_CASE("order of every dtype") {
  std::vector<double> values{3, -1, 2, 0, -128, 127, 2};
  std::vector<int64_t> signed_order{4, 1, 3, 2, 6, 0, 5};
  std::vector<int64_t> unsigned_order{3, 2, 6, 0, 5, 4, 1};
  Tensor x = Tensor::from(values, {7});
  for (DType t : {i8, i16, i32, i64, f16, bf16, f32, f64}) {
    CAPTURE(name(t));
    CHECK(to_vector<int64_t>(x.cast(t).argsort()) == signed_order);
  }
  for (DType t : {u8, u16, u32, u64}) {
    CAPTURE(name(t));
    CHECK(to_vector<int64_t>(x.cast(i64).cast(t).argsort()) == unsigned_order);
  }
  Tensor bits = Tensor::from(std::vector<bool>{true, false, true, false}, {4});
  CHECK(to_vector<int64_t>(bits.argsort()) == std::vector<int64_t>{1, 3, 0, 2});
}

TEST_CASE("padding of a sorted row is behind all that may be sorted") {
  std::vector<float> x(70, INFINITY);
  x[69] = NAN;
  x[0] = NAN;
  std::vector<int64_t> order = to_vector<int64_t>(Tensor::from(x, {70}).argsort());
  CHECK(order[0] == 1);
  CHECK(order[67] == 68);
  CHECK(order[68] == 0);
  CHECK(order[69] == 69);
  std::vector<int32_t> most(70, 2147483647);
  order = to_vector<int64_t>(Tensor::from(most, {70}).argsort());
  CHECK(order.back() == 69);
  most.assign(70, -2147483647 - 1);
  order = to_vector<int64_t>(Tensor::from(most, {70}).argsort(-1, true));
  CHECK(order.back() == 69);
}
