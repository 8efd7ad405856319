// What networks are made of: softmax, norms, embeddings, attention. Nothing here knows how it will
// be computed; that the norms become one kernel and the products fuse with what follows is the
// scheduler's work.
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "ops/random.h"

namespace niwaki {
namespace {

Tensor affine(Tensor x, const std::optional<Tensor>& weight, const std::optional<Tensor>& bias) {
  if (weight) x = x * *weight;
  return bias ? x + *bias : x;
}

// One number for each channel of x [n, c, ...], as [c, 1, ...].
std::optional<Tensor> channels(const Tensor& x, const std::optional<Tensor>& t, const char* op) {
  if (!t) return {};
  check(x.rank() > 1 && t->rank() == 1 && t->dim(0) == x.dim(1),
        "{}: {} is not one number for each channel, dim 1 of {}", op, to_string(t->shape()),
        to_string(x.shape()));
  Dims dims(size_t(x.rank() - 1), Dim(1));
  dims[0] = Dim(t->dim(0));
  return t->reshape(dims);
}

}  // namespace

Tensor Tensor::softmax(int64_t axis, Here) const {
  Tensor e = (wide() - wide().greatest({axis})).exp();
  return (e * e.sum({axis}, true).reciprocal()).as_float(numbers().dtype());
}

Tensor Tensor::log_softmax(int64_t axis, Here) const {
  Tensor shifted = wide() - wide().greatest({axis});
  return (shifted - shifted.exp().sum({axis}, true).log()).as_float(numbers().dtype());
}

Tensor Tensor::softmin(int64_t axis, Here) const {
  return (-wide()).softmax(axis).as_float(dtype());
}

Tensor Tensor::rms_norm(const Tensor& weight, double eps, Here) const {
  return *this * ((*this * *this).mean({-1}, true) + eps).rsqrt() * weight;
}

Tensor Tensor::layer_norm(double eps, Axes axes, const std::optional<Tensor>& weight,
                          const std::optional<Tensor>& bias, Here) const {
  Tensor x = wide();
  Tensor y = (x - x.mean(axes, true)) * (x.var(axes, true, 0) + eps).rsqrt();
  return affine(y, weight, bias).as_float(numbers().dtype());
}

Tensor Tensor::group_norm(int64_t groups, const std::optional<Tensor>& weight,
                          const std::optional<Tensor>& bias, double eps, Here) const {
  const int64_t* c = rank() > 1 ? const_int(dim(1)) : nullptr;
  check(c && groups > 0 && *c % groups == 0,
        "group_norm: the channels, dim 1 of {}, are not a multiple of {} groups",
        to_string(shape()), groups);
  Dims grouped = dims_of(shape());
  grouped[1] = Dim(*c / groups);
  grouped.insert(grouped.begin() + 1, Dim(groups));
  Axes axes(size_t(rank() - 1));
  std::iota(axes.begin(), axes.end(), 2);
  Tensor y = wide().reshape(grouped).layer_norm(eps, axes).reshape(dims_of(shape()));
  y = affine(y, channels(*this, weight, "group_norm"), channels(*this, bias, "group_norm"));
  return y.as_float(numbers().dtype());
}

Tensor Tensor::batch_norm(const Tensor& mean, const Tensor& var,
                          const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                          double eps, Here) const {
  auto along = [&](const std::optional<Tensor>& t) { return channels(*this, t, "batch_norm"); };
  Tensor y = (wide() - *along(mean)) * (*along(var) + eps).rsqrt();
  return affine(y, along(weight), along(bias)).as_float(numbers().dtype());
}

Tensor Tensor::embedding(const Tensor& ids, Here) const {
  check(rank() == 2 && is_integer(ids.dtype()),
        "embedding: needs a table [v, d] and integer ids: {} and {} {}", to_string(shape()),
        name(ids.dtype()), to_string(ids.shape()));
  // A one-hot product, of which the compiler keeps the one row (schedule/collapse.cpp).
  Tensor row = ids.cast(i64).unsqueeze(-1).unsqueeze(-1);
  Tensor chosen = arange(dim(0)).unsqueeze(-1) == row;
  return niwaki::where(chosen, numbers(), 0).sum({-2});
}

Tensor Tensor::rope(const Tensor& cos, const Tensor& sin, Here) const {
  const int64_t* d = const_int(dim(-1));
  check(d && *d % 2 == 0, "rope: the last dim of {} is not even", to_string(shape()));
  Dims halves = dims_of(shape());
  halves.back() = Dim(2);
  halves.push_back(Dim(*d / 2));
  // (a, b) turns into (a cos - b sin, b cos + a sin): the halves swapped, with a sign.
  // In the dtype of the result from here: a gradient meets itself again before it is rounded.
  Tensor x = cast(promote(numbers().dtype(), cos.dtype())).reshape(halves);  // ... 2 d/2
  Tensor sign = (arange(2) * 2 - 1).cast(f32).unsqueeze(-1);                 // 2 1
  Tensor turned = x * cos.unsqueeze(-2) + x.flip({-2}) * (sin.unsqueeze(-2) * sign);
  return turned.reshape(dims_of(shape()));
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim first, Here) {
  check(q.rank() == 3 && k.rank() == 3 && k.shape() == v.shape() && q.dim(2) == k.dim(2),
        "attention: q {}, k {}, v {} are not [t, h, d], [s, g, d], [s, g, d]", to_string(q.shape()),
        to_string(k.shape()), to_string(v.shape()));
  const int64_t* h = const_int(q.dim(1));
  const int64_t* g = const_int(k.dim(1));
  check(h && g && *g > 0 && *h % *g == 0, "attention: {} heads over {} key heads",
        expression(q.dim(1)), expression(k.dim(1)));
  UOp t = q.dim(0);
  UOp s = k.dim(0);
  UOp d = q.dim(2);
  double scale = 1.0 / std::sqrt(double(dim_max(d)));
  Tensor grouped = q.reshape({t, *g, *h / *g, d});                           // t g h/g d
  Tensor queries = grouped.permute({1, 2, 0, 3}).unsqueeze(3);               // g h/g t 1 d
  Tensor keys = k.permute({1, 0, 2}).reshape({*g, 1, 1, s, d});              // g 1 1 s d
  Tensor values = v.permute({1, 0, 2}).reshape({*g, 1, 1, s, d});            // g 1 1 s d
  Tensor last_seen = Tensor::arange(t).reshape({t, 1}) + Tensor(first.uop);  // t 1
  Tensor seen = Tensor::arange(s) < last_seen + 1;                           // t s
  double none = -std::numeric_limits<double>::infinity();
  Tensor scores = where(seen, (queries * keys).sum({-1}) * scale, none);    // g h/g t s
  Tensor e = (scores - scores.max({-1}, true).detach()).exp();              // g h/g t s
  Tensor mixed = (e.unsqueeze(-1) * values).sum({-2}) / e.sum({-1}, true);  // g h/g t d
  return mixed.permute({2, 0, 1, 3}).reshape({t, *h, d});
}

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options, Here) {
  const char* op = "scaled_dot_product_attention";
  auto text = [](const Tensor& t) { return to_string(t.shape()); };
  check(q.rank() > 1 && k.rank() > 1 && v.rank() > 1 && q.dim(-1) == k.dim(-1) &&
            k.dim(-2) == v.dim(-2),
        "{}: q {}, k {}, v {} are not [..., l, d], [..., s, d], [..., s, e]", op, text(q), text(k),
        text(v));
  check(!options.attn_mask || !options.is_causal, "{}: a mask and is_causal, give one that is both",
        op);
  check(options.dropout_p == 0 || options.random, "{}: dropout_p {} without a random to draw from",
        op, options.dropout_p);
  Tensor keys = k.wide();
  Tensor values = v.wide();
  if (options.enable_gqa) {
    const int64_t* h = q.rank() > 2 ? const_int(q.dim(-3)) : nullptr;
    const int64_t* g = k.rank() > 2 && v.rank() > 2 ? const_int(k.dim(-3)) : nullptr;
    check(h && g && *g > 0 && *h % *g == 0 && k.dim(-3) == v.dim(-3),
          "{}: the heads of q {} are not a multiple of those of k {} and v {}", op, text(q),
          text(k), text(v));
    // Every key head in the place of those it stands for; nothing is copied.
    auto spread = [&](const Tensor& t) {
      Dims dims = dims_of(t.shape());
      Dims apart = dims;
      apart.insert(apart.end() - 2, Dim(*h / *g));
      dims[dims.size() - 3] = Dim(*h);
      return t.unsqueeze(-3).expand(apart).reshape(dims);
    };
    keys = spread(keys);
    values = spread(values);
  }
  double scale = options.scale.value_or(1.0 / std::sqrt(double(dim_max(q.dim(-1)))));
  Tensor scores = q.wide().matmul(keys.transpose()) * scale;  // ... l s
  double none = -std::numeric_limits<double>::infinity();
  if (options.is_causal) {
    Tensor seen = Tensor::arange(k.dim(-2)) <= Tensor::arange(q.dim(-2)).unsqueeze(-1);  // l s
    scores = where(seen, scores, none);
  } else if (options.attn_mask) {
    const Tensor& mask = *options.attn_mask;
    scores = mask.dtype() == boolean ? where(mask, scores, none) : scores + mask;
  }
  // Divided last, so that scores and their exponentials are all that is stored.
  Tensor e = (scores - scores.greatest({-1})).exp();
  Tensor kept = options.random ? dropout(e, options.dropout_p, *options.random) : e;
  return (kept.matmul(values) / e.sum({-1}, true)).as_float(q.dtype());
}

}  // namespace niwaki
