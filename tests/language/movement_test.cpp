// Movement, padding and joining as NumPy has them: tests/language/fixtures/index.py.
#include <doctest/doctest.h>

#include <cmath>

#include "language/fixture.h"

using namespace niwaki;
using test::Fixture;

namespace {

using T = const Tensor&;
using Widths = std::vector<std::pair<Dim, Dim>>;
using Pairs = std::vector<std::pair<int64_t, int64_t>>;
using Tensors = std::vector<Tensor>;

Tensor zeros(std::vector<int64_t> shape) { return Tensor::empty(std::move(shape)); }

}  // namespace

TEST_CASE("pad") {
  Fixture f("index", "pad");
  Widths last = {{0, 0}, {0, 0}, {3, 4}, {1, 2}};
  f([&](T x) { return x.pad(last); });
  for (double value : {5.0, double(INFINITY), -double(INFINITY)}) {
    f([&](T x) { return x.pad(last, value); });
  }
  f([](T x) { return x.pad({{3, 4}, {1, 2}}); });
  f([](T x) { return x.pad({{0, 0}, {-1, 2}}); });
  f([](T x) { return x.pad({{-1, -1}, {0, -2}}, 7); });
  f([](T x) { return x.pad({{1, 0}, {0, 2}, {0, 0}}); });
  f([](T x) { return x.pad({{2, -2}, {-3, 4}, {1, 1}}, -1.5); });
  f([](T x) { return x.pad({{-1, 0}, {-1, 0}, {-1, 0}}); });
  f([](T x) { return x.pad({{1, 1}, {0, 1}}, 3); });
  Tensor x = zeros({3, 3});
  CHECK_THROWS_WITH(x.pad({{1, 1}}), "pad: 1 pairs of widths for the shape (3, 3)");
  CHECK_THROWS_WITH(x.pad({{0, 0}, {-2, -2}}),
                    "pad: widths (-2, -2) cut more than dim 1 of (3, 3)");
  CHECK_THROWS_WITH(x.pad({{0, 0}, {0, 0}}, x), "pad: the value is (3, 3), not a number");
}

TEST_CASE("pad_reflect_mode") {
  Fixture f("index", "pad_reflect_mode");
  for (const Pairs& widths : {Pairs{{0, 0}, {0, 0}, {3, 2}, {0, 2}},
                              {{0, 0}, {0, 2}, {3, 0}},
                              {{0, 0}, {0, 0}, {1, 2}, {3, 4}, {2, 0}},
                              {{0, 0}, {0, 0}, {2, 2}, {1, -1}},
                              {{0, 0}, {0, 0}, {-1, 2}, {-2, -1}},
                              {{0, 0}, {4, 4}, {-3, 1}},
                              {{0, 0}, {0, 0}, {0, 0}, {0, 0}},
                              {{2, 2}, {0, 0}, {0, 2}, {2, 0}}}) {
    f([&](T x) { return x.pad(widths, PadMode::Reflect); });
  }
  CHECK_THROWS_WITH(zeros({3, 5}).pad({{0, 3}, {0, 0}}, PadMode::Reflect),
                    "pad: reflected widths (0, 3) are not below dim 0 of (3, 5)");
}

TEST_CASE("pad_replicate_mode") {
  Fixture f("index", "pad_replicate_mode");
  for (const Pairs& widths : {Pairs{{0, 0}, {0, 0}, {3, 2}, {0, 2}},
                              {{0, 0}, {0, 2}, {3, 0}},
                              {{0, 0}, {0, 0}, {1, 2}, {3, 4}, {2, 0}},
                              {{0, 0}, {0, 0}, {2, 2}, {1, -1}},
                              {{0, 0}, {0, 0}, {-1, 2}, {-2, -1}},
                              {{0, 0}, {4, 4}, {-3, 1}},
                              {{0, 0}, {0, 0}, {0, 0}, {0, 0}},
                              {{2, 9}, {0, 0}, {11, 2}, {2, 0}}}) {
    f([&](T x) { return x.pad(widths, PadMode::Replicate); });
  }
  CHECK_THROWS_WITH(zeros({3, 0}).pad({{0, 0}, {0, 1}}, PadMode::Replicate),
                    "pad: nothing to replicate along axis 1 of (3, 0)");
}

TEST_CASE("pad_circular_mode") {
  Fixture f("index", "pad_circular_mode");
  for (const Pairs& widths : {Pairs{{0, 0}, {0, 0}, {3, 2}, {0, 2}},
                              {{0, 0}, {0, 5}, {3, 0}},
                              {{0, 0}, {1, 0}, {1, 2}, {3, 4}, {5, 5}},
                              {{0, 0}, {0, 0}, {0, 0}}}) {
    f([&](T x) { return x.pad(widths, PadMode::Circular); });
  }
  CHECK_THROWS_WITH(zeros({3, 5}).pad({{0, 0}, {6, 0}}, PadMode::Circular),
                    "pad: circular widths (6, 0) are beyond dim 1 of (3, 5): once around at most");
  CHECK_THROWS_WITH(zeros({3, 5}).pad({{0, 0}, {1, -1}}, PadMode::Circular),
                    "pad: a circular width is negative: (1, -1); slice() cuts");
}

TEST_CASE("pad_reshape") {
  Fixture f("index", "pad_reshape");
  f([](T x) { return x.pad({{0, 1}, {0, 0}}).reshape({4}); });
  f([](T x) { return x.pad({{1, 1}, {1, 1}}).reshape({4, 3}).transpose().reshape({2, 6}); });
  f([](T x) { return x.pad({{0, 2}, {1, 0}, {0, 0}, {3, 0}}).reshape({5, 6}); });
}

TEST_CASE("pad_slice") {
  Fixture f("index", "pad_slice");
  for (double v : {0.0, 3.456}) {
    f([&](T x) { return x.pad({{0, 1}}, v).slice({{0, 1}}); });
    f([&](T x) { return x.pad({{0, 3}}, v).slice({{0, 1}}); });
    f([&](T x) { return x.pad({{0, 3}}, v).slice({{0, 6}}); });
    f([&](T x) { return x.pad({{0, 3}}, v).slice({{0, 4}}); });
    f([&](T x) { return x.pad({{3, 0}}, v).slice({{0, 5}}); });
    f([&](T x) { return x.pad({{0, 0}, {3, 0}}, v).slice({{}, {0, 4}}); });
    f([&](T x) { return x.pad({{0, 0}, {3, 0}}, v).slice({{0, 1}, {0, 4}}); });
    f([&](T x) { return x.pad({{1, 1}, {1, 1}}, v).slice({{1, 3}, {1, 3}}); });
    f([&](T x) { return x.pad({{1, 1}, {2, 2}}, v).slice({{open, open, 2}, {open, open, -1}}); });
    f([&](T x) { return x.pad({{0, 2}, {1, 0}, {0, 0}}, v).slice({{3, open}, 0, 1}); });
  }
}

TEST_CASE("stack_slice") {
  Fixture f("index", "stack_slice");
  f([](T x) { return stack({x, x, x}).slice({{0, 1}}); });
  f([](T x) { return stack({x, x, x}).slice({{0, 2}, {2, 4}}); });
  f([](T x) { return stack({x, x, x, x}).slice({{2, 3}, 1, {open, open, 3}}); });
}

TEST_CASE("padding_add") {
  Fixture f("index", "padding_add");
  f([](T x, T y) { return x + y.pad({{2, 2}, {2, 2}}); });
}

TEST_CASE("transpose") {
  Fixture f("index", "transpose");
  f([](T x) { return x.transpose(); });
  f([](T x) { return x.transpose(0, 2); });
  f([](T x) { return x.transpose(-1, -2); });
}

TEST_CASE("permute") {
  Fixture f("index", "permute");
  f([](T x) { return x.permute({1, 2, 3, 0}); });
  f([](T x) { return x.permute({3, 2, 1, 0}); });
  f([](T x) { return x.permute({-2, -1, 1, 0}); });
  f([](T x) { return x.permute({}); });
  Tensor x = zeros({3, 4, 5, 6});
  CHECK_THROWS_WITH(x.permute({0, 2}), "permute: 2 dims given for the shape (3, 4, 5, 6)");
  CHECK_THROWS_WITH(x.permute({0, 0, 1, 2}), "permute: [0, 0, 1, 2] is no order of 4 dims");
  CHECK_THROWS_WITH(x.permute({0, 1, 2, 4}), "axis 4 of the shape (3, 4, 5, 6)");
}

TEST_CASE("reshape") {
  Fixture f("index", "reshape");
  for (const Dims& to :
       {Dims{12, 6, 6}, {-1, 3, 36}, {2, -1, 2}, {1}, {1, 1, 1}, {}, {1}, {2, 6}}) {
    f([&](T x) { return x.reshape(to); });
  }
  Tensor x = zeros({3, 4});
  CHECK_THROWS_WITH(x.reshape({3, 5}), "reshape: sizes differ: (3, 4) to (3, 5)");
  CHECK_THROWS_WITH(x.reshape({-1, -1, 2}), "reshape: two dims are -1");
}

TEST_CASE("view") {
  Fixture f("index", "view");
  for (const Dims& to : {Dims{12, 6, 6}, {-1, 6, 6}, {6}, {6}, {6}, {6}, {2, 3}}) {
    f([&](T x) { return x.view(to); });
  }
}

TEST_CASE("flip") {
  Fixture f("index", "flip");
  for (const Axes& axes : {Axes{0}, {0, 1}, {0, 1, 3}, {3}, {-1}, {-2, 0}, {}, {}}) {
    f([&](T x) { return x.flip(axes); });
  }
  f([](T x) { return x.flip({0}).sum({0}); });
  Tensor x = zeros({4, 3});
  CHECK_THROWS_WITH(x.flip({0, 1, 0}), "flip: an axis is given twice: [0, 1, 0]");
  CHECK_THROWS_WITH(x.flip({1, -1}), "flip: an axis is given twice: [1, -1]");
  CHECK_THROWS_WITH(x.flip({2}), "axis 2 of the shape (4, 3)");
}

TEST_CASE("squeeze") {
  Fixture f("index", "squeeze");
  for (int64_t axis : {0, -4, 2, 0, -1}) f([&](T x) { return x.squeeze(axis); });
  f([](T x) { return x.squeeze(); });
  f([](T x) { return x.squeeze(1); });
  f([](T x) { return x.squeeze(-1); });
  f([](T x) { return x.squeeze(); });
  f([](T x) { return x.squeeze(0); });
  f([](T x) { return x.squeeze(-1); });
  Tensor x = zeros({4, 3});
  CHECK_THROWS_WITH(x.squeeze(2), "axis 2 of the shape (4, 3)");
  CHECK_THROWS_WITH(x.squeeze(-3), "axis -3 of the shape (4, 3)");
  CHECK_THROWS_WITH(zeros({}).squeeze(1), "axis 1 of the shape ()");
  CHECK_THROWS_WITH(zeros({}).squeeze(-2), "axis -2 of the shape ()");
}

TEST_CASE("unsqueeze") {
  Fixture f("index", "unsqueeze");
  for (int64_t axis : {0, 4, -1, -4, 0}) f([&](T x) { return x.unsqueeze(axis); });
}

TEST_CASE("flatten") {
  Fixture f("index", "flatten");
  for (int64_t axis : {0, 1, 2}) f([&](T x) { return x.flatten(axis); });
  f([](T x) { return x.flatten(1, 2); });
  f([](T x) { return x.flatten(); });
  f([](T x) { return x.flatten(); });
  CHECK_THROWS_WITH(zeros({4, 3}).flatten(1, 0), "flatten: dims 1 through 0 of (4, 3)");
  CHECK_THROWS_WITH(zeros({}).flatten(1), "axis 1 of the shape ()");
}

TEST_CASE("unflatten") {
  Fixture f("index", "unflatten");
  f([](T x) { return x.unflatten(0, {2, 2}); });
  f([](T x) { return x.unflatten(2, {1, 3, 2}); });
  f([](T x) { return x.unflatten(-1, {-1, 3}); });
}

TEST_CASE("diag") {
  Fixture f("index", "diag");
  f([](T x) { return x.diag(); });
  CHECK_THROWS_WITH(zeros({2, 2}).diag(),
                    "diag: needs a vector, not (2, 2); diagonal() takes one from a matrix");
}

TEST_CASE("diagonal") {
  Fixture f("index", "diagonal");
  for (int i = 0; i < 3; ++i) f([](T x) { return x.diagonal(); });
  f([](T x) { return x.diagonal(1, 0, 2); });
  f([](T x) { return x.diagonal(-2, 1, -1); });
  f([](T x) { return x.diagonal(0, -2, 0); });
  f([](T x) { return x.diagonal(2); });
  f([](T x) { return x.diagonal(-1, 1, 0); });
  f([](T x) { return x.diagonal(7); });
  CHECK_THROWS_WITH(zeros({3, 3}).diagonal(0, 1, -1),
                    "diagonal: of dims 1 and -1: they are the same of (3, 3)");
  CHECK_THROWS_WITH(zeros({3, 3}).narrow(0, 0, variable("n", 1, 3)).diagonal(),
                    "diagonal: dim 0 of (n, 3) is not constant");
}

TEST_CASE("roll") {
  Fixture f("index", "roll");
  f([](T x) { return x.roll({1}, {0}); });
  f([](T x) { return x.roll({-1}, {1}); });
  f([](T x) { return x.roll({1, -1}, {0, 1}); });
  f([](T x) { return x.roll(3); });
  f([](T x) { return x.roll({1}, {0}); });
  f([](T x) { return x.roll({1, 4}, {1, 2}); });
  f([](T x) { return x.roll({1, 2, 3}, {0, 1, 2}); });
  f([](T x) { return x.roll({7, -13}, {-1, -2}); });
  f([](T x) { return x.roll({0}, {0}); });
  f([](T x) { return x.roll({1, 1}, {0, 0}); });
  f([](T x) { return x.roll({-10}, {1}); });
  f([](T x) { return x.roll(4); });
  f([](T x) { return x.roll({-104}, {0}); });
  f([](T x) { return x.roll(-5); });
  CHECK_THROWS_WITH(zeros({3, 3}).roll({1, 2}, {0}), "roll: 2 shifts along 1 axes");
  CHECK_THROWS_WITH(zeros({3, 3}).roll({1}, {2}), "axis 2 of the shape (3, 3)");
  CHECK_THROWS_WITH(zeros({3, 3}).roll({1}, {-3}), "axis -3 of the shape (3, 3)");
}

TEST_CASE("detach") {
  Fixture("index", "detach").rest([](T x) { return x.detach(); });
}

TEST_CASE("expand") {
  Fixture f("index", "expand");
  for (const Dims& to : {Dims{4, 3, 2, 6},
                         {2, 4, 3, 5, 6},
                         {4, 3, 1, 6},
                         {-1, 3, 2, -1},
                         {5, -1, 2, 3},
                         {4, 3},
                         {}}) {
    f([&](T x) { return x.expand(to); });
  }
  Tensor x = zeros({3, 4});
  CHECK_THROWS_WITH(x.expand({4}), "expand: 1 dims for the shape (3, 4)");
  CHECK_THROWS_WITH(x.expand({6, 4}), "expand: (3, 4) to (6, 4): only dims of size 1 expand");
}

TEST_CASE("cat") {
  Fixture f("index", "cat");
  for (int64_t dim : {-2, -1, 0, 1, 2}) f([&](const Tensors& x) { return cat(x, dim); });
  f([](const Tensors& x) { return cat(x); });
  f([](const Tensors& x) { return cat(x, 1); });
  f([](const Tensors& x) { return cat(x, 1); });
}

TEST_CASE("multicat") {
  Fixture f("index", "multicat");
  for (int64_t dim : {-1, 0, 1}) f([&](const Tensors& x) { return cat(x, dim); });
}

TEST_CASE("stack") {
  Fixture f("index", "stack");
  for (int64_t dim : {-1, 0, 1, 2}) f([&](const Tensors& x) { return stack(x, dim); });
  f([](const Tensors& x) { return stack(x); });
  CHECK_THROWS_WITH(stack({}), "stack: no tensors");
  CHECK_THROWS_WITH(stack({zeros({2}), zeros({3})}), "stack: shapes differ: (2) and (3)");
}

TEST_CASE("stack_max") {
  Fixture f("index", "stack_max");
  f([](T x, T y) { return stack({x, y}).max({0}); });
}

TEST_CASE("repeat") {
  Fixture f("index", "repeat");
  for (const Dims& times : {Dims{1, 1, 1},
                            {4, 1, 1},
                            {2, 1, 1},
                            {3, 2, 2},
                            {1, 0, 2},
                            {2, 3, 1, 2},
                            {},
                            {4},
                            {2, 1},
                            {3, 2, 2}}) {
    f([&](T x) { return x.repeat(times); });
  }
  Tensor x = zeros({3, 4});
  CHECK_THROWS_WITH(x.repeat({2}), "repeat: 1 times for the shape (3, 4)");
  CHECK_THROWS_WITH(x.repeat({2, -1}), "repeat: a negative number of times: -1");
  CHECK_THROWS_WITH(x.repeat_interleave(-1, 0),
                    "repeat_interleave: a negative number of times: -1");
}

TEST_CASE("repeat_interleave") {
  Fixture f("index", "repeat_interleave");
  f([](T x) { return x.repeat_interleave(6); });
  f([](T x) { return x.repeat_interleave(2, 1); });
  f([](T x) { return x.repeat_interleave(2, 0); });
  f([](T x) { return x.repeat_interleave(2, -1); });
  f([](T x) { return x.repeat_interleave(0, -2); });
}

TEST_CASE("simple_repeat") {
  Fixture f("index", "simple_repeat");
  f([](T x) { return x.tile({2, 3}); });
}
