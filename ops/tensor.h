// Tensor: what a user writes. A Tensor is a handle on a node of the graph; nothing is computed
// until realize() (runtimes/realize.h) is asked for values.
//
// Here operands are brought to one shape and dtype (broadcasting, promotion); below, all is
// explicit. A number beside a tensor takes the tensor's dtype, unless it has a fraction and the
// tensor is of integers. A tensor of a packed dtype is what it was decoded to for every op but
// bitcast.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/uop.h"

namespace niwaki {

/// A size or position along an axis: a number or an integer expression.
struct Dim {
  UOp uop;
  Dim(UOp u) : uop(std::move(u)) {}
  template <std::integral T>
  Dim(T number) : uop(index(int64_t(number))) {}
};
using Dims = std::vector<Dim>;

class Tensor {
 public:
  explicit Tensor(UOp uop) : uop_(std::move(uop)) {}
  /// A scalar that takes the dtype of what it meets.
  template <class T>
    requires std::is_arithmetic_v<T>
  Tensor(T number)
      : Tensor(std::is_floating_point_v<T> ? fraction(double(number)) : whole(int64_t(number))) {}

  // --- creation ---

  /// A copy of `values` in a buffer; Error where their number is not the shape's.
  template <class T>
  static Tensor from(const std::vector<T>& values, std::vector<int64_t> shape);
  /// A constant tensor over memory that exists and will not change; `owner` keeps it alive.
  static Tensor view(const void* data, DType t, std::vector<int64_t> shape,
                     std::shared_ptr<const void> owner);
  /// Memory for a tensor that assign() will write: zero at first.
  static Tensor empty(std::vector<int64_t> shape, DType t = f32);
  static Tensor full(Dims shape, double number, DType t = f32);
  static Tensor zeros(Dims shape, DType t = f32) { return full(std::move(shape), 0, t); }
  static Tensor ones(Dims shape, DType t = f32) { return full(std::move(shape), 1, t); }
  /// 0, 1, ... n - 1 as i64[n].
  static Tensor arange(Dim n);

  // --- what it is ---

  const UOp& uop() const { return uop_; }
  DType dtype() const { return uop_->dtype; }
  const Shape& shape() const { return uop_->shape; }
  int64_t rank() const { return int64_t(shape().size()); }
  /// Dim `axis`, counted from the end where negative.
  const UOp& dim(int64_t axis) const { return shape()[size_t(axis_of(axis))]; }

  // --- movement: no arithmetic, nothing copied ---

  /// The same elements under other dims; one of them may be -1.
  Tensor reshape(Dims shape) const;
  Tensor permute(Axes order) const;
  Tensor transpose(int64_t a = -2, int64_t b = -1) const;
  /// Dims of size 1 repeated; leading dims are added.
  Tensor expand(Dims shape) const;
  /// Zeros before and after each dim.
  Tensor pad(std::vector<std::pair<Dim, Dim>> widths) const;
  Tensor flip(Axes axes) const;
  /// Positions [start, end) of an axis.
  Tensor slice(int64_t axis, Dim start, Dim end) const;
  /// `size` positions of an axis from `start`: the size may be constant where the ends are not.
  Tensor narrow(int64_t axis, Dim start, Dim size) const;
  Tensor unsqueeze(int64_t axis) const;
  Tensor squeeze(int64_t axis) const;

  // --- types ---

  Tensor cast(DType t) const;
  /// The same bits; the last dim absorbs a change of width.
  Tensor bitcast(DType t) const;
  /// The same value, through which gradient() sees nothing: x + (q - x).detach() is q with the
  /// gradient of x (the straight-through estimator of Bengio et al. 2013, arXiv 1308.3432).
  Tensor detach() const;

  // --- elementwise ---

  Tensor operator-() const;
  /// The negation of a bool.
  Tensor operator!() const;
  Tensor maximum(const Tensor& other) const;
  Tensor minimum(const Tensor& other) const;
  Tensor abs() const;
  Tensor sqrt() const;
  Tensor rsqrt() const;
  Tensor exp() const;
  Tensor exp2() const;
  Tensor log() const;
  Tensor log2() const;
  Tensor sin() const;
  Tensor cos() const;
  Tensor relu() const;
  Tensor sigmoid() const;
  /// x * sigmoid(x) (Elfwing et al. 2017, arXiv 1702.03118).
  Tensor silu() const;
  Tensor tanh() const;

  // --- activations ---

  // --- rounding, division, comparison, bits ---

  // --- reductions: over the given axes, or all ---

  Tensor sum(Axes axes = {}, bool keep = false) const;
  Tensor prod(Axes axes = {}, bool keep = false) const;
  Tensor max(Axes axes = {}, bool keep = false) const;
  Tensor min(Axes axes = {}, bool keep = false) const;
  Tensor mean(Axes axes = {}, bool keep = false) const;
  /// The first position of the greatest element along an axis, i64.
  Tensor argmax(int64_t axis = -1) const;

  // --- order and running totals along an axis ---

  // --- indexing, gather and scatter ---

  // --- padding by mode, repetition, joining ---

  // --- products ---

  // --- convolution, pools, resampling ---

  // --- losses ---

  // --- compositions ---

  /// [..., m, k] @ [..., k, n] -> [..., m, n], leading dims broadcast.
  Tensor matmul(const Tensor& other) const;
  /// [..., k] and w [n, k] -> [..., n]: x @ w^T.
  Tensor linear(const Tensor& weight) const;
  Tensor softmax(int64_t axis = -1) const;
  Tensor log_softmax(int64_t axis = -1) const;
  /// x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang, Sennrich 2019, arXiv
  /// 1910.07467).
  Tensor rms_norm(const Tensor& weight, double eps) const;
  /// (x - mean) / sqrt(var + eps) over the last axis.
  Tensor layer_norm(double eps) const;
  /// Rows of a table: this [v, d], ids of integers [...] -> [..., d]; a row of zeros for an id
  /// outside [0, v).
  Tensor embedding(const Tensor& ids) const;
  /// Rotates the halves of the last axis by the angle whose cos and sin are given
  /// (Su et al. 2021, arXiv 2104.09864): x [..., d], cos and sin broadcast to [..., d / 2].
  Tensor rope(const Tensor& cos, const Tensor& sin) const;

  // --- memory ---

  /// The value, stored: consumers read memory instead of computing it again.
  Tensor contiguous() const;
  /// Writes `value` into this view of a buffer; returns the whole buffer after it was written.
  Tensor assign(const Tensor& value) const;

 private:
  static Tensor whole(int64_t number);
  static Tensor fraction(double number);
  int64_t axis_of(int64_t axis) const;
  Axes axes_of(const Axes& axes) const;
  Tensor numbers() const;
  Tensor reduce(Op op, const Axes& axes, bool keep) const;
  Tensor unary(Op op) const;
  friend Tensor binary(Op op, const Tensor& a, const Tensor& b);
  friend std::pair<Tensor, Tensor> matched(const Tensor& a, const Tensor& b);

  UOp uop_;
  /// A number written by the user: 1 an integer, 2 with a fraction or a point.
  int weak_ = 0;
};

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
/// The quotient; of integers, its floor.
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator%(const Tensor& a, const Tensor& b);
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator^(const Tensor& a, const Tensor& b);
/// Shifts have the left operand's dtype.
Tensor operator<<(const Tensor& a, const Tensor& b);
Tensor operator>>(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
/// c ? a : b, broadcast.
Tensor where(const Tensor& c, const Tensor& a, const Tensor& b);
/// Tensors one after another along an axis.
Tensor cat(const std::vector<Tensor>& parts, int64_t axis);
/// softmax(q k^T * scale + mask) v (Vaswani et al. 2017, arXiv 1706.03762) with grouped heads
/// (Ainslie et al. 2023, arXiv 2305.13245): q [t, h, d], k and v [s, g, d], h a multiple of g;
/// query i sees keys 0 .. first + i. Gives [t, h, d].
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim first);

/// The dtype of a C++ type.
template <class T>
DType dtype_of();

}  // namespace niwaki
