#include "ops/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/bounds.h"
#include "core/error.h"

namespace niwaki {
namespace {

Dims dims_of(const std::vector<int64_t>& shape) { return Dims(shape.begin(), shape.end()); }

Tensor element(const Tensor& list, int64_t i) { return list.narrow(0, i, 1).reshape({}); }

Words words_of(const Tensor& key) {
  check(key.dtype() == u32 && key.rank() == 1 && is_const(key.dim(0), 2),
        "random: the key is {} {}: give u32 (2)", name(key.dtype()), to_string(key.shape()));
  return {element(key, 0), element(key, 1)};
}

Tensor rotated(const Tensor& x, int64_t by) { return (x << by) ^ (x >> (32 - by)); }

Tensor wide(const Words& block) { return block.a.cast(u64) << 32 ^ block.b.cast(u64); }

// Numbers in (0, 1], as a logarithm wants them.
Tensor positive(const Tensor& words, DType t) { return (words.cast(t) + 1.0) * 0x1p-32; }

// Digits of the significand.
int64_t digits(DType t) {
  switch (t.kind) {
    case Kind::F16: return 11;
    case Kind::BF16: return 8;
    case Kind::F32: return 24;
    default: return 53;
  }
}

// The positions of the elements along the last axis in ascending order; equal ones keep theirs.
Tensor order_of(const Tensor& keys) {
  Tensor place = Tensor::arange(keys.dim(-1));
  Tensor mine = keys.unsqueeze(-1);
  Tensor other = keys.unsqueeze(-2);
  Tensor earlier = (other < mine) | ((other == mine) & (place < place.unsqueeze(-1)));
  Tensor rank = earlier.sum({-1}).contiguous();
  return where(rank.unsqueeze(-2) == place.unsqueeze(-1), place, 0).sum({-1});
}

// Sums of the elements up to and including each, along the last axis.
Tensor running_sums(const Tensor& x) {
  Tensor place = Tensor::arange(x.dim(-1));
  return where(place <= place.unsqueeze(-1), x.unsqueeze(-2), 0).sum({-1});
}

struct Fans {
  double in;
  double out;
};

// Of weights without elements, whose numbers nobody will see, as of ones.
Fans fans_of(const char* what, const std::vector<int64_t>& shape) {
  check(shape.size() >= 2, "{}: the shape ({}) has no fan in: give [out, in, ...]", what,
        fmt::join(shape, ", "));
  double field = 1;
  for (size_t i = 2; i < shape.size(); ++i) field *= double(std::max<int64_t>(shape[i], 1));
  return {double(std::max<int64_t>(shape[1], 1)) * field,
          double(std::max<int64_t>(shape[0], 1)) * field};
}

}  // namespace

Words threefry(const Words& key, const Words& counter, Here) {
  static constexpr int64_t rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const Tensor keys[3] = {key.a, key.b, key.a ^ key.b ^ 0x1bd11bda};
  Tensor a = counter.a + keys[0];
  Tensor b = counter.b + keys[1];
  for (int64_t round = 0; round < 20; ++round) {
    a = a + b;
    b = rotated(b, rotations[round % 8]) ^ a;
    if (round % 4 != 3) continue;
    int64_t injection = round / 4 + 1;
    a = a + keys[injection % 3];
    b = b + (keys[(injection + 1) % 3] + injection);
  }
  return {a, b};
}

Random::Random(uint64_t seed)
    : Random(Tensor::from<uint32_t>({uint32_t(seed), uint32_t(seed >> 32)}, {2})) {}

Random::Random(const Tensor& key) : Random(words_of(key)) {}

// No draw has the number of which the other streams are made.
Random Random::fold(const Tensor& number, Here) const {
  check(is_integer(number.dtype()) && number.rank() == 0,
        "random: fold of {} {}: give an integer scalar", name(number.dtype()),
        to_string(number.shape()));
  return Random(threefry(key_, {number.cast(u32), Tensor(constant(u32, 0xffffffff))}));
}

// The position counts in the first word and goes on in the second, where the draw's number is: a
// draw of more than 2^32 elements is several.
Words Random::blocks(const Dims& shape) {
  Shape sizes;
  for (const Dim& dim : shape) sizes.push_back(dim.uop);
  UOp n = dim_product(sizes);
  Tensor at = Tensor::arange(n).reshape(shape);
  Tensor draw = element(Tensor::from<uint32_t>({draws_}, {1}), 0);
  int64_t taken = ((std::max<int64_t>(dim_max(n), 1) - 1) >> 32) + 1;
  expect(taken < int64_t(0xffffffff) - draws_, "random: {} draws and {} more", draws_, taken);
  draws_ += uint32_t(taken);
  return threefry(key_, {at.cast(u32), (at >> 32).cast(u32) + draw});
}

Tensor Random::bits(Dims shape, Here) { return blocks(shape).a; }

Tensor Random::uniform(Dims shape, double lo, double hi, DType t, Here) {
  check(is_float(t), "uniform: numbers of {}: give a float dtype", name(t));
  double low = value_of(t, lo).f;
  double high = value_of(t, hi).f;
  check(low < high && std::isfinite(value_of(t, high - low).f),
        "uniform: no finite numbers of {} in [{}, {})", name(t), lo, hi);
  Words block = blocks(shape);
  int64_t n = digits(t);
  Tensor count = t == f64 ? wide(block) >> (64 - n) : block.a >> (32 - n);
  Tensor unit = count.cast(t) * std::ldexp(1.0, int(-n));
  if (low == 0 && high == 1) return unit;
  // Rounding may reach hi.
  Tensor scaled = unit * (high - low) + low;
  return where(scaled < high, scaled, low);
}

Tensor Random::normal(Dims shape, double mean, double std, DType t, Here) {
  check(is_float(t), "normal: numbers of {}: give a float dtype", name(t));
  check(std >= 0 && std::isfinite(std) && std::isfinite(mean),
        "normal: mean {} and standard deviation {}: give finite numbers, the second not negative",
        mean, std);
  DType exact = t == f64 ? f64 : f32;
  Words block = blocks(shape);
  Tensor radius = (positive(block.a, exact).log() * -2.0).sqrt();
  Tensor angle = block.b.cast(exact) * (2 * M_PI * 0x1p-32);
  return (radius * angle.sin() * std + mean).cast(t);
}

// The product of 64 random bits and the number of values n, of which the upper 64 bits are in
// [0, n) (Lemire 2019, arXiv 1805.10941), each for floor or ceil of 2^64 / n of the inputs.
Tensor Random::integers(Dims shape, int64_t lo, int64_t hi, DType t, Here) {
  check(is_integer(t), "integers: numbers of {}: give an integer dtype", name(t));
  Interval all = dtype_bounds(t);
  int64_t least = is_unsigned(t) ? 0 : all.lo;
  check(lo < hi && lo >= least && hi - 1 <= all.hi, "integers: [{}, {}) is empty or not in {}", lo,
        hi, name(t));
  uint64_t n = uint64_t(hi) - uint64_t(lo);
  check(n <= uint64_t(1) << 32, "integers: [{}, {}) has more than 2^32 numbers", lo, hi);
  Words block = blocks(shape);
  Tensor times(constant(u64, Value::of(int64_t(n))));
  Tensor carry = block.b.cast(u64) * times >> 32;
  Tensor upper = (block.a.cast(u64) * times + carry) >> 32;
  return (upper.cast(i64) + Tensor(index(lo))).cast(t);
}

Tensor Random::permutation(Dim n, Here) { return order_of(wide(blocks({n}))); }

Tensor Random::bernoulli(const Tensor& p, Here) {
  return uniform(dims_of(p.shape()), 0, 1, p.dtype() == f64 ? f64 : f32) < p;
}

Tensor Random::bernoulli(Dims shape, double p, Here) {
  check(p >= 0 && p <= 1, "bernoulli: the probability {} is not in [0, 1]", p);
  return bernoulli(Tensor::full(std::move(shape), p));
}

Tensor Random::multinomial(const Tensor& weights, int64_t n, bool replacement, Here) {
  check(weights.rank() == 1 || weights.rank() == 2,
        "multinomial: the weights {} are not [k] or [m, k]", to_string(weights.shape()));
  const int64_t* k = const_int(weights.dim(-1));
  check(k && n >= 0 && (n == 0 || *k > 0) && (replacement || n <= *k),
        "multinomial: {} of {} categories {} replacement", n, expression(weights.dim(-1)),
        replacement ? "with" : "without");
  DType t = weights.dtype() == f64 ? f64 : f32;
  Tensor w = weights.cast(t);
  Dims shape = dims_of(w.shape());
  shape.back() = Dim(n);
  if (n == 0) return Tensor::zeros(shape, i64);
  if (!replacement) {
    Tensor waiting = -positive(blocks(dims_of(w.shape())).a, t).log() / w;
    double never = std::numeric_limits<double>::infinity();
    return order_of(where(w > 0, waiting, never).contiguous()).narrow(-1, 0, n);
  }
  Tensor sums = running_sums(w).contiguous();
  Tensor chosen = uniform(shape, 0, 1, t) * sums.narrow(-1, *k - 1, 1);
  return (sums.unsqueeze(-2) <= chosen.unsqueeze(-1)).sum({-1});
}

Tensor Random::kaiming_uniform(std::vector<int64_t> shape, double a, DType t, Here) {
  double bound = std::sqrt(6 / ((1 + a * a) * fans_of("kaiming_uniform", shape).in));
  return uniform(dims_of(shape), -bound, bound, t);
}

Tensor Random::kaiming_normal(std::vector<int64_t> shape, double a, DType t, Here) {
  double std = std::sqrt(2 / ((1 + a * a) * fans_of("kaiming_normal", shape).in));
  return normal(dims_of(shape), 0, std, t);
}

Tensor Random::glorot_uniform(std::vector<int64_t> shape, DType t, Here) {
  Fans fans = fans_of("glorot_uniform", shape);
  double bound = std::sqrt(6 / (fans.in + fans.out));
  return uniform(dims_of(shape), -bound, bound, t);
}

Tensor Random::glorot_normal(std::vector<int64_t> shape, DType t, Here) {
  Fans fans = fans_of("glorot_normal", shape);
  return normal(dims_of(shape), 0, std::sqrt(2 / (fans.in + fans.out)), t);
}

Tensor Random::scaled_uniform(std::vector<int64_t> shape, DType t, Here) {
  double size = 1;
  for (int64_t dim : shape) size *= double(std::max<int64_t>(dim, 1));
  double bound = 1 / std::sqrt(size);
  return uniform(dims_of(shape), -bound, bound, t);
}

Tensor dropout(const Tensor& x, double p, Random& random, Here) {
  check(p >= 0 && p <= 1, "dropout: the probability {} is not in [0, 1]", p);
  if (p == 0) return x;
  Dims shape = dims_of(x.shape());
  // Infinity is no factor for a gradient.
  if (p == 1) return Tensor::zeros(shape, x.dtype());
  return where(random.bernoulli(shape, 1 - p), x * (1 / (1 - p)), 0);
}

}  // namespace niwaki
