// Losses: how far tensors are from what they should be. Names, arguments and order are those of
// torch and tinygrad. A class is looked up by a one-hot product, of which the compiler keeps the
// one element that is read (schedule/collapse.cpp): no loss builds a table of classes.
//
// What stands at an ignored position, even infinity, must not reach a sum, so it is chosen away
// by where() and not multiplied by 0. A class that does not exist gives NaN: torch raises there,
// which a graph cannot, and a zero would hide the mistake in the mean.
#include <cmath>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

Tensor reduced(const Tensor& loss, LossReduction by) {
  switch (by) {
    case LossReduction::Sum: return loss.sum();
    case LossReduction::Mean: return loss.mean();
    default: return loss;
  }
}

// The same where positions count as much as their weight: the mean is that of the weights.
Tensor reduced(const Tensor& loss, const Tensor& weights, LossReduction by) {
  return by == LossReduction::Mean ? loss.sum() / weights.sum() : reduced(loss, by);
}

void check_same_shape(const char* op, const Tensor& x, const Tensor& y) {
  check(x.shape() == y.shape(), "{}: the target's shape is not the input's: {} and {}, reshape one",
        op, to_string(y.shape()), to_string(x.shape()));
}

void check_classes(const char* op, const Tensor& x, const Tensor& y, int64_t axis) {
  bool fits = x.rank() == y.rank() + 1 && is_integer(y.dtype());
  for (int64_t i = 0; fits && i < y.rank(); ++i) fits = y.dim(i) == x.dim(i < axis ? i : i + 1);
  check(fits, "{}: the target {} {} is not a class, an integer, for each place of {} but dim {}",
        op, name(y.dtype()), to_string(y.shape()), to_string(x.shape()), axis);
}

int64_t class_axis(const char* op, const Tensor& x) {
  check(x.rank() > 0, "{}: {} has no dim of classes", op, to_string(x.shape()));
  return x.rank() == 1 ? 0 : 1;
}

// x[.., y, ..]: the element of the class along an axis.
Tensor of_class(const Tensor& x, const Tensor& y, int64_t axis) {
  Dims dims(size_t(x.rank()), Dim(1));
  dims[size_t(axis)] = Dim(x.dim(axis));
  Tensor classes = Tensor::arange(x.dim(axis)).reshape(dims);
  Tensor wanted = y.cast(i64);
  Tensor found = where(classes == wanted.unsqueeze(axis), x, 0).sum({axis});
  return where((wanted >= 0) & (wanted < Tensor(x.dim(axis))), found, NAN);
}

// log(x) of a probability, not below -100.
Tensor bounded_log(const Tensor& x) {
  Tensor none = x <= std::exp(-100.0);
  return where(none, -100.0, where(none, 1.0, x).log());
}

Tensor smoothed(const Tensor& likelihood, const Tensor& log_probabilities, int64_t axis,
                double label_smoothing, const char* op) {
  check(label_smoothing >= 0 && label_smoothing <= 1, "{}: label_smoothing {} is not in [0, 1]", op,
        label_smoothing);
  if (label_smoothing == 0) return -likelihood;
  return -(likelihood * (1 - label_smoothing) + log_probabilities.mean({axis}) * label_smoothing);
}

}  // namespace

Tensor Tensor::binary_crossentropy(const Tensor& y, LossReduction by, Here) const {
  check_same_shape("binary_crossentropy", *this, y);
  Tensor rest = Tensor(1.0) - *this;
  return reduced(-(y * bounded_log(*this)) - (Tensor(1.0) - y) * bounded_log(rest), by);
}

Tensor Tensor::binary_crossentropy_logits(const Tensor& y, LossReduction by,
                                          const std::optional<Tensor>& pos_weight, Here) const {
  check_same_shape("binary_crossentropy_logits", *this, y);
  // -log(sigmoid(x)) as log(1 + exp(-x)), by the smaller of exp(x) and exp(-x).
  Tensor loss = (Tensor(1.0) + (-abs()).exp()).log() + (-*this).maximum(0);
  if (pos_weight) loss = loss * ((*pos_weight - 1.0) * y + 1.0);
  return reduced((Tensor(1.0) - y) * *this + loss, by);
}

Tensor Tensor::cross_entropy(const Tensor& y, LossReduction by, double label_smoothing,
                             Here) const {
  int64_t axis = class_axis("cross_entropy", *this);
  Tensor log_probabilities = log_softmax(axis);
  bool probabilities = shape() == y.shape();
  if (!probabilities) check_classes("cross_entropy", *this, y, axis);
  Tensor likelihood =
      probabilities ? (log_probabilities * y).sum({axis}) : of_class(log_probabilities, y, axis);
  return reduced(smoothed(likelihood, log_probabilities, axis, label_smoothing, "cross_entropy"),
                 by);
}

Tensor Tensor::sparse_categorical_crossentropy(const Tensor& y, int64_t ignore_index,
                                               double label_smoothing, LossReduction by,
                                               Here) const {
  const char* op = "sparse_categorical_crossentropy";
  class_axis(op, *this);
  check_classes(op, *this, y, rank() - 1);
  Tensor log_probabilities = log_softmax(-1);
  Tensor counts = y != ignore_index;
  Tensor likelihood = of_class(log_probabilities, y, rank() - 1);
  Tensor loss = smoothed(likelihood, log_probabilities, -1, label_smoothing, op);
  return reduced(niwaki::where(counts, loss, 0), counts, by);
}

Tensor Tensor::nll_loss(const Tensor& y, const std::optional<Tensor>& weight,
                        std::optional<int64_t> ignore_index, LossReduction by, Here) const {
  int64_t axis = class_axis("nll_loss", *this);
  check_classes("nll_loss", *this, y, axis);
  check(!weight || (weight->rank() == 1 && weight->dim(0) == dim(axis)),
        "nll_loss: weights {} for the classes, dim {} of {}",
        weight ? to_string(weight->shape()) : "", axis, to_string(shape()));
  Tensor loss = -of_class(*this, y, axis);
  if (!weight && !ignore_index) return reduced(loss, by);
  Tensor weights = Tensor::ones({}, dtype());
  if (weight) {
    Dims column(size_t(y.rank() + 1), Dim(1));
    column[0] = Dim(dim(axis));
    weights = of_class(weight->reshape(column), y, 0);
  }
  if (ignore_index) {
    Tensor counts = y != *ignore_index;
    weights = niwaki::where(counts, weights, 0);
    loss = niwaki::where(counts, loss, 0);
  }
  return reduced(loss * weights, weights, by);
}

Tensor Tensor::mse_loss(const Tensor& y, LossReduction by, Here) const {
  check_same_shape("mse_loss", *this, y);
  Tensor apart = *this - y;
  return reduced(apart * apart, by);
}

Tensor Tensor::l1_loss(const Tensor& y, LossReduction by, Here) const {
  check_same_shape("l1_loss", *this, y);
  return reduced((*this - y).abs(), by);
}

Tensor Tensor::huber_loss(const Tensor& y, LossReduction by, double delta, Here) const {
  check_same_shape("huber_loss", *this, y);
  check(delta > 0, "huber_loss: delta {} is not above 0", delta);
  Tensor apart = (*this - y).abs();
  Tensor tangent = (apart - 0.5 * delta) * delta;
  return reduced(niwaki::where(apart < delta, apart * apart * 0.5, tangent), by);
}

}  // namespace niwaki
