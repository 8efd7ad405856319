// Layers: a function of tensors and the parameters it owns. A layer is a struct that one can read:
// its tensors are public, calling it is its formula, and visit() names what it keeps (ops/state.h).
// A model is a struct of layers with a visit() of its own; nothing registers itself anywhere.
//
// Parameters are buffers from the start, drawn from a Random as torch draws them, so that a
// captured training step can write to them. Weights have torch's names and shapes: a file saved
// there loads here.
#pragma once

#include <optional>
#include <vector>

#include "ops/random.h"
#include "ops/state.h"

namespace niwaki {

/// x [..., in] -> [..., out]: x @ weight^T + bias.
struct Linear {
  Tensor weight;               // out in
  std::optional<Tensor> bias;  // out
  Linear(int64_t in, int64_t out, Random& random, bool with_bias = true);
  Tensor operator()(const Tensor& x) const;
  void visit(const Visitor& v) const;
};

/// x [b, in, n...] -> [b, out, o...]: a convolution over the axes that the kernel has.
struct Conv2d {
  Tensor weight;               // out in/groups k...
  std::optional<Tensor> bias;  // out
  ConvOptions how;
  Conv2d(int64_t in, int64_t out, const std::vector<int64_t>& kernel, Random& random,
         const ConvOptions& how = {}, bool with_bias = true);
  Tensor operator()(const Tensor& x) const;
  void visit(const Visitor& v) const;
};

/// Ids of integers [...] -> rows [..., d] of a table [n, d].
struct Embedding {
  Tensor weight;  // n d
  Embedding(int64_t n, int64_t d, Random& random);
  Tensor operator()(const Tensor& ids) const;
  void visit(const Visitor& v) const;
};

/// Normalisation over the last axis (Ba, Kiros, Hinton 2016, arXiv 1607.06450).
struct LayerNorm {
  Tensor weight;  // d
  Tensor bias;    // d
  double eps;
  explicit LayerNorm(int64_t d, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const;
  void visit(const Visitor& v) const;
};

/// x / sqrt(mean(x^2) + eps) * weight over the last axis.
struct RmsNorm {
  Tensor weight;  // d
  double eps;
  explicit RmsNorm(int64_t d, double eps = 1e-6);
  Tensor operator()(const Tensor& x) const;
  void visit(const Visitor& v) const;
};

/// Normalisation of x [n, c, ...] over groups of channels (Wu, He 2018, arXiv 1803.08494).
struct GroupNorm {
  int64_t groups;
  Tensor weight;  // c
  Tensor bias;    // c
  double eps;
  GroupNorm(int64_t groups, int64_t channels, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const;
  void visit(const Visitor& v) const;
};

/// Normalisation of x [n, c, ...] over all but the channels (Ioffe, Szegedy 2015, arXiv
/// 1502.03167).
struct BatchNorm {
  Tensor weight;        // c
  Tensor bias;          // c
  Tensor running_mean;  // c
  Tensor running_var;   // c
  double eps;
  double momentum;
  explicit BatchNorm(int64_t channels, double eps = 1e-5, double momentum = 0.1);
  /// By the running statistics.
  Tensor operator()(const Tensor& x) const;
  /// By the statistics of the batch; assignments of the new running ones are put behind `updates`.
  Tensor train(const Tensor& x, std::vector<Tensor>& updates) const;
  void visit(const Visitor& v) const;
};

}  // namespace niwaki
