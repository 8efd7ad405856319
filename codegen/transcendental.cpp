// A call of libm is made for one number at a time, so a loop with one is not a loop over vectors.
// Here the three functions of f32 that the language has become some dozens of operations each,
// without a branch or a table in memory, which run in as many lanes as there are.
//
// Each is the same three steps. The argument is reduced, exactly, to a small interval; there a
// polynomial comes near the function; and the result is put together from its parts. What differs
// is where digits would be lost:
//
//   exp    e^x = 2^n e^r, n the integer next to x / ln 2. r = x - n ln 2 takes ln 2 in two parts
//          (Cody and Waite 1980, "Software Manual for the Elementary Functions"): with the first,
//          all of a float's digits, the fused difference is exact, as it is a multiple of 2^-24
//          below 1/2. The last step of the polynomial, 1 + r q, rounds once: f32 is enough. 2^n is
//          made by a shift of the bits that rounding left.
//   log2   log2(2^k m) = k + log2 m with m in [sqrt(1/2), sqrt 2). The sum in f32 would round what
//          is rounded already; in f64 it does not, and the division that makes the polynomial short
//          (log2 m is odd in t = (m - 1) / (m + 1)) costs no digit either.
//   sin    x - n pi for an x of up to 2^128 needs 150 bits of 1 / pi, of which any one x uses 88:
//          x / pi is found modulo 2 in integers of 64 bits (Payne and Hanek 1983, "Radian reduction
//          for trigonometric functions", SIGNUM Newsletter 18). No f32 but 0 comes nearer to a
//          multiple of pi than 2^-30, so 2^-61 is left of it. All x take this path: lanes do not
//          branch, and a second, faster one would be computed for nothing beside it.
//
// The polynomials are tests/tools/fit_polynomials.py's, which also prints their errors, relative to
// the function: 3e-9 for exp (0.05 ulp), 2e-9 for log2, 2e-11 for sin. With all roundings exp is
// within 0.9 ulp of the true value, log2 and sin within 0.52 (tests/runtimes/accuracy_test.cpp).
// They are exact at 0 (exp) and powers of two (log2), and right at zeros, infinities, NaN
// and among subnormals.
//
// Rejected: a table of 2^(i/16), a gather, which is slower than the three multiplications it saves;
// log2 in pairs of f32, which takes more operations than f64 takes registers; reduction by x - n pi
// in f64 (Cody and Waite), right only for x below a million.
#include "codegen/transcendental.h"

#include <cmath>
#include <limits>

#include "codegen/arithmetic.h"

namespace niwaki {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Added to a float below 2^22 it rounds that to an integer, which are the low bits of the sum.
constexpr double rounder = 0x1.8p23;

UOp fma(const UOp& a, const UOp& b, const UOp& c) { return make(Op::MulAdd, {a, b, c}); }

// Lowest power first, by Horner's rule.
template <size_t n>
UOp polynomial(const UOp& x, const double (&c)[n]) {
  UOp p = number(x, c[n - 1]);
  for (size_t k = n - 1; k-- > 0;) p = fma(p, x, number(x, c[k]));
  return p;
}

UOp clamp(const UOp& x, const UOp& low, const UOp& high) {
  UOp above = where(x < low, low, x);
  return where(high < above, high, above);
}

UOp exp(const UOp& argument) {
  UOp x = clamp(argument, number(argument, -104), number(argument, 89));
  // Near the least normal number, 2^-126, and below a factor 2^64 is set aside.
  UOp is_small = x < number(x, -86);
  UOp magic = where(is_small, number(x, rounder + 64 + 126), number(x, rounder + 126));
  UOp shifted = fma(x, number(x, M_LOG2E), magic);
  UOp n = shifted + magic * number(x, -1);
  UOp r = fma(n, number(x, -0x1.62e43p-1), x);
  r = fma(n, number(x, 0x1.05c610ca86c39p-29), r);
  UOp q = polynomial(r, {1, 0.49999994, 0.166665167, 0.0416681021, 0.00836919434, 0.00138390611});
  // The low bits of `shifted` are n + 126, an exponent; 2^128, for which there is none, is twice
  // 2^127.
  UOp power = bitcast_to(shift_left(bitcast_to(shifted, i32), 23), f32);
  UOp rest = where(is_small, number(x, 0x1p-63), number(x, 2));
  return fma(r, q, number(r, 1)) * power * rest;
}

UOp log2(const UOp& x) {
  // Subnormals are made normal first.
  UOp small = x < number(x, 0x1p-126);
  UOp bits = bitcast_to(where(small, x * number(x, 0x1p24), x), i32);
  UOp k = shift_right(bits + bits_number(bits, -0x3f3504f3), 23);  // from sqrt(1/2) on
  UOp m = cast(bitcast_to(bits + shift_left(k, 23) * bits_number(k, -1), f32), f64);
  UOp exponent = cast(where(small, k + bits_number(k, -24), k), f64);
  UOp t = make(Op::Div, {m + number(m, -1), m + number(m, 1)});
  UOp p = polynomial(
      t * t, {2.8853900797887717, 0.96179884767436996, 0.57671438294334687, 0.4317358759897289});
  UOp y = cast(fma(t, p, exponent), f32);
  UOp at_zero = where(equal(x, number(x, 0)), number(x, -infinity), number(x, nan));
  return where(number(x, 0) < x, where(x < number(x, infinity), y, x), at_zero);
}

// x / pi modulo 2, as an integer times 2^-63, for x of a magnitude whose bits are `a`, from 1 on.
UOp half_turns(const UOp& a) {
  // 1 / pi: the first word is its integer part times 2^40, each word goes on where one ends.
  constexpr uint64_t words[] = {0x517cc1b727, 0x220a94fe13abe8fa, 0x9a6ee06db14acc9e,
                                0x21c820ff28b1d5ef};
  UOp exponent = shift_right(a, 23) + bits_number(a, -127);
  UOp beyond = make(Op::Ne, {mask(exponent, 64), bits_number(a, 0)});
  UOp m = cast(mask(a, 0x7fffff) + bits_number(a, 0x800000), u64);
  UOp s = cast(mask(exponent, 63), u64);
  // 64 bits of 1 / pi from bit `exponent` of the word on, and 64 after them.
  auto word = [&](size_t i) {
    return where(beyond, bits_number(m, int64_t(words[i + 1])), bits_number(m, int64_t(words[i])));
  };
  UOp back = bits_number(s, 63) + s * bits_number(s, -1);
  auto window = [&](size_t i) {
    return shift_left(word(i), s) + shift_right(shift_right(word(i + 1), 1), mask(back, 63));
  };
  return m * window(0) + shift_right(m * shift_right(window(1), 32), 32);
}

UOp sin(const UOp& x) {
  UOp bits = bitcast_to(x, u32);
  UOp a = mask(bits, 0x7fffffff);
  UOp turns = half_turns(a);
  UOp nearest = shift_right(turns + bits_number(turns, int64_t(1) << 62), 63);
  // What is left is the fraction as a signed number. It is converted in two halves, as integers of
  // 64 bits are not everywhere.
  UOp left = shift_left(turns, 1);
  UOp high = cast(bitcast_to(cast(shift_right(left, 32), u32), i32), f64);
  UOp low = cast(bitcast_to(shift_right(cast(left, u32), 1), i32), f64);
  UOp reduced = fma(high, number(high, M_PI * 0x1p-32), low * number(low, M_PI * 0x1p-63));
  // Below 1 there is nothing to reduce, and the bits of x are worth more than those of 1 / pi.
  UOp small = a < bits_number(a, 0x3f800000);
  UOp r = where(small, cast(bitcast_to(a, f32), f64), reduced);
  UOp p =
      polynomial(r * r, {0.99999999997884592, -0.16666666608825265, 0.0083333307205514708,
                         -0.00019840832822993066, 2.752397106876383e-06, -2.3868346518059227e-08});
  UOp odd = where(small, bits_number(a, 0), shift_left(cast(nearest, u32), 31));
  UOp sign = make(Op::Xor, {mask(bits, 0x80000000), odd});
  UOp y = make(Op::Xor, {bitcast_to(cast(r * p, f32), u32), sign});
  return where(a < bits_number(a, 0x7f800000), bitcast_to(y, f32), number(x, nan));
}

}  // namespace

UOp expand_transcendental(const UOp& u) {
  if (u->dtype.kind != Kind::F32) return {};
  if (u->op == Op::Log2) return log2(u[0]);
  if (u->op == Op::Sin) return sin(u[0]);
  return u->op == Op::Exp ? exp(u[0]) : UOp();
}

}  // namespace niwaki
