// Where things are along an axis: running totals, order, the position of an extreme.
//
// A running total of n elements is found in rows of 64: of each element from all of its row, one
// masked reduce, and joined with the running total of the rows before, which is the same problem
// 64 times smaller. That is 64 n operations that vectorise, in a kernel or two for each factor of
// 64, and any reduction will do that can be joined. Rejected: log-step scans (Hillis, Steele 1986),
// whose every step would be a pass over memory.
//
// Sorting finds the order, a permutation, of integer keys: ranks by counting in rows of 64, then
// merges. Each place of a merged row finds its element by bisection (merge path: Odeh et al. 2012),
// a kernel that gathers for each step. That is n log(n)^2 operations, stable as it stands, and the
// same three programs for all merges. Rejected: bitonic networks, as many kernels that carry the
// positions along; all steps in one kernel, which takes seconds to compile. Values are read in that
// order, and so do their gradients flow.
#include <limits>

#include "core/bounds.h"
#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

// The elements of a row that is done at once.
constexpr size_t row_bits = 6;
constexpr int64_t row = int64_t(1) << row_bits;

constexpr double infinity = std::numeric_limits<double>::infinity();

// f along an axis that it sees as the last. A scalar has one, of size 1.
template <class F>
Tensor along(const Tensor& x, int64_t axis, F f) {
  if (x.rank() == 0) return along(x.unsqueeze(0), axis, f).squeeze(0);
  return f(x.transpose(axis, -1)).transpose(axis, -1);
}

// The last axis in rows, with zeros after its end.
Tensor in_rows(const Tensor& x, int64_t n_rows) {
  std::vector<std::pair<Dim, Dim>> widths(size_t(x.rank()), {0, 0});
  widths.back().second = dim_sub(index(n_rows * row), x.dim(-1));
  Dims dims(x.shape().begin(), x.shape().end() - 1);
  dims.push_back(n_rows);
  dims.push_back(row);
  return x.pad(widths).reshape(dims);
}

// The rows as one axis.
Tensor flat(const Tensor& rows) {
  Dims dims(rows.shape().begin(), rows.shape().end() - 1);
  dims.back() = dim_mul(rows.dim(-2), rows.dim(-1));
  return rows.reshape(dims);
}

// The order of floats and integers turned around; so it is undone, too.
Tensor reversed(const Tensor& x) {
  return is_float(x.dtype()) ? -x : x ^ Tensor(constant(x.dtype(), -1));
}

Tensor is_nan(const Tensor& x) { return x != x; }

// --- running totals ---

// What combines all of the last axis, and two results of it; `none` changes nothing.
struct Total {
  Tensor none;
  Tensor (*of)(const Tensor& x);
  Tensor (*joined)(const Tensor& a, const Tensor& b);
};

// Of each element from all before it, and itself unless `without` it. What stands in the last row
// after the end of x is added to nothing that is kept.
Tensor running(const Tensor& x, const Total& total, bool without = false) {
  const int64_t* n = const_int(x.dim(-1));
  if (!n || *n <= row) {
    Tensor from = Tensor::arange(x.dim(-1));
    Tensor to = from.unsqueeze(-1);
    return total.of(where(without ? from < to : from <= to, x.unsqueeze(-2), total.none));
  }
  Tensor rows = in_rows(x, (*n + row - 1) / row);
  Tensor before = running(total.of(rows), total, true).unsqueeze(-1);
  return flat(total.joined(before, running(rows, total, without))).narrow(-1, 0, *n);
}

Tensor running_max(const Tensor& x) {
  Tensor least(constant(x.dtype(), is_float(x.dtype()) ? Value::of(-infinity)
                                   : x.dtype() == u64  ? Value::of(int64_t(0))
                                                       : Value::of(dtype_bounds(x.dtype()).lo)));
  return running(x, {least, [](const Tensor& a) { return a.max({-1}); },
                     [](const Tensor& a, const Tensor& b) { return a.maximum(b); }});
}

// The positions of what running_max(x) finds: an element that is the greatest so far is found until
// the next.
Tensor running_argmax(const Tensor& x) {
  Tensor greatest = (x == running_max(x)) | is_nan(x);
  return running_max(where(greatest, Tensor::arange(x.dim(-1)), Tensor(-1)));
}

// What exponents are reduced by, so that the greatest is 0: no gradient passes.
Tensor finite(const Tensor& greatest) {
  return where(greatest.abs() == infinity, Tensor(0), greatest).detach();
}

Tensor log_sum_exp(const Tensor& x) {
  Tensor shift = finite(x.max({-1}, true));
  return (x - shift).exp().sum({-1}).log() + shift.squeeze(-1);
}

Tensor log_add_exp(const Tensor& a, const Tensor& b) {
  Tensor shift = finite(a.maximum(b));
  return ((a - shift).exp() + (b - shift).exp()).log() + shift;
}

// Sixteen-bit floats are for storage, and bools are counted.
Tensor summable(const Tensor& x) {
  if (x.dtype().kind == Kind::Bool) return x.cast(i64);
  return x.dtype() == f16 || x.dtype() == bf16 ? x.cast(f32) : x;
}

// --- order ---

// Integers in the order of x: NaN is the greatest, -0 is 0.
Tensor sort_key(const Tensor& x, bool descending) {
  DType t = x.dtype();
  if (descending) return reversed(sort_key(x, false));
  if (t == f16 || t == bf16) return sort_key(x.cast(f32), false);
  if (t == boolean) return x.cast(u8);
  if (t == u64) return x.bitcast(i64) ^ Tensor(index(dtype_bounds(i64).lo));
  if (!is_float(t)) return x;
  DType bits = t == f64 ? i64 : i32;
  Tensor greatest(constant(bits, Value::of(dtype_bounds(bits).hi)));
  Tensor key = where(x == 0, Tensor(0), x).bitcast(bits);
  return where(is_nan(x), greatest, where(key < 0, key ^ greatest, key));
}

// out[..p] = x[..positions[..p]], 0 for a position outside: one read (schedule/collapse.cpp).
Tensor read(const Tensor& x, const Tensor& positions) {
  Tensor chosen = Tensor::arange(x.dim(-1)) == positions.unsqueeze(-1);
  return where(chosen, x.unsqueeze(-2), Tensor(0)).sum({-1});
}

// The positions of a row's elements, in order: [.., row] each.
Tensor order_of_rows(const Tensor& key) {
  Tensor place = Tensor::arange(key.dim(-1));
  Tensor mine = key.unsqueeze(-1);
  Tensor other = key.unsqueeze(-2);
  Tensor before = (other < mine) | ((other == mine) & (place < place.unsqueeze(-1)));
  Tensor rank = before.cast(i32).sum({-1});
  Tensor found = rank.unsqueeze(-2).cast(i64) == place.unsqueeze(-1);
  return where(found, place, Tensor(0)).sum({-1});
}

// 2^k as data: kernels that differ by it alone are one program. Its buffers are made once, so that
// equal sorts are one graph.
Tensor stored_power(size_t k) {
  static const std::vector<BufferRef> powers = [] {
    std::vector<BufferRef> made;
    for (int i = 0; i < 63; ++i) {
      auto memory = std::make_shared<int64_t>(int64_t(1) << i);
      made.push_back(std::make_shared<Buffer>(Buffer{i64, {1}, memory.get(), memory, true}));
    }
    return made;
  }();
  return Tensor(buffer(powers[k]));
}

// For each place of two sorted runs that are merged, the place it is filled from. Runs are
// neighbours and of 2^k elements.
Tensor merge(const Tensor& key, size_t k) {
  Tensor run = stored_power(k);
  Tensor position = Tensor::arange(key.dim(-1));
  Tensor place = position & (run * 2 - 1);
  Tensor start = position - place;
  // Whether `count` or more of the first n elements of the pair are of its first run: the last of
  // these does not come after the first that the second run would not give.
  auto has = [&](const Tensor& count, const Tensor& n) {
    Tensor last = read(key, start + count - 1);
    Tensor next = read(key, start + run + n - count);
    return (count <= run) & (count <= n) & ((n >= count + run) | !(next < last));
  };
  Tensor count = Tensor::zeros(dims_of(key.shape()), i64).contiguous();
  for (size_t step = k + 1; step-- > 0;) {
    Tensor more = count + stored_power(step);
    count = where(has(more, place), more, count).contiguous();
  }
  Tensor first = has(count + 1, place + 1);
  return (start + where(first, count, run + place - count)).contiguous();
}

Tensor order_of(const Tensor& x, bool descending) {
  Tensor key = sort_key(x, descending);
  const int64_t* n = const_int(x.dim(-1));
  check(n, "sort: the dim {} of {} is not a number", expression(x.dim(-1)), to_string(x.shape()));
  if (*n <= row) return order_of_rows(key);
  int64_t n_rows = 1;
  while (n_rows * row < *n) n_rows *= 2;
  // After the end stand the greatest, which are later than their equals, and so last.
  Tensor greatest(constant(key.dtype(), Value::of(dtype_bounds(key.dtype()).hi)));
  key = where(Tensor::arange(n_rows * row) < *n, flat(in_rows(key, n_rows)), greatest).contiguous();
  Tensor first = Tensor::arange(n_rows).unsqueeze(-1) * row;
  Tensor order = flat(order_of_rows(in_rows(key, n_rows)) + first).contiguous();
  key = read(key, order).contiguous();
  for (size_t k = row_bits; int64_t(1) << k < n_rows * row; ++k) {
    Tensor from = merge(key, k);
    order = read(order, from).contiguous();
    key = read(key, from).contiguous();
  }
  return order.narrow(-1, 0, *n);
}

}  // namespace

Tensor Tensor::cumsum(int64_t axis, Here) const {
  Total total{Tensor(0), [](const Tensor& x) { return x.sum({-1}); },
              [](const Tensor& a, const Tensor& b) { return a + b; }};
  Tensor x = summable(numbers());
  Tensor found = along(x, axis, [&](const Tensor& t) { return running(t, total); });
  return is_float(dtype()) ? found.cast(dtype()) : found;
}

Tensor Tensor::cumprod(int64_t axis, Here) const {
  Total total{Tensor(1), [](const Tensor& x) { return x.prod({-1}); },
              [](const Tensor& a, const Tensor& b) { return a * b; }};
  Tensor x = summable(numbers());
  Tensor found = along(x, axis, [&](const Tensor& t) { return running(t, total); });
  return is_float(dtype()) ? found.cast(dtype()) : found;
}

std::pair<Tensor, Tensor> Tensor::cummax(int64_t axis, Here) const {
  Tensor x = numbers();
  return {along(x, axis, running_max), along(x, axis, running_argmax)};
}

std::pair<Tensor, Tensor> Tensor::cummin(int64_t axis, Here) const {
  auto [values, positions] = reversed(numbers()).cummax(axis);
  return {reversed(values), positions};
}

Tensor Tensor::logcumsumexp(int64_t axis, Here) const {
  Total total{Tensor(-infinity), log_sum_exp, log_add_exp};
  Tensor x = is_float(numbers().dtype()) ? summable(numbers()) : cast(f32);
  Tensor found = along(x, axis, [&](const Tensor& t) { return running(t, total); });
  return is_float(dtype()) ? found.cast(dtype()) : found;
}

Tensor Tensor::argmax(std::optional<int64_t> axis, bool keep, Here) const {
  Tensor x = numbers();
  if (!axis) {
    Tensor found = x.reshape({-1}).argmax(0);
    return keep ? found.reshape(Dims(size_t(rank()), Dim(1))) : found;
  }
  if (rank() == 0) return x.unsqueeze(0).argmax(axis);
  UOp n = x.dim(*axis);
  check(!is_const(n, 0), "argmax: no elements along axis {}: {}", *axis, to_string(shape()));
  Tensor greatest = (x == x.max({*axis}, true)) | is_nan(x);
  // The greatest distance from the end is the first.
  Tensor from_end = along(greatest, *axis, [&](const Tensor& found) {
    return niwaki::where(found, Tensor(n) - arange(n), Tensor(0));
  });
  return Tensor(n) - from_end.max({*axis}, keep);
}

Tensor Tensor::argmin(std::optional<int64_t> axis, bool keep, Here) const {
  return reversed(numbers()).argmax(axis, keep);
}

Tensor Tensor::argsort(int64_t axis, bool descending, Here) const {
  return along(numbers(), axis, [&](const Tensor& x) { return order_of(x, descending); });
}

std::pair<Tensor, Tensor> Tensor::sort(int64_t axis, bool descending, Here) const {
  Tensor order = argsort(axis, descending);
  Tensor positions = rank() ? order.transpose(axis, -1) : order.unsqueeze(0);
  Tensor values = along(numbers(), axis, [&](const Tensor& x) { return read(x, positions); });
  return {values, order};
}

std::pair<Tensor, Tensor> Tensor::topk(int64_t k, int64_t axis, bool largest, Here) const {
  auto [values, order] = sort(axis, largest);
  const int64_t n = rank() ? dim(axis)->hi : 1;
  check(k >= 0 && k <= n, "topk: {} elements of axis {} of {}", k, axis, to_string(shape()));
  auto first = [&](const Tensor& x) { return x.narrow(-1, 0, k); };
  return {along(values, axis, first), along(order, axis, first)};
}

}  // namespace niwaki
