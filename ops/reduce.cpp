// Reductions: sums, products, extremes, and what follows from them alone.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

Tensor divided(const Tensor& total, const UOp& n) {
  const int64_t* c = const_int(n);
  return c ? total * (1.0 / double(*c)) : total / Tensor(n).cast(total.dtype());
}

// x^p of x >= 0 and p > 0. At 0 the slope is taken as 0, where that of a root is infinite.
Tensor power(const Tensor& x, double p) {
  if (p == 1) return x;
  if (p == 2) return x * x;
  Tensor zero = x == 0;
  Tensor base = where(zero, 1, x);
  return where(zero, 0, p == 0.5 ? base.sqrt() : (base.log2() * p).exp2());
}

// Without the axes that were reduced to 1.
Tensor without(const Tensor& x, const Axes& axes) {
  Dims dims;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(Dim(x.dim(i)));
  }
  return x.reshape(dims);
}

}  // namespace

// Sixteen-bit floats are for storage: what is worked out in several steps takes them in f32.
Tensor Tensor::wide() const { return cast(dtype() == f64 ? f64 : f32); }

Tensor Tensor::as_float(DType t) const { return is_float(t) ? cast(t) : *this; }

Axes Tensor::reduced_axes(const Axes& axes) const {
  if (rank() == 0) {
    reshape({1}).reduced_axes(axes);
    return {};
  }
  Axes found = axes_of(axes);
  for (size_t i = 0; i < found.size(); ++i) {
    check(std::count(found.begin(), found.end(), found[i]) == 1,
          "reduce: axis {} of {} is given twice", found[i], to_string(shape()));
  }
  return found;
}

UOp Tensor::count(const Axes& axes) const {
  UOp n = index(1);
  for (int64_t axis : reduced_axes(axes)) n = dim_mul(n, dim(axis));
  return n;
}

Tensor Tensor::reduce(Op op, const Axes& axes, bool keep) const {
  Tensor x = numbers();
  Axes over = x.reduced_axes(axes);
  if (x.rank() == 0) return x;
  DType t = x.dtype();
  // A sum that rounded to sixteen bits at every step would stop growing.
  if (t == f16 || t == bf16) return x.cast(f32).reduce(op, axes, keep).cast(t);
  Tensor reduced(make(Op::Reduce, {x.uop_}, Reduction{op, over}));
  return keep ? reduced : without(reduced, over);
}

Tensor Tensor::sum(Axes axes, bool keep, std::optional<DType> t, Here) const {
  Tensor x = t ? cast(*t) : dtype().kind == Kind::Bool ? cast(i64) : *this;
  return x.reduce(Op::Add, axes, keep);
}

Tensor Tensor::prod(Axes axes, bool keep, std::optional<DType> t, Here) const {
  Tensor x = t ? cast(*t) : dtype().kind == Kind::Bool ? cast(i64) : *this;
  return x.reduce(Op::Mul, axes, keep);
}

Tensor Tensor::max(Axes axes, bool keep, Here) const { return reduce(Op::Max, axes, keep); }

Tensor Tensor::min(Axes axes, bool keep, Here) const {
  Tensor x = numbers();
  if (is_float(x.dtype())) return -((-x).max(axes, keep));
  // Of integers, the complement reverses the order without a value that has no negative.
  Tensor ones(constant(x.dtype(), Value::of(int64_t(-1))));
  return (x ^ ones).max(axes, keep) ^ ones;
}

// Of bools the greatest tells; of no elements there is none.
Tensor Tensor::any(Axes axes, bool keep, Here) const {
  Tensor x = numbers().cast(boolean);
  return is_empty(shape()) ? x.sum(axes, keep).cast(boolean) : x.max(axes, keep);
}

Tensor Tensor::all(Axes axes, bool keep, Here) const { return !(!numbers()).any(axes, keep); }

Tensor Tensor::mean(Axes axes, bool keep, Here) const {
  Tensor x = numbers();
  return divided(x.wide().sum(axes, keep), x.count(axes)).as_float(x.dtype());
}

Tensor Tensor::var(Axes axes, bool keep, int64_t correction, Here) const {
  Tensor x = numbers();
  Tensor apart = x.wide() - x.wide().mean(axes, true);
  UOp n = dim_sub(x.count(axes), index(correction));
  const int64_t* c = const_int(n);
  n = c ? index(std::max(*c, int64_t(0))) : make(Op::Max, {n, index(0)});
  return divided((apart * apart).sum(axes, keep), n).as_float(x.dtype());
}

Tensor Tensor::std(Axes axes, bool keep, int64_t correction, Here) const {
  return power(wide().var(axes, keep, correction), 0.5).as_float(numbers().dtype());
}

std::pair<Tensor, Tensor> Tensor::var_mean(Axes axes, bool keep, int64_t correction, Here) const {
  return {var(axes, keep, correction), mean(axes, keep)};
}

std::pair<Tensor, Tensor> Tensor::std_mean(Axes axes, bool keep, int64_t correction, Here) const {
  return {std(axes, keep, correction), mean(axes, keep)};
}

// What keeps exp() in range, kept dims: the greatest element, or 0 of none. It changes nothing
// else, so no gradient need pass through it.
Tensor Tensor::greatest(const Axes& axes) const {
  return (is_empty(shape()) ? sum(axes, true) : max(axes, true)).detach();
}

Tensor Tensor::logsumexp(Axes axes, bool keep, Here) const {
  Tensor shift = wide().greatest(axes);
  shift = niwaki::where(shift.abs() < INFINITY, shift, 0);
  Tensor sum = (wide() - shift).exp().sum(axes, true).log() + shift;
  return (keep ? sum : without(sum, reduced_axes(axes))).as_float(numbers().dtype());
}

Tensor Tensor::norm(double p, Axes axes, bool keep, Here) const {
  check(p >= 0, "norm: the order {} is negative", p);
  DType t = numbers().dtype();
  if (p == 0) return (*this != 0).sum(axes, keep, wide().dtype()).as_float(t);
  Tensor size = p == 2 ? wide() : wide().abs();
  if (std::isinf(p)) return size.max(axes, keep).as_float(t);
  return power(power(size, p).sum(axes, keep), 1 / p).as_float(t);
}

Tensor Tensor::normalize(double p, int64_t axis, double eps, Here) const {
  Tensor x = wide();
  return (x / x.norm(p, {axis}, true).maximum(eps)).as_float(numbers().dtype());
}

}  // namespace niwaki
