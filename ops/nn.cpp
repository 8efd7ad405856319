// Reductions, and what is composed of them: products, norms, attention. Nothing here knows how it
// will be computed; that the norms become one kernel and the products fuse with what follows is the
// scheduler's work.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "ops/rules.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

DType number_dtype(DType t) { return t.packed ? f32 : t; }

}  // namespace

Tensor Tensor::reduce(Op op, const Axes& axes, bool keep) const {
  Tensor x = numbers();
  Axes over = x.axes_of(axes);
  if (x.rank() == 0) return x;
  DType t = x.dtype();
  // Sixteen-bit floats are for storage: a sum of them that rounded at every step would stop
  // growing.
  if (t == f16 || t == bf16) return x.cast(f32).reduce(op, axes, keep).cast(t);
  Tensor reduced(make(Op::Reduce, {x.uop_}, Reduction{op, over}));
  if (keep) return reduced;
  Dims dims;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (std::find(over.begin(), over.end(), i) == over.end()) dims.push_back(Dim(x.dim(i)));
  }
  return reduced.reshape(dims);
}

// Bools are counted, as numbers.
Tensor Tensor::sum(Axes axes, bool keep) const {
  Tensor x = dtype().kind == Kind::Bool ? cast(i64) : *this;
  return x.reduce(Op::Add, axes, keep);
}

Tensor Tensor::prod(Axes axes, bool keep) const {
  Tensor x = dtype().kind == Kind::Bool ? cast(i64) : *this;
  return x.reduce(Op::Mul, axes, keep);
}

Tensor Tensor::max(Axes axes, bool keep) const { return reduce(Op::Max, axes, keep); }

Tensor Tensor::min(Axes axes, bool keep) const {
  Tensor x = numbers();
  if (is_float(x.dtype())) return -((-x).max(axes, keep));
  // Of integers, the complement reverses the order without a value that has no negative.
  Tensor ones(constant(x.dtype(), Value::of(int64_t(-1))));
  return (x ^ ones).max(axes, keep) ^ ones;
}

Tensor Tensor::mean(Axes axes, bool keep) const {
  Tensor x = numbers();
  UOp count = index(1);
  for (int64_t axis : x.axes_of(axes)) count = dim_mul(count, x.dim(axis));
  // Sixteen-bit floats are for storage: the sum may be beyond them where the mean is not.
  DType t = x.dtype() == f64 ? f64 : f32;
  Tensor total = x.cast(t).sum(axes, keep);
  const int64_t* n = const_int(count);
  Tensor found = n ? total * (1.0 / double(*n)) : total / Tensor(count).cast(t);
  return is_float(x.dtype()) ? found.cast(x.dtype()) : found;
}

Tensor Tensor::argmax(int64_t axis) const {
  Tensor x = numbers();
  int64_t at = x.axis_of(axis);
  Dims shape(size_t(x.rank()), Dim(1));
  shape[size_t(at)] = Dim(x.dim(at));
  Tensor position = arange(x.dim(at)).reshape(shape);
  Tensor last(dim_add(x.dim(at), index(-1)));
  Tensor from_end = niwaki::where(x == x.max({at}, true), last - position, Tensor(index(-1)));
  return last - from_end.max({at});
}

Tensor Tensor::matmul(const Tensor& other) const {
  Tensor a = numbers();
  Tensor b = other.numbers();
  check(a.rank() >= 2 && b.rank() >= 2, "matmul: needs two dims each: {} @ {}",
        to_string(a.shape()), to_string(b.shape()));
  check(a.dim(-1) == b.dim(-2), "matmul: inner dimensions differ: {} @ {}", to_string(a.shape()),
        to_string(b.shape()));
  return (a.unsqueeze(-2) * b.transpose().unsqueeze(-3)).sum({-1});
}

Tensor Tensor::linear(const Tensor& weight) const {
  check(weight.rank() == 2 && rank() >= 1 && dim(-1) == weight.dim(1),
        "linear: the last dim of {} is not the second of the weight {}", to_string(shape()),
        to_string(weight.shape()));
  return (unsqueeze(-2) * weight).sum({-1});
}

Tensor Tensor::softmax(int64_t axis) const {
  Tensor e = (*this - max({axis}, true)).exp();
  return e / e.sum({axis}, true);
}

Tensor Tensor::log_softmax(int64_t axis) const {
  Tensor shifted = *this - max({axis}, true);
  return shifted - shifted.exp().sum({axis}, true).log();
}

Tensor Tensor::rms_norm(const Tensor& weight, double eps) const {
  return *this * ((*this * *this).mean({-1}, true) + eps).rsqrt() * weight;
}

Tensor Tensor::layer_norm(double eps) const {
  Tensor centred = *this - mean({-1}, true);
  return centred * ((centred * centred).mean({-1}, true) + eps).rsqrt();
}

Tensor Tensor::embedding(const Tensor& ids) const {
  check(rank() == 2 && is_integer(ids.dtype()), "embedding: needs a table [v, d] and integer ids: "
        "{} and {} {}", to_string(shape()), name(ids.dtype()), to_string(ids.shape()));
  // A one-hot product, of which the compiler keeps the one row (schedule/collapse.cpp).
  Tensor row = ids.cast(i64).unsqueeze(-1).unsqueeze(-1);
  Tensor chosen = arange(dim(0)).unsqueeze(-1) == row;
  return niwaki::where(chosen, numbers(), 0).sum({-2});
}

Tensor Tensor::rope(const Tensor& cos, const Tensor& sin) const {
  const int64_t* d = const_int(dim(-1));
  check(d && *d % 2 == 0, "rope: the last dim of {} is not even", to_string(shape()));
  Dims halves = dims_of(shape());
  halves.back() = Dim(2);
  halves.push_back(Dim(*d / 2));
  // (a, b) turns into (a cos - b sin, b cos + a sin): the halves swapped, with a sign.
  Tensor x = reshape(halves);                              // ... 2 d/2
  Tensor sign = (arange(2) * 2 - 1).cast(f32).unsqueeze(-1);  // 2 1
  Tensor turned = x * cos.unsqueeze(-2) + x.flip({-2}) * (sin.unsqueeze(-2) * sign);
  return turned.reshape(dims_of(shape()));
}

Tensor cat(const std::vector<Tensor>& parts, int64_t axis) {
  check(!parts.empty(), "cat: no tensors");
  const Tensor& first = parts[0];
  int64_t at = axis < 0 ? axis + first.rank() : axis;
  check(at >= 0 && at < first.rank(), "cat: axis {} of the shape {}", axis,
        to_string(first.shape()));
  UOp total = index(0);
  DType t = number_dtype(first.dtype());
  for (const Tensor& part : parts) {
    bool fits = part.rank() == first.rank();
    for (int64_t i = 0; fits && i < first.rank(); ++i) {
      fits = i == at || part.dim(i) == first.dim(i);
    }
    check(fits, "cat: shapes differ beside axis {}: {} and {}", axis, to_string(first.shape()),
          to_string(part.shape()));
    total = dim_add(total, part.dim(at));
    t = promote(t, number_dtype(part.dtype()));
  }
  Dims along(size_t(first.rank()), Dim(1));
  along[size_t(at)] = Dim(total);
  Tensor position = Tensor::arange(total).reshape(along);
  UOp start = index(0);
  Tensor joined = first;
  for (size_t i = 0; i < parts.size(); ++i) {
    std::vector<std::pair<Dim, Dim>> widths(size_t(first.rank()), {Dim(0), Dim(0)});
    UOp end = dim_add(start, parts[i].dim(at));
    widths[size_t(at)] = {Dim(start), Dim(simplify(dim_sub(total, end)))};
    Tensor padded = parts[i].cast(t).pad(widths);
    joined = i == 0 ? padded : where(position < Tensor(start), joined, padded);
    start = end;
  }
  return joined;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim first) {
  check(q.rank() == 3 && k.rank() == 3 && k.shape() == v.shape() && q.dim(2) == k.dim(2),
        "attention: q {}, k {}, v {} are not [t, h, d], [s, g, d], [s, g, d]",
        to_string(q.shape()), to_string(k.shape()), to_string(v.shape()));
  const int64_t* h = const_int(q.dim(1));
  const int64_t* g = const_int(k.dim(1));
  check(h && g && *g > 0 && *h % *g == 0, "attention: {} heads over {} key heads",
        expression(q.dim(1)), expression(k.dim(1)));
  UOp t = q.dim(0);
  UOp s = k.dim(0);
  UOp d = q.dim(2);
  double scale = 1.0 / std::sqrt(double(dim_max(d)));
  Tensor grouped = q.reshape({t, *g, *h / *g, d});                  // t g h/g d
  Tensor queries = grouped.permute({1, 2, 0, 3}).unsqueeze(3);      // g h/g t 1 d
  Tensor keys = k.permute({1, 0, 2}).reshape({*g, 1, 1, s, d});     // g 1 1 s d
  Tensor values = v.permute({1, 0, 2}).reshape({*g, 1, 1, s, d});   // g 1 1 s d
  Tensor last_seen = Tensor::arange(t).reshape({t, 1}) + Tensor(first.uop);            // t 1
  Tensor seen = Tensor::arange(s) < last_seen + 1;                                     // t s
  double none = -std::numeric_limits<double>::infinity();
  Tensor scores = where(seen, (queries * keys).sum({-1}) * scale, none);  // g h/g t s
  Tensor e = (scores - scores.max({-1}, true)).exp();                     // g h/g t s
  Tensor mixed = (e.unsqueeze(-1) * values).sum({-2}) / e.sum({-1}, true);  // g h/g t d
  return mixed.permute({2, 0, 1, 3}).reshape({t, *h, d});
}

}  // namespace niwaki
