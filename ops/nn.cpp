// What networks are made of: softmax, norms, embeddings, attention. Nothing here knows how it will
// be computed; that the norms become one kernel and the products fuse with what follows is the
// scheduler's work.
#include <cmath>
#include <limits>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

}  // namespace

// The maximum keeps exp in range and changes nothing else: no gradient need pass through it.
Tensor Tensor::softmax(int64_t axis) const {
  Tensor e = (*this - max({axis}, true).detach()).exp();
  return e / e.sum({axis}, true);
}

Tensor Tensor::log_softmax(int64_t axis) const {
  Tensor shifted = *this - max({axis}, true).detach();
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
  Tensor e = (scores - scores.max({-1}, true).detach()).exp();            // g h/g t s
  Tensor mixed = (e.unsqueeze(-1) * values).sum({-2}) / e.sum({-1}, true);  // g h/g t d
  return mixed.permute({2, 0, 1, 3}).reshape({t, *h, d});
}

}  // namespace niwaki
