// Optimisers: how parameters move along their gradients. step() gives assignments, lazy like all
// tensors: realize them, or capture them in a Replay together with the loss, and a training step is
// a fixed list of kernels that builds no graph.
//
// There is one Optimizer; what makes it Adam or Muon is its rule, a function from a parameter, its
// gradient and what was kept of earlier steps to the new value. A new method is a new rule, written
// where it is wanted. The learning rate lies in a buffer, so a schedule changes it between launches
// without compiling anything; all state has names, to be saved and resumed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/state.h"

namespace niwaki {

class Optimizer {
 public:
  /// One parameter in one step: its value and gradient, both f32 or f64.
  class Move {
   public:
    Tensor w;
    Tensor g;
    /// The learning rate.
    Tensor rate;
    /// The number of this step, from 1.
    Tensor count;
    /// What was kept of earlier steps: zeros at first.
    const Tensor& slot(size_t i) const { return slots_[i]; }
    /// Keeps a new value for the next step, and gives it.
    Tensor keep(size_t i, const Tensor& value);

   private:
    friend class Optimizer;
    Move(Tensor w, Tensor g, Tensor rate, Tensor count, std::vector<Tensor> slots);
    std::vector<Tensor> slots_;
    std::vector<Tensor> kept_;
  };
  /// The new value of a parameter.
  using Rule = std::function<Tensor(Move&)>;

  /// `slots` names what the rule keeps of each parameter. Error unless all are buffers of floats.
  Optimizer(std::vector<Tensor> parameters, double rate, std::vector<std::string> slots, Rule rule);

  /// Assignments to parameters and state; Error unless there is a gradient of the shape of each.
  std::vector<Tensor> step(const std::vector<Tensor>& gradients) const;
  double rate() const;
  void set_rate(double rate);
  /// The rate, the step count and every slot, as "momentum.0" for the first parameter.
  void visit(const Visitor& visitor) const;

 private:
  std::vector<Tensor> parameters_;
  std::vector<std::string> names_;
  Rule rule_;
  Tensor rate_;
  Tensor count_;
  std::vector<std::vector<Tensor>> slots_;
};

struct SgdOptions {
  double rate = 0.01;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};
/// Stochastic gradient descent; momentum as torch defines it (Sutskever et al. 2013): v = mu v + g,
/// w = w - rate v, or with nesterov w - rate (g + mu v).
Optimizer sgd(std::vector<Tensor> parameters, SgdOptions options = {});

struct AdamOptions {
  double rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  /// 0 for adam and 0.01 for adamw, unless given.
  std::optional<double> weight_decay = {};
};
/// Adam (Kingma, Ba 2015, arXiv 1412.6980); the weight decay is added to the gradient.
Optimizer adam(std::vector<Tensor> parameters, AdamOptions options = {});
/// Adam whose weight decay shrinks the weights instead (Loshchilov, Hutter 2019, arXiv 1711.05101).
Optimizer adamw(std::vector<Tensor> parameters, AdamOptions options = {});

struct MuonOptions {
  double rate = 0.02;
  double momentum = 0.95;
  double weight_decay = 0;
  bool nesterov = true;
  int64_t iterations = 5;
};
/// Momentum made orthogonal by a Newton-Schulz iteration (Jordan et al. 2024,
/// kellerjordan.github.io/posts/muon), for parameters of two dims or more: [n, ...] is [n, rest].
Optimizer muon(std::vector<Tensor> parameters, MuonOptions options = {});

/// A matrix near the closest orthogonal one: singular values between 0.7 and 1.2, from any scale.
Tensor orthogonalize(const Tensor& matrix, int64_t iterations = 5);

/// The gradients times min(1, most / norm of all together) (Pascanu et al. 2013, arXiv 1211.5063).
std::vector<Tensor> clip_norm(const std::vector<Tensor>& gradients, double most);

}  // namespace niwaki
