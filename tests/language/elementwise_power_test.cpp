// Powers, roots, bits and signs.
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"
#include "runtimes/realize.h"

using namespace niwaki;
using namespace niwaki::test;

namespace {

using T = const Tensor&;

// x^2, x^0.5, ...: a call for each.
void powers(Fixture& f, const std::vector<double>& exponents) {
  for (double e : exponents) f([&](T x) { return x.pow(e); });
}

}  // namespace

TEST_CASE("pow_full") {
  Fixture f("elementwise", "pow_full");
  f.rest([](T x, T y) { return x.pow(y); });
}

TEST_CASE("pow") {
  Fixture f("elementwise", "pow");
  powers(f, {0, 1, 2, 3, -2, 10, 0.5, 2.2, 2, 3, -2, 0.2, 1.2, 0, 2});
  f([](T x) { return Tensor(2.0).pow(x); });
  f([](T x) { return Tensor(0.7).pow(x); });
  f([](T x, T y) { return x.pow(y.round()); });
}

TEST_CASE("pow_const") {
  Fixture f("elementwise", "pow_const");
  powers(f, {0, 1, 2, -1, -2, 0.3, 2.5, 3});
  for (int64_t e : {0, 1, 2, 3, 5}) f([&](T x) { return x.pow(e); });
  powers(f, {2.5, -1, -1.5});
  for (double base : {2.0, 0.0, 1.0, -2.0, 2.0, -2.0, 0.0}) {
    f([&](T x) { return Tensor(base).pow(x); });
  }
}

TEST_CASE("pow_const_direct") {
  Fixture f("elementwise", "pow_const_direct");
  powers(f, {-1, 0, 0.3, 1, 2});
}

TEST_CASE("pow_neg_inf_frac_exponent") {
  Fixture f("elementwise", "pow_neg_inf_frac_exponent");
  powers(f, {2.2, 0.2});
}

TEST_CASE("pow_zero_exponent") {
  Fixture f("elementwise", "pow_zero_exponent");
  f([](T x, T y) { return x.pow(y); });
}

TEST_CASE("pow_zero_tensor") {
  Fixture f("elementwise", "pow_zero_tensor");
  f.rest([](T x, T y) { return x.pow(y); });
}

TEST_CASE("exp2_log2_zero_times_negative") {
  Fixture f("elementwise", "exp2_log2_zero_times_negative");
  f([](T x, T y) { return (x.log2() * y).exp2(); });
}

TEST_CASE("pow_zero_const") {
  Fixture f("elementwise", "pow_zero_const");
  powers(f, {0.3, 0, -0.3, -1});
}

TEST_CASE("pow_special") {
  Fixture f("elementwise", "pow_special");
  f([](T x, T y) { return x.pow(y); });
}

TEST_CASE("int_pow_const_int") {
  Fixture f("elementwise", "int_pow_const_int");
  for (int64_t e : {2, 3, 0, 7, 7}) f([&](T x) { return x.pow(e); });
  f([](T x) { return Tensor(2).pow(x); });
  f([](T x) { return Tensor(-2).pow(x); });
  CHECK_THROWS_WITH(Tensor::empty({3}, i32).pow(-2),
                    "pow: integers to the power -2: cast them to floats");
}

TEST_CASE("pow_int") {
  Fixture f("elementwise", "pow_int");
  f.rest([](T x, T y) { return x.pow(y); });
  Tensor bytes = Tensor::from<uint8_t>({3, 2, 255, 0}, {4});
  Tensor by = Tensor::from<uint8_t>({5, 8, 255, 0}, {4});
  CHECK(to_vector<int>(bytes.pow(by)) == std::vector<int>{243, 0, 255, 1});
  Tensor b = Tensor::from<bool>({true, false}, {2});
  CHECK(to_vector<int>(b.pow(b)) == std::vector<int>{1, 1});
}

TEST_CASE("pow_int_base_float_exponent") {
  Fixture f("elementwise", "pow_int_base_float_exponent");
  powers(f, {0.5, 1.5, 2.0, -1.0, 0.0});
  f([](T x, T y) { return x.pow(y); });
}

TEST_CASE("pow of sixteen-bit floats rounds once") {
  Tensor x = Tensor::from<float>({3, 7, 1.5f}, {3}).cast(f16);
  Tensor y = Tensor::from<float>({9.5f, 5.5f, 25}, {3}).cast(f16);
  CHECK(to_vector<float>(x.pow(y)) == std::vector<float>{34080, 44480, 25248});
}

TEST_CASE("sqrt") {
  Fixture f("elementwise", "sqrt");
  f.rest([](T x) { return x.sqrt(); });
}

TEST_CASE("rsqrt") {
  Fixture f("elementwise", "rsqrt");
  f.rest([](T x) { return x.rsqrt(); });
}

TEST_CASE("reciprocal") {
  Fixture f("elementwise", "reciprocal");
  f([](T x) { return x.reciprocal(); });
}

TEST_CASE("square") {
  Fixture f("elementwise", "square");
  f([](T x) { return x.square(); });
}

TEST_CASE("xor") {
  Fixture f("elementwise", "xor");
  f([](T x, T y) { return x ^ y; });
  f([](T x) { return x ^ 0x1337; });
  f([](T x, T y) { return x ^ y; });
}

TEST_CASE("and") {
  Fixture f("elementwise", "and");
  f([](T x, T y) { return x & y; });
  f([](T x) { return x & 0x1337; });
  f([](T x, T y) { return x & y; });
  f([](T x) { return (1 < x) & (x < 3); });
  f([](const std::vector<Tensor>& x) {
    Tensor all = x[0] > -1.5;
    for (size_t i = 1; i < x.size(); ++i) all = all & (x[i] > -1.5);
    return all;
  });
  CHECK_THROWS_WITH(Tensor::empty({2}) & Tensor::empty({2}),
                    "and: needs integers or bools, not f32");
}

TEST_CASE("logical_and") {
  Fixture f("elementwise", "logical_and");
  f([](T x, T y) { return x.logical_and(y); });
}

TEST_CASE("or") {
  Fixture f("elementwise", "or");
  f([](T x, T y) { return x | y; });
  f([](T x) { return x | 0x1337; });
  f([](T x, T y) { return x | y; });
  f([](T x) { return (x < 1) | (x > 2); });
}

TEST_CASE("logical_or") {
  Fixture f("elementwise", "logical_or");
  f([](T x, T y) { return x.logical_or(y); });
}

TEST_CASE("int_or") {
  CHECK(to_vector<int>(Tensor::from<int>({5, 8}, {2}) | 2) == std::vector<int>{7, 10});
  CHECK(item<int64_t>(Tensor(5) | 2) == 7);
}

TEST_CASE("bitwise_not") {
  Fixture f("elementwise", "bitwise_not");
  f([](T x) { return x.bitwise_not(); });
  f.rest([](T x) { return ~x; });
  CHECK_THROWS_WITH(~Tensor::empty({2}), "bitwise_not: needs integers or bools, not f32");
}

TEST_CASE("lshift") {
  Fixture f("elementwise", "lshift");
  for (int by : {0, 2, 31, 32, 40, -1}) f([&](T x) { return x << by; });
  f([](T x, T y) { return x << y; });
  f([](T x) { return x << 256; });
  Tensor x = Tensor::empty({2}, u32);
  CHECK_THROWS_WITH(x << 1.2, "shl: shifts by integers, not by f64");
  CHECK_THROWS_WITH(x << Tensor::empty({2}), "shl: shifts by integers, not by f32");
  CHECK_THROWS_WITH(Tensor::empty({2}) << 1, "shl: needs integers, not f32");
}

TEST_CASE("rshift") {
  Fixture f("elementwise", "rshift");
  for (int by : {0, 2, 31, 32, 40, -1}) f([&](T x) { return x >> by; });
  f([](T x, T y) { return x >> y; });
  CHECK_THROWS_WITH(Tensor::empty({2}, u32) >> Tensor::empty({2}),
                    "shr: shifts by integers, not by f32");
  CHECK_THROWS_WITH(Tensor::empty({2}) >> 1, "shr: needs integers, not f32");
}

TEST_CASE("lshift_signed") {
  Fixture f("elementwise", "lshift_signed");
  for (int by : {0, 2, 31, 32}) f([&](T x) { return x << by; });
  f([](T x, T y) { return x << y; });
}

TEST_CASE("rshift_signed") {
  Fixture f("elementwise", "rshift_signed");
  for (int by : {0, 2, 31, 32}) f([&](T x) { return x >> by; });
  f([](T x, T y) { return x >> y; });
}

// What divides by a power of two must not become a shift that rounds the other way.
TEST_CASE("idiv_shift_rewrite_negative") {
  Tensor x = Tensor::from<int>({-5, -4, 5, -1}, {4});
  for (const char* name : {"INTERP", "CPU"}) {
    auto numbers = [&](T t) { return to_vector<int>(t, device(name)); };
    CHECK(numbers(x.floor_divide(2)) == std::vector<int>{-3, -2, 2, -1});
    CHECK(numbers(x.div(2, "trunc")) == std::vector<int>{-2, -2, 2, 0});
    CHECK(numbers(x % 4) == std::vector<int>{3, 0, 1, 3});
    CHECK(numbers(x.fmod(4)) == std::vector<int>{-1, 0, 1, -1});
  }
}

TEST_CASE("abs") {
  Fixture f("elementwise", "abs");
  f.rest([](T x) { return x.abs(); });
}

TEST_CASE("abs_exact") {
  Fixture f("elementwise", "abs_exact");
  f([](T x) { return x.abs(); });
  f([](T x) { return x.abs(); });
  f([](T x) { return 1 / x.abs(); });
  f([](T x) { return x.abs(); });
}

TEST_CASE("sign") {
  Fixture f("elementwise", "sign");
  f.rest([](T x) { return x.sign(); });
}

TEST_CASE("sign_exact") {
  Fixture f("elementwise", "sign_exact");
  f.rest([](T x) { return x.sign(); });
}

TEST_CASE("copysign") {
  Fixture f("elementwise", "copysign");
  f.rest([](T x, T y) { return x.copysign(y); });
}

TEST_CASE("copysign_exact") {
  Fixture f("elementwise", "copysign_exact");
  f([](T x, T y) { return x.copysign(y); });
  f([](T x, T y) { return 1 / x.copysign(y); });
  f([](T x, T y) { return x.copysign(y); });
}

TEST_CASE("logaddexp") {
  Fixture f("elementwise", "logaddexp");
  f.rest([](T x, T y) { return x.logaddexp(y); });
}
