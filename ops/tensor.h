// Tensor: what a user writes. A Tensor is a handle on a node of the graph; nothing is computed
// until realize() (runtimes/realize.h) is asked for values.
//
// Here operands are brought to one shape and dtype (broadcasting, promotion); below, all is
// explicit. A number beside a tensor takes the tensor's dtype, unless it has a fraction and the
// tensor is of integers. A tensor of a packed dtype is what it was decoded to for every op but
// bitcast.
//
// The trailing `Here = {}` of a function is the line that called it (core/here.h), which errors
// name.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
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
/// The dims of a shape, to be changed.
inline Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

/// How pad() continues a tensor beyond its ends: a b c d as b [a b c d] c, a [..] d, d [..] a.
enum class PadMode { Reflect, Replicate, Circular };
struct Index;

/// How windows move. Stride, dilation and padding: one number for all axes or one each; padding
/// also a pair each, innermost axis first. Negative padding cuts off.
struct PoolOptions {
  /// The kernel where it is not given.
  std::vector<int64_t> stride = {};
  std::vector<int64_t> padding = {0};
  std::vector<int64_t> dilation = {1};
  /// A last window may reach beyond the padding.
  bool ceil_mode = false;
  /// Of means: padding counts.
  bool count_include_pad = true;
};
/// The same of convolutions.
struct ConvOptions {
  std::vector<int64_t> stride = {1};
  std::vector<int64_t> padding = {0};
  std::vector<int64_t> dilation = {1};
  int64_t groups = 1;
  /// Of transposed ones: rows of zeros added at the end.
  std::vector<int64_t> output_padding = {0};
};
/// How values between elements are found.
enum class Resample { Nearest, NearestExact, Linear };

/// What a loss gives: one a position, their mean, or their sum.
enum class LossReduction { None, Mean, Sum };
struct AttentionOptions;
class Random;

class Tensor {
 public:
  explicit Tensor(UOp uop) : uop_(std::move(uop)) {}
  /// A scalar that takes the dtype of what it meets.
  template <class T>
  requires std::is_arithmetic_v<T> Tensor(T number)
      : Tensor(std::is_floating_point_v<T> ? fraction(double(number)) : whole(int64_t(number))) {}

  // --- creation ---

  /// A copy of `values` in a buffer; Error where their number is not the shape's.
  template <class T>
  static Tensor from(const std::vector<T>& values, std::vector<int64_t> shape, Here = {});
  /// A constant tensor over memory that exists and will not change; `owner` keeps it alive.
  static Tensor view(const void* data, DType t, std::vector<int64_t> shape,
                     std::shared_ptr<const void> owner, Here = {});
  /// Memory for a tensor that assign() will write: zero at first.
  static Tensor empty(std::vector<int64_t> shape, DType t = f32, Here = {});
  /// `number` everywhere.
  static Tensor full(Dims shape, double number, DType t = f32, Here = {});
  static Tensor zeros(Dims shape, DType t = f32, Here = {}) { return full(std::move(shape), 0, t); }
  static Tensor ones(Dims shape, DType t = f32, Here = {}) { return full(std::move(shape), 1, t); }
  Tensor full_like(double number, Here = {}) const;
  Tensor zeros_like(Here = {}) const { return full_like(0); }
  Tensor ones_like(Here = {}) const { return full_like(1); }
  /// [n, m], ones on the diagonal; m is n where it is not given.
  static Tensor eye(Dim n, std::optional<Dim> m = {}, DType t = f32, Here = {});
  /// 0, 1, ... n - 1 as i64[n].
  static Tensor arange(Dim n, Here = {});
  /// start, start + step, ... before stop as i64; nothing where stop lies behind. Error: step 0.
  static Tensor arange(Dim start, Dim stop, int64_t step = 1, Here = {});
  /// The same of numbers of which one has a point, as f32: element i is start + i * step.
  template <class A, class B, class C = int>
  requires(std::floating_point<A> || std::floating_point<B> || std::floating_point<C>) static Tensor
      arange(A start, B stop, C step = 1, Here = {}) {
    return arange_of_floats(double(start), double(stop), double(step));
  }
  /// `steps` numbers from start to stop, both included; integers are truncated.
  static Tensor linspace(double start, double stop, int64_t steps, DType t = f32, Here = {});
  /// What stands on and below (above) a diagonal of the last two dims, zeros elsewhere.
  Tensor tril(int64_t diagonal = 0, Here = {}) const;
  Tensor triu(int64_t diagonal = 0, Here = {}) const;

  // --- what it is ---

  /// The node of the graph.
  const UOp& uop() const { return uop_; }
  DType dtype() const { return uop_->dtype; }
  const Shape& shape() const { return uop_->shape; }
  int64_t rank() const { return int64_t(shape().size()); }
  /// Dim `axis`, counted from the end where negative.
  const UOp& dim(int64_t axis) const { return shape()[size_t(axis_of(axis))]; }

  // --- movement: no arithmetic, nothing copied ---

  /// The same elements under other dims; one of them may be -1.
  Tensor reshape(Dims shape, Here = {}) const;
  Tensor view(Dims shape, Here = {}) const { return reshape(std::move(shape)); }
  /// Dims from `start` through `end` as one; of a scalar, (1).
  Tensor flatten(int64_t start = 0, int64_t end = -1, Here = {}) const;
  /// Dim `axis` as several; one of them may be -1.
  Tensor unflatten(int64_t axis, Dims shape, Here = {}) const;
  /// Dims in another order: dim i is what dim order[i] was.
  Tensor permute(Axes order, Here = {}) const;
  /// Two dims exchanged.
  Tensor transpose(int64_t a = -2, int64_t b = -1, Here = {}) const;
  /// Dims of size 1 repeated; leading dims are added; -1 leaves a dim as it is.
  Tensor expand(Dims shape, Here = {}) const;
  /// Zeros before and after each dim; a negative constant width cuts off.
  Tensor pad(std::vector<std::pair<Dim, Dim>> widths, Here = {}) const;
  /// Positions along these axes in reverse order.
  Tensor flip(Axes axes, Here = {}) const;
  /// Positions [start, end) of an axis.
  Tensor slice(int64_t axis, Dim start, Dim end, Here = {}) const;
  /// `size` positions of an axis from `start`: the size may be constant where the ends are not.
  Tensor narrow(int64_t axis, Dim start, Dim size, Here = {}) const;
  /// A new dim of size 1, which is dim `axis` of the result.
  Tensor unsqueeze(int64_t axis, Here = {}) const;
  /// Without the dims of size 1; or without dim `axis`, where it is 1.
  Tensor squeeze(Here = {}) const;
  Tensor squeeze(int64_t axis, Here = {}) const;
  /// [i][i] for all i: a matrix with this vector on its diagonal.
  Tensor diag(Here = {}) const;
  /// Elements [i][i + offset] of the matrices in dims `a` and `b`, as a new last dim.
  Tensor diagonal(int64_t offset = 0, int64_t a = 0, int64_t b = 1, Here = {}) const;
  /// Positions move up by shifts[i] along axes[i], and from the end to the beginning.
  Tensor roll(std::vector<int64_t> shifts, Axes axes, Here = {}) const;
  /// The same of the elements in row-major order.
  Tensor roll(int64_t shift, Here = {}) const;

  // --- types ---

  /// Values of another dtype; how they are rounded stands in core/scalar.h.
  Tensor cast(DType t, Here = {}) const;
  /// The same bits; the last dim absorbs a change of width.
  Tensor bitcast(DType t, Here = {}) const;
  /// The same value, through which gradient() sees nothing: x + (q - x).detach() is q with the
  /// gradient of x (the straight-through estimator of Bengio et al. 2013, arXiv 1308.3432).
  Tensor detach(Here = {}) const;

  // --- elementwise ---

  Tensor operator-() const;
  /// The negation of a bool; of a number, whether it is 0.
  Tensor operator!() const;
  /// The complement of integers and bools.
  Tensor operator~() const;
  /// NaN where either is NaN.
  Tensor maximum(const Tensor& other, Here = {}) const;
  Tensor minimum(const Tensor& other, Here = {}) const;
  /// -1, 0 or 1, in this dtype; 0 of NaN.
  Tensor sign(Here = {}) const;
  Tensor square(Here = {}) const;
  Tensor reciprocal(Here = {}) const;
  /// |x| with the sign bit of `sign`.
  Tensor copysign(const Tensor& sign, Here = {}) const;
  /// x + (end - x) * weight.
  Tensor lerp(const Tensor& end, const Tensor& weight, Here = {}) const;
  /// x^exponent as C has it. Integers wrap; an exponent below 0 gives them 1, -1 or 0, and an Error
  /// where it is a number.
  Tensor pow(const Tensor& exponent, Here = {}) const;
  /// log(exp(a) + exp(b)), without overflow.
  Tensor logaddexp(const Tensor& other, Here = {}) const;
  /// lo below lo, hi above hi; one may be missing. At a bound the gradient passes.
  Tensor clip(const std::optional<Tensor>& lo, const std::optional<Tensor>& hi = {},
              Here = {}) const;
  Tensor clamp(const std::optional<Tensor>& lo, const std::optional<Tensor>& hi = {},
               Here = {}) const {
    return clip(lo, hi);
  }
  /// `value` where the bools of `mask` are true, broadcast.
  Tensor masked_fill(const Tensor& mask, const Tensor& value, Here = {}) const;

  // --- functions of one variable (ops/functions.cpp): f64 gives f64, integers give f32 ---

  Tensor abs(Here = {}) const;
  Tensor sqrt(Here = {}) const;
  /// 1 / sqrt(x).
  Tensor rsqrt(Here = {}) const;
  Tensor exp(Here = {}) const;
  Tensor exp2(Here = {}) const;
  /// exp(x) - 1, as good near 0 as elsewhere.
  Tensor expm1(Here = {}) const;
  Tensor log(Here = {}) const;
  Tensor log2(Here = {}) const;
  Tensor log10(Here = {}) const;
  /// log(1 + x), as good near 0 as elsewhere.
  Tensor log1p(Here = {}) const;
  Tensor sin(Here = {}) const;
  Tensor cos(Here = {}) const;
  Tensor tan(Here = {}) const;
  /// Inverses are NaN outside of their domain: asin(2), acosh(0), atanh(2).
  Tensor asin(Here = {}) const;
  Tensor acos(Here = {}) const;
  Tensor atan(Here = {}) const;
  Tensor sinh(Here = {}) const;
  Tensor cosh(Here = {}) const;
  Tensor tanh(Here = {}) const;
  Tensor asinh(Here = {}) const;
  Tensor acosh(Here = {}) const;
  Tensor atanh(Here = {}) const;
  /// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
  Tensor erf(Here = {}) const;
  /// 1 / (1 + exp(-x)).
  Tensor sigmoid(Here = {}) const;

  // --- activations ---

  /// max(x, 0), with the gradient 0 at 0.
  Tensor relu(Here = {}) const;
  /// x within [0, 6].
  Tensor relu6(Here = {}) const { return hardtanh(0, 6); }
  /// x, or slope * x below 0.
  Tensor leaky_relu(double slope = 0.01, Here = {}) const;
  /// x, or alpha * (exp(x) - 1) below 0 (Clevert et al. 2015, arXiv 1511.07289).
  Tensor elu(double alpha = 1, Here = {}) const;
  /// elu with a continuous derivative (Barron 2017, arXiv 1704.07483).
  Tensor celu(double alpha = 1, Here = {}) const;
  /// elu that keeps mean and variance (Klambauer et al. 2017, arXiv 1706.02515).
  Tensor selu(Here = {}) const;
  /// x * sigmoid(x) (Elfwing et al. 2017, arXiv 1702.03118).
  Tensor silu(Here = {}) const;
  Tensor swish(Here = {}) const { return silu(); }
  /// x times the normal distribution's share below x (Hendrycks, Gimpel 2016, arXiv 1606.08415):
  /// by erf, or with "tanh" by the paper's approximation.
  Tensor gelu(std::string_view approximate = "none", Here = {}) const;
  /// x * sigmoid(1.702 x), the same paper's shorter approximation.
  Tensor quick_gelu(Here = {}) const;
  /// x * tanh(softplus(x)) (Misra 2019, arXiv 1908.08681).
  Tensor mish(Here = {}) const;
  /// log(1 + exp(beta * x)) / beta, without overflow.
  Tensor softplus(double beta = 1, Here = {}) const;
  /// log(sigmoid(x)).
  Tensor logsigmoid(Here = {}) const;
  /// x / (1 + |x|).
  Tensor softsign(Here = {}) const;
  /// x within [lo, hi], with the gradient 0 at both ends.
  Tensor hardtanh(double lo = -1, double hi = 1, Here = {}) const;
  /// x / 6 + 1 / 2 within [0, 1].
  Tensor hardsigmoid(Here = {}) const;
  /// x * hardsigmoid(x) (Howard et al. 2019, arXiv 1905.02244).
  Tensor hardswish(Here = {}) const;

  // --- rounding, division, comparison, bits ---

  /// Whole numbers as floats, -0 included; integers stay. Their gradients are 0.
  Tensor floor(Here = {}) const;
  Tensor ceil(Here = {}) const;
  Tensor trunc(Here = {}) const;
  /// Ties go to the even number.
  Tensor round(Here = {}) const;
  /// The quotient as it is (""), truncated ("trunc") or its floor ("floor").
  Tensor div(const Tensor& other, std::string_view rounding_mode = "", Here = {}) const;
  /// The floor of the exact quotient; of floats whose quotient is below 2^29 (f32).
  Tensor floor_divide(const Tensor& other, Here = {}) const;
  /// What the floor of the quotient leaves, of the divisor's sign; that of `%`.
  Tensor mod(const Tensor& other, Here = {}) const;
  /// What the truncated quotient leaves, of this one's sign: C's fmod, and `%` of its integers.
  Tensor fmod(const Tensor& other, Here = {}) const;
  Tensor isnan(Here = {}) const;
  Tensor isinf(Here = {}) const;
  Tensor isfinite(Here = {}) const;
  /// |a - b| <= atol + rtol * |b|, or a == b.
  Tensor isclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8,
                 bool equal_nan = false, Here = {}) const;
  Tensor logical_not(Here = {}) const { return !*this; }
  /// Of bools; a number counts as whether it is not 0.
  Tensor logical_and(const Tensor& other, Here = {}) const;
  Tensor logical_or(const Tensor& other, Here = {}) const;
  Tensor bitwise_not(Here = {}) const { return ~*this; }

  // --- parts ---

  /// Parts of `size` along an axis, the last what is left; or parts of the given sizes.
  std::vector<Tensor> split(int64_t size, int64_t axis = 0, Here = {}) const;
  std::vector<Tensor> split(const std::vector<int64_t>& sizes, int64_t axis = 0, Here = {}) const;
  /// At most `n` parts of one size, but for the last.
  std::vector<Tensor> chunk(int64_t n, int64_t axis = 0, Here = {}) const;
  /// Windows of `size` every `step` positions of an axis, as a new last dim.
  Tensor unfold(int64_t axis, int64_t size, int64_t step, Here = {}) const;

  // --- reductions: over the given axes, or all ---
  //
  // A scalar has the axes of a (1). Nothing has the sum 0, the product 1, no mean (NaN) and no
  // greatest (Error). Integers keep their dtype and wrap; bools are counted. 16-bit floats are
  // summed as f32.

  /// Each converted to `t` before, where it is given.
  Tensor sum(Axes axes = {}, bool keep = false, std::optional<DType> t = {}, Here = {}) const;
  Tensor prod(Axes axes = {}, bool keep = false, std::optional<DType> t = {}, Here = {}) const;
  /// NaN where there is one, as in all that follow.
  Tensor max(Axes axes = {}, bool keep = false, Here = {}) const;
  Tensor min(Axes axes = {}, bool keep = false, Here = {}) const;
  /// Whether one of them, all of them, is not 0; NaN is not 0.
  Tensor any(Axes axes = {}, bool keep = false, Here = {}) const;
  Tensor all(Axes axes = {}, bool keep = false, Here = {}) const;
  /// Of integers an f32, and so below.
  Tensor mean(Axes axes = {}, bool keep = false, Here = {}) const;
  /// Squared distances from the mean, summed and divided by n - correction, or by 0 below that.
  Tensor var(Axes axes = {}, bool keep = false, int64_t correction = 1, Here = {}) const;
  /// The root of var(), with the gradient 0 where that is 0.
  Tensor std(Axes axes = {}, bool keep = false, int64_t correction = 1, Here = {}) const;
  std::pair<Tensor, Tensor> var_mean(Axes axes = {}, bool keep = false, int64_t correction = 1,
                                     Here = {}) const;
  std::pair<Tensor, Tensor> std_mean(Axes axes = {}, bool keep = false, int64_t correction = 1,
                                     Here = {}) const;
  /// log(sum(exp(x))), without overflow.
  Tensor logsumexp(Axes axes = {}, bool keep = false, Here = {}) const;
  /// sum(|x|^p)^(1/p) for p >= 0: infinity is the greatest |x|, 0 the number of those not 0.
  Tensor norm(double p = 2, Axes axes = {}, bool keep = false, Here = {}) const;
  /// x / max(norm(p), eps) along an axis.
  Tensor normalize(double p = 2, int64_t axis = 1, double eps = 1e-12, Here = {}) const;

  // --- order and running totals along an axis ---
  //
  // NaN counts as greater than everything. Positions are i64.

  /// The first position of the greatest element along an axis, or of all in row-major order.
  Tensor argmax(std::optional<int64_t> axis = {}, bool keep = false, Here = {}) const;
  /// The first position of the least element; of NaN where there is one.
  Tensor argmin(std::optional<int64_t> axis = {}, bool keep = false, Here = {}) const;
  /// The elements in order and where they were; equal ones stay in their order. Error: a symbolic
  /// axis.
  std::pair<Tensor, Tensor> sort(int64_t axis = -1, bool descending = false, Here = {}) const;
  /// The second result of sort().
  Tensor argsort(int64_t axis = -1, bool descending = false, Here = {}) const;
  /// The first k of sort(), descending where `largest`. Error: k beyond the axis.
  std::pair<Tensor, Tensor> topk(int64_t k, int64_t axis = -1, bool largest = true,
                                 Here = {}) const;
  /// Of each element and all before it. Bools are counted.
  Tensor cumsum(int64_t axis, Here = {}) const;
  Tensor cumprod(int64_t axis, Here = {}) const;
  /// The extremes so far, and the last of their positions so far; NaN stays.
  std::pair<Tensor, Tensor> cummax(int64_t axis, Here = {}) const;
  std::pair<Tensor, Tensor> cummin(int64_t axis, Here = {}) const;
  /// log(cumsum(exp(x))), without overflow.
  Tensor logcumsumexp(int64_t axis, Here = {}) const;

  // --- indexing, gather and scatter ---
  //
  // Positions are tensors of integers. In slice(), set() and take() they count from the end where
  // negative. A position outside reads 0 and writes nothing.

  /// Part of a tensor, as NumPy writes x[0:5, -1, ids]: one Index a dim, the last may be missing.
  /// Several tensors broadcast together, in the place of the first, or in front if set apart.
  Tensor slice(const std::vector<Index>& indices, Here = {}) const;
  /// This tensor with that part replaced; of several values for an element the last counts.
  Tensor set(const std::vector<Index>& indices, const Tensor& value, Here = {}) const;
  /// out[..j..] = x[..index[..j..]..] along `axis`: no other dim of `index` exceeds x's.
  Tensor gather(int64_t axis, const Tensor& index, Here = {}) const;
  /// Positions `index` [n] of an axis.
  Tensor index_select(int64_t axis, const Tensor& index, Here = {}) const;
  /// Elements by their place in row-major order, in the shape of `index`.
  Tensor take(const Tensor& index, Here = {}) const;
  /// x with x[..index[..j..]..] = source[..j..] along `axis`; the last of several counts.
  Tensor scatter(int64_t axis, const Tensor& index, const Tensor& source, Here = {}) const;
  /// The same, but added to, or multiplied with, what is there: all of several.
  Tensor scatter_add(int64_t axis, const Tensor& index, const Tensor& source, Here = {}) const;
  Tensor scatter_mul(int64_t axis, const Tensor& index, const Tensor& source, Here = {}) const;
  /// Combines what falls on an element by "sum", "prod", "mean", "amin" or "amax"; without
  /// include_self x stays only where nothing falls.
  Tensor scatter_reduce(int64_t axis, const Tensor& index, const Tensor& source,
                        std::string_view by, bool include_self = true, Here = {}) const;
  /// [...] of integers to i64[..., n]: 1 at the position, else 0; no 1 outside [0, n).
  Tensor one_hot(Dim n, Here = {}) const;
  /// The first `size` elements where `mask` is true, then `fill`: [size].
  Tensor masked_select(const Tensor& mask, Dim size, const Tensor& fill = 0, Here = {}) const;
  /// The positions of the first `size` elements that are not 0, then `fill`: i64[size, rank].
  Tensor nonzero(Dim size, const Tensor& fill = 0, Here = {}) const;

  // --- padding by mode, repetition, joining ---

  /// `value`, as this dtype, before and after each dim; a negative constant width cuts off.
  Tensor pad(std::vector<std::pair<Dim, Dim>> widths, const Tensor& value, Here = {}) const;
  /// Reflect: widths below the dim. Circular: widths up to the dim, not negative.
  Tensor pad(const std::vector<std::pair<int64_t, int64_t>>& widths, PadMode mode, Here = {}) const;
  /// The whole n times along each dim; leading dims are added.
  Tensor repeat(Dims times, Here = {}) const;
  /// repeat() with leading ones for what `times` lacks.
  Tensor tile(Dims times, Here = {}) const;
  /// Each position `times` times along an axis; without one, of the elements in row-major order.
  Tensor repeat_interleave(Dim times, int64_t axis, Here = {}) const;
  Tensor repeat_interleave(Dim times, Here = {}) const;

  // --- products ---

  /// [..., m, k] @ [..., k, n] -> [..., m, n], leading dims broadcast; a vector on the left is a
  /// row, on the right a column, of which the dim is left out again.
  Tensor matmul(const Tensor& other, Here = {}) const;
  Tensor dot(const Tensor& other, Here = {}) const { return matmul(other); }
  /// [..., k] and w [n, k] -> [..., n]: x @ w^T.
  Tensor linear(const Tensor& weight, Here = {}) const;

  /// Whole multiples, of at most 2^bits - 1, of a step for each `group` elements of the last dim,
  /// as f32; bits from 2 to 24. The gradient is 0.
  Tensor quantize(int64_t group, int64_t bits, Here = {}) const;

  // --- convolution, pools, resampling: over as many axes as the kernel has ---

  /// [..., n...] -> [..., o..., k...]: the windows over the last axes.
  Tensor pool(const std::vector<int64_t>& kernel, const PoolOptions& how = {}, Here = {}) const;
  /// [b, c, n...], weight [d, c / groups, k...], bias [d] -> [b, d, o...], for any number of axes.
  Tensor conv2d(const Tensor& weight, const ConvOptions& how = {}, Here = {}) const;
  Tensor conv2d(const Tensor& weight, const Tensor& bias, const ConvOptions& how = {},
                Here = {}) const;
  /// Such a convolution's gradient: [b, c, n...], weight [c, d / groups, k...] -> [b, d, o...].
  Tensor conv_transpose2d(const Tensor& weight, const ConvOptions& how = {}, Here = {}) const;
  Tensor conv_transpose2d(const Tensor& weight, const Tensor& bias, const ConvOptions& how = {},
                          Here = {}) const;
  /// The greatest of each window; padding is less than anything.
  Tensor max_pool2d(const std::vector<int64_t>& kernel = {2, 2}, const PoolOptions& how = {},
                    Here = {}) const;
  /// And its first place in the unpadded axes, in row-major order.
  std::pair<Tensor, Tensor> max_pool2d_with_indices(const std::vector<int64_t>& kernel = {2, 2},
                                                    const PoolOptions& how = {}, Here = {}) const;
  /// Values put back to such places among zeros. Of output_size the last numbers count; without it
  /// the smallest size with as many windows.
  Tensor max_unpool2d(const Tensor& indices, const std::vector<int64_t>& kernel = {2, 2},
                      const PoolOptions& how = {}, const std::vector<int64_t>& output_size = {},
                      Here = {}) const;
  /// The mean of each window: f32 of integers.
  Tensor avg_pool2d(const std::vector<int64_t>& kernel = {2, 2}, const PoolOptions& how = {},
                    Here = {}) const;
  /// The last axes stretched to `size`, as images are; of integers, rounded.
  Tensor interpolate(const std::vector<int64_t>& size, Resample mode = Resample::Linear,
                     bool align_corners = false, Here = {}) const;

  // --- losses ---
  //
  // A class is an integer in [0, c); another, which is not ignored either, makes the loss NaN.

  /// -y log(x) - (1 - y) log(1 - x) of probabilities; log(0) counts as -100, as in torch.
  Tensor binary_crossentropy(const Tensor& y, LossReduction by = LossReduction::Mean,
                             Here = {}) const;
  /// The same of sigmoid(x), without overflow; the first term times pos_weight, broadcast.
  Tensor binary_crossentropy_logits(const Tensor& y, LossReduction by = LossReduction::Mean,
                                    const std::optional<Tensor>& pos_weight = {}, Here = {}) const;
  /// -log_softmax(x)[y]: logits [n, c, ...] or [c], y classes [n, ...] or probabilities shaped as
  /// x. Smoothing mixes in all classes equally (Szegedy et al. 2015, arXiv 1512.00567).
  Tensor cross_entropy(const Tensor& y, LossReduction by = LossReduction::Mean,
                       double label_smoothing = 0, Here = {}) const;
  /// cross_entropy over the last axis, [..., c], of the classes [...] that are not ignore_index.
  Tensor sparse_categorical_crossentropy(const Tensor& y, int64_t ignore_index = -1,
                                         double label_smoothing = 0,
                                         LossReduction by = LossReduction::Mean, Here = {}) const;
  /// -x[y] of log-probabilities [n, c, ...] or [c], times weight [c] of the class y; the mean is by
  /// weights.
  Tensor nll_loss(const Tensor& y, const std::optional<Tensor>& weight = {},
                  std::optional<int64_t> ignore_index = {}, LossReduction by = LossReduction::Mean,
                  Here = {}) const;
  /// (x - y)^2; |x - y|; the first halved below delta and tangents from there on (Huber 1964).
  Tensor mse_loss(const Tensor& y, LossReduction by = LossReduction::Mean, Here = {}) const;
  Tensor l1_loss(const Tensor& y, LossReduction by = LossReduction::Mean, Here = {}) const;
  Tensor huber_loss(const Tensor& y, LossReduction by = LossReduction::Mean, double delta = 1,
                    Here = {}) const;

  // --- compositions ---

  /// exp(x) / sum(exp(x)) along an axis, without overflow; and its logarithm.
  Tensor softmax(int64_t axis = -1, Here = {}) const;
  Tensor log_softmax(int64_t axis = -1, Here = {}) const;
  /// The softmax of -x.
  Tensor softmin(int64_t axis = -1, Here = {}) const;
  /// x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang, Sennrich 2019, arXiv
  /// 1910.07467).
  Tensor rms_norm(const Tensor& weight, double eps, Here = {}) const;
  /// (x - mean) / sqrt(var + eps) * weight + bias over the axes (Ba et al. 2016, arXiv 1607.06450).
  Tensor layer_norm(double eps = 1e-5, Axes axes = {-1}, const std::optional<Tensor>& weight = {},
                    const std::optional<Tensor>& bias = {}, Here = {}) const;
  /// layer_norm of each of the groups of channels of [n, c, ...], then weight and bias [c]
  /// (Wu, He 2018, arXiv 1803.08494).
  Tensor group_norm(int64_t groups, const std::optional<Tensor>& weight = {},
                    const std::optional<Tensor>& bias = {}, double eps = 1e-5, Here = {}) const;
  /// [n, c, ...] by mean, var, weight and bias [c] (Ioffe, Szegedy 2015, arXiv 1502.03167): of the
  /// batch x.mean({0, 2, ...}) and x.var({0, 2, ...}, false, 0), or what was learnt of many.
  Tensor batch_norm(const Tensor& mean, const Tensor& var, const std::optional<Tensor>& weight = {},
                    const std::optional<Tensor>& bias = {}, double eps = 1e-5, Here = {}) const;
  /// Rows of a table: this [v, d], ids of integers [...] -> [..., d]; a row of zeros for an id
  /// outside [0, v).
  Tensor embedding(const Tensor& ids, Here = {}) const;
  /// Rotates the halves of the last axis by the angle whose cos and sin are given
  /// (Su et al. 2021, arXiv 2104.09864): x [..., d], cos and sin broadcast to [..., d / 2].
  Tensor rope(const Tensor& cos, const Tensor& sin, Here = {}) const;

  // --- memory ---

  /// The value, stored: consumers read memory instead of computing it again.
  Tensor contiguous(Here = {}) const;
  /// Writes `value` into this view of a buffer when what it returns is realized: the whole buffer
  /// after that, to which the next assign must be. Error where one state is written over twice.
  [[nodiscard]] Tensor assign(const Tensor& value, Here = {}) const;

 private:
  static Tensor whole(int64_t number);
  static Tensor arange_of_floats(double start, double stop, double step);
  static Tensor fraction(double number);
  int64_t axis_of(int64_t axis) const;
  Axes axes_of(const Axes& axes) const;
  Axes reduced_axes(const Axes& axes) const;
  UOp count(const Axes& axes) const;
  Tensor numbers() const;
  Tensor wide() const;
  Tensor as_float(DType t) const;
  Tensor floats() const;
  Tensor greatest(const Axes& axes) const;
  Tensor reduce(Op op, const Axes& axes, bool keep) const;
  Tensor unary(Op op) const;
  Tensor in_floats(Tensor (*f)(const Tensor& x)) const;
  friend Tensor binary(Op op, const Tensor& a, const Tensor& b);
  friend std::pair<Tensor, Tensor> matched(const Tensor& a, const Tensor& b);
  friend Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                             const AttentionOptions& options, Here);

  UOp uop_;
  /// A number written by the user: 1 an integer, 2 with a fraction or a point.
  int weak_ = 0;
};

/// What stands beside an operator: a tensor or a number, and the line that wrote it.
struct Operand {
  Tensor tensor;
  Here here;
  Operand(const Tensor& t, std::source_location at = std::source_location::current())
      : tensor(t), here(at) {}
  template <class T>
  requires std::is_arithmetic_v<T> Operand(
      T number, std::source_location at = std::source_location::current())
      : tensor(number), here(at) {}
  operator const Tensor&() const { return tensor; }
};

/// Broadcast, in the dtype where both meet; integers wrap.
Tensor operator+(const Operand& a, const Operand& b);
Tensor operator-(const Operand& a, const Operand& b);
Tensor operator*(const Operand& a, const Operand& b);
/// The quotient; of integers f32. floor_divide() stays with integers.
Tensor operator/(const Operand& a, const Operand& b);
/// The remainder of floor_divide(); x where x is divided by the integer 0.
Tensor operator%(const Operand& a, const Operand& b);
/// Bit by bit; of bools and, or, exclusive or.
Tensor operator&(const Operand& a, const Operand& b);
Tensor operator|(const Operand& a, const Operand& b);
Tensor operator^(const Operand& a, const Operand& b);
/// Shifts have the left operand's dtype. Error: floats on either side.
Tensor operator<<(const Operand& a, const Operand& b);
Tensor operator>>(const Operand& a, const Operand& b);
/// Comparisons give bools; with NaN all are false but !=.
Tensor operator<(const Operand& a, const Operand& b);
Tensor operator>(const Operand& a, const Operand& b);
Tensor operator<=(const Operand& a, const Operand& b);
Tensor operator>=(const Operand& a, const Operand& b);
Tensor operator==(const Operand& a, const Operand& b);
Tensor operator!=(const Operand& a, const Operand& b);
/// c ? a : b, broadcast.
Tensor where(const Tensor& c, const Tensor& a, const Tensor& b, Here = {});
/// Vectors as the axes of a grid: one tensor each, of all their lengths. With "xy" the first two
/// dims are swapped.
std::vector<Tensor> meshgrid(const std::vector<Tensor>& axes, std::string_view indexing = "ij",
                             Here = {});
/// Tensors one after another along an axis.
Tensor cat(const std::vector<Tensor>& parts, int64_t axis = 0, Here = {});
/// Tensors of one shape along a new axis.
Tensor stack(const std::vector<Tensor>& parts, int64_t axis = 0, Here = {});
/// Einstein's summation: "bij,bjk->bik" multiplies where letters agree and sums over those that
/// "->" does not keep; without "->" those that occur once stay, in the order of the alphabet.
Tensor einsum(std::string_view formula, const std::vector<Tensor>& operands, Here = {});
/// softmax(q k^T * scale + mask) v (Vaswani et al. 2017, arXiv 1706.03762) with grouped heads
/// (Ainslie et al. 2023, arXiv 2305.13245): q [t, h, d], k and v [s, g, d], h a multiple of g;
/// query i sees keys 0 .. first + i. Gives [t, h, d].
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim first, Here = {});

/// As an end of a range: where the dim begins or ends.
struct Open {};
inline constexpr Open open;
/// As an Index: a dim of size 1 that was not there.
struct NewAxis {};
inline constexpr NewAxis newaxis;
/// As an Index: all dims that the others leave.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis;

/// An end of a range of positions: from the end where negative.
struct Bound : std::optional<UOp> {
  Bound(Open) {}
  Bound(UOp u) : std::optional<UOp>(std::move(u)) {}
  template <std::integral T>
  Bound(T number) : Bound(index(int64_t(number))) {}
};

/// What slice() takes of a dim: {} all of it, {i} a position, which drops the dim, {start, stop}
/// or {start, stop, step} a range clamped to the dim, positions as a tensor of integers.
struct Index {
  struct Range {
    Bound start;
    Bound stop;
    int64_t step;
  };
  std::variant<Range, UOp, Tensor, NewAxis, Ellipsis> what;

  Index() : Index(open, open) {}
  Index(Bound start, Bound stop, int64_t step = 1) : what(Range{start, stop, step}) {}
  Index(UOp position) : what(std::move(position)) {}
  template <std::integral T>
  Index(T position) : what(index(int64_t(position))) {}
  Index(Tensor positions) : what(std::move(positions)) {}
  Index(NewAxis) : what(newaxis) {}
  Index(Ellipsis) : what(ellipsis) {}
};

struct AttentionOptions {
  /// Bools, which keys a query sees, or numbers added to the scores; broadcast to [..., l, s].
  std::optional<Tensor> attn_mask = {};
  /// Weights are zeroed with this probability, the others scaled up: by numbers of `random`.
  double dropout_p = 0;
  Random* random = nullptr;
  /// Query i sees keys 0 .. i.
  bool is_causal = false;
  /// 1 / sqrt(d) where it is not given.
  std::optional<double> scale = {};
  /// Query heads, in dim -3, share key heads: a multiple of them.
  bool enable_gqa = false;
};
/// softmax(q k^T * scale + mask) v: q [..., l, d], k [..., s, d], v [..., s, e] -> [..., l, e],
/// leading dims broadcast. A query that sees no key gets NaN. The options are torch's.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options = {}, Here = {});

/// The dtype of a C++ type.
template <class T>
DType dtype_of();

}  // namespace niwaki
