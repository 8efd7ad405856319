// A line for every public function of the tensor language, run here and shown in docs/tensor.md
// with what it gives (tests/docs/tensor_page_test.cpp). A function without a line fails the test of
// the documentation. Lines of one name stand in the order of its declarations; those beyond their
// number belong to the last.
#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <functional>

#include "ops/gradient.h"
#include "ops/optim.h"
#include "ops/random.h"
#include "ops/tensor.h"
#include "runtimes/capture.h"
#include "runtimes/dynamic.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

// --- values as text: [[1, 0.5], [2, 3]] ---

std::string nested(const std::vector<std::string>& values, const std::vector<int64_t>& shape,
                   size_t axis, size_t& next) {
  if (axis == shape.size()) return values[next++];
  std::vector<std::string> parts;
  for (int64_t i = 0; i < shape[axis]; ++i) parts.push_back(nested(values, shape, axis + 1, next));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string show(const Tensor& t) {
  std::vector<int64_t> shape;
  for (const UOp& dim : t.shape()) shape.push_back(*const_int(dim));
  bool is_bool = t.dtype().kind == Kind::Bool;
  std::vector<std::string> values;
  // Adding 0 makes -0 a 0.
  for (double v : to_vector<double>(t)) {
    values.push_back(is_bool ? (v != 0 ? "true" : "false") : fmt::format("{:.4g}", v + 0.0));
  }
  size_t next = 0;
  return nested(values, shape, 0, next);
}

template <class T>
requires std::is_arithmetic_v<T> std::string show(T number) { return fmt::format("{}", number); }

std::string show(const std::vector<int64_t>& numbers) { return fmt::format("{}", numbers); }

std::string show(const UOp& dim) { return show(*const_int(dim)); }

std::string show(const Shape& shape) {
  std::vector<int64_t> dims;
  for (const UOp& dim : shape) dims.push_back(*const_int(dim));
  return show(dims);
}

std::string show(DType t) { return name(t); }

std::string show(const std::vector<Tensor>& list) {
  std::vector<std::string> parts;
  for (const Tensor& t : list) parts.push_back(show(t));
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::string show(const std::pair<Tensor, Tensor>& pair) {
  return show(pair.first) + " and " + show(pair.second);
}

struct Example {
  std::string op;
  std::string expression;
  std::function<std::string()> run;
  std::string value;
};

#define SHOWN(expression) #expression, [] { return show(expression); }

// What the examples are about, as docs/tensor.md says too.
const Tensor x = Tensor::from<float>({1, -2, 3, -4, 5, -6}, {2, 3});
const Tensor y = Tensor::from<float>({2, 2, 2, 3, 3, 3}, {2, 3});
const Tensor v = Tensor::from<float>({3, 1, 2}, {3});
const Tensor i = Tensor::from<int64_t>({2, 0, 1}, {3});
const Tensor b = Tensor::from<bool>({true, false, true}, {3});
const Tensor g = Tensor::arange(16).cast(f32).reshape({1, 1, 4, 4});
const float memory[] = {1, 2, 3};
Random random(1);

const std::vector<Example> examples = {
    {"from", SHOWN(Tensor::from<float>({1, 2}, {2, 1})), "[[1], [2]]"},
    {"view", SHOWN(Tensor::view(memory, f32, {3}, nullptr)), "[1, 2, 3]"},
    {"empty", SHOWN(Tensor::empty({2})), "[0, 0]"},
    {"full", SHOWN(Tensor::full({2, 2}, 7)), "[[7, 7], [7, 7]]"},
    {"zeros", SHOWN(Tensor::zeros({3}, i32)), "[0, 0, 0]"},
    {"ones", SHOWN(Tensor::ones({3})), "[1, 1, 1]"},
    {"full_like", SHOWN(v.full_like(0.5)), "[0.5, 0.5, 0.5]"},
    {"zeros_like", SHOWN(i.zeros_like()), "[0, 0, 0]"},
    {"ones_like", SHOWN(v.ones_like()), "[1, 1, 1]"},
    {"eye", SHOWN(Tensor::eye(2, 3)), "[[1, 0, 0], [0, 1, 0]]"},
    {"arange", SHOWN(Tensor::arange(4)), "[0, 1, 2, 3]"},
    {"arange", SHOWN(Tensor::arange(5, 0, -2)), "[5, 3, 1]"},
    {"arange", SHOWN(Tensor::arange(0, 1, 0.25)), "[0, 0.25, 0.5, 0.75]"},
    {"linspace", SHOWN(Tensor::linspace(0, 1, 5)), "[0, 0.25, 0.5, 0.75, 1]"},
    {"tril", SHOWN(x.tril()), "[[1, 0, 0], [-4, 5, 0]]"},
    {"triu", SHOWN(x.triu(1)), "[[0, -2, 3], [0, 0, -6]]"},
    {"uop", SHOWN((x + v).uop()->op == Op::Add), "true"},
    {"dtype", SHOWN(i.dtype()), "i64"},
    {"shape", SHOWN(x.shape()), "[2, 3]"},
    {"rank", SHOWN(x.rank()), "2"},
    {"dim", SHOWN(x.dim(-1)), "3"},
    {"reshape", SHOWN(x.reshape({3, -1})), "[[1, -2], [3, -4], [5, -6]]"},
    {"view", SHOWN(x.view({6})), "[1, -2, 3, -4, 5, -6]"},
    {"flatten", SHOWN(x.flatten()), "[1, -2, 3, -4, 5, -6]"},
    {"unflatten", SHOWN(v.unflatten(0, {-1, 1})), "[[3], [1], [2]]"},
    {"permute", SHOWN(x.permute({1, 0})), "[[1, -4], [-2, 5], [3, -6]]"},
    {"transpose", SHOWN(x.transpose()), "[[1, -4], [-2, 5], [3, -6]]"},
    {"expand", SHOWN(v.expand({2, -1})), "[[3, 1, 2], [3, 1, 2]]"},
    {"pad", SHOWN(v.pad({{1, 2}})), "[0, 3, 1, 2, 0, 0]"},
    {"flip", SHOWN(x.flip({1})), "[[3, -2, 1], [-6, 5, -4]]"},
    {"slice", SHOWN(x.slice(1, 0, 2)), "[[1, -2], [-4, 5]]"},
    {"narrow", SHOWN(x.narrow(1, 1, 2)), "[[-2, 3], [5, -6]]"},
    {"unsqueeze", SHOWN(v.unsqueeze(0)), "[[3, 1, 2]]"},
    {"squeeze", SHOWN(Tensor::ones({1, 2, 1}).squeeze()), "[1, 1]"},
    {"squeeze", SHOWN(Tensor::ones({1, 2, 1}).squeeze(0)), "[[1], [1]]"},
    {"diag", SHOWN(v.diag()), "[[3, 0, 0], [0, 1, 0], [0, 0, 2]]"},
    {"diagonal", SHOWN(x.diagonal(1)), "[-2, -6]"},
    {"roll", SHOWN(x.roll({1}, {1})), "[[3, 1, -2], [-6, -4, 5]]"},
    {"roll", SHOWN(x.roll(1)), "[[-6, 1, -2], [3, -4, 5]]"},
    {"cast", SHOWN((x > 0).cast(i32)), "[[1, 0, 1], [0, 1, 0]]"},
    {"bitcast", SHOWN(v.bitcast(i32) >> 23), "[128, 127, 128]"},
    {"detach", SHOWN(gradient((v * v.detach()).sum(), {v})), "[3, 1, 2]"},
    {"operator-", SHOWN(-v), "[-3, -1, -2]"},
    {"operator-", SHOWN(x - v), "[[-2, -3, 1], [-7, 4, -8]]"},
    {"operator!", SHOWN(!b), "[false, true, false]"},
    {"operator~", SHOWN(~i), "[-3, -1, -2]"},
    {"maximum", SHOWN(x.maximum(y)), "[[2, 2, 3], [3, 5, 3]]"},
    {"minimum", SHOWN(x.minimum(0)), "[[0, -2, 0], [-4, 0, -6]]"},
    {"sign", SHOWN(x.sign()), "[[1, -1, 1], [-1, 1, -1]]"},
    {"square", SHOWN(x.square()), "[[1, 4, 9], [16, 25, 36]]"},
    {"reciprocal", SHOWN(v.reciprocal()), "[0.3333, 1, 0.5]"},
    {"copysign", SHOWN(v.copysign(-1)), "[-3, -1, -2]"},
    {"lerp", SHOWN(x.lerp(y, 0.5)), "[[1.5, 0, 2.5], [-0.5, 4, -1.5]]"},
    {"pow", SHOWN(y.pow(3)), "[[8, 8, 8], [27, 27, 27]]"},
    {"pow", SHOWN(y.pow(v)), "[[8, 2, 4], [27, 3, 9]]"},
    {"logaddexp", SHOWN(v.logaddexp(0)), "[3.049, 1.313, 2.127]"},
    {"clip", SHOWN(x.clip(-1, 2)), "[[1, -1, 2], [-1, 2, -1]]"},
    {"clamp", SHOWN(x.clamp({}, 2)), "[[1, -2, 2], [-4, 2, -6]]"},
    {"masked_fill", SHOWN(x.masked_fill(x < 0, 9)), "[[1, 9, 3], [9, 5, 9]]"},
    {"abs", SHOWN(x.abs()), "[[1, 2, 3], [4, 5, 6]]"},
    {"sqrt", SHOWN(v.sqrt()), "[1.732, 1, 1.414]"},
    {"rsqrt", SHOWN(v.rsqrt()), "[0.5774, 1, 0.7071]"},
    {"exp", SHOWN(v.exp()), "[20.09, 2.718, 7.389]"},
    {"exp2", SHOWN(v.exp2()), "[8, 2, 4]"},
    {"expm1", SHOWN(v.expm1()), "[19.09, 1.718, 6.389]"},
    {"log", SHOWN(v.log()), "[1.099, 0, 0.6931]"},
    {"log2", SHOWN(v.log2()), "[1.585, 0, 1]"},
    {"log10", SHOWN(v.log10()), "[0.4771, 0, 0.301]"},
    {"log1p", SHOWN(v.log1p()), "[1.386, 0.6931, 1.099]"},
    {"sin", SHOWN(v.sin()), "[0.1411, 0.8415, 0.9093]"},
    {"cos", SHOWN(v.cos()), "[-0.99, 0.5403, -0.4161]"},
    {"tan", SHOWN(v.tan()), "[-0.1425, 1.557, -2.185]"},
    {"asin", SHOWN((v / 4).asin()), "[0.8481, 0.2527, 0.5236]"},
    {"acos", SHOWN((v / 4).acos()), "[0.7227, 1.318, 1.047]"},
    {"atan", SHOWN(v.atan()), "[1.249, 0.7854, 1.107]"},
    {"sinh", SHOWN(v.sinh()), "[10.02, 1.175, 3.627]"},
    {"cosh", SHOWN(v.cosh()), "[10.07, 1.543, 3.762]"},
    {"tanh", SHOWN(v.tanh()), "[0.9951, 0.7616, 0.964]"},
    {"asinh", SHOWN(v.asinh()), "[1.818, 0.8814, 1.444]"},
    {"acosh", SHOWN(v.acosh()), "[1.763, 0, 1.317]"},
    {"atanh", SHOWN((v / 4).atanh()), "[0.973, 0.2554, 0.5493]"},
    {"erf", SHOWN(v.erf()), "[1, 0.8427, 0.9953]"},
    {"sigmoid", SHOWN(v.sigmoid()), "[0.9526, 0.7311, 0.8808]"},
    {"relu", SHOWN(x.relu()), "[[1, 0, 3], [0, 5, 0]]"},
    {"relu6", SHOWN((x * 2).relu6()), "[[2, 0, 6], [0, 6, 0]]"},
    {"leaky_relu", SHOWN(x.leaky_relu()), "[[1, -0.02, 3], [-0.04, 5, -0.06]]"},
    {"elu", SHOWN(x.elu()), "[[1, -0.8647, 3], [-0.9817, 5, -0.9975]]"},
    {"celu", SHOWN(x.celu(2)), "[[1, -1.264, 3], [-1.729, 5, -1.9]]"},
    {"selu", SHOWN(x.selu()), "[[1.051, -1.52, 3.152], [-1.726, 5.254, -1.754]]"},
    {"silu", SHOWN(x.silu()), "[[0.7311, -0.2384, 2.858], [-0.07194, 4.967, -0.01484]]"},
    {"swish", SHOWN(v.swish()), "[2.858, 0.7311, 1.762]"},
    {"gelu", SHOWN(v.gelu()), "[2.996, 0.8413, 1.954]"},
    {"gelu", SHOWN(v.gelu("tanh")), "[2.996, 0.8412, 1.955]"},
    {"quick_gelu", SHOWN(v.quick_gelu()), "[2.982, 0.8458, 1.936]"},
    {"mish", SHOWN(x.mish()), "[[0.8651, -0.2525, 2.987], [-0.07259, 5, -0.01485]]"},
    {"softplus", SHOWN(x.softplus()), "[[1.313, 0.1269, 3.049], [0.01815, 5.007, 0.002476]]"},
    {"logsigmoid", SHOWN(x.logsigmoid()),
     "[[-0.3133, -2.127, -0.04859], [-4.018, -0.006715, -6.002]]"},
    {"softsign", SHOWN(x.softsign()), "[[0.5, -0.6667, 0.75], [-0.8, 0.8333, -0.8571]]"},
    {"hardtanh", SHOWN(x.hardtanh()), "[[1, -1, 1], [-1, 1, -1]]"},
    {"hardsigmoid", SHOWN(x.hardsigmoid()), "[[0.6667, 0.1667, 1], [0, 1, 0]]"},
    {"hardswish", SHOWN(x.hardswish()), "[[0.6667, -0.3333, 3], [0, 5, 0]]"},
    {"floor", SHOWN((x / 2).floor()), "[[0, -1, 1], [-2, 2, -3]]"},
    {"ceil", SHOWN((x / 2).ceil()), "[[1, -1, 2], [-2, 3, -3]]"},
    {"trunc", SHOWN((x / 2).trunc()), "[[0, -1, 1], [-2, 2, -3]]"},
    {"round", SHOWN((x / 2).round()), "[[0, -1, 2], [-2, 2, -3]]"},
    {"div", SHOWN(x.div(2, "trunc")), "[[0, -1, 1], [-2, 2, -3]]"},
    {"div", SHOWN(x.div(2, "floor")), "[[0, -1, 1], [-2, 2, -3]]"},
    {"floor_divide", SHOWN((i - 1).floor_divide(2)), "[0, -1, 0]"},
    {"mod", SHOWN(x.mod(3)), "[[1, 1, 0], [2, 2, 0]]"},
    {"fmod", SHOWN(x.fmod(3)), "[[1, -2, 0], [-1, 2, 0]]"},
    {"isnan", SHOWN(x.log().isnan()), "[[false, true, false], [true, false, true]]"},
    {"isinf", SHOWN((1 / (v - 2)).isinf()), "[false, false, true]"},
    {"isfinite", SHOWN(x.log().isfinite()), "[[true, false, true], [false, true, false]]"},
    {"isclose", SHOWN(v.isclose(v + 1e-6)), "[true, true, true]"},
    {"logical_not", SHOWN(b.logical_not()), "[false, true, false]"},
    {"logical_and", SHOWN(b.logical_and(v > 2)), "[true, false, false]"},
    {"logical_or", SHOWN(b.logical_or(v < 2)), "[true, true, true]"},
    {"bitwise_not", SHOWN(i.bitwise_not()), "[-3, -1, -2]"},
    {"split", SHOWN(v.split(2)), "[3, 1] and [2]"},
    {"split", SHOWN(v.split({1, 2})), "[3] and [1, 2]"},
    {"chunk", SHOWN(x.chunk(2, 1)), "[[1, -2], [-4, 5]] and [[3], [-6]]"},
    {"unfold", SHOWN(v.unfold(0, 2, 1)), "[[3, 1], [1, 2]]"},
    {"sum", SHOWN(x.sum()), "-3"},
    {"sum", SHOWN(x.sum({0})), "[-3, 3, -3]"},
    {"sum", SHOWN(i.sum().dtype()), "i64"},
    {"prod", SHOWN(x.prod({1})), "[-6, 120]"},
    {"max", SHOWN(x.max({1}, true)), "[[3], [5]]"},
    {"min", SHOWN(x.min()), "-6"},
    {"any", SHOWN(b.any()), "true"},
    {"all", SHOWN(b.all()), "false"},
    {"mean", SHOWN(b.mean()), "0.6667"},
    {"var", SHOWN(x.var({1})), "[6.333, 34.33]"},
    {"std", SHOWN(x.std({1}, false, 0)), "[2.055, 4.784]"},
    {"var_mean", SHOWN(v.var_mean()), "1 and 2"},
    {"std_mean", SHOWN(v.std_mean()), "1 and 2"},
    {"logsumexp", SHOWN(x.logsumexp({1})), "[3.133, 5]"},
    {"norm", SHOWN(x.norm(1)), "21"},
    {"normalize", SHOWN(x.normalize()), "[[0.2673, -0.5345, 0.8018], [-0.4558, 0.5698, -0.6838]]"},
    {"argmax", SHOWN(x.argmax()), "4"},
    {"argmax", SHOWN(x.argmax(1)), "[2, 1]"},
    {"argmin", SHOWN(x.argmin(0)), "[1, 0, 1]"},
    {"sort", SHOWN(x.sort()), "[[-2, 1, 3], [-6, -4, 5]] and [[1, 0, 2], [2, 0, 1]]"},
    {"argsort", SHOWN(v.argsort()), "[1, 2, 0]"},
    {"topk", SHOWN(v.topk(2)), "[3, 2] and [0, 2]"},
    {"cumsum", SHOWN(x.cumsum(1)), "[[1, -1, 2], [-4, 1, -5]]"},
    {"cumprod", SHOWN(x.cumprod(0)), "[[1, -2, 3], [-4, -10, -18]]"},
    {"cummax", SHOWN(v.cummax(0)), "[3, 3, 3] and [0, 0, 0]"},
    {"cummin", SHOWN(v.cummin(0)), "[3, 1, 1] and [0, 1, 1]"},
    {"logcumsumexp", SHOWN(v.logcumsumexp(0)), "[3, 3.127, 3.408]"},
    {"slice", SHOWN(x.slice({-1})), "[-4, 5, -6]"},
    {"slice", SHOWN(x.slice({ellipsis, {open, open, -1}})), "[[3, -2, 1], [-6, 5, -4]]"},
    {"slice", SHOWN(x.slice({{}, i})), "[[3, 1, -2], [-6, -4, 5]]"},
    {"slice", SHOWN(v.slice({{0, 2}, newaxis})), "[[3], [1]]"},
    {"set", SHOWN(x.set({0, {1, 3}}, 0)), "[[1, 0, 0], [-4, 5, -6]]"},
    {"gather", SHOWN(x.gather(1, i.unsqueeze(0))), "[[3, 1, -2]]"},
    {"index_select", SHOWN(x.index_select(1, i)), "[[3, 1, -2], [-6, -4, 5]]"},
    {"take", SHOWN(x.take(i)), "[3, 1, -2]"},
    {"scatter", SHOWN(v.scatter(0, i, v)), "[1, 2, 3]"},
    {"scatter_add", SHOWN(v.scatter_add(0, i, v)), "[4, 3, 5]"},
    {"scatter_mul", SHOWN(v.scatter_mul(0, i, v)), "[3, 2, 6]"},
    {"scatter_reduce", SHOWN(v.scatter_reduce(0, i * 0, v, "mean")), "[2.25, 1, 2]"},
    {"one_hot", SHOWN(i.one_hot(3)), "[[0, 0, 1], [1, 0, 0], [0, 1, 0]]"},
    {"masked_select", SHOWN(x.masked_select(x > 0, 4)), "[1, 3, 5, 0]"},
    {"masked_select", SHOWN(masked_select(x, x > 0)), "[1, 3, 5]"},
    {"nonzero", SHOWN((x > 0).nonzero(4, -1)), "[[0, 0], [0, 2], [1, 1], [-1, -1]]"},
    {"nonzero", SHOWN(nonzero(x > 0)), "[[0, 0], [0, 2], [1, 1]]"},
    {"pad", SHOWN(v.pad({{1, 1}}, 9)), "[9, 3, 1, 2, 9]"},
    {"pad", SHOWN(v.pad({{2, 1}}, PadMode::Reflect)), "[2, 1, 3, 1, 2, 1]"},
    {"repeat", SHOWN(v.repeat({2})), "[3, 1, 2, 3, 1, 2]"},
    {"tile", SHOWN(x.tile({2})), "[[1, -2, 3, 1, -2, 3], [-4, 5, -6, -4, 5, -6]]"},
    {"repeat_interleave", SHOWN(x.repeat_interleave(2, 0)),
     "[[1, -2, 3], [1, -2, 3], [-4, 5, -6], [-4, 5, -6]]"},
    {"repeat_interleave", SHOWN(v.repeat_interleave(2)), "[3, 3, 1, 1, 2, 2]"},
    {"matmul", SHOWN(x.matmul(y.transpose())), "[[4, 6], [-10, -15]]"},
    {"matmul", SHOWN(x.matmul(v)), "[7, -19]"},
    {"dot", SHOWN(v.dot(v)), "14"},
    {"linear", SHOWN(v.linear(x)), "[7, -19]"},
    {"quantize", SHOWN(v.quantize(3, 2)), "[3, 1, 2]"},
    {"pool", SHOWN(v.pool({2})), "[[3, 1]]"},
    {"conv2d", SHOWN(g.conv2d(Tensor::ones({1, 1, 2, 2}), {.stride = {2}})),
     "[[[[10, 18], [42, 50]]]]"},
    {"conv2d", SHOWN(g.conv2d(Tensor::ones({1, 1, 4, 4}), Tensor::ones({1}))), "[[[[121]]]]"},
    {"conv_transpose2d", SHOWN(g.conv_transpose2d(Tensor::ones({1, 1, 1, 1}), {.padding = {1}})),
     "[[[[5, 6], [9, 10]]]]"},
    {"conv_transpose2d",
     SHOWN(g.conv_transpose2d(Tensor::ones({1, 2, 1, 1}), v.slice(0, 0, 2)).shape()),
     "[1, 2, 4, 4]"},
    {"max_pool2d", SHOWN(g.max_pool2d()), "[[[[5, 7], [13, 15]]]]"},
    {"max_pool2d_with_indices", SHOWN(g.max_pool2d_with_indices()),
     "[[[[5, 7], [13, 15]]]] and [[[[5, 7], [13, 15]]]]"},
    {"max_unpool2d",
     SHOWN(Tensor::full({1, 1, 1}, 7).max_unpool2d(Tensor::full({1, 1, 1}, 2, i64))),
     "[[[0, 0], [7, 0]]]"},
    {"avg_pool2d", SHOWN(g.avg_pool2d({3, 3}, {.stride = {1}})), "[[[[5, 6], [9, 10]]]]"},
    {"interpolate", SHOWN(v.interpolate({6})), "[3, 2.5, 1.5, 1.25, 1.75, 2]"},
    {"binary_crossentropy", SHOWN((v / 4).binary_crossentropy(b)), "0.4228"},
    {"binary_crossentropy_logits", SHOWN(v.binary_crossentropy_logits(b)), "0.4963"},
    {"cross_entropy", SHOWN(x.cross_entropy(i.slice(0, 0, 2))), "4.566"},
    {"sparse_categorical_crossentropy", SHOWN(x.sparse_categorical_crossentropy(i.slice(0, 0, 2))),
     "4.566"},
    {"nll_loss", SHOWN(x.log_softmax().nll_loss(i.slice(0, 0, 2))), "4.566"},
    {"mse_loss", SHOWN(x.mse_loss(y)), "25.33"},
    {"l1_loss", SHOWN(x.l1_loss(y, LossReduction::Sum)), "24"},
    {"huber_loss", SHOWN(x.huber_loss(y, LossReduction::None)),
     "[[0.5, 3.5, 0.5], [6.5, 1.5, 8.5]]"},
    {"softmax", SHOWN(x.softmax()), "[[0.1185, 0.0059, 0.8756], [0.0001234, 0.9999, 1.67e-05]]"},
    {"log_softmax", SHOWN(v.log_softmax()), "[-0.4076, -2.408, -1.408]"},
    {"softmin", SHOWN(v.softmin()), "[0.09003, 0.6652, 0.2447]"},
    {"rms_norm", SHOWN(x.rms_norm(v, 1e-5)), "[[1.389, -0.9258, 2.777], [-2.369, 0.9869, -2.369]]"},
    {"layer_norm", SHOWN(x.layer_norm()), "[[0.1622, -1.298, 1.136], [-0.4877, 1.393, -0.9058]]"},
    {"group_norm", SHOWN(x.group_norm(1)), "[[0.1622, -1.298, 1.136], [-0.4877, 1.393, -0.9058]]"},
    {"batch_norm", SHOWN(x.batch_norm(x.mean({0}), x.var({0}, false, 0))),
     "[[1, -1, 1], [-1, 1, -1]]"},
    {"embedding", SHOWN(x.embedding(i)), "[[0, 0, 0], [1, -2, 3], [-4, 5, -6]]"},
    {"rope", SHOWN(x.reshape({3, 2}).rope(Tensor::zeros({1}), Tensor::ones({1}))),
     "[[2, 1], [4, 3], [6, 5]]"},
    {"contiguous", SHOWN((v + 1).contiguous()), "[4, 2, 3]"},
    {"assign", SHOWN(Tensor::empty({3}).assign(v)), "[3, 1, 2]"},
    {"operator+", SHOWN(x + v), "[[4, -1, 5], [-1, 6, -4]]"},
    {"operator*", SHOWN(x * 2), "[[2, -4, 6], [-8, 10, -12]]"},
    {"operator/", SHOWN(i / 2), "[1, 0, 0.5]"},
    {"operator%", SHOWN(x % 3), "[[1, 1, 0], [2, 2, 0]]"},
    {"operator&", SHOWN(i & 1), "[0, 0, 1]"},
    {"operator|", SHOWN(b | (v < 2)), "[true, true, true]"},
    {"operator^", SHOWN(i ^ 1), "[3, 1, 0]"},
    {"operator<<", SHOWN(i << 2), "[8, 0, 4]"},
    {"operator>>", SHOWN(i >> 1), "[1, 0, 0]"},
    {"operator<", SHOWN(x < v), "[[true, true, false], [true, false, true]]"},
    {"operator>", SHOWN(x > 0), "[[true, false, true], [false, true, false]]"},
    {"operator<=", SHOWN(v <= 2), "[false, true, true]"},
    {"operator>=", SHOWN(v >= 2), "[true, false, true]"},
    {"operator==", SHOWN(i == 0), "[false, true, false]"},
    {"operator!=", SHOWN(i != 0), "[true, false, true]"},
    {"where", SHOWN(where(x > 0, x, 0)), "[[1, 0, 3], [0, 5, 0]]"},
    {"meshgrid", SHOWN(meshgrid({v, i})),
     "[[3, 3, 3], [1, 1, 1], [2, 2, 2]] and [[2, 0, 1], [2, 0, 1], [2, 0, 1]]"},
    {"cat", SHOWN(cat({x, y}, 1)), "[[1, -2, 3, 2, 2, 2], [-4, 5, -6, 3, 3, 3]]"},
    {"stack", SHOWN(stack({v, v + 1})), "[[3, 1, 2], [4, 2, 3]]"},
    {"einsum", SHOWN(einsum("ij,kj->ik", {x, y})), "[[4, 6], [-10, -15]]"},
    {"attention",
     SHOWN(attention(g.view({4, 1, 4}), g.view({4, 1, 4}), g.view({4, 1, 4}), 0).shape()),
     "[4, 1, 4]"},
    {"scaled_dot_product_attention",
     SHOWN(scaled_dot_product_attention(x, x, y, {.is_causal = true})), "[[2, 2, 2], [3, 3, 3]]"},
    {"dtype_of", SHOWN(dtype_of<double>()), "f64"},
    {"gradient", SHOWN(gradient((x * x).sum(), {x})), "[[2, -4, 6], [-8, 10, -12]]"},
    {"gradient", SHOWN(gradient(v.exp(), v, {v})), "[60.26, 2.718, 14.78]"},
    {"differentiable", SHOWN(*differentiable(Op::Less)), "false"},
    {"threefry", SHOWN(threefry({i.cast(u32), i.cast(u32)}, {Tensor(0u), Tensor(0u)}).a >> 24),
     "[251, 107, 181]"},
    {"fold", SHOWN(Random(1).fold(5).uniform({3})), "[0.4909, 0.8401, 0.443]"},
    {"bits", SHOWN(Random(1).bits({2}).dtype()), "u32"},
    {"uniform", SHOWN(Random(1).uniform({3})), "[0.7039, 0.05771, 0.01012]"},
    {"normal", SHOWN(Random(1).normal({3})), "[-0.4469, 2.147, -0.0139]"},
    {"integers", SHOWN(Random(1).integers({8}, 0, 10)), "[7, 0, 0, 9, 3, 4, 5, 6]"},
    {"permutation", SHOWN(Random(1).permutation(6)), "[2, 1, 4, 5, 0, 3]"},
    {"bernoulli", SHOWN(Random(1).bernoulli(v / 4)), "[true, true, true]"},
    {"bernoulli", SHOWN(Random(1).bernoulli({8}, 0.5)),
     "[false, true, true, false, true, true, false, false]"},
    {"multinomial", SHOWN(Random(1).multinomial(v, 3)), "[0, 2, 1]"},
    {"kaiming_uniform", SHOWN(Random(1).kaiming_uniform({2, 3})),
     "[[0.5768, -1.251, -1.386], [1.207, -0.3126, -0.02507]]"},
    {"kaiming_normal", SHOWN(Random(1).kaiming_normal({2, 3})),
     "[[-0.3649, 1.753, -0.01135], [-0.2295, -0.08925, 0.766]]"},
    {"glorot_uniform", SHOWN(Random(1).glorot_uniform({2, 3})),
     "[[0.4468, -0.969, -1.073], [0.9346, -0.2422, -0.01942]]"},
    {"glorot_normal", SHOWN(Random(1).glorot_normal({2, 3})),
     "[[-0.2826, 1.358, -0.008791], [-0.1778, -0.06913, 0.5934]]"},
    {"scaled_uniform", SHOWN(Random(1).scaled_uniform({2, 3})),
     "[[0.1665, -0.3611, -0.4], [0.3483, -0.09025, -0.007237]]"},
    {"dropout", SHOWN(dropout(x, 0.5, random)), "[[0, -4, 6], [0, 10, -12]]"},
    {"sgd", SHOWN(sgd({Tensor::empty({1})}, {.rate = 0.5}).step({Tensor::ones({1})}).back()),
     "[-0.5]"},
    {"adam", SHOWN(adam({Tensor::empty({1})}).step({Tensor::ones({1})}).back()), "[-0.001]"},
    {"adamw", SHOWN(adamw({Tensor::empty({1})}, {.rate = 0.1}).step({Tensor::ones({1})}).back()),
     "[-0.1]"},
    {"muon", SHOWN(muon({Tensor::empty({1, 2})}).step({Tensor::ones({1, 2})}).back()),
     "[[-0.009849, -0.009849]]"},
    {"orthogonalize", SHOWN(orthogonalize(Tensor::eye(2))), "[[1.108, 0], [0, 1.108]]"},
    {"clip_norm", SHOWN(clip_norm({x}, 1)),
     "[[0.1048, -0.2097, 0.3145], [-0.4193, 0.5241, -0.629]]"},
    {"realize", SHOWN(realize({x + 1, v * 2})), "[[2, -1, 4], [-3, 6, -5]] and [6, 2, 4]"},
    {"realize", SHOWN(realize(x + y)), "[[3, 0, 5], [-1, 8, -3]]"},
    {"to_vector", SHOWN(to_vector<int64_t>(v * 2)), "[6, 2, 4]"},
    {"item", SHOWN(item<float>(x.sum())), "-3"},
    {"capture",
     SHOWN(capture([](const std::vector<Tensor>& a) { return std::vector{a[0] * 2}; })({v})[0]),
     "[6, 2, 4]"},
};

}  // namespace

TEST_CASE("the lines that the documentation shows") {
  for (const Example& example : examples) {
    INFO(example.expression);
    CHECK(example.run() == example.value);
  }
}

}  // namespace niwaki::test
