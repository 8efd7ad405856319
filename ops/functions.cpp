// The functions of one variable, in terms of the four that are primitives: sqrt, exp, log2, sin.
//
// The error that counts is the one against the true value, in units of the last place (ulp): a
// composition must not lose the digits that its primitives have. exp2(x) as exp(x ln 2) does: the
// product is rounded where it is largest, and 100 ulp are gone at x = 120. So exp, exp2, log, sin,
// cos, tanh, erf and sigmoid of f32 are made to stay within 2 ulp for every number, the others
// within 4 (tests/runtimes/accuracy_test.cpp measures all of them). f64 takes the same formulas
// with longer polynomials. f16 and bf16 are computed in f32 and rounded once. The power of e and
// not that of 2 is the primitive, as its slope is its value: a softmax and its gradient share one
// node.
//
// What is written here is differentiated too, op by op. So where() chooses between values that are
// finite on both sides, as the branch that is not taken still has a gradient of 0 times its slope:
// what would overflow or divide by zero is replaced before, not after. |x| is a choice and not a
// maximum, whose slope at 0 is 0: the slope of sigmoid at 0 is 1/4.
//
// Polynomials are tests/tools/fit_polynomials.py's. Rejected: primitives for these functions, of
// which every device would need its own; and the identities that make some of them one line
// (tanh x = 2 sigmoid 2x - 1), each of which cancels somewhere.
#include <cmath>
#include <limits>

#include "ops/tensor.h"

namespace niwaki {
namespace {

using Coefficients = std::vector<double>;

// Lowest power first, by Horner's rule.
Tensor polynomial(const Tensor& x, const Coefficients& c) {
  Tensor p = c.back();
  for (size_t k = c.size() - 1; k-- > 0;) p = p * x + c[k];
  return p;
}

struct Fit {
  Coefficients f32;
  Coefficients f64;
  Tensor at(const Tensor& x) const { return polynomial(x, is_wide(x) ? f64 : f32); }
  static bool is_wide(const Tensor& x) { return x.dtype() == niwaki::f64; }
};

// (tanh(x) / x - 1) / x^2 of x^2, for |x| < 0.65.
const Fit tanh_near = {
    {-0.333332598, 0.133308291, -0.053687904, 0.0204690024, -0.0055146846},
    {-0.33333333333332277, 0.13333333333187672, -0.053968253898299935, 0.021869486856076339,
     -0.0088632120013674848, 0.0035919198057698266, -0.0014546181468842194, 0.00058524730627369076,
     -0.00022648953315092507, 7.4877090149637235e-05, -1.5005545993838626e-05}};

// (atan(x) / x - 1) / x^2 of x^2, for |x| <= 1.
const Fit atan_near = {{-0.333332986, 0.199985296, -0.142640427, 0.109515227, -0.0840338469,
                        0.0579940416, -0.0312521979, 0.0109738931, -0.00181083952},
                       {-0.33333333333333071,    0.19999999999951459,    -0.14285714282575135,
                        0.11111111007027144,     -0.090909070030125272,  0.076922798395744132,
                        -0.066664040601184874,   0.058805278310328349,   -0.0525351863139603,
                        0.047223225006107261,    -0.042191797412341199,  0.036641927694820435,
                        -0.029903886232689976,   0.021984888759680288,   -0.013900594664063844,
                        0.0071965285176276862,   -0.0028849319243005275, 0.00083132675134179115,
                        -0.00015216195816587108, 1.3225187926214393e-05}};

// erf(x) / x - 1 of x^2, for |x| < 1; exp(x^2) (1 - erf(x)) of 1 / (1 + x / 2), for x in [1, 6].
const Fit erf_near = {{0.128379166, -0.37612626, 0.112835787, -0.0268533472, 0.0051871622,
                       -0.00079978531, 7.80690316e-05},
                      {0.12837916709551256, -0.37612638903183521, 0.11283791670944185,
                       -0.026866170643111476, 0.005223977606118561, -0.00085483259293190467,
                       0.00012055293577039872, -1.492471230469075e-05, 1.6447131604175684e-06,
                       -1.620631400819292e-07, 1.3710981466846234e-08, -7.779470462042037e-10}};
const Fit erf_far = {
    {0.0018224956, 0.259700507, 0.396802396, -0.0644611046, 0.636680365, -0.230801761},
    {-3.1306160269768997e-06, 0.28218870692538667, 0.28081628868036401, 0.25731196346136087,
     0.1185917166359841, 0.30899726082599177, -0.64246843330912717, 1.2595809950038868,
     -1.9954102535674698, 1.9429491252635034, -1.1260070491986549, 0.36524257423122991,
     -0.051790362598811562}};

Tensor magnitude(const Tensor& x) { return where(x < 0, -x, x); }
Tensor with_sign_of(const Tensor& x, const Tensor& y) { return where(x < 0, -y, y); }

// exp(x) - 1 for |x| <= 1: the series without its first term. Beyond, no digits cancel.
Tensor expm1_near(const Tensor& x) {
  Coefficients c = {0.5};
  size_t terms = Fit::is_wide(x) ? 18 : 10;
  while (c.size() < terms) c.push_back(c.back() / double(c.size() + 2));
  return x + x * x * polynomial(x, c);
}

}  // namespace

// What `f` makes of floats of 32 or 64 bits, of those that are neither.
Tensor Tensor::in_floats(Tensor (*f)(const Tensor& x)) const {
  Tensor x = numbers();
  bool half = x.dtype() == f16 || x.dtype() == bf16;
  if (half) return f(x.cast(f32)).cast(x.dtype());
  return f(is_float(x.dtype()) && !x.weak_ ? x : x.cast(f32));
}

Tensor Tensor::unary(Op op) const { return Tensor(make(op, {floats().uop_})); }

// 0 - x and not -x: the maximum of 0 and -0 may be either.
Tensor Tensor::abs(Here) const { return is_unsigned(dtype()) ? *this : maximum(Tensor(0) - *this); }
Tensor Tensor::sqrt(Here) const { return unary(Op::Sqrt); }
Tensor Tensor::exp(Here) const { return unary(Op::Exp); }
Tensor Tensor::log2(Here) const { return unary(Op::Log2); }
Tensor Tensor::sin(Here) const { return unary(Op::Sin); }

Tensor Tensor::rsqrt(Here) const {
  return in_floats([](const Tensor& x) { return 1.0 / x.sqrt(); });
}

// 2^x = 2^n exp((x - n) ln 2) of the whole number n next to x, where x - n is exact. n is at most
// the last exponent, so 2^n is infinite nowhere; NaN leaves it at its least, and x - n is NaN.
// Being of bits, 2^n has no slope. It is multiplied by in halves, each of which is a normal number.
Tensor Tensor::exp2(Here) const {
  return in_floats([](const Tensor& x) {
    bool wide = Fit::is_wide(x);
    int64_t least = wide ? -1074 : -149;
    int64_t greatest = wide ? 1023 : 127;
    // From 1 on, truncation is the floor.
    double low = 1.5;
    double high = low + double(greatest - least);
    Tensor shifted = x + (low - double(least));
    shifted = where(low < shifted, where(shifted < high, shifted, high), low);
    Tensor n = shifted.cast(wide ? i64 : i32) + (least - 1);
    auto power = [&](const Tensor& k) {
      return ((k + (wide ? 1023 : 127)) << (wide ? 52 : 23)).bitcast(x.dtype());
    };
    Tensor half = n >> 1;
    return ((x - n.cast(x.dtype())) * M_LN2).exp() * power(half) * power(n - half);
  });
}

Tensor Tensor::expm1(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor near = magnitude(x) < 1.0;
    return where(near, expm1_near(where(near, x, 0.0)), x.exp() - 1.0);
  });
}

Tensor Tensor::log(Here) const {
  return in_floats([](const Tensor& x) { return x.log2() * M_LN2; });
}

Tensor Tensor::log10(Here) const {
  return in_floats([](const Tensor& x) { return x.log2() * 0.30102999566398119521; });
}

// With u = 1 + x rounded, log(1 + x) = log u + (1 + x - u) / u: what the sum lost is known exactly.
// From 64 on it is not worth its place, and below -1/2 nothing is lost.
Tensor Tensor::log1p(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor near = (-0.5 < x) & (x < 64.0);
    Tensor y = where(near, x, 0.0);
    Tensor u = y + 1.0;
    return (x + 1.0).log() + (y - (u - 1.0)) / u;
  });
}

// There is no cosine, and x + pi / 2 is not a float. But 2x is one: cos x = sin 2x / (2 sin x), and
// where sin x is small, cos x is the root of 1 - sin^2 x, with the same sign.
//
// 2x overflows for the largest half of the floats. From those an odd or even multiple of pi is
// taken away, exactly: a float K = k pi + d of their own binade with a very small d, by which
// cos x = cos(k pi) (cos(x - K) - d sin(x - K)).
Tensor Tensor::cos(Here) const {
  return in_floats([](const Tensor& x) {
    bool wide = Fit::is_wide(x);
    double k = wide ? 6221301883130153 * 0x1p971 : 12284873 * 0x1p104;
    double d = wide ? -2.5862875052104481e-17 : -2.9823768653307036e-7;
    double sign = wide ? 1 : -1;
    Tensor a = magnitude(x);
    Tensor doubles = a < (wide ? 0x1p1023 : 0x1p127);
    auto number = [&](double v) { return Tensor(constant(x.dtype(), v)); };
    Tensor z = a - where(doubles, number(0), number(k));
    Tensor s = z.sin();
    Tensor s2 = (z * 2.0).sin();
    Tensor flat = s * s < 0.5;
    Tensor root = where(flat, 1.0 - s * s, 1.0).sqrt();
    Tensor c = where(flat, with_sign_of(s * s2, root), s2 / where(flat, 1.0, s * 2.0));
    return c * where(doubles, number(1), number(sign)) -
           s * where(doubles, number(0), number(sign * d));
  });
}

Tensor Tensor::tan(Here) const {
  return in_floats([](const Tensor& x) { return x.sin() / x.cos(); });
}

// asin x and acos x are twice the angles whose tangents are these, which are good at both ends.
Tensor Tensor::asin(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor cosine = ((1.0 - x) * (1.0 + x)).sqrt();
    return (x / (cosine + 1.0)).atan() * 2.0;
  });
}

Tensor Tensor::acos(Here) const {
  return in_floats([](const Tensor& x) { return ((1.0 - x) / (1.0 + x)).sqrt().atan() * 2.0; });
}

// Beyond 1 the angle is a right one less that of 1 / x.
Tensor Tensor::atan(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor a = magnitude(x);
    Tensor steep = 1.0 < a;
    Tensor y = where(steep, -1.0 / where(steep, a, 1.0), a);
    Tensor z = y * y;
    Tensor angle = y + y * (z * atan_near.at(z));
    return with_sign_of(x, where(steep, angle + M_PI / 2, angle));
  });
}

// Far from 0 from products of e^(x / 2), which overflow where the result does, and not where e^x
// does; near 0 from m = e^x - 1, as (m + m / (1 + m)) / 2.
Tensor Tensor::sinh(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor a = magnitude(x);
    Tensor near = a < 1.0;
    Tensor m = expm1_near(where(near, a, 0.0));
    Tensor up = (a * 0.5).exp();
    Tensor down = (a * -0.5).exp();
    Tensor far = up * 0.5 * up - down * 0.5 * down;
    return with_sign_of(x, where(near, (m + m / (m + 1.0)) * 0.5, far));
  });
}

// The same; near 0 as 1 + 2 sinh^2(x / 2), of which the slope is good too.
Tensor Tensor::cosh(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor near = magnitude(x) < 1.0;
    Tensor h = where(near, x, 0.0) * 0.5;
    Tensor twice = expm1_near(h) - expm1_near(-h);
    Tensor up = (x * 0.5).exp();
    Tensor down = (x * -0.5).exp();
    return where(near, twice * 0.5 * twice + 1.0, up * 0.5 * up + down * 0.5 * down);
  });
}

// From 0.65 on, 1 - e^-2x has all its digits.
Tensor Tensor::tanh(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor a = magnitude(x);
    Tensor near = a < 0.65;
    Tensor y = where(near, x, 0.0);
    Tensor z = y * y;
    Tensor e = (a * -2.0).exp();
    return where(near, y + y * z * tanh_near.at(z), with_sign_of(x, (1.0 - e) / (1.0 + e)));
  });
}

// log(x + sqrt(x^2 + 1)); where 1 is nothing beside x^2, log 2x.
Tensor Tensor::asinh(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor a = magnitude(x);
    Tensor large = 0x1p28 < a;
    Tensor y = where(large, 0.0, a);
    Tensor z = y * y;
    Tensor near = (y + z / ((z + 1.0).sqrt() + 1.0)).log1p();
    return with_sign_of(x, where(large, where(large, a, 1.0).log() + M_LN2, near));
  });
}

// log(x + sqrt(x^2 - 1)), of x - 1.
Tensor Tensor::acosh(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor large = 0x1p28 < x;
    Tensor y = where(large, 2.0, x) - 1.0;
    return where(large, x.log() + M_LN2, (y + y.sqrt() * (y + 2.0).sqrt()).log1p());
  });
}

Tensor Tensor::atanh(Here) const {
  return in_floats([](const Tensor& x) { return (x.log1p() - (-x).log1p()) * 0.5; });
}

// Beyond 6 it is 1 in all digits.
Tensor Tensor::erf(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor a = magnitude(x);
    Tensor near = a < 1.0;
    Tensor y = where(near, x, 0.0);
    Tensor b = where(6.0 < a, 6.0, a);
    Tensor far = 1.0 - (b * -b).exp() * erf_far.at(1.0 / (b * 0.5 + 1.0));
    return where(near, y + y * erf_near.at(y * y), with_sign_of(x, far));
  });
}

// With e = exp(-|x|) nothing overflows: it is e / (1 + e) on the left, which as e - e^2 / (1 + e)
// loses no digit to the division, and on the right 1 less that.
Tensor Tensor::sigmoid(Here) const {
  return in_floats([](const Tensor& x) {
    Tensor e = (-magnitude(x)).exp();
    Tensor left = e / (e + 1.0);
    return where(x < 0, e - e * left, 1.0 - left);
  });
}

}  // namespace niwaki
