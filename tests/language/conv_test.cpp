// Convolutions against NumPy, in the order of fixtures/conv.py.
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"
#include "ops/gradient.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

using Sizes = std::vector<int64_t>;

Sizes sizes_of(const Tensor& x) {
  Sizes sizes;
  for (const UOp& dim : x.shape()) sizes.push_back(*const_int(dim));
  return sizes;
}

struct ConvCalls : Fixture {
  explicit ConvCalls(const std::string& name) : Fixture("conv", name) {}

  // The next call, as most are: relu(conv2d(x, w)) or with a bias.
  void next(const ConvOptions& how = {}) {
    (*this)([&](const std::vector<Tensor>& x) {
      return (x.size() > 2 ? x[0].conv2d(x[1], x[2], how) : x[0].conv2d(x[1], how)).relu();
    });
  }
  void next_transposed(const ConvOptions& how = {}) {
    (*this)([&](const std::vector<Tensor>& x) {
      bool biased = x.size() > 2;
      return (biased ? x[0].conv_transpose2d(x[1], x[2], how) : x[0].conv_transpose2d(x[1], how))
          .relu();
    });
  }
};

}  // namespace

TEST_CASE("sd_big_conv") {
  Fixture f("conv", "sd_big_conv");
  f([](const Tensor& x, const Tensor& w) { return x.conv2d(w); });
}

TEST_CASE("large_bs_conv") {
  Fixture f("conv", "large_bs_conv");
  f([](const Tensor& x, const Tensor& w) { return x.conv2d(w); });
}

TEST_CASE("large_ic_conv") {
  Fixture f("conv", "large_ic_conv");
  f([](const Tensor& x, const Tensor& w) { return x.conv2d(w); });
}

TEST_CASE("biased_conv2d") {
  Fixture f("conv", "biased_conv2d");
  f([](const Tensor& x, const Tensor& w, const Tensor& b) {
    return x.conv2d(w, b).relu().conv2d(w, b);
  });
}

TEST_CASE("simple_conv2d") { ConvCalls("simple_conv2d").next(); }
TEST_CASE("simple_conv2d_bias") { ConvCalls("simple_conv2d_bias").next(); }
TEST_CASE("simple_conv3d") { ConvCalls("simple_conv3d").next(); }
TEST_CASE("padded_conv3d") { ConvCalls("padded_conv3d").next({.padding = {1}}); }
TEST_CASE("simple_conv2d_m4") { ConvCalls("simple_conv2d_m4").next(); }
TEST_CASE("simple_conv2d_1x1") { ConvCalls("simple_conv2d_1x1").next(); }
TEST_CASE("simple_conv2d_1x1_m4") { ConvCalls("simple_conv2d_1x1_m4").next(); }
TEST_CASE("simple_conv2d_batched") { ConvCalls("simple_conv2d_batched").next(); }

TEST_CASE("nested_conv2d") {
  Fixture f("conv", "nested_conv2d");
  f([](const Tensor& x, const Tensor& w, const Tensor& v) {
    return x.conv2d(w).relu().conv2d(v).relu();
  });
}

TEST_CASE("simple_conv2d_nhwc") {
  Fixture f("conv", "simple_conv2d_nhwc");
  f([](const Tensor& x, const Tensor& w) {
    return x.permute({0, 3, 1, 2}).conv2d(w.permute({3, 2, 0, 1})).relu();
  });
}

TEST_CASE("simple_conv_transpose2d") { ConvCalls("simple_conv_transpose2d").next_transposed(); }
TEST_CASE("bias_conv_transpose2d") { ConvCalls("bias_conv_transpose2d").next_transposed(); }
TEST_CASE("grouped_conv_transpose2d") {
  ConvCalls("grouped_conv_transpose2d").next_transposed({.groups = 2});
}

TEST_CASE("padded_conv_transpose2d") {
  ConvCalls f("padded_conv_transpose2d");
  for (Sizes p : {Sizes{1, 2}, {2, 1}, {2}, {1}, {0}}) f.next_transposed({.padding = p});
  Tensor x = Tensor::zeros({2, 16, 2, 2});
  Tensor w = Tensor::zeros({32, 16, 3, 3});
  CHECK_THROWS_WITH_AS(x.conv_transpose2d(w, {.padding = {1, 1, 1}}),
                       "conv_transpose2d: 16 channels of (2, 16, 2, 2) for a weight (32, 16, 3, 3)",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv_transpose2d(w.narrow(0, 0, 16), {.padding = {1, 1, 1}}),
                       "conv_transpose2d: padding (1, 1, 1) for 2 axes: one number for all, one "
                       "each or two each",
                       Error);
}

TEST_CASE("dilated_conv_transpose2d") {
  ConvCalls f("dilated_conv_transpose2d");
  for (Sizes d : {Sizes{1, 2}, {2, 1}, {2}, {1}}) f.next_transposed({.dilation = d});
}

TEST_CASE("strided_conv_transpose2d") {
  ConvCalls f("strided_conv_transpose2d");
  for (Sizes s : {Sizes{2, 1}, {1, 2}, {1}}) f.next_transposed({.stride = s});
}

TEST_CASE("output_padded_conv_transpose2d") {
  ConvCalls f("output_padded_conv_transpose2d");
  f.next_transposed({.stride = {2, 3}, .output_padding = {1, 1}});
  f.next_transposed({.stride = {3, 2}, .output_padding = {2, 1}});
}

TEST_CASE("simple_conv_transpose3d") { ConvCalls("simple_conv_transpose3d").next_transposed(); }

TEST_CASE("conv1d") {
  ConvCalls f("conv1d");
  for (int bs : {1, 8}) {
    INFO(bs);
    for (int cin : {1, 3}) {
      for (int h : {1, 2, 5}) {
        f.next();
        if (cin == 3 && h == 5) f.next({.groups = 3});
      }
    }
  }
}

TEST_CASE("simple_padding_conv1d") { ConvCalls("simple_padding_conv1d").next({.padding = {1}}); }
TEST_CASE("strided_conv1d_simple") { ConvCalls("strided_conv1d_simple").next({.stride = {2}}); }

TEST_CASE("asymmetric_padding_conv1d") {
  ConvCalls f("asymmetric_padding_conv1d");
  for (Sizes p : {Sizes{0, 1}, {2, 1}, {2, 0}}) {
    for (int n : {3, 4}) {
      INFO(n);
      f.next({.padding = p});
    }
  }
}

TEST_CASE("conv2d") {
  ConvCalls f("conv2d");
  for (int call = 0; call < 5; ++call) f.next();
  f.next({.groups = 3});
  f.next();
}

TEST_CASE("conv2d_bs_4_cin_3") {
  ConvCalls f("conv2d_bs_4_cin_3");
  while (f.left() > 0) f.next();
}

TEST_CASE("conv2d_bs_1_cin_1") {
  ConvCalls f("conv2d_bs_1_cin_1");
  while (f.left() > 0) f.next();
}

TEST_CASE("conv2d_bs_4_cin_1") {
  ConvCalls f("conv2d_bs_4_cin_1");
  while (f.left() > 0) f.next();
}

TEST_CASE("conv2d_errors") {
  Tensor x = Tensor::zeros({1, 1, 6, 7});
  Tensor w = Tensor::zeros({6, 1, 3, 3});
  // A kernel that is larger than the input, by itself or dilated.
  CHECK_THROWS_WITH_AS(x.conv2d(w, {.dilation = {3}}),
                       "conv2d: a kernel (3, 3) with dilation (3, 3) is larger than (1, 1, 6, 7) "
                       "with padding (0, 0) at axis 2",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv2d(Tensor::zeros({6, 1, 3, 8})),
                       "conv2d: a kernel (3, 8) with dilation (1, 1) is larger than (1, 1, 6, 7) "
                       "with padding (0, 0) at axis 3",
                       Error);
  Tensor small = Tensor::zeros({2, 16, 2, 2});
  Tensor wide = Tensor::zeros({32, 16, 3, 3});
  CHECK_THROWS_WITH_AS(small.conv2d(wide),
                       "conv2d: a kernel (3, 3) with dilation (1, 1) is larger than (2, 16, 2, 2) "
                       "with padding (0, 0) at axis 2",
                       Error);
  CHECK_THROWS_WITH_AS(small.conv2d(wide, {.padding = {1, 1, 1}}),
                       "conv2d: padding (1, 1, 1) for 2 axes: one number for all, one each or two "
                       "each",
                       Error);
  CHECK_THROWS_WITH_AS(small.conv2d(wide, {.padding = {int64_t(1) << 40}}),
                       "conv2d: a padding of (1099511627776, 1099511627776)", Error);
  CHECK_THROWS_WITH_AS(small.conv2d(w),
                       "conv2d: 16 channels of (2, 16, 2, 2) for a weight (6, 1, "
                       "3, 3) and 1 groups",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv2d(w, {.groups = 4}),
                       "conv2d: 4 groups do not divide the first dim of the weight (6, 1, 3, 3)",
                       Error);
  CHECK_THROWS_WITH_AS(
      x.conv2d(Tensor::zeros({6, 1, 3})),
      "conv2d: an input (1, 1, 6, 7) and a weight (6, 1, 3): both are two dims and "
      "one for each axis",
      Error);
  CHECK_THROWS_WITH_AS(x.conv2d(w, {.stride = {0}}),
                       "conv2d: kernel 3, stride 0, dilation 1 at axis 2", Error);
  CHECK_THROWS_WITH_AS(x.conv2d(w, {.stride = {1, 1, 1}}),
                       "conv2d: stride (1, 1, 1) for 2 axes: one number for all, or one each",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv2d(w, Tensor::zeros({5})),
                       "conv2d: a bias (5) for the output (1, 6, 4, 5)", Error);
  UOp n = variable("n", 1, 6);
  CHECK_THROWS_WITH_AS(x.expand({1, 1, 6, 7}).narrow(2, 0, n).conv2d(w),
                       "conv2d: dim 2 of (1, 1, n, 7) is symbolic, and the number of windows would "
                       "be",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv2d(w.narrow(0, 0, n)),
                       "conv2d: the weight (n, 1, 3, 3) has a symbolic dim", Error);
}

TEST_CASE("a transposed convolution that has no output") {
  Tensor x = Tensor::zeros({1, 1, 2, 2});
  Tensor w = Tensor::zeros({1, 1, 3, 3});
  CHECK_THROWS_WITH_AS(x.conv_transpose2d(w, {.padding = {2}}),
                       "conv_transpose2d: padding (2, 2) takes all 4 of axis 2: input (1, 1, 2, "
                       "2), weight (1, 1, 3, 3)",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv_transpose2d(w, {.stride = {2}, .output_padding = {2}}),
                       "conv_transpose2d: output_padding 2 is not less than the stride 2 or the "
                       "dilation 1",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv_transpose2d(w, {.dilation = {0}}),
                       "conv_transpose2d: stride 1 and dilation 0 at axis 2 of (1, 1, 2, 2)",
                       Error);
  CHECK_THROWS_WITH_AS(x.conv_transpose2d(w, Tensor::zeros({2})),
                       "conv_transpose2d: a bias (2) for the output (1, 1, 4, 4)", Error);
}

TEST_CASE("large_input_conv2d") { ConvCalls("large_input_conv2d").next(); }
TEST_CASE("simple_grouped_conv2d") { ConvCalls("simple_grouped_conv2d").next({.groups = 2}); }
TEST_CASE("medium_grouped_conv2d") { ConvCalls("medium_grouped_conv2d").next({.groups = 2}); }
TEST_CASE("depthwise_conv2d") { ConvCalls("depthwise_conv2d").next({.groups = 32}); }
TEST_CASE("grouped_conv2d") { ConvCalls("grouped_conv2d").next({.groups = 5}); }
TEST_CASE("fancy_conv2d") { ConvCalls("fancy_conv2d").next({.groups = 3}); }
TEST_CASE("strided_conv2d_simple") { ConvCalls("strided_conv2d_simple").next({.stride = {2}}); }

// Upstream runs the same under another vectoriser; here a second call is wide enough for vectors.
TEST_CASE("strided_conv2d_simple_vec") {
  ConvCalls f("strided_conv2d_simple_vec");
  f.next({.stride = {2}});
  f.next({.stride = {2}});
}

TEST_CASE("strided_conv2d") {
  ConvCalls f("strided_conv2d");
  f.next({.stride = {2}});
  f.next({.stride = {2, 1}});
}

TEST_CASE("negative_padding_conv2d") {
  Fixture f("conv", "negative_padding_conv2d");
  for (Sizes p : {Sizes{-1}, {-1, 0, -1, 0}}) {
    f([&](const Tensor& x, const Tensor& w) { return x.conv2d(w, {.padding = p}); });
  }
}

TEST_CASE("simple_padding_conv2d") { ConvCalls("simple_padding_conv2d").next({.padding = {1}}); }

TEST_CASE("asymmetric_padding_conv2d") {
  ConvCalls f("asymmetric_padding_conv2d");
  for (Sizes p : {Sizes{0, 1, 0, 1}, {2, 1, 2, 1}, {2, 0, 2, 1}}) {
    for (int n : {3, 4}) {
      INFO(n);
      f.next({.padding = p});
    }
  }
}

TEST_CASE("padded_conv2d_p21") { ConvCalls("padded_conv2d_p21").next({.padding = {2, 1}}); }
TEST_CASE("padded_conv2d_p22") { ConvCalls("padded_conv2d_p22").next({.padding = {2, 2}}); }
TEST_CASE("padded_conv2d_1x1") { ConvCalls("padded_conv2d_1x1").next({.padding = {2}}); }
TEST_CASE("padded_conv2d_bs1") { ConvCalls("padded_conv2d_bs1").next({.padding = {1}}); }

TEST_CASE("dilated_conv2d") {
  ConvCalls f("dilated_conv2d");
  f.next({.dilation = {2}});
  f.next({.dilation = {2, 1}});
}

TEST_CASE("a convolution is one kernel, and so is each of its gradients") {
  Tensor x = Tensor::empty({2, 8, 30, 30});
  Tensor w = Tensor::empty({16, 8, 3, 3});
  for (int64_t padding : {0, 1}) {
    Tensor y = x.conv2d(w, {.padding = {padding}});
    std::vector<Tensor> g = gradient(y, Tensor::empty(sizes_of(y)), {x, w});
    CHECK(schedule({y.uop()}).kernels.size() == 1);
    Schedule all = schedule({y.uop(), g[0].uop(), g[1].uop()});
    CHECK(all.kernels.size() == 3);
    CHECK(all.arena_bytes == 0);
    // The indices are sums of multiples of loops: nothing is divided.
    for (const Kernel& kernel : all.kernels) {
      for (const UOp& u : toposort(kernel.ast)) {
        CHECK(u->op != Op::Div);
        CHECK(u->op != Op::Mod);
      }
    }
  }
}

}  // namespace niwaki::test
