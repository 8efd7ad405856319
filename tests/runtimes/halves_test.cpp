// Sixteen-bit floats: every operation on every f16 and bf16 gives the same bits on INTERP, where
// core's scalar meaning rounds once, and on the CPU, where it is computed in f32 and rounded.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

using Bits = std::vector<uint16_t>;

bool is_nan(DType t, uint16_t bits) {
  return std::isnan(t == f16 ? f16_value(bits) : bf16_value(bits));
}

// How many elements of the result differ; any NaN is as good as another.
int64_t differences(const Tensor& result) {
  DType t = result.dtype();
  bool half = t == f16 || t == bf16;
  Bits a = to_vector<uint16_t>(half ? result.bitcast(u16) : result.cast(u16), device("INTERP"));
  Bits b = to_vector<uint16_t>(half ? result.bitcast(u16) : result.cast(u16), device("CPU"));
  int64_t n = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    bool same = a[i] == b[i] || (half && is_nan(t, a[i]) && is_nan(t, b[i]));
    n += !same;
  }
  return n;
}

Tensor all_of(DType t) {
  Bits bits(1 << 16);
  std::iota(bits.begin(), bits.end(), uint16_t(0));
  return Tensor::from(bits, {1 << 16}).bitcast(t);
}

Tensor random_of(DType t, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bits bits(200'000);
  for (uint16_t& b : bits) b = uint16_t(random());
  return Tensor::from(bits, {int64_t(bits.size())}).bitcast(t);
}

}  // namespace

TEST_CASE("operations on one sixteen-bit float, for all of them") {
  struct Row {
    const char* name;
    Tensor (*f)(const Tensor& x);
  };
  const Row rows[] = {
      {"negate", [](const Tensor& x) { return -x; }},
      {"abs", [](const Tensor& x) { return x.abs(); }},
      {"sqrt", [](const Tensor& x) { return x.sqrt(); }},
      {"rsqrt", [](const Tensor& x) { return x.rsqrt(); }},
      {"reciprocal", [](const Tensor& x) { return 1.0 / x; }},
      {"square", [](const Tensor& x) { return x * x; }},
      {"exp2", [](const Tensor& x) { return x.exp2(); }},
      {"log2", [](const Tensor& x) { return x.log2(); }},
      {"sin", [](const Tensor& x) { return x.sin(); }},
      {"cos", [](const Tensor& x) { return x.cos(); }},
      {"exp", [](const Tensor& x) { return x.exp(); }},
      {"log", [](const Tensor& x) { return x.log(); }},
      {"tanh", [](const Tensor& x) { return x.tanh(); }},
      {"erf", [](const Tensor& x) { return x.erf(); }},
      {"sigmoid", [](const Tensor& x) { return x.sigmoid(); }},
      {"to f16", [](const Tensor& x) { return x.cast(f16); }},
      {"to bf16", [](const Tensor& x) { return x.cast(bf16); }},
      {"to u16", [](const Tensor& x) { return x.cast(u16); }},
      {"to i8", [](const Tensor& x) { return x.cast(i8); }},
      {"to bool", [](const Tensor& x) { return x.cast(boolean); }},
      {"from i16", [](const Tensor& x) { return x.bitcast(i16).cast(x.dtype()); }},
  };
  for (DType t : {f16, bf16}) {
    Tensor x = all_of(t);
    for (const Row& row : rows) {
      CAPTURE(std::string(niwaki::name(t)));
      CAPTURE(std::string(row.name));
      CHECK(differences(row.f(x)) == 0);
    }
  }
}

TEST_CASE("operations on two sixteen-bit floats, for random ones") {
  for (DType t : {f16, bf16}) {
    Tensor a = random_of(t, 1);
    Tensor b = random_of(t, 2);
    CAPTURE(name(t));
    CHECK(differences(a + b) == 0);
    CHECK(differences(a * b) == 0);
    CHECK(differences(a / b) == 0);
    CHECK(differences(a.maximum(b)) == 0);
    CHECK(differences(a < b) == 0);
    CHECK(differences(a != b) == 0);
  }
}

}  // namespace niwaki::test
