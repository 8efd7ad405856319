// What stands between layers. Where a derivative jumps it takes the side that torch takes: relu and
// the hard functions count an end of their range as beyond it, clip() as within.
#include <cmath>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {

// Not a maximum: at 0 that passes half of the gradient. NaN is no 0, and stays.
Tensor Tensor::relu(Here) const {
  Tensor x = numbers();
  return niwaki::where(x < 0, 0, niwaki::where(x != 0, x, 0));
}

Tensor Tensor::leaky_relu(double slope, Here) const {
  return niwaki::where(Tensor(0) < *this, *this, *this * slope);
}

// exp() sees no number above 0: beyond 88 its infinite slope times 0 would be a gradient of NaN.
Tensor Tensor::elu(double alpha, Here) const {
  Tensor x = floats();
  Tensor positive = Tensor(0) < x;
  return niwaki::where(positive, x, niwaki::where(positive, 0, x).expm1() * alpha);
}

Tensor Tensor::celu(double alpha, Here) const { return (*this / alpha).elu() * alpha; }

Tensor Tensor::selu(Here) const { return elu(1.6732632423543772) * 1.0507009873554805; }

Tensor Tensor::silu(Here) const {
  return in_floats([](const Tensor& x) { return x * x.sigmoid(); });
}

Tensor Tensor::gelu(std::string_view approximate, Here) const {
  if (approximate == "none") {
    return in_floats([](const Tensor& x) { return x * 0.5 * ((x * M_SQRT1_2).erf() + 1); });
  }
  check(approximate == "tanh", "gelu: approximation \"{}\" is neither none nor tanh", approximate);
  return in_floats([](const Tensor& x) {
    return x * 0.5 * (((x + x * x * x * 0.044715) * (M_2_SQRTPI * M_SQRT1_2)).tanh() + 1);
  });
}

Tensor Tensor::quick_gelu(Here) const {
  return in_floats([](const Tensor& x) { return x * (x * 1.702).sigmoid(); });
}

Tensor Tensor::mish(Here) const {
  return in_floats([](const Tensor& x) { return x * x.softplus().tanh(); });
}

Tensor Tensor::softplus(double beta, Here) const { return (*this * beta).logaddexp(0) / beta; }

Tensor Tensor::logsigmoid(Here) const { return -(-*this).softplus(); }

Tensor Tensor::softsign(Here) const { return *this / (abs() + 1); }

Tensor Tensor::hardtanh(double lo, double hi, Here) const {
  Tensor x = numbers();
  return niwaki::where(x <= lo, lo, niwaki::where(x >= hi, hi, x));
}

Tensor Tensor::hardsigmoid(Here) const { return (*this / 6.0 + 0.5).hardtanh(0, 1); }

Tensor Tensor::hardswish(Here) const { return *this * (*this / 6.0 + 0.5).clip(0, 1); }

}  // namespace niwaki
