// The samples, a function each.
#include "codegen/device_samples.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace niwaki::test {
namespace {

// Multiples of 1/8 in [-4, 4), whose sums and products are exact.
std::vector<float> numbers(size_t n, size_t seed) {
  std::vector<float> values;
  for (size_t i = 0; i < n; ++i) values.push_back(float(int((i * 37 + seed * 11) % 64) - 32) / 8);
  return values;
}

std::vector<double> for_each_index(size_t n, const std::function<double(size_t)>& f) {
  std::vector<double> values;
  for (size_t i = 0; i < n; ++i) values.push_back(f(i));
  return values;
}

template <class T>
Tensor vector_of(const std::vector<T>& values) {
  return Tensor::from(values, {int64_t(values.size())});
}

Sample movement() {
  std::vector<float> x = numbers(24, 1);
  Tensor t = Tensor::from(x, {4, 6}).permute({1, 0}).pad({{1, 0}, {0, 2}}).flip({0}).slice(0, 1, 6);
  auto f = [&](size_t i) {
    size_t row = 5 - i / 6;
    size_t column = i % 6;
    bool inside = row >= 1 && column < 4;
    return inside ? x[column * 6 + row - 1] * 2 + 1 : 1;
  };
  return {"movement", t * 2.0 + 1.0, for_each_index(30, f)};
}

Sample row_sum() {
  std::vector<float> x = numbers(35, 2);
  auto f = [&](size_t i) {
    return std::accumulate(x.begin() + int64_t(i) * 7, x.begin() + int64_t(i + 1) * 7, 0.0);
  };
  return {"row_sum", Tensor::from(x, {5, 7}).sum({1}), for_each_index(5, f)};
}

Sample row_max() {
  std::vector<float> x = numbers(18, 3);
  x[8] = NAN;
  std::fill(x.begin() + 12, x.end(), -INFINITY);
  std::vector<double> expected = {*std::max_element(x.begin(), x.begin() + 6), NAN, -INFINITY};
  return {"row_max", Tensor::from(x, {3, 6}).max({1}), expected};
}

Sample argmax() {
  std::vector<float> x = numbers(27, 4);
  auto f = [&](size_t i) {
    auto row = x.begin() + int64_t(i) * 9;
    return double(std::max_element(row, row + 9) - row);
  };
  return {"argmax", Tensor::from(x, {3, 9}).argmax(1), for_each_index(3, f)};
}

Sample matmul() {
  std::vector<float> a = numbers(128, 5);
  std::vector<float> b = numbers(64, 6);
  auto f = [&](size_t i) {
    double total = 0;
    for (size_t k = 0; k < 16; ++k) total += double(a[i / 4 * 16 + k]) * b[k * 4 + i % 4];
    return total;
  };
  Tensor product = Tensor::from(a, {8, 16}).matmul(Tensor::from(b, {16, 4}));
  return {"matmul", product, for_each_index(32, f)};
}

Sample softmax() {
  std::vector<float> x = numbers(80, 7);
  auto f = [&](size_t i) {
    double total = 0;
    for (size_t k = 0; k < 20; ++k) total += std::exp(double(x[i / 20 * 20 + k]));
    return std::exp(double(x[i])) / total;
  };
  return {"softmax", Tensor::from(x, {4, 20}).softmax(), for_each_index(80, f), 2e-6};
}

Sample rms_norm() {
  std::vector<float> x = numbers(96, 8);
  std::vector<float> w = numbers(32, 9);
  auto f = [&](size_t i) {
    double squares = 0;
    for (size_t k = 0; k < 32; ++k) squares += std::pow(double(x[i / 32 * 32 + k]), 2);
    return x[i] / std::sqrt(squares / 32 + 1e-5) * w[i % 32];
  };
  Tensor t = Tensor::from(x, {3, 32}).rms_norm(vector_of(w), 1e-5);
  return {"rms_norm", t, for_each_index(96, f), 2e-6};
}

Sample embedding() {
  std::vector<float> table = numbers(24, 10);
  std::vector<int32_t> ids = {2, 0, 5, -1, 6, 2};
  auto f = [&](size_t i) {
    int32_t id = ids[i / 4];
    return id >= 0 && id < 6 ? table[size_t(id) * 4 + i % 4] : 0;
  };
  Tensor t = Tensor::from(table, {6, 4}).embedding(vector_of(ids));
  return {"embedding", t, for_each_index(24, f)};
}

Sample bit_unpacking() {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < 54; ++i) bytes.push_back(uint8_t(i * 73 + 29));
  Tensor block = Tensor::from(bytes, {3, 18});
  Tensor bits = (block.slice(1, 2, 18).reshape({-1, 16, 1}) >> Tensor::arange(8)) & 1;
  auto f = [&](size_t i) { return double(bytes[i / 128 * 18 + 2 + i % 128 / 8] >> i % 8 & 1); };
  return {"bit_unpacking", bits.cast(f32), for_each_index(384, f)};
}

// Every sixteen-bit float, loaded, multiplied and rounded: the product is exact before that.
Sample all_halves(DType t) {
  std::vector<uint16_t> bits(65536);
  std::iota(bits.begin(), bits.end(), 0);
  auto f = [&](size_t i) {
    if (t == f16) return f16_value(f16_bits(f16_value(uint16_t(i)) * 3));
    return bf16_value(bf16_bits(double(float(bf16_value(uint16_t(i)) * 3))));
  };
  return {"all_" + niwaki::name(t), vector_of(bits).bitcast(t) * 3.0, for_each_index(65536, f)};
}

// Ties, subnormals, the edge of overflow.
Sample rounding(DType t) {
  std::vector<float> x = {0.0f,       -0.0f,         1.0f,         0x1.002p0f, 0x1.006p0f,
                          0x1.003p0f, 0x1.01p0f,     0x1.03p0f,    0x1p-24f,   0x1p-25f,
                          0x1.8p-25f, 0x1.ffcp-15f,  0x1.ffep-15f, 65504.0f,   65519.0f,
                          65520.0f,   3.3895314e38f, 3.4e38f,      1e-40f,     -1e-40f,
                          INFINITY,   -INFINITY,     NAN,          -2.5f};
  auto f = [&](size_t i) {
    return t == f16 ? f16_value(f16_bits(double(x[i]))) : bf16_value(bf16_bits(double(x[i])));
  };
  return {"round_to_" + niwaki::name(t), vector_of(x).cast(t), for_each_index(x.size(), f)};
}

template <class T>
Sample division() {
  constexpr T least = std::numeric_limits<T>::min();
  std::vector<T> a;
  std::vector<T> b;
  for (int x = -7; x <= 7; ++x) {
    for (int y = -3; y <= 3; ++y) {
      a.push_back(T(x));
      b.push_back(T(y));
    }
  }
  for (int y : {-1, 1, 2, 0}) {
    a.push_back(least);
    b.push_back(T(y));
  }
  std::vector<double> expected;
  for (size_t i = 0; i < a.size(); ++i) {
    T q = 0;
    if (b[i] == -1) q = T(0 - uint64_t(a[i]));
    else if (b[i] != 0) q = T(std::floor(double(a[i]) / double(b[i])));
    expected.push_back(double(T(uint64_t(q) ^ (uint64_t(a[i]) - uint64_t(q) * uint64_t(b[i])))));
  }
  Tensor x = vector_of(a);
  Tensor y = vector_of(b);
  return {"division_" + niwaki::name(dtype_of<T>()), x.floor_divide(y) ^ (x % y), expected};
}

Sample division_by_a_constant() {
  std::vector<int32_t> a = {-9, -8, -7, -1, 0, 1, 7, 8, 9};
  auto f = [&](size_t i) {
    return std::floor(a[i] / 4.0) * 100 + (a[i] - std::floor(a[i] / 4.0) * 4);
  };
  Tensor x = vector_of(a);
  return {"division_by_a_constant", x.floor_divide(4) * 100 + x % 4, for_each_index(a.size(), f)};
}

template <class T>
Sample shifts() {
  constexpr int bits = std::numeric_limits<std::make_unsigned_t<T>>::digits;
  std::vector<T> a;
  std::vector<T> n;
  std::vector<double> expected;
  for (int x : {1, 3, 77, 100, -1, -100}) {
    for (int count : {0, 1, 5, bits - 1, bits, bits + 3, -1}) {
      a.push_back(T(x));
      n.push_back(T(count));
      bool in_range = count >= 0 && count < bits;
      T left = in_range ? T(uint64_t(a.back()) << count) : T(0);
      T right = in_range ? T(a.back() >> count) : a.back() < 0 ? T(-1) : T(0);
      expected.push_back(double(T(left ^ right)));
    }
  }
  Tensor x = vector_of(a);
  Tensor y = vector_of(n);
  return {"shifts_" + niwaki::name(dtype_of<T>()), (x << y) ^ (x >> y), expected};
}

template <class T>
Sample from_float() {
  std::vector<float> x = {
      NAN,           INFINITY,      -INFINITY,     0.9f,           -0.9f,          -1.5f,
      126.9f,        127.5f,        128.0f,        -128.9f,        -129.0f,        255.5f,
      256.0f,        2147483520.0f, 2147483648.0f, -2147483648.0f, -2147483904.0f, 4294967040.0f,
      4294967296.0f, 9.2e18f,       9.223372e18f,  -9.223372e18f,  1e19f,          1.8446742e19f,
      1.8446744e19f};
  constexpr T least = std::numeric_limits<T>::min();
  constexpr T most = std::numeric_limits<T>::max();
  auto f = [&](size_t i) {
    T result = 0;
    if (x[i] >= std::ldexp(1.0, std::numeric_limits<T>::digits)) result = most;
    else if (x[i] <= double(least)) result = least;
    else if (x[i] == x[i]) result = T(x[i]);
    return double(int64_t(result));
  };
  Tensor t = vector_of(x).cast(dtype_of<T>());
  return {"from_float_to_" + niwaki::name(t.dtype()), t, for_each_index(x.size(), f)};
}

Sample bools() {
  std::vector<float> a = numbers(40, 11);
  std::vector<bool> b;
  for (size_t i = 0; i < 40; ++i) b.push_back(i % 3 == 0);
  auto f = [&](size_t i) { return double((((a[i] < 1) && b[i]) || (a[i] > 3)) != !b[i]); };
  Tensor x = vector_of(a);
  Tensor y = vector_of(b);
  return {"bools", (((x < 1.0) & y) | (x > 3.0)) ^ !y, for_each_index(40, f)};
}

template <class T>
Sample wrapping() {
  constexpr T least = std::numeric_limits<T>::min();
  constexpr T most = std::numeric_limits<T>::max();
  std::vector<T> values = {least, T(least + 1), 0, 1, 3, T(most / 2 + 1), T(most - 1), most};
  std::vector<T> a;
  std::vector<T> b;
  std::vector<double> expected;
  for (T x : values) {
    for (T y : values) {
      a.push_back(x);
      b.push_back(y);
      uint64_t u = uint64_t(x);
      uint64_t v = uint64_t(y);
      expected.push_back(double(int64_t(T((u * v + u - v) * 3 - 5))));
    }
  }
  Tensor x = vector_of(a);
  Tensor y = vector_of(b);
  return {"wrapping_" + niwaki::name(dtype_of<T>()), (x * y + x - y) * 3 + -5, expected};
}

// Both alternatives are small numbers of a wide type.
Sample wide_constants() {
  std::vector<float> x = numbers(16, 12);
  Tensor chosen = where(vector_of(x) < 0.0, Tensor::full({16}, 3, i64), Tensor::full({16}, 5, i64));
  auto f = [&](size_t i) { return (x[i] < 0 ? 3.0 : 5.0) * 4e9; };
  return {"wide_constants", chosen * 4000000000, for_each_index(16, f)};
}

Sample transcendental() {
  std::vector<float> a = numbers(32, 13);
  auto f = [&](size_t i) {
    double x = a[i];
    return std::exp2(x) + std::log2(std::abs(x) + 1) * std::sin(x) - std::sqrt(std::abs(x));
  };
  Tensor x = vector_of(a);
  Tensor t = x.exp2() + (x.abs() + 1.0).log2() * x.sin() - x.abs().sqrt();
  return {"transcendental", t, for_each_index(32, f), 2e-6};
}

Sample doubles() {
  std::vector<double> a = {0.1, -3.5, 1e200, 1e-310, 2.25, 7.0};
  auto f = [&](size_t i) { return std::abs(std::sqrt(std::abs(a[i])) * 0.1 + a[i] / 3); };
  Tensor x = vector_of(a);
  Tensor t = (x.abs().sqrt() * 0.1 + x / 3.0).abs();
  return {"doubles", t, for_each_index(a.size(), f), 1e-15, {}, true};
}

Sample symbolic_sum() {
  std::vector<float> x = numbers(24, 14);
  auto f = [&](size_t i) {
    double total = 0;
    for (size_t k = 0; k < 5; ++k) total += x[k * 3 + i];
    return total;
  };
  Tensor t = Tensor::from(x, {8, 3}).narrow(0, 0, variable("n", 1, 8)).sum({0});
  return {"symbolic_sum", t, for_each_index(3, f), 0, {{"n", 5}}};
}

Sample symbolic_rows() {
  std::vector<float> x = numbers(24, 15);
  auto f = [&](size_t i) { return x[i] * 3 - 1; };
  Tensor t = Tensor::from(x, {8, 3}).narrow(0, 0, variable("n", 1, 8)) * 3.0 - 1.0;
  return {"symbolic_rows", t, for_each_index(15, f), 0, {{"n", 5}}};
}

Sample assigned_row() {
  std::vector<float> x = numbers(3, 16);
  auto f = [&](size_t i) { return i / 3 == 2 ? x[i % 3] + 1 : 0; };
  Tensor row = Tensor::empty({4, 3}).narrow(0, variable("pos", 0, 3), 1);
  return {"assigned_row",
          row.assign(Tensor::from(x, {1, 3}) + 1.0),
          for_each_index(12, f),
          0,
          {{"pos", 2}}};
}

// What is read where the gate is closed is arithmetic on a value that is not there.
Sample gated_loads() {
  std::vector<float> x = numbers(6, 31);
  Tensor padded = ((vector_of(x) + 1.0) * 2.0).pad({{3, 4}});
  auto f = [&](size_t i) { return i >= 3 && i < 9 ? (x[i - 3] + 1.0) * 2 * -1 + 3 : 3.0; };
  return {"gated_loads", padded * -1.0 + 3.0, for_each_index(13, f)};
}

Sample gated_rows() {
  std::vector<float> x = numbers(6, 32);
  std::vector<float> y = numbers(9, 33);
  Tensor joined = cat({Tensor::from(x, {2, 3}).exp2(), Tensor::from(y, {3, 3}) * 3.0}, 0);
  auto at = [&](size_t i) { return i < 6 ? std::exp2(double(x[i])) : y[i - 6] * 3.0; };
  auto f = [&](size_t i) { return at(i) + at(14 - i); };
  return {"gated_rows", joined + joined.flip({0, 1}), for_each_index(15, f), 2e-6};
}

// Every second row written, of a computed value.
Sample written_slice() {
  std::vector<float> x = numbers(24, 34);
  std::vector<float> y = numbers(8, 35);
  Tensor view = Tensor::from(x, {6, 4}).reshape({3, 2, 4}).narrow(0, 1, 2).narrow(1, 1, 1);
  Tensor after = view.assign((Tensor::from(y, {2, 1, 4}) + 1.0) * 0.5);
  Tensor sum = after.reshape({6, 4}).sum({1});
  auto f = [&](size_t row) {
    double total = 0;
    for (size_t c = 0; c < 4; ++c) {
      bool written = row == 3 || row == 5;
      total += written ? (y[(row - 3) / 2 * 4 + c] + 1.0) * 0.5 : x[row * 4 + c];
    }
    return total;
  };
  return {"written_slice", sum, for_each_index(6, f)};
}

Sample infinite_factor() {
  std::vector<float> x = {0, 1, -1, INFINITY, NAN, -0.0f, 3e38f};
  Tensor t = vector_of(x);
  auto f = [&](size_t i) {
    double a = i < 7 ? x[i] * INFINITY : std::max<float>(x[i - 7], -INFINITY);
    return i >= 7 && std::isnan(x[i - 7]) ? NAN : a;
  };
  Tensor both = cat({t * double(INFINITY), t.maximum(-double(INFINITY))}, 0);
  return {"infinite_factor", both, for_each_index(14, f)};
}

Sample constants_alone() {
  Tensor t = (Tensor::full({3}, 2.5) * Tensor::arange(3).cast(f32) + Tensor::ones({3})).sqrt();
  auto f = [](size_t i) { return double(std::sqrt(float(2.5 * double(i) + 1))); };
  return {"constants_alone", t, for_each_index(3, f)};
}

Sample repeated_operations() {
  std::vector<int32_t> x = {0, 1, -1, 7, 100, -100, 1 << 20, INT32_MIN};
  auto step = [](auto a) { return ((a + a) * a ^ a) - (a & a) + (a | a); };
  Tensor t = vector_of(x);
  auto f = [&](size_t i) { return double(int32_t(step(step(uint32_t(x[i]))))); };
  return {"repeated_operations", step(step(t)), for_each_index(8, f)};
}

// The sum is of more than a half can hold on the way.
Sample half_sum() {
  std::vector<float> x(4096, 1.0f);
  Tensor t = vector_of(x).cast(f16).reshape({2, 2048});
  return {"half_sum", (t * 0.5).sum({1}).cast(f32), {1024, 1024}};
}

Sample bitcast_halves() {
  std::vector<uint16_t> x = {0, 0x8000, 0x3c00, 0x3f80, 0xc000, 0x4049};
  Tensor halves = vector_of(x).bitcast(f16);
  auto f = [&](size_t i) {
    return i < 6 ? bf16_value(x[i])
                 : double(int32_t(x[i % 3 * 2] | uint32_t(x[i % 3 * 2 + 1]) << 16));
  };
  Tensor words = halves.bitcast(i32).cast(f64);
  Tensor both = cat({halves.bitcast(bf16).cast(f64), words}, 0);
  return {"bitcast_halves", both, for_each_index(9, f), 0, {}, true};
}

Sample bool_division() {
  std::vector<bool> a = {false, false, true, true};
  std::vector<bool> b = {false, true, false, true};
  Tensor t(make(Op::Div, {vector_of(a).uop(), vector_of(b).uop()}));
  return {"bool_division", t.cast(i32), {0, 0, 0, 1}};
}

// Sums that lose their loops (schedule/collapse.cpp).
Sample running_count() {
  Tensor before = Tensor::arange(9) <= Tensor::arange(9).unsqueeze(-1);
  Tensor late = Tensor::arange(9) * 2 + 3 > Tensor::arange(9).unsqueeze(-1);
  Tensor counts = where(before & late, Tensor::full({9}, 2.5), 0).sum({-1});
  auto f = [](size_t i) {
    double n = 0;
    for (size_t r = 0; r <= i; ++r) n += r * 2 + 3 > i;
    return n * 2.5;
  };
  return {"running_count", counts, for_each_index(9, f)};
}

// Infinities and NaN in the rows that are not chosen stay where they are.
Sample chosen_rows() {
  std::vector<float> x = numbers(24, 36);
  for (size_t i = 0; i < 24; ++i) {
    if (i / 4 % 2 == 0) x[i] = i % 2 ? NAN : -INFINITY;
  }
  std::vector<int64_t> rows = {1, -3, 5, 7, INT64_MIN};
  Tensor ids = vector_of(rows);
  Tensor positive = where(ids < 0, ids + 6, ids).reshape({5, 1, 1});
  Tensor chosen =
      where(Tensor::arange(6).unsqueeze(-1) == positive, Tensor::from(x, {6, 4}), 0).sum({-2});
  auto f = [&](size_t i) {
    const std::vector<size_t> found = {1, 3, 5};
    return i / 4 < 3 ? double(x[found[i / 4] * 4 + i % 4]) : 0.0;
  };
  return {"chosen_rows", chosen, for_each_index(20, f)};
}

}  // namespace

std::vector<Sample> device_samples() {
  return {movement(),
          row_sum(),
          row_max(),
          argmax(),
          matmul(),
          softmax(),
          rms_norm(),
          embedding(),
          bit_unpacking(),
          all_halves(f16),
          all_halves(bf16),
          rounding(f16),
          rounding(bf16),
          division<int8_t>(),
          division<int32_t>(),
          division<int64_t>(),
          division_by_a_constant(),
          shifts<uint8_t>(),
          shifts<int16_t>(),
          shifts<int32_t>(),
          shifts<int64_t>(),
          from_float<int8_t>(),
          from_float<uint8_t>(),
          from_float<int32_t>(),
          from_float<uint32_t>(),
          from_float<int64_t>(),
          from_float<uint64_t>(),
          bools(),
          wrapping<int8_t>(),
          wrapping<uint16_t>(),
          wrapping<int16_t>(),
          wrapping<int32_t>(),
          wrapping<uint32_t>(),
          wrapping<int64_t>(),
          wide_constants(),
          transcendental(),
          doubles(),
          symbolic_sum(),
          symbolic_rows(),
          assigned_row(),
          gated_loads(),
          gated_rows(),
          written_slice(),
          infinite_factor(),
          constants_alone(),
          repeated_operations(),
          half_sum(),
          bitcast_halves(),
          bool_division(),
          running_count(),
          chosen_rows()};
}

}  // namespace niwaki::test
