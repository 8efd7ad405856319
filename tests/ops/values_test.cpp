// What elementwise ops, types and reductions are worth: the naive evaluator's values against plain
// loops and formulas written here. This is as much a test of the evaluator, which judges all later
// stages, as of the frontend.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "ops/tensor.h"
#include "tests/support/naive.h"

using namespace niwaki;

namespace {

using Numbers = std::vector<double>;

Numbers values(const Tensor& t) { return evaluate(t.uop()).numbers(); }

template <class T>
Tensor row(const std::vector<T>& list) {
  return Tensor::from(list, {int64_t(list.size())});
}

void check_near(const Tensor& t, const Numbers& expected, double tolerance = 1e-6) {
  Numbers found = values(t);
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CAPTURE(found[i]);
    CAPTURE(expected[i]);
    bool same = found[i] == expected[i] || (std::isnan(found[i]) && std::isnan(expected[i]));
    double scale = std::max(1.0, std::abs(expected[i]));
    CHECK((same || std::abs(found[i] - expected[i]) <= tolerance * scale));
  }
}

constexpr double inf = INFINITY;
const std::vector<float> samples = {-INFINITY, -30, -2.5f, -1,  -0.75f, -0.0f,    0,
                                    1e-6f,     0.5, 1,     2.5, 30,     INFINITY, NAN};

}  // namespace

TEST_CASE("functions of one variable") {
  struct Function {
    const char* name;
    std::function<Tensor(const Tensor&)> tensor;
    std::function<double(double)> plain;
  };
  const Function rows[] = {
      {"negate", [](const Tensor& x) { return -x; }, [](double v) { return -v; }},
      {"abs", [](const Tensor& x) { return x.abs(); }, [](double v) { return std::abs(v); }},
      {"sqrt", [](const Tensor& x) { return x.sqrt(); }, [](double v) { return std::sqrt(v); }},
      {"rsqrt", [](const Tensor& x) { return (x * x + 1).rsqrt(); },
       [](double v) { return 1 / std::sqrt(v * v + 1); }},
      {"exp", [](const Tensor& x) { return x.exp(); }, [](double v) { return std::exp(v); }},
      {"exp2", [](const Tensor& x) { return x.exp2(); }, [](double v) { return std::exp2(v); }},
      {"log", [](const Tensor& x) { return x.log(); }, [](double v) { return std::log(v); }},
      {"log2", [](const Tensor& x) { return x.log2(); }, [](double v) { return std::log2(v); }},
      {"sin", [](const Tensor& x) { return x.sin(); }, [](double v) { return std::sin(v); }},
      {"cos", [](const Tensor& x) { return x.cos(); }, [](double v) { return std::cos(v); }},
      {"relu", [](const Tensor& x) { return x.relu(); },
       [](double v) { return v != v ? v : std::max(v, 0.0); }},
      {"sigmoid", [](const Tensor& x) { return x.sigmoid(); },
       [](double v) { return 1 / (1 + std::exp(-v)); }},
      {"silu", [](const Tensor& x) { return x.silu(); },
       [](double v) { return v * (1 / (1 + std::exp(-v))); }},
      {"tanh", [](const Tensor& x) { return x.tanh(); }, [](double v) { return std::tanh(v); }},
  };
  for (const Function& f : rows) {
    CAPTURE(f.name);
    Numbers expected;
    for (float v : samples) expected.push_back(f.plain(v));
    check_near(f.tensor(row(samples)), expected, 4e-6);
  }
}

TEST_CASE("arithmetic and comparisons, pair by pair") {
  Tensor a = row(samples).reshape({-1, 1});
  Tensor b = row(samples);
  auto pairs = [&](const Tensor& t, auto plain) {
    Numbers expected;
    for (float x : samples) {
      for (float y : samples) expected.push_back(plain(x, y));
    }
    check_near(t, expected);
  };
  pairs(a + b, [](float x, float y) { return x + y; });
  pairs(a - b, [](float x, float y) { return x - y; });
  pairs(a * b, [](float x, float y) { return x * y; });
  pairs(a / b, [](float x, float y) { return x / y; });
  pairs(a < b, [](float x, float y) { return x < y; });
  pairs(a > b, [](float x, float y) { return x > y; });
  pairs(a <= b, [](float x, float y) { return x <= y; });
  pairs(a >= b, [](float x, float y) { return x >= y; });
  pairs(a == b, [](float x, float y) { return x == y; });
  pairs(a != b, [](float x, float y) { return x != y; });
  auto larger = [](float x, float y) { return x != x || y != y ? NAN : std::max(x, y); };
  auto smaller = [](float x, float y) { return x != x || y != y ? NAN : std::min(x, y); };
  pairs(a.maximum(b), larger);
  pairs(a.minimum(b), smaller);
  pairs(where(a < b, a, b), [](float x, float y) { return x < y ? x : y; });
}

TEST_CASE("integers: floors, wrapping, bits, and the least of them") {
  std::vector<int8_t> list = {-128, -127, -7, -1, 0, 1, 2, 3, 7, 64, 127};
  Tensor a = row(list).reshape({-1, 1});
  Tensor b = row(list);
  auto pairs = [&](const Tensor& t, auto plain) {
    Numbers expected;
    for (int x : list) {
      for (int y : list) expected.push_back(plain(x, y));
    }
    CHECK(values(t) == expected);
  };
  auto floored = [](int x, int y) { return y == 0 ? 0 : int8_t(std::floor(double(x) / y)); };
  pairs(a + b, [](int x, int y) { return int8_t(x + y); });
  pairs(a - b, [](int x, int y) { return int8_t(x - y); });
  pairs(a * b, [](int x, int y) { return int8_t(x * y); });
  pairs(a.floor_divide(b), floored);
  pairs(a % b, [&](int x, int y) { return y == 0 ? x : x - int(std::floor(double(x) / y)) * y; });
  pairs(a & b, [](int x, int y) { return x & y; });
  pairs(a | b, [](int x, int y) { return x | y; });
  pairs(a ^ b, [](int x, int y) { return x ^ y; });
  pairs(a << b, [](int x, int y) { return y < 0 || y > 7 ? 0 : int8_t(x << y); });
  pairs(a >> b, [](int x, int y) { return y < 0 || y > 7 ? (x < 0 ? -1 : 0) : x >> y; });
  pairs(a.maximum(b), [](int x, int y) { return std::max(x, y); });
  pairs(a.minimum(b), [](int x, int y) { return std::min(x, y); });
  pairs(a <= b, [](int x, int y) { return x <= y; });
  pairs(a >= b, [](int x, int y) { return x >= y; });
  pairs(a == b, [](int x, int y) { return x == y; });
  Tensor bytes = row(std::vector<uint8_t>{0, 1, 5, 200, 255});
  CHECK(values(bytes.abs()) == Numbers{0, 1, 5, 200, 255});
  CHECK(values(-bytes) == Numbers{0, 255, 251, 56, 1});
  CHECK(values(bytes.minimum(7)) == Numbers{0, 1, 5, 7, 7});
  CHECK(values(b.abs()) == Numbers{-128, 127, 7, 1, 0, 1, 2, 3, 7, 64, 127});
  Tensor flags = row(std::vector<bool>{false, true});
  CHECK(values(!flags) == Numbers{1, 0});
  CHECK(values(flags & !flags) == Numbers{0, 0});
  CHECK(values(flags | !flags) == Numbers{1, 1});
  CHECK(values(where(flags, 3, 4)) == Numbers{4, 3});
  Tensor wide = row(std::vector<uint64_t>{~uint64_t(0), 1});
  CHECK(evaluate((wide & uint64_t(0xff00ff00ff00ff00)).uop()).values[0].bits == 0xff00ff00ff00ff00);
  CHECK(values(wide > 2) == Numbers{1, 0});
}

TEST_CASE("casts and bitcasts") {
  Tensor x = row(std::vector<float>{-1.5, 300, NAN, 0.25});
  CHECK(values(x.cast(i8)) == Numbers{-1, 127, 0, 0});
  CHECK(values(x.cast(u8)) == Numbers{0, 255, 0, 0});
  CHECK(values(x.cast(boolean)) == Numbers{1, 1, 1, 1});
  CHECK(values(row(std::vector<int32_t>{-1, 300}).cast(u8)) == Numbers{255, 44});
  CHECK(values(row(std::vector<double>{1.0 / 3}).cast(f16)) == Numbers{0.333251953125});
  Tensor one = row(std::vector<float>{1, -2});
  CHECK(values(one.bitcast(u32)) == Numbers{0x3f800000, 0xc0000000});
  CHECK(values(one.bitcast(u8)) == Numbers{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0});
  CHECK(values(one.bitcast(u8).bitcast(f32)) == Numbers{1, -2});
  CHECK(values(one.bitcast(u64)) == Numbers{double(0xc00000003f800000)});
  CHECK(values(one.bitcast(u16).reshape({2, 2}).bitcast(f32)) == Numbers{1, -2});
  CHECK(values(row(std::vector<uint16_t>{0x3c00, 0x0001}).bitcast(f16)) == Numbers{1, 0x1p-24});
}

TEST_CASE("reductions against loops, over every set of axes") {
  std::vector<float> list;
  for (int i = 0; i < 24; ++i) list.push_back(float((i * 7) % 11) / 4 - 1);
  Tensor x = Tensor::from(list, {2, 3, 4});
  for (int mask = 1; mask < 8; ++mask) {
    Axes axes;
    for (int64_t axis = 0; axis < 3; ++axis) {
      if (mask >> axis & 1) axes.push_back(axis % 2 ? axis - 3 : axis);
    }
    std::vector<int64_t> kept = {mask & 1 ? 1 : 2, mask & 2 ? 1 : 3, mask & 4 ? 1 : 4};
    size_t n = size_t(kept[0] * kept[1] * kept[2]);
    Numbers sum(n, 0);
    Numbers product(n, 1);
    Numbers largest(n, -inf);
    Numbers smallest(n, inf);
    for (int64_t i = 0; i < 24; ++i) {
      int64_t at[] = {i / 12 % kept[0], i / 4 % 3 % kept[1], i % 4 % kept[2]};
      size_t place = size_t((at[0] * kept[1] + at[1]) * kept[2] + at[2]);
      double v = list[size_t(i)];
      sum[place] += v;
      product[place] *= v;
      largest[place] = std::max(largest[place], v);
      smallest[place] = std::min(smallest[place], v);
    }
    Numbers mean;
    for (double v : sum) mean.push_back(v / (24.0 / double(n)));
    check_near(x.sum(axes), sum);
    check_near(x.prod(axes), product);
    check_near(x.max(axes), largest);
    check_near(x.min(axes), smallest);
    check_near(x.mean(axes), mean);
    CHECK(evaluate(x.sum(axes, true).uop()).shape == kept);
  }
}

TEST_CASE("reductions of integers, bools, sixteen bits, nothing") {
  Tensor bytes = row(std::vector<int8_t>{-128, 5, 127});
  CHECK(values(bytes.min()) == Numbers{-128});
  CHECK(values(bytes.max()) == Numbers{127});
  CHECK(values(bytes.sum()) == Numbers{4});
  CHECK(values(row(std::vector<uint8_t>{200, 100, 3}).min()) == Numbers{3});
  CHECK(values(row(std::vector<uint8_t>{200, 100, 3}).sum()) == Numbers{47});
  Tensor wide = row(std::vector<uint64_t>{~uint64_t(0), 3, uint64_t(1) << 63});
  CHECK(evaluate(wide.max().uop()).values[0].bits == ~uint64_t(0));
  CHECK(evaluate(wide.min().uop()).values[0].bits == 3);
  Tensor least = row(std::vector<int64_t>{INT64_MIN, INT64_MAX});
  CHECK(evaluate(least.min().uop()).values[0].i == INT64_MIN);
  Tensor flags = row(std::vector<bool>{false, true});
  CHECK(values(flags.sum()) == Numbers{1});
  CHECK(values(flags.max()) == Numbers{1});
  CHECK(values(flags.min()) == Numbers{0});
  CHECK(values(flags.prod()) == Numbers{0});
  check_near(row(std::vector<int8_t>{1, 2, 4}).mean(), {7.0 / 3});
  // A sum that rounded at every step would stop at 2048; a mean in f16 would pass its largest.
  CHECK(values(Tensor::ones({4096}, f16).sum()) == Numbers{4096});
  CHECK(values(Tensor::full({4096}, 100, f16).mean()) == Numbers{100});
  CHECK(values(Tensor::full({4096}, 100, f16).rms_norm(1, 0)) == Numbers(4096, 1));
  Tensor none = Tensor::from(std::vector<float>{}, {0});
  CHECK(values(none.sum()) == Numbers{0});
  CHECK(values(none.prod()) == Numbers{1});
  CHECK_THROWS_WITH_AS(none.max(), "max: no elements along axis 0: (0)", Error);
  CHECK(std::isnan(values(row(std::vector<float>{1, NAN, 2}).max())[0]));
  CHECK(std::isnan(values(row(std::vector<float>{1, NAN, 2}).min())[0]));
}

TEST_CASE("creation and memory") {
  CHECK(values(Tensor::arange(5)) == Numbers{0, 1, 2, 3, 4});
  CHECK(values(Tensor::full({2, 2}, 0.5)) == Numbers{0.5, 0.5, 0.5, 0.5});
  CHECK(values(Tensor::empty({3})) == Numbers{0, 0, 0});
  Tensor cache = row(std::vector<float>{1, 2, 3, 4, 5, 6}).reshape({6});
  Tensor base = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(values(base.slice(1, 1, 3).assign(9)) == Numbers{1, 9, 9, 4, 9, 9});
  CHECK(values(base.transpose().flip({0}).assign(Tensor::arange(6).reshape({3, 2}))) ==
        Numbers{4, 2, 0, 5, 3, 1});
  CHECK(values(base.reshape({6}).slice(0, 4, 6).assign(cache.slice(0, 0, 2))) ==
        Numbers{1, 2, 3, 4, 1, 2});
  CHECK(values(base.contiguous()) == Numbers{1, 2, 3, 4, 5, 6});
  UOp at = variable("at", 0, 4);
  Tensor written = cache.narrow(0, at, 2).assign(row(std::vector<float>{-1, -2}));
  CHECK(evaluate(written.uop(), {{"at", 3}}).numbers() == Numbers{1, 2, 3, -1, -2, 6});
  CHECK_THROWS_WITH_AS(evaluate(written.uop()), "internal error: variable at has no value",
                       InternalError);
  CHECK_THROWS_WITH_AS(evaluate(written.uop(), {{"at", 5}}),
                       "internal error: at = 5 is not in [0, 4]", InternalError);
}
