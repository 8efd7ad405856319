#include "ops/optim.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace niwaki {
namespace {

bool is_buffer(const Tensor& t) {
  return t.uop()->op == Op::Buffer && !t.uop()->get<BufferRef>()->constant;
}

std::vector<int64_t> sizes(const Tensor& t) {
  std::vector<int64_t> found;
  for (const UOp& dim : t.shape()) found.push_back(dim_max(dim));
  return found;
}

// What an optimiser computes in: sixteen bits are for storage.
DType computed(DType t) { return t == f64 ? f64 : f32; }

float& number_in(const Tensor& t) { return *static_cast<float*>(t.uop()->get<BufferRef>()->data); }

}  // namespace

Optimizer::Move::Move(Tensor weight, Tensor gradient, Tensor rate, Tensor count,
                      std::vector<Tensor> slots)
    : w(std::move(weight)),
      g(std::move(gradient)),
      rate(std::move(rate)),
      count(std::move(count)),
      slots_(std::move(slots)) {}

Tensor Optimizer::Move::keep(size_t i, const Tensor& value) {
  kept_.push_back(slots_.at(i).assign(value));
  return kept_.back();
}

Optimizer::Optimizer(std::vector<Tensor> parameters, double rate, std::vector<std::string> slots,
                     Rule rule)
    : parameters_(std::move(parameters)),
      names_(std::move(slots)),
      rule_(std::move(rule)),
      rate_(Tensor::empty({})),
      count_(Tensor::empty({})),
      slots_(names_.size()) {
  for (const Tensor& w : parameters_) {
    check(is_buffer(w) && is_float(w.dtype()),
          "optimizer: a parameter of {} {} is no buffer of floats that can be written: realize() "
          "it first",
          name(w.dtype()), to_string(w.shape()));
    for (std::vector<Tensor>& slot : slots_) {
      slot.push_back(Tensor::empty(sizes(w), computed(w.dtype())));
    }
  }
  set_rate(rate);
}

double Optimizer::rate() const { return double(number_in(rate_)); }

void Optimizer::set_rate(double rate) { number_in(rate_) = float(rate); }

std::vector<Tensor> Optimizer::step(const std::vector<Tensor>& gradients) const {
  check(gradients.size() == parameters_.size(), "optimizer: {} gradients for {} parameters",
        gradients.size(), parameters_.size());
  Tensor count = count_.assign(count_ + 1.0);
  std::vector<Tensor> updates = {count};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& w = parameters_[i];
    check(gradients[i].shape() == w.shape(), "optimizer: gradient {} is {}, its parameter {}", i,
          to_string(gradients[i].shape()), to_string(w.shape()));
    DType t = computed(w.dtype());
    std::vector<Tensor> slots;
    for (const std::vector<Tensor>& slot : slots_) slots.push_back(slot[i]);
    Move move(w.cast(t), gradients[i].cast(t), rate_.cast(t), count.cast(t), std::move(slots));
    Tensor moved = w.assign(rule_(move));
    updates.insert(updates.end(), move.kept_.begin(), move.kept_.end());
    updates.push_back(moved);
  }
  return updates;
}

void Optimizer::visit(const Visitor& visitor) const {
  visitor("rate", rate_, Part::Kept);
  visitor("count", count_, Part::Kept);
  for (size_t i = 0; i < names_.size(); ++i) {
    for (size_t p = 0; p < parameters_.size(); ++p) {
      visitor(fmt::format("{}.{}", names_[i], p), slots_[i][p], Part::Kept);
    }
  }
}

Optimizer sgd(std::vector<Tensor> parameters, SgdOptions o) {
  std::vector<std::string> slots;
  if (o.momentum != 0) slots.push_back("momentum");
  return {std::move(parameters), o.rate, slots, [o](Optimizer::Move& m) {
            Tensor g = o.weight_decay != 0 ? m.g + m.w * o.weight_decay : m.g;
            if (o.momentum == 0) return m.w - g * m.rate;
            Tensor v = m.keep(0, m.slot(0) * o.momentum + g);
            return m.w - (o.nesterov ? g + v * o.momentum : v) * m.rate;
          }};
}

namespace {

// The direction of Adam: the mean of the gradients over the root of the mean of their squares, both
// weighted towards the last steps and divided by the sum of the weights so far.
Tensor adam_direction(Optimizer::Move& m, const Tensor& g, const AdamOptions& o) {
  Tensor mean = m.keep(0, m.slot(0) * o.beta1 + g * (1 - o.beta1));
  Tensor square = m.keep(1, m.slot(1) * o.beta2 + g * g * (1 - o.beta2));
  Tensor weight1 = Tensor(1.0) - (m.count * std::log2(o.beta1)).exp2();
  Tensor weight2 = Tensor(1.0) - (m.count * std::log2(o.beta2)).exp2();
  return mean / weight1 / ((square / weight2).sqrt() + o.eps);
}

void check_betas(const AdamOptions& o) {
  check(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1,
        "adam: the betas {} and {} are not in [0, 1)", o.beta1, o.beta2);
}

}  // namespace

Optimizer adam(std::vector<Tensor> parameters, AdamOptions o) {
  check_betas(o);
  double decay = o.weight_decay.value_or(0);
  return {std::move(parameters), o.rate, {"mean", "square"}, [o, decay](Optimizer::Move& m) {
            Tensor g = decay != 0 ? m.g + m.w * decay : m.g;
            return m.w - adam_direction(m, g, o) * m.rate;
          }};
}

Optimizer adamw(std::vector<Tensor> parameters, AdamOptions o) {
  check_betas(o);
  double decay = o.weight_decay.value_or(0.01);
  return {std::move(parameters), o.rate, {"mean", "square"}, [o, decay](Optimizer::Move& m) {
            Tensor shrunk = m.w * (Tensor(1.0) - m.rate * decay);
            return shrunk - adam_direction(m, m.g, o) * m.rate;
          }};
}

// Each round applies an odd polynomial to the singular values, whose slope of 3.4 at 0 lifts the
// small ones quickly; it does not converge to 1 but to between 0.7 and 1.2, which is as good.
Tensor orthogonalize(const Tensor& matrix, int64_t iterations) {
  check(matrix.rank() == 2, "orthogonalize: {} is no matrix", to_string(matrix.shape()));
  bool tall = dim_max(matrix.dim(0)) > dim_max(matrix.dim(1));
  Tensor x = tall ? matrix.transpose() : matrix;
  x = x / ((x * x).sum().sqrt() + 1e-7);
  for (int64_t i = 0; i < iterations; ++i) {
    Tensor square = x.matmul(x.transpose()).contiguous();
    Tensor mixed = (square * -4.775 + square.matmul(square) * 2.0315).contiguous();
    x = (x * 3.4445 + mixed.matmul(x)).contiguous();
  }
  return tall ? x.transpose() : x;
}

Optimizer muon(std::vector<Tensor> parameters, MuonOptions o) {
  for (const Tensor& w : parameters) {
    check(w.rank() >= 2, "muon: {} is no matrix: give it to another optimizer",
          to_string(w.shape()));
  }
  return {std::move(parameters), o.rate, {"momentum"}, [o](Optimizer::Move& m) {
            Tensor v = m.keep(0, m.slot(0) * o.momentum + m.g);
            Tensor g = o.nesterov ? m.g + v * o.momentum : v;
            Tensor matrix = g.reshape({Dim(g.dim(0)), -1});
            double rows = double(dim_max(matrix.dim(0)));
            double columns = double(dim_max(matrix.dim(1)));
            double scale = std::sqrt(std::max(1.0, rows / columns));
            Dims shape = dims_of(m.w.shape());
            Tensor direction = orthogonalize(matrix, o.iterations).reshape(shape) * scale;
            return m.w * (Tensor(1.0) - m.rate * o.weight_decay) - direction * m.rate;
          }};
}

std::vector<Tensor> clip_norm(const std::vector<Tensor>& gradients, double most) {
  Tensor square(0.0);
  for (const Tensor& g : gradients) square = square + (g * g).sum();
  Tensor scale = (Tensor(most) / (square.sqrt() + 1e-6)).minimum(1.0);
  std::vector<Tensor> clipped;
  for (const Tensor& g : gradients) clipped.push_back(g * scale.cast(g.dtype()));
  return clipped;
}

}  // namespace niwaki
