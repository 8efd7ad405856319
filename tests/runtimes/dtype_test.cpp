// Every elementwise op on every dtype, at the values where languages and machines disagree: what
// compiled code computes is what core/scalar.h says, to the last bit, by whichever path: the CPU's
// vectors, the vector code and scalar code of other targets. Only exp, log2 and sin, which are
// polynomials there, have a tolerance.
//
// Operands are buffers, so that nothing folds: the pairs of all values with all values, in a number
// that is no multiple of a vector's lanes.
#include <doctest/doctest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtimes/borrowed_code.h"
#include "runtimes/realize.h"
#include "support/naive.h"

namespace niwaki::test {
namespace {

const std::vector<DType> all = {boolean, i8, u8, i16, u16, i32, u32, i64, u64, f16, bf16, f32, f64};

// A buffer of these values, each written as the dtype has it.
Tensor tensor_of(DType t, const std::vector<Value>& values) {
  Tensor x = Tensor::empty({int64_t(values.size())}, t);
  char* data = static_cast<char*>(x.uop()->get<BufferRef>()->data);
  for (size_t i = 0; i < values.size(); ++i) {
    store_value(t, data + int64_t(i) * byte_size(t), values[i]);
  }
  return x;
}

// Zero, one, the ends of the range and their neighbours, the width; subnormals, infinities, NaN.
std::vector<Value> corners(DType t) {
  std::vector<Value> found;
  if (!is_float(t)) {
    int64_t bits = bit_size(t);
    std::vector<int64_t> numbers = {0, 1, -1, 2, -2, 3, 7, -7, 10, 100, bits - 1, bits, bits + 1};
    int64_t top = int64_t(uint64_t(1) << (bits - 1));
    for (int64_t v : {top, int64_t(uint64_t(top) - 1), int64_t(uint64_t(top) + 1)}) {
      numbers.push_back(v);
    }
    for (int64_t v : numbers) found.push_back(round_to(t, Value::of(v)));
    return found;
  }
  double inf = std::numeric_limits<double>::infinity();
  double largest = t == f16    ? 65504
                   : t == bf16 ? 3.3895313892515355e38
                   : t == f32  ? FLT_MAX
                               : DBL_MAX;
  double normal = t == f16 ? 0x1p-14 : t == f64 ? DBL_MIN : double(FLT_MIN);
  double least = t == f16 ? 0x1p-24 : t == bf16 ? 0x1p-133 : t == f32 ? 0x1p-149 : 0x1p-1074;
  for (double v : {0.0,
                   1.0,
                   1.5,
                   2.0,
                   2.5,
                   3.0,
                   0.1,
                   100.0,
                   255.5,
                   256.0,
                   32768.0,
                   65536.0,
                   2147483648.0,
                   4294967296.0,
                   9223372036854775808.0,
                   18446744073709551616.0,
                   largest,
                   normal,
                   least,
                   inf}) {
    found.push_back(round_to(t, Value::of(v)));
    found.push_back(round_to(t, Value::of(-v)));
  }
  found.push_back(Value::of(std::nan("")));
  return found;
}

// All pairs of corners, as two rows.
std::pair<Tensor, Tensor> pairs(DType t) {
  std::vector<Value> left;
  std::vector<Value> right;
  for (Value a : corners(t)) {
    for (Value b : corners(t)) {
      left.push_back(a);
      right.push_back(b);
    }
  }
  return {tensor_of(t, left), tensor_of(t, right)};
}

// What two results may differ by, as a part of the larger; 0: by no bit, but that NaN is NaN.
using Close = double;

bool same(DType t, Value a, Value b, Close close) {
  if (!is_float(t)) return a.bits == b.bits;
  if (std::isnan(a.f) || std::isnan(b.f)) return std::isnan(a.f) && std::isnan(b.f);
  if (a.f == b.f) return close > 0 || a.bits == b.bits;
  return std::abs(a.f - b.f) <= close * std::max(1.0, std::max(std::abs(a.f), std::abs(b.f)));
}

class Machines {
 public:
  // The results of all devices against the definitions.
  void agree(const std::string& what, const std::vector<Tensor>& outputs, Close close = 0) {
    std::vector<NaiveTensor> expected;
    for (const Tensor& x : outputs) expected.push_back(evaluate(x.uop()));
    for (Device* d : devices_) {
      std::vector<Tensor> results = realize(outputs, {}, *d);
      for (size_t k = 0; k < outputs.size(); ++k) {
        const Buffer& b = *results[k].uop()->get<BufferRef>();
        REQUIRE(b.size() == expected[k].size());
        for (int64_t i = 0; i < b.size(); ++i) {
          Value v = load_value(b.dtype, static_cast<char*>(b.data) + i * byte_size(b.dtype));
          Value wanted = expected[k].values[size_t(i)];
          if (same(b.dtype, v, wanted, close)) continue;
          FAIL_CHECK(what, " output ", k, " ", name(b.dtype), " element ", i, " on ", d->name(),
                     " for ", d->target().name, ": ", text(b.dtype, v), ", not ",
                     text(b.dtype, wanted));
          break;
        }
      }
    }
  }

 private:
  static std::string text(DType t, Value v) {
    return is_float(t) ? fmt::format("{:a}", v.f) : std::to_string(v.i);
  }

  BorrowedCode vectors_{"llvm"};
  BorrowedCode scalars_{"c"};
  BorrowedCode grid_{"opencl"};
  std::vector<Device*> devices_ = {&device("INTERP"), &device("CPU"), &vectors_, &scalars_, &grid_};
};

bool takes(Op op, DType t) {
  switch (op) {
    case Op::And:
    case Op::Xor: return !is_float(t);
    case Op::Shl:
    case Op::Shr:
    case Op::Mod: return is_integer(t);
    case Op::Sqrt:
    case Op::Exp:
    case Op::Log2:
    case Op::Sin: return is_float(t);
    default: return true;
  }
}

}  // namespace

TEST_CASE("binary ops of every dtype on all pairs of corners") {
  Machines machines;
  for (DType t : all) {
    auto [a, b] = pairs(t);
    std::vector<Tensor> results;
    for (Op op : {Op::Add, Op::Mul, Op::Div, Op::Mod, Op::Max, Op::And, Op::Xor, Op::Shl, Op::Shr,
                  Op::Less, Op::Ne}) {
      if (takes(op, t)) results.push_back(Tensor(make(op, {a.uop(), b.uop()})));
    }
    results.push_back(where(a < b, a, b));
    results.push_back(where(b != a, b, a));
    machines.agree("binary", results);
  }
}

TEST_CASE("binary ops with a constant: divisors, shifts and factors folded in") {
  Machines machines;
  for (DType t : all) {
    Tensor a = tensor_of(t, corners(t));
    std::vector<Value> some = corners(t);
    for (size_t k = 0; k < some.size(); k += is_float(t) ? 8 : 3) {
      Value v = some[k];
      std::vector<Tensor> results;
      Dims dims(a.shape().begin(), a.shape().end());
      UOp c = Tensor(constant(t, v)).expand(dims).uop();
      for (Op op : {Op::Add, Op::Mul, Op::Div, Op::Mod, Op::Max, Op::And, Op::Xor, Op::Shl, Op::Shr,
                    Op::Less, Op::Ne}) {
        if (!takes(op, t)) continue;
        results.push_back(Tensor(make(op, {a.uop(), c})));
        results.push_back(Tensor(make(op, {c, a.uop()})));
      }
      machines.agree(fmt::format("with {} or {}", v.i, v.f), results);
    }
  }
}

TEST_CASE("functions of one variable") {
  Machines machines;
  for (DType t : {f16, bf16, f32, f64}) {
    Tensor a = tensor_of(t, corners(t));
    machines.agree("sqrt", {a.sqrt(), -a, a.abs()});
    // Relative to the result; near the zeros of a sine, to one.
    double close = t == f16 ? 1e-3 : t == bf16 ? 8e-3 : 2e-6;
    std::vector<Value> moderate;
    for (Value v : corners(t)) {
      if (!(std::abs(v.f) > 1e4)) moderate.push_back(v);
    }
    Tensor b = tensor_of(t, moderate);
    machines.agree("functions", {a.exp(), a.log2(), b.sin()}, close);
  }
}

TEST_CASE("casts between all dtypes, out of range too") {
  Machines machines;
  for (DType from : all) {
    // What is no value of the dtype itself, by way of the values of the wider one.
    Tensor x = tensor_of(from, corners(from));
    std::vector<Tensor> results;
    for (DType to : all) results.push_back(x.cast(to));
    machines.agree("cast from " + name(from), results);
  }
}

TEST_CASE("casts in the middle of an expression") {
  Machines machines;
  for (DType from : all) {
    Tensor x = tensor_of(from, corners(from));
    std::vector<Tensor> results;
    for (DType to : all) {
      results.push_back(x.cast(to) + x.cast(to));
      results.push_back(x.cast(to).cast(from));
      results.push_back((x.cast(to) < x.flip({0}).cast(to)).cast(from));
    }
    machines.agree("midcast from " + name(from), results);
  }
}

TEST_CASE("bitcasts of the same and of another size") {
  Machines machines;
  for (DType from : all) {
    if (from == boolean) continue;
    std::vector<Value> values = corners(from);
    while (values.size() % 8) values.pop_back();
    Tensor x = tensor_of(from, values);
    std::vector<Tensor> results;
    for (DType to : all) {
      if (to != boolean) results.push_back(x.bitcast(to));
    }
    for (DType to : {u8, u16, u32, u64}) results.push_back(x.bitcast(to).bitcast(from));
    machines.agree("bitcast from " + name(from), results);
  }
}

TEST_CASE("reductions of every dtype") {
  Machines machines;
  for (DType t : all) {
    std::vector<Value> values = corners(t);
    // Sums of a few small numbers are exact in any order; the rest are maxima, and integers wrap.
    std::vector<Value> small;
    for (int64_t i = 0; i < 60; ++i) {
      double v = double(i % 5 - (is_unsigned(t) || t == boolean ? 0 : 2));
      small.push_back(is_float(t) ? Value::of(v) : round_to(t, Value::of(int64_t(v))));
    }
    std::vector<Value> powers;
    for (int64_t i = 0; i < 60; ++i) powers.push_back(value_of(t, i % 7 == 3 ? 2 : 1));
    Tensor a = tensor_of(t, values);
    Tensor b = tensor_of(t, small);
    Tensor c = tensor_of(t, powers);
    Tensor finite = tensor_of(t, std::vector<Value>(values.begin(), values.end() - 1));
    machines.agree(
        "reduce " + name(t),
        {a.max(), a.min(), finite.max(), finite.min(), b.sum(), c.prod(), b.max(),
         b.reshape({6, 10}).sum({0}), b.reshape({6, 10}).max({1}), c.reshape({6, 10}).prod({1})});
    if (!is_float(t)) machines.agree("wrapping reduce " + name(t), {a.sum(), a.prod()});
  }
}

}  // namespace niwaki::test
