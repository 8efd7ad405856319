#include "models/layers.h"

#include <cmath>

#include "core/error.h"
#include "runtimes/realize.h"

namespace niwaki {
namespace {

// Uniform within 1 / sqrt(fan_in) of 0: torch's choice for products and convolutions.
Tensor drawn(std::vector<int64_t> shape, int64_t fan_in, Random& random) {
  check(fan_in > 0, "layer: a weight of shape ({}) has no inputs", fmt::join(shape, ", "));
  double bound = 1.0 / std::sqrt(double(fan_in));
  return realize(random.uniform(Dims(shape.begin(), shape.end()), -bound, bound));
}

Tensor filled(int64_t n, double value) { return realize(Tensor::full({n}, value).contiguous()); }

int64_t product(const std::vector<int64_t>& sizes) {
  int64_t n = 1;
  for (int64_t size : sizes) n *= size;
  return n;
}

void visit_affine(const Visitor& v, const Tensor& weight, const Tensor& bias) {
  v("weight", weight, Part::Parameter);
  v("bias", bias, Part::Parameter);
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, Random& random, bool with_bias)
    : weight(drawn({out, in}, in, random)) {
  if (with_bias) bias = drawn({out}, in, random);
}

Tensor Linear::operator()(const Tensor& x) const {
  Tensor y = x.linear(weight);
  return bias ? y + *bias : y;
}

void Linear::visit(const Visitor& v) const {
  v("weight", weight, Part::Parameter);
  if (bias) v("bias", *bias, Part::Parameter);
}

Conv2d::Conv2d(int64_t in, int64_t out, const std::vector<int64_t>& kernel, Random& random,
               const ConvOptions& how, bool with_bias)
    : weight(Tensor(0.0)), how(how) {
  check(how.groups > 0 && in % how.groups == 0, "conv2d: {} channels do not divide into {} groups",
        in, how.groups);
  std::vector<int64_t> shape = {out, in / how.groups};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  int64_t fan_in = in / how.groups * product(kernel);
  weight = drawn(shape, fan_in, random);
  if (with_bias) bias = drawn({out}, fan_in, random);
}

Tensor Conv2d::operator()(const Tensor& x) const {
  return bias ? x.conv2d(weight, *bias, how) : x.conv2d(weight, how);
}

void Conv2d::visit(const Visitor& v) const {
  v("weight", weight, Part::Parameter);
  if (bias) v("bias", *bias, Part::Parameter);
}

Embedding::Embedding(int64_t n, int64_t d, Random& random)
    : weight(realize(random.normal({n, d}))) {}

Tensor Embedding::operator()(const Tensor& ids) const { return weight.embedding(ids); }

void Embedding::visit(const Visitor& v) const { v("weight", weight, Part::Parameter); }

LayerNorm::LayerNorm(int64_t d, double eps) : weight(filled(d, 1)), bias(filled(d, 0)), eps(eps) {}

Tensor LayerNorm::operator()(const Tensor& x) const {
  return x.layer_norm(eps, {-1}, weight, bias);
}

void LayerNorm::visit(const Visitor& v) const { visit_affine(v, weight, bias); }

RmsNorm::RmsNorm(int64_t d, double eps) : weight(filled(d, 1)), eps(eps) {}

Tensor RmsNorm::operator()(const Tensor& x) const { return x.rms_norm(weight, eps); }

void RmsNorm::visit(const Visitor& v) const { v("weight", weight, Part::Parameter); }

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double eps)
    : groups(groups), weight(filled(channels, 1)), bias(filled(channels, 0)), eps(eps) {}

Tensor GroupNorm::operator()(const Tensor& x) const {
  return x.group_norm(groups, weight, bias, eps);
}

void GroupNorm::visit(const Visitor& v) const { visit_affine(v, weight, bias); }

BatchNorm::BatchNorm(int64_t channels, double eps, double momentum)
    : weight(filled(channels, 1)),
      bias(filled(channels, 0)),
      running_mean(filled(channels, 0)),
      running_var(filled(channels, 1)),
      eps(eps),
      momentum(momentum) {}

Tensor BatchNorm::operator()(const Tensor& x) const {
  return x.batch_norm(running_mean, running_var, weight, bias, eps);
}

// The batch is normalised by its own variance, but the variance learnt is that of the population it
// was drawn from: n / (n - 1) of it.
Tensor BatchNorm::train(const Tensor& x, std::vector<Tensor>& updates) const {
  check(x.rank() >= 2, "batch_norm: {} has no channels", to_string(x.shape()));
  Axes others = {0};
  for (int64_t axis = 2; axis < x.rank(); ++axis) others.push_back(axis);
  Tensor mean = x.mean(others);
  Tensor var = x.var(others, false, 0);
  Tensor learnt = x.var(others, false, 1);
  auto moved = [&](const Tensor& old, const Tensor& now) {
    return old.assign(old * (1 - momentum) + now.detach() * momentum);
  };
  updates.push_back(moved(running_mean, mean));
  updates.push_back(moved(running_var, learnt));
  return x.batch_norm(mean, var, weight, bias, eps);
}

void BatchNorm::visit(const Visitor& v) const {
  visit_affine(v, weight, bias);
  v("running_mean", running_mean, Part::Kept);
  v("running_var", running_var, Part::Kept);
}

}  // namespace niwaki
