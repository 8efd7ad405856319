// Means, variances, softmaxes and norms.
#include <doctest/doctest.h>

#include <cmath>

#include "core/error.h"
#include "language/fixture.h"

namespace niwaki::test {
namespace {

using T = const Tensor&;

}  // namespace

TEST_CASE("mean") {
  Fixture("reduce", "mean").rest([](T x) { return x.mean(); });
}
TEST_CASE("mean_axis") {
  Fixture("reduce", "mean_axis")([](T x) { return x.mean({1, 2}); });
}
TEST_CASE("mean_zero_axis") {
  Fixture("reduce", "mean_zero_axis")([](T x) { return x.mean({1, 3}); });
}

TEST_CASE("var") {
  Fixture f("reduce", "var");
  f([](T x) { return x.var(); });
  f([](T x) { return x.var({}, false, 0); });
  f([](T x) { return x.var({}, false, 5); });
}

TEST_CASE("var_axis") {
  Fixture f("reduce", "var_axis");
  for (const Axes& axes : {Axes{0}, {2}, {1, 2}}) {
    f([&](T x) { return x.var(axes); });
    f([&](T x) { return x.var(axes, false, 0); });
  }
}

TEST_CASE("var_zero_in_axis") {
  Fixture f("reduce", "var_zero_in_axis");
  for (int64_t n : {1, 0, 5}) f([&](T x) { return x.var({1, 3}, false, n); });
}

TEST_CASE("var_one_in_axis") {
  Fixture f("reduce", "var_one_in_axis");
  for (const Axes& axes : {Axes{0}, {0, 3}, {0}, {3}, {0, 1, 3}}) {
    f([&](T x) { return x.var(axes); });
  }
  f([](T x) { return x.var({0, 4}, false, 0); });
  f([](T x) { return x.var({0, 4}, false, 5); });
}

TEST_CASE("var_keepdim") {
  Fixture f("reduce", "var_keepdim");
  f([](T x) { return x.var({}, true); });
  f([](T x) { return x.var({0}, true, 0); });
}

TEST_CASE("std") {
  Fixture f("reduce", "std");
  f([](T x) { return x.std(); });
  f([](T x) { return x.std({}, false, 0); });
  f([](T x) { return x.std({}, false, 5); });
}

TEST_CASE("std_axis") {
  Fixture f("reduce", "std_axis");
  for (const Axes& axes : {Axes{0}, {2}, {1, 2}}) {
    f([&](T x) { return x.std(axes); });
    f([&](T x) { return x.std(axes, false, 0); });
  }
}

TEST_CASE("std_zero_in_axis") {
  Fixture f("reduce", "std_zero_in_axis");
  for (int64_t n : {1, 0, 5}) f([&](T x) { return x.std({1, 3}, false, n); });
}

TEST_CASE("std_one_in_axis") {
  Fixture f("reduce", "std_one_in_axis");
  for (const Axes& axes : {Axes{0}, {0, 3}, {0}, {3}, {0, 1, 3}}) {
    f([&](T x) { return x.std(axes); });
  }
  f([](T x) { return x.std({0, 4}, false, 0); });
  f([](T x) { return x.std({0, 4}, false, 5); });
}

TEST_CASE("std_keepdim") {
  Fixture f("reduce", "std_keepdim");
  f([](T x) { return x.std({}, true); });
  f([](T x) { return x.std({0}, true, 0); });
}

TEST_CASE("std_mean") {
  Fixture f("reduce", "std_mean");
  f([](T x) { return x.std_mean(); });
  f([](T x) { return x.std_mean({}, false, 5); });
  f([](T x) { return x.std_mean({1, 2}); });
  f([](T x) { return x.std_mean({0, 3}, false, 0); });
}

TEST_CASE("std_mean_loaded_nan") {
  Fixture("reduce", "std_mean_loaded_nan")([](T x) { return x.std_mean({1, 3}); });
}

TEST_CASE("softmax") {
  Fixture f("reduce", "softmax");
  f([](T x) { return x.softmax(); });
  f([](T x) { return x.softmax(0); });
  f([](T x) { return x.softmax(0); });
  f([](T x) { return x.softmax(-1); });
}

TEST_CASE("softmax_other_axis") {
  Fixture f("reduce", "softmax_other_axis");
  for (int64_t axis : {0, 1, 2}) f([&](T x) { return x.softmax(axis); });
}

TEST_CASE("softmax_argmax") {
  Fixture f("reduce", "softmax_argmax");
  for (int64_t axis : {0, 1}) f([&](T x) { return x.softmax(axis).reshape({-1}).argmax(); });
}

TEST_CASE("log_softmax") {
  Fixture f("reduce", "log_softmax");
  f([](T x) { return x.log_softmax(); });
  f([](T x) { return x.log_softmax(0); });
  f([](T x) { return x.log_softmax(0); });
  f([](T x) { return x.log_softmax(-1); });
}

TEST_CASE("log_softmax_other_axis") {
  Fixture f("reduce", "log_softmax_other_axis");
  for (int64_t axis : {0, 1, 2}) f([&](T x) { return x.log_softmax(axis); });
}

TEST_CASE("softmin") {
  Fixture("reduce", "softmin")([](T x) { return x.softmin(); });
}

TEST_CASE("logsumexp") {
  Fixture f("reduce", "logsumexp");
  for (int64_t axis : {0, 1}) {
    f([&](T x) { return x.logsumexp({axis}); });
    f([&](T x) { return x.logsumexp({axis}, true); });
  }
  f([](T x) { return x.logsumexp({2}); });
  f([](T x) { return x.logsumexp({0, 2}); });
  f([](T x) { return x.logsumexp({1, 3}); });
  f([](T x) { return x.logsumexp({0}); });
  f([](T x) { return x.logsumexp({0}); });
  f([](T x) { return x.logsumexp({-1}); });
}

TEST_CASE("normalize") {
  Fixture f("reduce", "normalize");
  f([](T x) { return x.normalize(); });
  f([](T x) { return x.normalize(1); });
  f([](T x) { return x.normalize(3); });
  f([](T x) { return x.normalize(2, 0); });
  for (int64_t axis : {0, 1, -1}) f([&](T x) { return x.normalize(2, axis); });
}

TEST_CASE("norms of every order") {
  Fixture f("reduce", "more/norm");
  for (double p : {0.0, 0.5, 1.0, 2.0, 3.5, double(INFINITY)}) {
    f([&](T x) { return x.norm(p, {1}); });
    f([&](T x) { return x.normalize(p, 0); });
  }
  Fixture("reduce", "more/norm_zeros")([](T x) {
    return std::vector<Tensor>{x.norm(), x.norm(3), x.norm(1), x.normalize(2, 0)};
  });
  Fixture("reduce", "more/std_zeros")([](T x) { return x.std(); });
  Fixture("reduce", "more/var_mean")([](T x) { return x.var_mean({1}); });
}

TEST_CASE("norms of layers, groups and batches") {
  Fixture layer("reduce", "more/layer_norm");
  layer([](T x) { return x.layer_norm(); });
  layer([](T x, T w, T b) { return x.layer_norm(1e-3, {-2, -1}, w, b); });
  Fixture("reduce", "more/group_norm")([](T x, T w, T b) { return x.group_norm(3, w, b); });
  Fixture batch("reduce", "more/batch_norm");
  batch([](T x, T w, T b) { return x.batch_norm(x.mean({0, 2}), x.var({0, 2}, false, 0), w, b); });
  batch([](T x, T mean, T var) { return x.batch_norm(mean, var); });

  Tensor x = Tensor::ones({2, 6, 5});
  Tensor w = Tensor::ones({5});
  CHECK_THROWS_WITH(x.group_norm(4),
                    "group_norm: the channels, dim 1 of (2, 6, 5), are not a multiple of 4 groups");
  CHECK_THROWS_WITH(x.group_norm(0),
                    "group_norm: the channels, dim 1 of (2, 6, 5), are not a multiple of 0 groups");
  CHECK_THROWS_WITH(w.group_norm(1),
                    "group_norm: the channels, dim 1 of (5), are not a multiple of 1 groups");
  CHECK_THROWS_WITH(x.group_norm(3, w),
                    "group_norm: (5) is not one number for each channel, dim 1 of (2, 6, 5)");
  CHECK_THROWS_WITH(x.batch_norm(w, w),
                    "batch_norm: (5) is not one number for each channel, dim 1 of (2, 6, 5)");
}

}  // namespace niwaki::test
