// The compositions: products, softmax, norms, rope, attention, lookup and packed dtypes, against
// loops in double that follow the papers' formulas.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "ops/tensor.h"
#include "tests/support/naive.h"

using namespace niwaki;

namespace {

using Numbers = std::vector<double>;

Numbers values(const Tensor& t) { return evaluate(t.uop()).numbers(); }

// A tensor beside its numbers.
struct Sample {
  Tensor tensor;
  Numbers at;
};

Sample random_sample(std::vector<int64_t> shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  std::vector<float> list;
  for (int64_t i = 0; i < n; ++i) list.push_back(float(int64_t(random() % 2001) - 1000) / 500);
  return {Tensor::from(list, std::move(shape)), Numbers(list.begin(), list.end())};
}

void check_near(const Tensor& t, const Numbers& expected) {
  Numbers found = values(t);
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("matmul and linear") {
  Sample a = random_sample({2, 3, 4}, 1);
  Sample b = random_sample({2, 4, 5}, 2);
  Sample w = random_sample({5, 4}, 3);
  Numbers product;
  Numbers projected;
  for (size_t batch = 0; batch < 2; ++batch) {
    for (size_t m = 0; m < 3; ++m) {
      for (size_t n = 0; n < 5; ++n) {
        double p = 0;
        double q = 0;
        for (size_t k = 0; k < 4; ++k) {
          p += a.at[(batch * 3 + m) * 4 + k] * b.at[(batch * 4 + k) * 5 + n];
          q += a.at[(batch * 3 + m) * 4 + k] * w.at[n * 4 + k];
        }
        product.push_back(p);
        projected.push_back(q);
      }
    }
  }
  check_near(a.tensor.matmul(b.tensor), product);
  check_near(a.tensor.linear(w.tensor), projected);
  check_near(a.tensor.matmul(w.tensor.transpose()), projected);
}

TEST_CASE("softmax and log_softmax along any axis, also where exp would overflow") {
  Sample x = random_sample({3, 4}, 4);
  for (int64_t axis : {0, 1}) {
    Numbers soft(12);
    Numbers log_soft(12);
    for (size_t line = 0; line < (axis ? 3 : 4); ++line) {
      size_t step = axis ? 1 : 4;
      size_t start = axis ? line * 4 : line;
      size_t n = axis ? 4 : 3;
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += std::exp(x.at[start + i * step]);
      for (size_t i = 0; i < n; ++i) {
        soft[start + i * step] = std::exp(x.at[start + i * step]) / total;
        log_soft[start + i * step] = x.at[start + i * step] - std::log(total);
      }
    }
    check_near(x.tensor.softmax(axis), soft);
    check_near(x.tensor.log_softmax(axis - 2), log_soft);
    check_near((x.tensor + 1000).softmax(axis), values(((x.tensor + 1000) - 1000).softmax(axis)));
  }
  Tensor extreme = Tensor::from(std::vector<float>{1e30f, -1e30f, 1e30f}, {3});
  CHECK(values(extreme.softmax()) == Numbers{0.5, 0, 0.5});
}

TEST_CASE("norms") {
  Sample x = random_sample({3, 8}, 5);
  Sample w = random_sample({8}, 6);
  Numbers rms;
  Numbers layer;
  for (size_t r = 0; r < 3; ++r) {
    double squares = 0;
    double mean = 0;
    double variance = 0;
    for (size_t i = 0; i < 8; ++i) squares += x.at[r * 8 + i] * x.at[r * 8 + i] / 8;
    for (size_t i = 0; i < 8; ++i) mean += x.at[r * 8 + i] / 8;
    for (size_t i = 0; i < 8; ++i) variance += std::pow(x.at[r * 8 + i] - mean, 2) / 8;
    for (size_t i = 0; i < 8; ++i) {
      rms.push_back(x.at[r * 8 + i] / std::sqrt(squares + 0.01) * w.at[i]);
      layer.push_back((x.at[r * 8 + i] - mean) / std::sqrt(variance + 0.01));
    }
  }
  check_near(x.tensor.rms_norm(w.tensor, 0.01), rms);
  check_near(x.tensor.layer_norm(0.01), layer);
}

TEST_CASE("argmax: the first of the greatest, along any axis, of any dtype") {
  Tensor x = Tensor::from(std::vector<float>{1, 5, 5, 2, 7, 0, 7, 7, -3, -3, -3, -3}, {3, 4});
  CHECK(values(x.argmax(-1)) == Numbers{1, 0, 0});
  CHECK(values(x.argmax(0)) == Numbers{1, 0, 1, 1});
  CHECK(values(x.argmax(-2)) == Numbers{1, 0, 1, 1});
  CHECK(values(Tensor::from(std::vector<int8_t>{-128, -128}, {2}).argmax()) == Numbers{0});
  CHECK(values(Tensor::from(std::vector<uint8_t>{3, 255, 255}, {3}).argmax()) == Numbers{1});
  CHECK(values(Tensor::from(std::vector<float>{-INFINITY, -INFINITY}, {2}).argmax()) ==
        Numbers{0});
  CHECK(values(Tensor::from(std::vector<float>{-0.0f, 0.0f}, {2}).argmax()) == Numbers{0});
  CHECK(values(Tensor::from(std::vector<float>{4}, {1}).argmax()) == Numbers{0});
}

TEST_CASE("cat along any axis, with mixed dtypes and a symbolic part") {
  Sample a = random_sample({2, 3}, 7);
  Sample b = random_sample({2, 1}, 8);
  Sample c = random_sample({2, 2}, 9);
  Numbers expected;
  for (size_t r = 0; r < 2; ++r) {
    for (size_t i = 0; i < 3; ++i) expected.push_back(a.at[r * 3 + i]);
    expected.push_back(b.at[r]);
    for (size_t i = 0; i < 2; ++i) expected.push_back(c.at[r * 2 + i]);
  }
  CHECK(values(cat({a.tensor, b.tensor, c.tensor}, 1)) == expected);
  Tensor rows = cat({b.tensor.transpose(), Tensor::arange(2).reshape({1, 2})}, 0);
  CHECK(values(rows) == Numbers{b.at[0], b.at[1], 0, 1});
  // What a part does not hold must not leak in: nothing is multiplied by zero.
  Tensor infinite = Tensor::full({1}, INFINITY);
  CHECK(values(cat({infinite, Tensor::full({1}, 2), infinite}, 0)) ==
        Numbers{INFINITY, 2, INFINITY});
  UOp n = variable("n", 1, 3);
  Tensor some = Tensor::arange(3).slice(0, 0, n);
  Tensor joined = cat({Tensor::full({1}, 7, i64), some, Tensor::full({2}, 8, i64)}, 0);
  CHECK(evaluate(joined.uop(), {{"n", 2}}).numbers() == Numbers{7, 0, 1, 8, 8});
  CHECK(evaluate(joined.uop(), {{"n", 3}}).numbers() == Numbers{7, 0, 1, 2, 8, 8});
}

TEST_CASE("rope rotates the two halves by the angle of each position") {
  Sample x = random_sample({3, 2, 6}, 10);
  std::vector<float> cosines;
  std::vector<float> sines;
  for (int64_t position = 0; position < 3; ++position) {
    for (int64_t i = 0; i < 3; ++i) {
      double angle = double(position) * std::pow(10000.0, -2.0 * double(i) / 6);
      cosines.push_back(float(std::cos(angle)));
      sines.push_back(float(std::sin(angle)));
    }
  }
  Numbers expected(x.at.size());
  for (size_t row = 0; row < 6; ++row) {
    for (size_t i = 0; i < 3; ++i) {
      double c = cosines[row / 2 * 3 + i];
      double s = sines[row / 2 * 3 + i];
      double a = x.at[row * 6 + i];
      double b = x.at[row * 6 + 3 + i];
      expected[row * 6 + i] = a * c - b * s;
      expected[row * 6 + 3 + i] = b * c + a * s;
    }
  }
  Tensor c = Tensor::from(cosines, {3, 1, 3});
  Tensor s = Tensor::from(sines, {3, 1, 3});
  check_near(x.tensor.rope(c, s), expected);
}

TEST_CASE("attention with grouped heads: query i sees keys 0 .. first + i") {
  constexpr size_t t = 3;
  constexpr size_t h = 4;
  constexpr size_t g = 2;
  constexpr size_t keys = 6;
  constexpr size_t d = 5;
  Sample q = random_sample({t, h, d}, 11);
  Sample k = random_sample({keys, g, d}, 12);
  Sample v = random_sample({keys, g, d}, 13);
  for (size_t first : {0, 2, 3}) {
    Numbers expected;
    for (size_t i = 0; i < t; ++i) {
      for (size_t head = 0; head < h; ++head) {
        size_t group = head / (h / g);
        size_t seen = std::min(keys, first + i + 1);
        Numbers weights;
        double total = 0;
        for (size_t key = 0; key < seen; ++key) {
          double score = 0;
          for (size_t e = 0; e < d; ++e) {
            score += q.at[(i * h + head) * d + e] * k.at[(key * g + group) * d + e];
          }
          weights.push_back(std::exp(score / std::sqrt(double(d))));
          total += weights.back();
        }
        for (size_t e = 0; e < d; ++e) {
          double mixed = 0;
          for (size_t key = 0; key < seen; ++key) {
            mixed += weights[key] / total * v.at[(key * g + group) * d + e];
          }
          expected.push_back(mixed);
        }
      }
    }
    check_near(attention(q.tensor, k.tensor, v.tensor, int64_t(first)), expected);
    UOp position = variable("position", 0, 3);
    Tensor symbolic = attention(q.tensor, k.tensor, v.tensor, position);
    CHECK(evaluate(symbolic.uop(), {{"position", int64_t(first)}}).numbers() ==
          values(attention(q.tensor, k.tensor, v.tensor, int64_t(first))));
  }
}

TEST_CASE("embedding: rows of a table, zeros for ids outside it") {
  Sample table = random_sample({4, 3}, 14);
  Tensor ids = Tensor::from(std::vector<int32_t>{3, -1, 0, 4, 2, 1 << 30}, {3, 2});
  Numbers expected;
  for (int64_t id : {3, -1, 0, 4, 2, 1 << 30}) {
    for (size_t i = 0; i < 3; ++i) {
      expected.push_back(id < 0 || id > 3 ? 0 : table.at[size_t(id) * 3 + i]);
    }
  }
  CHECK(values(table.tensor.embedding(ids)) == expected);
  // A row of NaN stays where it is.
  std::vector<float> broken = {NAN, NAN, 1, 2};
  Tensor one = Tensor::from(std::vector<uint8_t>{1}, {1});
  CHECK(values(Tensor::from(broken, {2, 2}).embedding(one)) == Numbers{1, 2});
}

TEST_CASE("a packed dtype of three bits: decoded as its format says, wherever numbers are needed") {
  // Eight values in three bytes, value i in bits 3 i and up, worth (code - 4) / 2.
  static const PackedType type = {"test_codes", 8, 3, [](const UOp& blocks) {
    Tensor bytes = Tensor(blocks).cast(u32);
    Tensor word = (bytes << (Tensor::arange(3) * 8).cast(u32)).sum({-1}, true);
    Tensor codes = (word >> (Tensor::arange(8) * 3).cast(u32)) & 7;
    return ((codes.cast(f32) - 4) * 0.5).uop();
  }};
  DType packed = {Kind::Packed, 1, &type};
  std::vector<uint8_t> bytes;
  Numbers expected;
  for (uint32_t block = 0; block < 4; ++block) {
    uint32_t word = 0;
    for (uint32_t i = 0; i < 8; ++i) {
      uint32_t code = (i * 5 + block * 3) % 8;
      word |= code << (3 * i);
      expected.push_back((double(code) - 4) / 2);
    }
    for (uint32_t byte = 0; byte < 3; ++byte) bytes.push_back(uint8_t(word >> (8 * byte)));
  }
  Tensor w = Tensor::view(bytes.data(), packed, {2, 16}, nullptr);
  CHECK(values(w.cast(f32)) == expected);
  CHECK(values(w.reshape({4, 8}).sum({1})) == values(w.cast(f32).reshape({4, 8}).sum({1})));
  CHECK(values(w.bitcast(u8)) == Numbers(bytes.begin(), bytes.end()));
  CHECK(values(Tensor::from(bytes, {2, 6}).bitcast(packed).cast(f32)) == expected);
  Sample x = random_sample({3, 16}, 15);
  Numbers product;
  for (size_t m = 0; m < 3; ++m) {
    for (size_t n = 0; n < 2; ++n) {
      double sum = 0;
      for (size_t k = 0; k < 16; ++k) sum += x.at[m * 16 + k] * expected[n * 16 + k];
      product.push_back(sum);
    }
  }
  check_near(x.tensor.linear(w), product);
  Tensor second = Tensor::from(std::vector<int64_t>{1}, {1});
  CHECK(values(w.embedding(second)) == Numbers(expected.begin() + 16, expected.end()));
}
