// Loops that neither vectors nor tiles divide: their last piece overlaps the one before, and every
// element is still what it should be, also where a kernel reads what it writes over.
#include <doctest/doctest.h>

#include <numeric>

#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

// Whole numbers, of which sums are exact: 0 .. 10 in a pattern.
Tensor numbers(std::vector<int64_t> shape) {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(float(i * 7 % 11));
  return realize(Tensor::from(values, std::move(shape)).contiguous());
}

TEST_CASE("products whose sizes nothing divides") {
  for (int64_t m : {3, 17, 50}) {
    for (int64_t n : {5, 19, 70, 100}) {
      for (int64_t k : {16, 23, 129}) {
        INFO(m, " x ", k, " x ", n);
        Tensor a = numbers({m, k});
        Tensor b = numbers({k, n});
        Tensor c = numbers({n, k});
        Device& oracle = device("INTERP");
        Device& cpu = device("CPU");
        CHECK(to_vector<float>(a.matmul(b), cpu) == to_vector<float>(a.matmul(b), oracle));
        Tensor transposed = c.permute({1, 0});
        CHECK(to_vector<float>(a.matmul(transposed), cpu) ==
              to_vector<float>(a.matmul(transposed), oracle));
      }
    }
  }
}

TEST_CASE("what is written over is read once") {
  for (int64_t n : {1, 7, 17, 33, 100, 1001}) {
    CAPTURE(n);
    std::vector<float> values(static_cast<size_t>(n));
    std::iota(values.begin(), values.end(), 0.0F);
    Tensor x = realize(Tensor::from(values, {n}).contiguous());
    realize(x.assign(x * 2.0 + 1.0), {}, device("CPU"));
    for (float& v : values) v = v * 2 + 1;
    CHECK(to_vector<float>(x, device("CPU")) == values);
  }
}

TEST_CASE("a long sum is that of its parts") {
  constexpr int64_t n = 3 << 19;
  Tensor x = realize((Tensor::arange(n) % 13).cast(f32));
  float expected = 0;
  for (int64_t i = 0; i < n; ++i) expected += float(i % 13);
  CHECK(item<float>(x.sum(), device("CPU")) == expected);
  CHECK(item<float>(x.reshape({3, 1 << 19}).sum(), device("CPU")) == expected);
  CHECK(item<float>(x.max(), device("CPU")) == 12);
}

TEST_CASE("what is too large for the caches arrives") {
  constexpr int64_t n = int64_t(1) << 24;
  Tensor x = realize(Tensor::arange(n).cast(f32));
  for (DType t : {f32, f16, u8}) {
    CAPTURE(name(t));
    Tensor stored = realize((x % 100.0).cast(t), {}, device("CPU"));
    std::vector<float> values = to_vector<float>(stored, device("CPU"));
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; ++i) wrong += values[size_t(i)] != float(i % 100);
    CHECK(wrong == 0);
  }
}

}  // namespace
}  // namespace niwaki::test
