#include "support/random_graph.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace niwaki::test {
namespace {

// What is known of a float tensor's values: multiples of 2^-scale, at most `most` in magnitude.
struct Known {
  Tensor tensor;
  double most = INFINITY;
  int scale = 0;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), n_(variable("n", 1, 6)) {}

  RandomGraph run() {
    int64_t value = pick(1, 6);
    for (int i = 0; i < 3; ++i) pool_.push_back(input());
    int64_t steps = pick(2, 9);
    for (int64_t i = 0; i < steps; ++i) pool_.push_back(step());
    double tolerance = 0;
    Tensor result = pool_.back().tensor;
    if (is_float(result.dtype()) && chance(0.3)) {
      result = approximated(result.cast(f32));
      tolerance = 2e-6;
    }
    return {result, tolerance, value};
  }

 private:
  int64_t pick(int64_t lo, int64_t hi) {
    return std::uniform_int_distribution<int64_t>(lo, hi)(random_);
  }
  bool chance(double p) { return std::uniform_real_distribution<double>(0, 1)(random_) < p; }

  DType dtype() {
    static const DType all[] = {boolean, i8,  u8,   i16, u16, i32, u32, i64,
                                u64,     f16, bf16, f32, f32, f32, f64};
    return all[pick(0, 14)];
  }

  std::vector<int64_t> shape() {
    static const int64_t dims[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 32};
    std::vector<int64_t> shape;
    int64_t rank = pick(1, 3);
    for (int64_t i = 0; i < rank; ++i) shape.push_back(dims[pick(0, i == 0 ? 9 : 6)]);
    return shape;
  }

  Known input() {
    std::vector<int64_t> dims = shape();
    int64_t n = 1;
    for (int64_t dim : dims) n *= dim;
    DType t = dtype();
    if (is_float(t)) {
      std::vector<float> values;
      for (int64_t i = 0; i < n; ++i) values.push_back(float(pick(-32, 31)) / 8);
      return {Tensor::from(values, dims).cast(t), 4, 3};
    }
    std::vector<int64_t> values;
    for (int64_t i = 0; i < n; ++i) {
      values.push_back(chance(0.2) ? int64_t(random_()) : pick(-9, 9));
    }
    return {Tensor::from(values, dims).cast(t)};
  }

  const Known& any() { return pool_[size_t(pick(0, int64_t(pool_.size()) - 1))]; }

  // Something of the wanted shape: a tensor of the pool that broadcasts to it, or a number.
  Tensor operand(const Tensor& like) {
    for (int attempt = 0; attempt < 4; ++attempt) {
      const Tensor& t = any().tensor;
      bool fits = t.rank() <= like.rank();
      for (int64_t i = 1; fits && i <= t.rank(); ++i) {
        fits = t.dim(-i) == like.dim(-i) || is_const(t.dim(-i), 1);
      }
      if (fits) return t;
    }
    if (is_float(like.dtype()) && chance(0.5)) return Tensor(double(pick(-8, 8)) / 4);
    return Tensor(pick(-5, 5));
  }

  Known step() {
    Known a = any();
    switch (pick(0, 9)) {
      case 0:
      case 1:
      case 2: return {elementwise(a.tensor)};
      case 3: return reduced(a);
      case 4: return {a.tensor.cast(dtype()), a.most, a.scale};
      case 5:
        if (chance(0.5)) return {a.tensor.contiguous(), a.most, a.scale};
        return {bits(a.tensor)};
      default: return moved(a);
    }
  }

  Tensor elementwise(const Tensor& a) {
    Tensor b = operand(a);
    if (is_float(a.dtype()) || is_float(b.dtype())) {
      switch (pick(0, 8)) {
        case 0: return a + b;
        case 1: return a - b;
        case 2: return a * b;
        case 3: return a / b;
        case 4: return a.maximum(b);
        case 5: return a < b;
        case 6: return a != b;
        case 7: return where(a < b, a, b);
        default: return a.abs().sqrt();
      }
    }
    bool bools = a.dtype().kind == Kind::Bool;
    switch (pick(0, bools ? 6 : 12)) {
      case 0: return a + b;
      case 1: return a * b;
      case 2: return a.cast(i32) & b.cast(i32);
      case 3: return a ^ b;
      case 4: return a < b;
      case 5: return a == b;
      case 6: return where(a != 0, a, b);
      case 7: return a.floor_divide(b);
      case 8: return a % b;
      case 9: return a << b;
      case 10: return a >> b;
      case 11: return a.maximum(b);
      default: return a.minimum(b);
    }
  }

  Tensor bits(const Tensor& a) {
    if (a.dtype().kind == Kind::Bool) return !a;
    int64_t width = byte_size(a.dtype());
    if (width > 1 && a.rank() > 0 && a.dim(-1)->op == Op::Const && chance(0.5))
      return a.bitcast(u8);
    return a.bitcast(unsigned_of_same_width(a.dtype()));
  }

  Known reduced(const Known& a) {
    const Tensor& x = a.tensor;
    if (x.rank() == 0) return a;
    int64_t axis = pick(0, x.rank() - 1);
    double n = double(dim_max(x.dim(axis)));
    bool keep = chance(0.5);
    if (is_float(x.dtype())) {
      bool exact = a.most * n * std::exp2(a.scale) < std::exp2(x.dtype() == f64 ? 50 : 23);
      if (exact && chance(0.7)) return {x.sum({axis}, keep).cast(f32), a.most * n, a.scale};
      return {x.max({axis}, keep), a.most, a.scale};
    }
    switch (pick(0, 3)) {
      case 0: return {x.max({axis}, keep)};
      case 1: return {x.prod({axis}, keep)};
      case 2: return {x.min({axis}, keep)};
      default: return {x.sum({axis}, keep)};
    }
  }

  Known moved(const Known& a) {
    const Tensor& x = a.tensor;
    if (x.rank() == 0) return {x.reshape({1}), a.most, a.scale};
    int64_t axis = pick(0, x.rank() - 1);
    const int64_t* size = const_int(x.dim(axis));
    switch (pick(0, 7)) {
      case 0: return {x.transpose(axis, pick(0, x.rank() - 1)), a.most, a.scale};
      case 1: return {x.flip({axis}), a.most, a.scale};
      case 2: {
        std::vector<std::pair<Dim, Dim>> widths(size_t(x.rank()), {Dim(0), Dim(0)});
        widths[size_t(axis)] = {Dim(pick(0, 2)), Dim(pick(0, 3))};
        return {x.pad(widths), a.most, a.scale};
      }
      case 3: {
        if (!size) return a;
        int64_t start = pick(0, *size - 1);
        return {x.slice(axis, start, pick(start + 1, *size)), a.most, a.scale};
      }
      case 4:
        if (!size || *size < 6) return a;
        return {x.narrow(axis, pick(0, *size - 6), n_), a.most, a.scale};
      case 5: return {x.unsqueeze(axis), a.most, a.scale};
      case 6: {
        if (!size) return a;
        Dims dims(x.shape().begin(), x.shape().end());
        int64_t divisor = *size % 2 == 0 ? 2 : 1;
        dims[size_t(axis)] = Dim(*size / divisor);
        dims.insert(dims.begin() + axis, Dim(divisor));
        Tensor split = x.reshape(dims).transpose(axis, axis + 1);
        dims.erase(dims.begin() + axis);
        dims[size_t(axis)] = x.dim(axis);
        return {split.reshape(dims), a.most, a.scale};
      }
      default: {
        if (x.rank() > 3) return a;
        Dims dims(x.shape().begin(), x.shape().end());
        dims.insert(dims.begin(), Dim(pick(2, 3)));
        return {x.expand(dims), a.most, a.scale};
      }
    }
  }

  Tensor approximated(const Tensor& x) {
    Tensor small = x.maximum(-20.0).minimum(20.0);
    switch (pick(0, 3)) {
      case 0: return small.exp();
      case 1: return small.sin();
      case 2: return (x.abs() + 1.0).log2();
      default: return small.sigmoid();
    }
  }

  std::mt19937_64 random_;
  UOp n_;
  std::vector<Known> pool_;
};

}  // namespace

RandomGraph random_graph(uint64_t seed) { return Generator(seed).run(); }

}  // namespace niwaki::test
