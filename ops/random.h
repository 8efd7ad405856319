// Random numbers that are tensors: lazy, fused into what uses them, and the same on every device
// and number of threads, because no state is passed from one number to the next. Each is a hash of
// a key, the number of the draw and its own position: Threefry-2x32-20 (Salmon, Moraes, Dror, Shaw
// 2011, "Parallel random numbers: as easy as 1, 2, 3", doi 10.1145/2063384.2063405), a block of two
// 32-bit words for every element, made of adds, shifts and xors.
//
// A Random is a stream. The draws of one are numbered, which is all the state there is; key and
// draw number lie in buffers, so that a loop that draws does not compile a kernel for each draw. A
// Replay repeats its numbers at every launch, unless the key is the user's: a buffer that is
// written between launches, or fold() of a variable.
//
// Rejected: splitting keys by hand, as JAX does, since a key used twice fails in silence; both
// words of a block for two elements, which a kernel that computes elements one by one would pay for
// twice.
#pragma once

#include "ops/tensor.h"

namespace niwaki {

/// A block of Threefry: two u32 tensors of one shape.
struct Words {
  Tensor a;
  Tensor b;
};

/// Threefry-2x32 with 20 rounds of a counter under a key; u32, broadcast.
Words threefry(const Words& key, const Words& counter, Here = {});

/// A stream of random tensors: every call is another draw.
class Random {
 public:
  explicit Random(uint64_t seed);
  /// A stream of a u32[2] key, which may be computed, or written between the launches of a Replay.
  explicit Random(const Tensor& key);
  /// Another stream for each value of an integer scalar modulo 2^32, e.g. a variable: the step.
  Random fold(const Tensor& number, Here = {}) const;

  /// All 32 bits of u32 numbers.
  Tensor bits(Dims shape, Here = {});
  /// Multiples of 2^-24 (f64: 2^-53, f16: 2^-11, bf16: 2^-8) in [0, 1), scaled to [lo, hi).
  Tensor uniform(Dims shape, double lo = 0, double hi = 1, DType t = f32, Here = {});
  /// The normal distribution (Box, Muller 1958, doi 10.1214/aoms/1177706645).
  Tensor normal(Dims shape, double mean = 0, double std = 1, DType t = f32, Here = {});
  /// Integers in [lo, hi), at most 2^32 of them: each is as likely as another to one part in 2^32.
  Tensor integers(Dims shape, int64_t lo, int64_t hi, DType t = i64, Here = {});
  /// 0 ... n - 1 in random order, i64[n].
  Tensor permutation(Dim n, Here = {});
  /// Bools that are true with probability p.
  Tensor bernoulli(const Tensor& p, Here = {});
  Tensor bernoulli(Dims shape, double p, Here = {});
  /// n categories by weights [k] or [m, k] >= 0 of any sum: i64 [n] or [m, n]. Without replacement
  /// those of weight 0 come last (Efraimidis, Spirakis 2006, doi 10.1016/j.ipl.2005.11.003).
  Tensor multinomial(const Tensor& weights, int64_t n, bool replacement = false, Here = {});

  // --- initial weights [out, in, ...]: fan in is in * ..., fan out is out * ... ---

  /// Uniform within sqrt(6 / ((1 + a^2) fan_in)) of 0 (He et al. 2015, arXiv 1502.01852).
  Tensor kaiming_uniform(std::vector<int64_t> shape, double a = 0, DType t = f32, Here = {});
  /// Normal of std sqrt(2 / ((1 + a^2) fan_in)).
  Tensor kaiming_normal(std::vector<int64_t> shape, double a = 0, DType t = f32, Here = {});
  /// Uniform within sqrt(6 / (fan_in + fan_out)) of 0 (Glorot, Bengio 2010).
  Tensor glorot_uniform(std::vector<int64_t> shape, DType t = f32, Here = {});
  /// Normal of std sqrt(2 / (fan_in + fan_out)).
  Tensor glorot_normal(std::vector<int64_t> shape, DType t = f32, Here = {});
  /// Uniform within 1 / sqrt(number of elements) of 0.
  Tensor scaled_uniform(std::vector<int64_t> shape, DType t = f32, Here = {});

 private:
  explicit Random(Words key) : key_(std::move(key)) {}
  Words blocks(const Dims& shape);

  Words key_;
  uint32_t draws_ = 0;
};

/// x with elements zeroed with probability p, the others divided by 1 - p (Srivastava et al. 2014).
Tensor dropout(const Tensor& x, double p, Random& random, Here = {});

}  // namespace niwaki
