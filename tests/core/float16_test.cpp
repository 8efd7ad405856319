// f16 and bf16 against a reference that knows no bit tricks: all 65,536 values of a format are laid
// out from its definition, and rounding is a search for the nearest of them, ties to the even
// pattern. Slow and plain on purpose.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "core/scalar.h"

using namespace niwaki;

namespace {

// A sign, `exponent_bits` and `mantissa_bits`, as IEEE 754 defines interchange formats.
struct Format {
  DType type;
  int exponent_bits;
  int mantissa_bits;
  uint16_t (*bits)(double);
  double (*value)(uint16_t);

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  uint16_t infinity() const { return uint16_t(((1 << exponent_bits) - 1) << mantissa_bits); }

  // The number a positive, finite pattern stands for; the pattern of infinity continues the row.
  double meaning(int pattern) const {
    int exponent = pattern >> mantissa_bits;
    double fraction = double(pattern & ((1 << mantissa_bits) - 1)) / double(1 << mantissa_bits);
    if (exponent == 0) return std::pow(2.0, 1 - bias()) * fraction;
    return std::pow(2.0, exponent - bias()) * (1 + fraction);
  }

  // The pattern nearest to a number that is not negative.
  uint16_t nearest(const std::vector<double>& meanings, double v) const {
    if (v >= meanings.back()) return infinity();
    size_t above = size_t(std::upper_bound(meanings.begin(), meanings.end(), v) - meanings.begin());
    size_t below = above - 1;
    double up = meanings[above] - v;
    double down = v - meanings[below];
    if (up != down) return uint16_t(up < down ? above : below);
    return uint16_t(above % 2 == 0 ? above : below);
  }
};

const Format half = {f16, 5, 10, f16_bits, f16_value};
const Format brain = {bf16, 8, 7, bf16_bits, bf16_value};

}  // namespace

TEST_CASE("every pattern means what the format says, and comes back") {
  for (const Format& format : {half, brain}) {
    for (int pattern = 0; pattern < 0x8000; ++pattern) {
      for (int sign : {0, 0x8000}) {
        uint16_t bits = uint16_t(pattern | sign);
        double v = format.value(bits);
        CAPTURE(bits);
        REQUIRE(std::signbit(v) == (sign != 0));
        if (pattern > format.infinity()) {
          REQUIRE(std::isnan(v));
          REQUIRE((format.bits(v) & 0x7fff) > format.infinity());
          continue;
        }
        double expected = pattern == format.infinity() ? INFINITY : format.meaning(pattern);
        REQUIRE(std::abs(v) == expected);
        REQUIRE(format.bits(v) == bits);
        REQUIRE(round_to(format.type, Value::of(v)).f == v);
      }
    }
  }
}

TEST_CASE("bits survive the trip through a value: also those of a NaN") {
  for (DType t : {f16, bf16}) {
    for (int pattern = 0; pattern < 0x10000; ++pattern) {
      Value bits = Value::of(int64_t(pattern));
      Value v = evaluate(Op::Bitcast, t, u16, std::span(&bits, 1));
      REQUIRE(evaluate(Op::Bitcast, u16, t, std::span(&v, 1)).i == pattern);
    }
  }
  for (uint32_t pattern : {0x7f800001u, 0xff812345u, 0x7fc00000u, 0x7fffffffu, 0x80000000u}) {
    Value bits = Value::of(int64_t(pattern));
    Value v = evaluate(Op::Bitcast, f32, u32, std::span(&bits, 1));
    CHECK(evaluate(Op::Bitcast, u32, f32, std::span(&v, 1)).i == pattern);
  }
}

TEST_CASE("rounding: the nearest value, ties to even, on midpoints, neighbours and at random") {
  std::mt19937_64 random(7);
  for (const Format& format : {half, brain}) {
    std::vector<double> meanings;
    for (int pattern = 0; pattern <= format.infinity(); ++pattern) {
      meanings.push_back(format.meaning(pattern));
    }
    // From the midpoint between the largest value and what would follow it, all is infinity; the
    // search sees that where infinity stands at twice the largest exponent.
    std::vector<double> samples = {1e-300, 4.9e-324, 1e300, 0x1p-25, 0x1p-24, 0x1p-134};
    for (size_t i = 0; i + 1 < meanings.size(); ++i) {
      double middle = (meanings[i] + meanings[i + 1]) / 2;
      samples.push_back(middle);
      samples.push_back(std::nextafter(middle, 0));
      samples.push_back(std::nextafter(middle, INFINITY));
    }
    double spread = format.type == f16 ? 45 : 290;
    for (int i = 0; i < 100'000; ++i) {
      double exponent = (double(random() % 100'000) / 100'000 - 0.6) * spread;
      samples.push_back(std::exp2(exponent) * (1 + double(random() >> 11) * 0x1p-53));
    }
    for (double v : samples) {
      uint16_t expected = format.nearest(meanings, v);
      CAPTURE(v);
      REQUIRE(format.bits(v) == expected);
      REQUIRE(format.bits(-v) == (expected | 0x8000));
      double rounded = expected == format.infinity() ? INFINITY : meanings[expected];
      REQUIRE(round_to(format.type, Value::of(v)).f == rounded);
      Value back = Value::of(-v);
      REQUIRE(evaluate(Op::Cast, format.type, f64, std::span(&back, 1)).f == -rounded);
    }
  }
}
