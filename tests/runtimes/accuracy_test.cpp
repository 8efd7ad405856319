// How near the functions of f32 come to the true values, over floats of every magnitude: in ulp of
// the result, against the C library's f64.
//
// NIWAKI_ACCURACY_COUNT numbers a function, half of them floats of random bits, half evenly spread
// where the function varies. The random bits are a permutation of all: with a count of 2^33 no
// float is left out.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "codegen/lower.h"
#include "codegen/render.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

int64_t setting(const char* name, int64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : fallback;
}

struct Function {
  const char* name;
  Tensor (*tensor)(const Tensor& x);
  double (*plain)(double v);
  /// Where it varies.
  double from;
  double to;
  /// The greatest error that is promised, in ulp.
  double promised;
};

const Function functions[] = {
    {"exp", [](const Tensor& x) { return x.exp(); }, std::exp, -104, 89, 1},
    {"exp2", [](const Tensor& x) { return x.exp2(); }, std::exp2, -150, 128, 2},
    {"expm1", [](const Tensor& x) { return x.expm1(); }, std::expm1, -4, 4, 4},
    {"log", [](const Tensor& x) { return x.log(); }, std::log, 0, 4, 2},
    {"log2", [](const Tensor& x) { return x.log2(); }, std::log2, 0, 4, 1},
    {"log10", [](const Tensor& x) { return x.log10(); }, std::log10, 0, 4, 2},
    {"log1p", [](const Tensor& x) { return x.log1p(); }, std::log1p, -1, 4, 4},
    {"sin", [](const Tensor& x) { return x.sin(); }, std::sin, -100, 100, 1},
    {"cos", [](const Tensor& x) { return x.cos(); }, std::cos, -100, 100, 2},
    {"tan", [](const Tensor& x) { return x.tan(); }, std::tan, -100, 100, 4},
    {"asin", [](const Tensor& x) { return x.asin(); }, std::asin, -1, 1, 4},
    {"acos", [](const Tensor& x) { return x.acos(); }, std::acos, -1, 1, 4},
    {"atan", [](const Tensor& x) { return x.atan(); }, std::atan, -4, 4, 4},
    {"sinh", [](const Tensor& x) { return x.sinh(); }, std::sinh, -90, 90, 4},
    {"cosh", [](const Tensor& x) { return x.cosh(); }, std::cosh, -90, 90, 4},
    {"tanh", [](const Tensor& x) { return x.tanh(); }, std::tanh, -10, 10, 2},
    {"asinh", [](const Tensor& x) { return x.asinh(); }, std::asinh, -10, 10, 4},
    {"acosh", [](const Tensor& x) { return x.acosh(); }, std::acosh, 1, 10, 4},
    {"atanh", [](const Tensor& x) { return x.atanh(); }, std::atanh, -1, 1, 4},
    {"erf", [](const Tensor& x) { return x.erf(); }, std::erf, -4, 4, 2},
    {"sigmoid", [](const Tensor& x) { return x.sigmoid(); },
     [](double v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); },
     -104, 20, 2},
};

// Ends of ranges, and what is hard to reduce: near a multiple of pi / 2, or huge.
const float edges[] = {0.0f,
                       -0.0f,
                       0x1p-149f,
                       -0x1p-149f,
                       0x1p-126f,
                       0x1.fffffcp-127f,
                       1.0f,
                       -1.0f,
                       0x1.fffffep127f,
                       -0x1.fffffep127f,
                       INFINITY,
                       -INFINITY,
                       NAN,
                       0x1p127f,
                       0x1.fffffep126f,
                       16367173 * 0x1p72f,
                       1e30f,
                       0x1.921fb6p0f,
                       0x1.921fb6p1f,
                       88.72283f,
                       88.72284f,
                       -103.97208f,
                       -87.33655f,
                       0.65f,
                       0.5f,
                       -0.5f,
                       2.0f,
                       6.0f,
                       64.0f};

float sample(const Function& f, int64_t i) {
  if (i < int64_t(std::size(edges))) return edges[i];
  if (i % 2) return std::bit_cast<float>(uint32_t(i / 2) * 2654435769u);
  double part = double(uint64_t(i / 2) * 0x9e3779b97f4a7c15 >> 11) * 0x1p-53;
  return float(f.from + (f.to - f.from) * part);
}

// The distance of `got` from `true_value`, in units of the last place there; infinite if they are
// of different kinds. Beyond the largest float, infinity counts as the number that would be next.
double error_in_ulp(float got, double true_value) {
  if (std::isnan(got) || std::isnan(true_value)) {
    return std::isnan(got) && std::isnan(true_value) ? 0 : INFINITY;
  }
  if (std::isinf(got) && got == float(true_value)) return 0;
  if (std::isinf(true_value)) return INFINITY;
  double value = std::isinf(got) ? std::copysign(0x1p128, got) : got;
  int exponent = true_value == 0 ? -126 : std::max(std::ilogb(true_value), -126);
  return std::abs(value - true_value) * std::exp2(23 - exponent);
}

struct Worst {
  double error = 0;
  float at = 0;
};

Worst measure(const Function& f, Device& device, int64_t count) {
  int64_t chunk = std::min<int64_t>(count, 1 << 18);
  Tensor x = Tensor::empty({chunk});
  float* in = static_cast<float*>(x.uop()->get<BufferRef>()->data);
  Replay replay({f.tensor(x)}, device);
  const float* out = static_cast<const float*>(replay.output(0).data);
  Worst worst;
  for (int64_t from = 0; from < count; from += chunk) {
    for (int64_t i = 0; i < chunk; ++i) in[i] = sample(f, from + i);
    replay.run();
    for (int64_t i = 0; i < chunk; ++i) {
      double error = error_in_ulp(out[i], f.plain(in[i]));
      if (error > worst.error) worst = {error, in[i]};
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("functions of f32 are as near to the true value as is promised") {
  int64_t count = setting("NIWAKI_ACCURACY_COUNT", 200'000);
  for (const Function& f : functions) {
    CAPTURE(f.name);
    for (const char* name : {"CPU", "INTERP"}) {
      Worst w = measure(f, device(name), name == std::string("CPU") ? count : 4'000);
      CAPTURE(name);
      CAPTURE(w.at);
      MESSAGE(fmt::format("{:8} {:6} {:.3f} ulp at {}", f.name, name, w.error, w.at));
      CHECK(w.error <= f.promised);
    }
  }
}

TEST_CASE("exact where the result is a float") {
  std::vector<float> exponents;
  std::vector<float> powers;
  for (int i = -149; i <= 127; ++i) {
    exponents.push_back(float(i));
    powers.push_back(std::ldexp(1.0f, i));
  }
  Tensor e = Tensor::from(exponents, {int64_t(exponents.size())});
  Tensor p = Tensor::from(powers, {int64_t(powers.size())});
  for (std::string name : {"CPU", "INTERP"}) {
    CAPTURE(name);
    CHECK(to_vector<float>(e.exp2(), device(name)) == powers);
    CHECK(to_vector<float>(e.cast(i32).cast(f32).exp2(), device(name)) == powers);
    CHECK(to_vector<float>(p.log2(), device(name)) == exponents);
    CHECK(item<float>(Tensor::zeros({1}).exp(), device(name)) == 1);
    Tensor far = Tensor::from(std::vector<int32_t>{-2'000'000'000, -150, 128, 2'000'000'000}, {4});
    CHECK(to_vector<float>(far.cast(f32).exp2(), device(name)) ==
          std::vector<float>{0, 0, INFINITY, INFINITY});
  }
}

}  // namespace niwaki::test
