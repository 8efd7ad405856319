// Slices and positions as NumPy has them: tests/language/fixtures/index.py.
#include <doctest/doctest.h>

#include <cmath>

#include "language/fixture.h"
#include "runtimes/dynamic.h"
#include "runtimes/realize.h"

using namespace niwaki;
using test::Fixture;

namespace {

using T = const Tensor&;
using Indices = std::vector<Index>;

// Each of the calls that are left takes the next slice.
void slices(const char* name, const std::vector<Indices>& all) {
  Fixture f("index", name);
  for (const Indices& indices : all) f([&](T x) { return x.slice(indices); });
}

Tensor zeros(std::vector<int64_t> shape) { return Tensor::empty(std::move(shape)); }

std::vector<float> floats(T x) { return to_vector<float>(x, device("INTERP")); }
std::vector<int64_t> numbers(T x) { return to_vector<int64_t>(x, device("INTERP")); }

}  // namespace

TEST_CASE("slice_in_bounds_1dim") {
  slices("slice_in_bounds_1dim", {{{1, 3}}, {{0, 2}}, {{-2, 2}}});
}

TEST_CASE("slice_on_0dim_tensor") {
  slices("slice_on_0dim_tensor", {{newaxis}});
  CHECK_THROWS_WITH(zeros({}).slice({0}), "slice: 1 indices for the shape ()");
}

TEST_CASE("slice_int_indexing") {
  slices("slice_int_indexing", {{1}, {-2}, {1}, {1, 1, 1}, {0, {0, 2}, -1}, {-3, -1}});
}

TEST_CASE("slice_in_bounds_multidim") {
  slices("slice_in_bounds_multidim",
         {{{1, 2}}, {{1, 3}, {0, 2}}, {{-2, -1}, {1, 3}, {0, 1}}, {{}, {0, 3}, {2, 3}}});
}

TEST_CASE("slice_with_none") {
  slices("slice_with_none", {{newaxis},
                             {1, newaxis},
                             {{}, newaxis, 2},
                             {newaxis, {0, 2}, newaxis, ellipsis, newaxis},
                             {1, 0, 2, newaxis}});
}

TEST_CASE("slice_with_const_tensor") {
  Tensor one = Tensor(1);
  slices("slice_with_const_tensor", {{one}, {one - 1, Tensor(2), {}}});
}

TEST_CASE("slice_one_endpoint_out_of_bounds") {
  slices("slice_one_endpoint_out_of_bounds",
         {{{0, 4}}, {{-6, 4}}, {{1, 50}, {-70, 2}}, {{-10, -1}, {2, 4}, {0, 9}}});
}

TEST_CASE("slice_stride_gt_one") {
  Index third(open, open, 3);
  Index fourth(open, open, 4);
  slices("slice_stride_gt_one", {{{open, open, 2}, third, fourth},
                                 {{1, 5, 2}, third, fourth},
                                 {{1, 5, 2}, 3, fourth},
                                 {{1, 5, 2}, newaxis, newaxis, 3, newaxis, fourth}});
}

TEST_CASE("slice_negative_strides") {
  Index back(open, open, -1);
  slices("slice_negative_strides", {{back},
                                    {{open, open, -2}},
                                    {{}, {2, 0, -1}},
                                    {{4, 0, -3}, {2, 0, -1}},
                                    {{0, 4, -1}},
                                    {{open, open, -10}},
                                    {{-2, -9, -3}, back},
                                    {{20, -20, -4}, 1}});
}

TEST_CASE("slice_both_endpoints_out_of_bounds") {
  slices("slice_both_endpoints_out_of_bounds", {{{5, 10}}, {{-15, -7}}});
}

TEST_CASE("slice_start_gt_end") {
  slices("slice_start_gt_end", {{{2, 1}}, {{2, 2}, {3, 1}, {0, 1}}});
}

TEST_CASE("slice_zero_in_shape") {
  slices("slice_zero_in_shape", {{{1, 1}}, {{1, 1}, {1, 2}, {1, 1}}});
}

TEST_CASE("slice_errors") {
  Tensor x = zeros({4, 3});
  CHECK_THROWS_WITH(x.slice({1, 3}), "slice: the position 3 is outside of the dim 3 of (4, 3)");
  CHECK_THROWS_WITH(x.slice({1, -4}), "slice: the position -4 is outside of the dim 3 of (4, 3)");
  CHECK_THROWS_WITH(x.slice({1, 0, 2}), "slice: 3 indices for the shape (4, 3)");
  CHECK_THROWS_WITH(x.slice({{}, {}, {}}), "slice: 3 indices for the shape (4, 3)");
  CHECK_THROWS_WITH(x.slice({{open, open, 0}}), "slice: the step is 0");
  CHECK_THROWS_WITH(x.slice({ellipsis, 0, ellipsis}), "slice: more than one ellipsis");
  CHECK_THROWS_WITH(x.slice({Tensor(1.5)}), "slice: positions are integers, not f64");
  CHECK_THROWS_WITH(x.slice({x < 1}),
                    "slice: a mask of bools chooses a number of elements that is not known: "
                    "masked_select() or nonzero() with a size, or where()");
  UOp n = variable("n", 1, 4);
  Tensor some = x.narrow(0, 0, n);
  CHECK_THROWS_WITH(some.slice({{open, 2}}), "slice: the end 2 may be outside of the dim n");
  CHECK_THROWS_WITH(some.slice({{open, open, 2}}),
                    "slice: a step of 2 of a symbolic range: only 1, or -1 of a whole dim");
  CHECK_THROWS_WITH(some.slice({1}), "slice: the position 1 is outside of the dim n of (n, 3)");
}

TEST_CASE("slice_ellipsis") {
  slices("slice_ellipsis", {{ellipsis, 0},
                            {0, ellipsis},
                            {0, ellipsis, 0},
                            {{0, 3}, ellipsis, {2, 3}},
                            {newaxis, {0, 3}, ellipsis, 0, newaxis}});
}

TEST_CASE("double_slice") {
  Fixture f("index", "double_slice");
  f([](T x) { return x.slice({{}, {1, 2}}).slice({{1, 2}}); });
  f([](T x) { return x.slice({{1, 3}}).slice({{1, 2}}); });
  f([](T x) { return x.slice({{}, {1, 2}}).slice({{0, 1}}); });
  f([](T x) { return x.slice({{}, {1, 2}}).slice({{}, {0, 1}}); });
}

TEST_CASE("fancy_indexing_inf") {
  Fixture f("index", "fancy_indexing_inf");
  f([](T x) { return x.slice({Tensor::from<int32_t>({0, 1}, {2})}); });
}

TEST_CASE("slice_fancy_indexing_no_dim_collapse") {
  Fixture f("index", "slice_fancy_indexing_no_dim_collapse");
  f([](const std::vector<Tensor>& x) { return x[0].slice({x[1], x[2], x[3], x[4], x[5]}); });
  f([](const std::vector<Tensor>& x) { return x[0].slice({{}, x[1], x[2], x[3], x[4]}); });
  f([](T x, T a, T b) { return x.slice({a, b, ellipsis}); });
  f([](T x, T a, T e) { return x.slice({a, ellipsis, e}); });
  f([](T x, T b, T e) { return x.slice({{}, b, ellipsis, e, {}}); });
}

TEST_CASE("slice_fancy_indexing_dim_collapse_int") {
  Fixture f("index", "slice_fancy_indexing_dim_collapse_int");
  f([](T x, T b, T c, T d) { return x.slice({1, b, c, d}); });
  f([](T x, T a, T b, T d) { return x.slice({a, b, 3, d}); });
  f([](T x, T b, T d) { return x.slice({1, b, {2, open}, d, 2}); });
  f([](T x, T a, T e) { return x.slice({a, 2, 2, 2, e}); });
  f([](T x, T c) { return x.slice({1, {}, c, 0}); });
}

TEST_CASE("slice_fancy_indexing_dim_inject_none") {
  Fixture f("index", "slice_fancy_indexing_dim_inject_none");
  f([](T x, T a, T b, T c) { return x.slice({newaxis, a, b, c}); });
  f([](T x, T a, T b, T c) { return x.slice({a, b, c, newaxis}); });
  f([](T x, T a, T b, T c) { return x.slice({a, newaxis, b, c}); });
  f([](T x, T a, T b, T c) { return x.slice({a, b, newaxis, c, newaxis}); });
  f([](T x, T b) { return x.slice({{}, b, newaxis}); });
  f([](T x, T b) { return x.slice({{}, newaxis, b}); });
  f([](T x, T b) { return x.slice({newaxis, {}, b, ellipsis, newaxis}); });
  f([](T x, T c, T d) { return x.slice({{}, {}, c, d, newaxis}); });
  f([](T x, T c, T d) { return x.slice({{}, newaxis, {}, c, d}); });
  f([](T x, T b, T e) { return x.slice({{}, b, newaxis, {}, {}, e}); });
  f([](T x, T a, T e) { return x.slice({newaxis, a, newaxis, ellipsis, e, newaxis, {}}); });
}

TEST_CASE("slice_fancy_indexing_dim_inject_and_collapse") {
  Fixture f("index", "slice_fancy_indexing_dim_inject_and_collapse");
  f([](T x, T b) { return x.slice({1, b, newaxis, {}, 2}); });
  f([](T x, T b, T c) { return x.slice({0, newaxis, b, c, newaxis}); });
  f([](T x, T b, T e) { return x.slice({1, newaxis, b, newaxis, {}, 2, e}); });
}

TEST_CASE("slice_fancy_indexing_with_tensors") {
  Fixture("index", "slice_fancy_indexing_with_tensors").rest([](T x, T i) { return x.slice({i}); });
}

TEST_CASE("slice_fancy_indexing_list_indices") {
  Fixture f("index", "slice_fancy_indexing_list_indices");
  f([](T x, T i) { return x.slice({i}); });
  f([](T x, T i) { return x.slice({i}); });
  f([](T x, T i) { return x.slice({{}, i}); });
  f([](T x, T i, T j) { return x.slice({i, j}); });
  f([](T x, T i, T j) { return x.slice({i, {}, j}); });
  f([](T x, T i, T j) { return x.slice({ellipsis, i, j}); });
  f([](T x, T i) { return x.slice({{open, open, -1}, {1, 4}, ellipsis, i, {}}); });
}

TEST_CASE("slice_fancy_indexing_tuple_indices") {
  Fixture f("index", "slice_fancy_indexing_tuple_indices");
  f([](T x, T i, T j) { return x.slice({i, j}); });
  f([](T x, T i, T j) { return x.slice({i, {open, open, 2}, j}); });
  f([](T x, T i, T j, T k) { return x.slice({i, j, k}); });
  f([](T x, T i, T j) { return x.slice({i, {1, 3}, 2}).slice({{}, {}, j}); });
  f([](T x, T i, T j) { return x.slice({i, ellipsis, j}); });
  f([](T x, T i) { return x.slice({{}, {}, {}, {}, {}, i}); });
}

TEST_CASE("slice_fancy_indexing_list_with_tensors") {
  Fixture f("index", "slice_fancy_indexing_list_with_tensors");
  f([](T x, T a) { return x.slice({a}); });
  f([](T x, T a, T i) { return x.slice({a, i}); });
  f([](T x, T a, T i) { return x.slice({a, {}, i}); });
  f([](T x, T i, T e) { return x.slice({{}, i, ellipsis, e}); });
}

TEST_CASE("slice_fancy_indexing_errors") {
  Tensor x = zeros({5, 6});
  Tensor two = Tensor::from<int32_t>({0, 1}, {2});
  Tensor three = Tensor::from<int32_t>({0, 1, 2}, {3});
  CHECK_THROWS_WITH(x.slice({two, three}), "broadcast: (2) with (3) at dim 0");
  CHECK_THROWS_WITH(x.slice({two, two, two}), "slice: 3 indices for the shape (5, 6)");
}

TEST_CASE("gather") {
  Fixture f("index", "gather");
  for (int64_t axis : {0, 1, 2, -1, -2, -3, 0, 1, 0, 0, 0}) {
    f([&](T x, T i) { return x.gather(axis, i); });
  }
  Tensor i = Tensor::from<int32_t>({0, 1}, {1, 2});
  CHECK_THROWS_WITH(zeros({4}).gather(0, i),
                    "gather: positions (1, 2) for the shape (4): their ranks differ");
  CHECK_THROWS_WITH(zeros({2, 1}).gather(0, i),
                    "gather: positions (1, 2) exceed dim 1 of the shape (2, 1)");
  CHECK_THROWS_WITH(zeros({2, 2}).gather(1, zeros({1, 2})),
                    "gather: positions are integers, not f32");
  CHECK_THROWS_WITH(zeros({2, 2}).gather(2, i), "axis 2 of the shape (2, 2)");
}

TEST_CASE("scatter") {
  Fixture f("index", "scatter");
  for (int64_t axis : {0, 1, 2, -1, -2, -3, 1, 1, 0}) {
    f([&](T x, T i, T s) { return x.scatter(axis, i, s); });
  }
  f([](T x, T i) { return x.scatter(2, i, 3.0); });
  f([](T x, T i) { return x.scatter(-1, i, INFINITY); });
  f.rest([](T x, T i, T s) { return x.scatter(0, i, s); });
  Tensor i = Tensor::from<int32_t>({0, 1}, {1, 2});
  Tensor x = zeros({3, 2});
  CHECK_THROWS_WITH(x.scatter(0, i, zeros({2})),
                    "scatter: positions (1, 2) for a source (2): their ranks differ");
  CHECK_THROWS_WITH(x.scatter(0, i, zeros({1, 1})),
                    "scatter: positions (1, 2) exceed dim 1 of the source (1, 1)");
  CHECK_THROWS_WITH(zeros({3, 1}).scatter(0, i, x),
                    "scatter: positions (1, 2) exceed dim 1 of the shape (3, 1)");
  CHECK_THROWS_WITH(x.scatter(0, i, x.cast(f16)), "scatter: dtypes differ: f32 and f16, cast one");
}

TEST_CASE("scatter_add") {
  Fixture f("index", "scatter_add");
  for (int64_t axis : {0, -2}) f([&](T x, T i, T s) { return x.scatter_add(axis, i, s); });
  f([](T x, T i) { return x.scatter_add(1, i, INFINITY); });
}

TEST_CASE("scatter_mul") {
  Fixture f("index", "scatter_mul");
  for (int64_t axis : {0, -2}) f([&](T x, T i, T s) { return x.scatter_mul(axis, i, s); });
  f([](T x, T i) { return x.scatter_mul(1, i, 2); });
}

TEST_CASE("scatter_no_reduce_tensor_src") {
  // A number without a shape is a source for every position.
  Tensor x = zeros({3});
  Tensor i = Tensor::from<int32_t>({2, 0}, {2});
  CHECK(floats(x.scatter(0, i, Tensor(2.5))) == std::vector<float>{2.5, 0, 2.5});
  CHECK(floats(x.scatter(0, i, Tensor::from<float>({3}, {}))) == std::vector<float>{3, 0, 3});
}

TEST_CASE("scatter_reduce") {
  Fixture f("index", "scatter_reduce");
  for (const char* by : {"sum", "prod", "mean", "amin", "amax"}) {
    for (int64_t axis : {-1, 1, -3}) {
      for (bool include_self : {true, false}) {
        f([&](T x, T i, T s) { return x.scatter_reduce(axis, i, s, by, include_self); });
      }
    }
  }
  f([](T x, T i, T s) { return x.scatter_reduce(0, i, s, "amin", false); });
  f([](T x, T i, T s) { return x.scatter_reduce(0, i, s, "amax", false); });
}

TEST_CASE("scatter_reduce_prod_zeros") {
  Fixture f("index", "scatter_reduce_prod_zeros");
  f([](T x, T i) { return x.scatter_reduce(1, i, 0, "prod"); });
}

TEST_CASE("scatter_reduce_errors") {
  Tensor x = zeros({2, 3});
  Tensor i = Tensor::from<int32_t>({0, 1}, {1, 2});
  CHECK_THROWS_WITH(x.scatter_reduce(0, i, x, "median"),
                    "scatter_reduce: \"median\" is none of sum, prod, mean, amin, amax");
  CHECK_THROWS_WITH(x.cast(f16).scatter_reduce(0, i, x, "sum"),
                    "scatter_reduce: dtypes differ: f16 and f32, cast one");
}

TEST_CASE("one_hot") {
  Fixture f("index", "one_hot");
  f([](T x) { return x.one_hot(6); });
  f([](T x) { return x.one_hot(10); });
  CHECK(numbers(Tensor::from<int32_t>({-1, 2}, {2}).one_hot(2)) ==
        std::vector<int64_t>{0, 0, 0, 0});
  CHECK_THROWS_WITH(zeros({2}).one_hot(2), "one_hot: positions are integers, not f32");
}

TEST_CASE("masked_select") {
  Fixture f("index", "masked_select");
  f([](T x) { return masked_select(x, x > 0.5); });
  f([](T x, T m) { return masked_select(x, m); });
  f([](T x, T m) { return masked_select(x, m); });
  CHECK_THROWS_WITH(masked_select(zeros({2}), zeros({2})),
                    "masked_select: the mask is f32, not bool");
}

TEST_CASE("masked_select_size") {
  Tensor x = Tensor::from<float>({1, 2, 3, 4, 5}, {5});
  Tensor mask = (x != 2) & (x != 5);
  CHECK(floats(x.masked_select(mask, 3)) == std::vector<float>{1, 3, 4});
  CHECK(floats(x.masked_select(mask, 2)) == std::vector<float>{1, 3});
  CHECK(floats(x.masked_select(mask, 6)) == std::vector<float>{1, 3, 4, 0, 0, 0});
  CHECK(floats(x.masked_select(mask, 5, -1)) == std::vector<float>{1, 3, 4, -1, -1});
  CHECK(floats(x.masked_select(x < 0, 2, 7)) == std::vector<float>{7, 7});
  CHECK(floats(x.masked_select(x < 0, 0)) == std::vector<float>{});
}

TEST_CASE("nonzero") {
  Fixture("index", "nonzero").rest([](T x) { return nonzero(x); });
}

TEST_CASE("nonzero_size") {
  Tensor x = Tensor::from<float>({0, 2, 0, 4, NAN, -0.0f}, {2, 3});
  CHECK(numbers(x.nonzero(3)) == std::vector<int64_t>{0, 1, 1, 0, 1, 1});
  CHECK(numbers(x.nonzero(1)) == std::vector<int64_t>{0, 1});
  CHECK(numbers(x.nonzero(4, -1)) == std::vector<int64_t>{0, 1, 1, 0, 1, 1, -1, -1});
}
