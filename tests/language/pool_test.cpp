// Pools and resampling against NumPy, in the order of fixtures/conv.py.
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"
#include "runtimes/realize.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

using Sizes = std::vector<int64_t>;

struct PoolCalls : Fixture {
  explicit PoolCalls(const std::string& name) : Fixture("conv", name) {}

  void max(const Sizes& kernel, const PoolOptions& how = {}) {
    (*this)([&](const Tensor& x) { return x.max_pool2d(kernel, how); });
  }
  void max_with_indices(const Sizes& kernel, const PoolOptions& how = {}) {
    (*this)([&](const Tensor& x) { return x.max_pool2d_with_indices(kernel, how); });
  }
  void avg(const Sizes& kernel, const PoolOptions& how = {}) {
    (*this)([&](const Tensor& x) { return x.avg_pool2d(kernel, how); });
  }
  void unpool(const Sizes& kernel, const PoolOptions& how = {}, const Sizes& size = {}) {
    (*this)([&](const Tensor& x) {
      auto [best, places] = x.max_pool2d_with_indices(kernel, how);
      return best.max_unpool2d(places, kernel, how, size);
    });
  }
};

const Sizes kernels[] = {{2, 2}, {3, 3}, {3, 2}, {5, 5}, {5, 1}};
const Sizes around[] = {{0, 1, 0, 1}, {2, 1, 2, 1}, {2, 0, 2, 1}};
const Sizes steps[] = {{2, 3}, {3, 2}, {2}, {3}};

}  // namespace

TEST_CASE("max_pool2d_simple") { PoolCalls("max_pool2d_simple").max({2, 2}); }

TEST_CASE("max_pool2d") {
  PoolCalls f("max_pool2d");
  for (const Sizes& kernel : kernels) f.max(kernel);
}

TEST_CASE("max_pool2d_padding") {
  PoolCalls f("max_pool2d_padding");
  f.max({3, 3}, {.padding = {1}});
  f.max({2, 2}, {.padding = {1, 0}});
  f.max({3, 2}, {.padding = {0, 1}});
  CHECK_THROWS_WITH_AS(Tensor::zeros({4, 2, 11, 28}).max_pool2d({2, 2}, {.padding = {1, 1, 1}}),
                       "max_pool2d: padding (1, 1, 1) for 2 axes: one number for all, one each or "
                       "two each",
                       Error);
}

TEST_CASE("max_pool2d_asymmetric_padding") {
  PoolCalls f("max_pool2d_asymmetric_padding");
  for (const Sizes& p : around) f.max({5, 5}, {.padding = p});
}

TEST_CASE("max_pool2d_padding_int") {
  PoolCalls("max_pool2d_padding_int").max({2, 2}, {.padding = {1}});
}

TEST_CASE("max_pool2d_bigger_stride") {
  PoolCalls f("max_pool2d_bigger_stride");
  for (const Sizes& s : steps) f.max({2, 2}, {.stride = s});
}

TEST_CASE("max_pool2d_bigger_stride_dilation") {
  PoolCalls f("max_pool2d_bigger_stride_dilation");
  f.max({2, 2}, {.stride = {2, 3}, .dilation = {3, 2}});
  f.max({2, 2}, {.stride = {3, 2}, .dilation = {2, 3}});
  f.max({2, 2}, {.stride = {2}, .dilation = {2}});
  f.max({2, 2}, {.stride = {3}, .dilation = {3}});
  f.max({2, 2}, {.stride = {4}, .dilation = {6}});
}

TEST_CASE("max_pool2d_unit_stride") {
  PoolCalls("max_pool2d_unit_stride").max({5, 5}, {.stride = {1}});
}

TEST_CASE("max_pool2d_smaller_stride") {
  PoolCalls f("max_pool2d_smaller_stride");
  for (const Sizes& s : steps) f.max({5, 5}, {.stride = s});
}

TEST_CASE("max_pool2d_dilation") {
  PoolCalls f("max_pool2d_dilation");
  for (const Sizes& d : steps) f.max({5, 5}, {.dilation = d});
}

TEST_CASE("max_pool2d_ceil_mode") {
  PoolCalls f("max_pool2d_ceil_mode");
  for (Sizes kernel : {Sizes{3, 3}, {3, 2}, {4, 4}}) {
    f.max(kernel, {.stride = {3}, .padding = {1}, .ceil_mode = true});
  }
}

TEST_CASE("max_pool2d_ceil_mode_output_size_reduce_by_one") {
  PoolCalls f("max_pool2d_ceil_mode_output_size_reduce_by_one");
  f.max({3, 3}, {.stride = {3}, .padding = {1}, .ceil_mode = true});
}

TEST_CASE("max_pool2d_return_indices") {
  PoolCalls f("max_pool2d_return_indices");
  for (int call = 0; call < 3; ++call) f.max_with_indices({2, 2});
  f.max_with_indices({3, 2}, {.dilation = {2, 3}});
  f.max_with_indices({3, 3}, {.stride = {2}, .padding = {1}});
  f.max_with_indices({2, 3}, {.stride = {1}});
  f.max_with_indices({5, 5}, {.stride = {4}, .padding = {1}, .ceil_mode = true});
}

TEST_CASE("max_unpool2d") {
  PoolCalls f("max_unpool2d");
  f.unpool({5, 5}, {.stride = {6, 5}});
  f.unpool({3, 3}, {.stride = {6, 7}, .padding = {1}}, {30, 30});
  // Of an output size the batch and the channels do not count.
  f.unpool({2, 2}, {}, {99, 99, 7, 6});
}

TEST_CASE("max_unpool2d_inf") { PoolCalls("max_unpool2d_inf").unpool({2, 2}); }

TEST_CASE("avg_pool2d") {
  PoolCalls f("avg_pool2d");
  f.avg({1, 2}, {.stride = {5, 1}, .padding = {0, 1}});
  for (const Sizes& kernel : kernels) f.avg(kernel);
}

TEST_CASE("avg_pool2d_padding") {
  PoolCalls f("avg_pool2d_padding");
  f.avg({3, 3}, {.padding = {1}});
  f.avg({2, 2}, {.padding = {1, 0}});
  f.avg({3, 2}, {.padding = {0, 1}});
}

TEST_CASE("avg_pool2d_asymmetric_padding") {
  PoolCalls f("avg_pool2d_asymmetric_padding");
  for (const Sizes& p : around) f.avg({5, 5}, {.padding = p});
  CHECK_THROWS_WITH_AS(Tensor::zeros({1, 1, 8, 8}).avg_pool2d({2, 2}, {.padding = {1, 1, 1}}),
                       "avg_pool2d: padding (1, 1, 1) for 2 axes: one number for all, one each or "
                       "two each",
                       Error);
}

TEST_CASE("avg_pool2d_padding_not_counted") {
  PoolCalls f("avg_pool2d_padding_not_counted");
  for (Sizes kernel : {Sizes{3, 3}, {2, 2}, {3, 2}}) {
    f.avg(kernel, {.padding = {1}, .count_include_pad = false});
  }
}

TEST_CASE("avg_pool2d_ceil_mode") {
  PoolCalls f("avg_pool2d_ceil_mode");
  for (Sizes kernel : {Sizes{3, 3}, {3, 2}, {4, 4}}) {
    f.avg(kernel, {.stride = {3}, .padding = {1}, .ceil_mode = true});
  }
}

TEST_CASE("avg_pool2d_ceil_mode_padding_not_counted") {
  PoolCalls f("avg_pool2d_ceil_mode_padding_not_counted");
  for (Sizes kernel : {Sizes{3, 3}, {3, 2}, {4, 4}}) {
    f.avg(kernel, {.stride = {3}, .padding = {1}, .ceil_mode = true, .count_include_pad = false});
  }
}

TEST_CASE("avg_pool2d_ceil_mode_output_size_reduce_by_one") {
  PoolCalls f("avg_pool2d_ceil_mode_output_size_reduce_by_one");
  f.avg({3, 3}, {.stride = {3}, .padding = {1}, .ceil_mode = true, .count_include_pad = false});
}

TEST_CASE("avg_pool2d_ceil_mode_include_pad_output_size_reduce_by_one") {
  PoolCalls f("avg_pool2d_ceil_mode_include_pad_output_size_reduce_by_one");
  f.avg({3, 3}, {.stride = {3}, .padding = {1}, .ceil_mode = true});
}

TEST_CASE("global_avg_pool2d") { PoolCalls("global_avg_pool2d").avg({11, 28}); }

TEST_CASE("avg_pool3d") {
  PoolCalls f("avg_pool3d");
  f.avg({8, 8, 8}, {.stride = {5}, .padding = {1}, .count_include_pad = false});
}

TEST_CASE("pool is a view: its elements are those of slices") {
  Tensor x = Tensor::arange(3 * 14).reshape({3, 14});
  for (int64_t k : {1, 2, 4}) {
    for (int64_t s : {1, 2, 5}) {
      for (int64_t d : {1, 2, 3}) {
        INFO("kernel ", k, " stride ", s, " dilation ", d);
        Tensor windows = x.pool({k}, {.stride = {s}, .dilation = {d}});
        int64_t n = (14 - d * (k - 1) - 1) / s + 1;
        std::vector<int64_t> wanted;
        for (int64_t i = 0; i < 3 * n * k; ++i) {
          wanted.push_back(i / (n * k) * 14 + i / k % n * s + i % k * d);
        }
        CHECK(windows.shape() == shape_of({3, n, k}));
        CHECK(to_vector<int64_t>(windows, device("INTERP")) == wanted);
        for (const UOp& u : toposort(schedule({windows.uop()}).kernels[0].ast)) {
          CHECK(u->op != Op::Mod);
        }
      }
    }
  }
}

TEST_CASE("windows that do not exist") {
  Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(x.pool({1, 1, 1}), "pool: a kernel (1, 1, 1) over the shape (2, 3)", Error);
  CHECK_THROWS_WITH_AS(x.pool({}), "pool: a kernel () over the shape (2, 3)", Error);
  CHECK_THROWS_WITH_AS(x.pool({0}), "pool: kernel 0, stride 0, dilation 1 at axis 1", Error);
  CHECK_THROWS_WITH_AS(x.max_pool2d({3}, {.padding = {-1, 0}}),
                       "max_pool2d: a kernel (3) with dilation (1) is larger than (2, 3) with "
                       "padding (-1, 0) at axis 1",
                       Error);
  CHECK_THROWS_WITH_AS(x.max_unpool2d(Tensor::arange(3), {2}),
                       "max_unpool2d: a kernel (2) over values (2, 3) and indices (3)", Error);
  Tensor places = Tensor::arange(6).reshape({2, 3});
  CHECK_THROWS_WITH_AS(x.max_unpool2d(places, {2, 2}, {}, {4}),
                       "max_unpool2d: output_size (4) for a kernel (2, 2)", Error);
}

TEST_CASE("the greatest of padding and NaN") {
  double nan = std::numeric_limits<double>::quiet_NaN();
  double inf = std::numeric_limits<double>::infinity();
  Tensor x = Tensor::from<double>({1, nan, -inf, -inf, 2, 2}, {6});
  auto [best, places] = x.max_pool2d_with_indices({2});
  std::vector<double> found = to_vector<double>(best, device("INTERP"));
  CHECK(std::isnan(found[0]));
  CHECK(found[1] == -inf);
  CHECK(found[2] == 2);
  CHECK(to_vector<int64_t>(places, device("INTERP")) == std::vector<int64_t>{1, 2, 4});
  // Padding is never the place of a maximum.
  Tensor low = Tensor::from<double>({-inf}, {1});
  CHECK(to_vector<int64_t>(low.max_pool2d_with_indices({3}, {.padding = {1}}).second) ==
        std::vector<int64_t>{0});
  Tensor bytes = Tensor::from<uint8_t>({0, 0}, {2});
  CHECK(to_vector<int>(bytes.max_pool2d({2}, {.padding = {1}})) == std::vector<int>{0, 0});
  Tensor means = Tensor::from<int>({1, 2, 4}, {3}).avg_pool2d({2}, {.stride = {1}});
  CHECK(to_vector<float>(means) == std::vector<float>{1.5f, 3});
  // Dilated windows over padding that does not count: (1, 4), (2, 8), (4).
  Tensor some = Tensor::from<float>({1, 2, 4, 8}, {4});
  PoolOptions how = {.stride = {1}, .padding = {0, 1}, .dilation = {2}, .count_include_pad = false};
  CHECK(to_vector<float>(some.avg_pool2d({2}, how)) == std::vector<float>{2.5f, 5, 4});
}

namespace {

// All calls of an entry: the sizes of the outputs, in the fixtures' order.
void resample(const std::string& name, const std::vector<Sizes>& sizes, Resample mode,
              bool corners = false) {
  Fixture f("conv", name);
  for (const Sizes& size : sizes) {
    f([&](const Tensor& x) { return x.interpolate(size, mode, corners); });
  }
}

const std::vector<Sizes> lines = {{29}, {52}};
const std::vector<Sizes> planes = {{9, 31}, {31, 20}, {20, 12}};
const std::vector<Sizes> boxes = {{3, 6, 4}};
const std::vector<Sizes> all_sizes = {{9}, {13}, {9, 11}, {11, 10}, {10, 13}, {3, 6, 4}};

}  // namespace

TEST_CASE("interpolate_linear") { resample("interpolate_linear", lines, Resample::Linear); }
TEST_CASE("interpolate_linear_corners_aligned") {
  resample("interpolate_linear_corners_aligned", lines, Resample::Linear, true);
}
TEST_CASE("interpolate_nearest") { resample("interpolate_nearest", all_sizes, Resample::Nearest); }
TEST_CASE("interpolate_nearest_exact") {
  resample("interpolate_nearest_exact", all_sizes, Resample::NearestExact);
}
TEST_CASE("interpolate_bilinear") { resample("interpolate_bilinear", planes, Resample::Linear); }
TEST_CASE("interpolate_bilinear_corners_aligned") {
  resample("interpolate_bilinear_corners_aligned", planes, Resample::Linear, true);
}
TEST_CASE("interpolate_trilinear") { resample("interpolate_trilinear", boxes, Resample::Linear); }
TEST_CASE("interpolate_trilinear_corners_aligned") {
  resample("interpolate_trilinear_corners_aligned", boxes, Resample::Linear, true);
}

TEST_CASE("sizes that cannot be interpolated") {
  Tensor x = Tensor::from<float>({3, 5}, {1, 2});
  CHECK_THROWS_WITH_AS(x.interpolate({1, 1, 1}),
                       "interpolate: a size (1, 1, 1) for the shape (1, 2)", Error);
  CHECK_THROWS_WITH_AS(x.interpolate({0}), "interpolate: axis 1 of (1, 2) cannot become (0)",
                       Error);
  CHECK_THROWS_WITH_AS(x.interpolate({3}, Resample::Nearest, true),
                       "interpolate: align_corners is for linear interpolation", Error);
  CHECK(to_vector<float>(x.interpolate({1}, Resample::Linear, true)) == std::vector<float>{3});
  CHECK(to_vector<float>(x.interpolate({1})) == std::vector<float>{4});
}

TEST_SUITE("uint8") {
  namespace {

  void bytes(const std::string& name, Resample mode) {
    Fixture f("conv", "uint8/" + name);
    f([&](const Tensor& x) { return (x * 10).relu().cast(u8).interpolate({10, 10}, mode); });
  }

  }  // namespace

  TEST_CASE("interpolate_bilinear") { bytes("interpolate_bilinear", Resample::Linear); }
  TEST_CASE("interpolate_nearest") { bytes("interpolate_nearest", Resample::Nearest); }
  TEST_CASE("interpolate_nearest_exact") {
    bytes("interpolate_nearest_exact", Resample::NearestExact);
  }
}

}  // namespace niwaki::test
