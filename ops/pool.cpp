// Windows over the last axes, and what is taken of each: the greatest, the mean.
//
// A window is movement: element (o, k) of an axis is its element o * stride + k * dilation, which
// arrives at the buffer as just that, so nothing is copied. It is read off rows that lie askew:
//
//     0 1 2 3 4 .        k copies of the axis, one after another, read as rows that are
//     1 2 3 4 . 0        `dilation` longer: every row begins that much further on. The dots and
//     2 3 4 . 0 1        what follows them belong to no window.
//
// Rejected: a slice for each offset, put together. It reads every element of a window to keep one,
// and its graph grows with the kernel.
#include <algorithm>
#include <limits>
#include <numeric>

#include "core/bounds.h"
#include "core/error.h"
#include "ops/windows.h"

namespace niwaki {
namespace {

using Sizes = std::vector<int64_t>;
using Widths = std::vector<std::pair<Dim, Dim>>;

// Far beyond every tensor, and products of two are no overflow.
constexpr int64_t most = int64_t(1) << 30;

Tensor continued(const Tensor& x, int64_t axis, int64_t width) {
  Widths widths(size_t(x.rank()), {Dim(0), Dim(0)});
  widths[size_t(axis)].second = Dim(width);
  return width == 0 ? x : x.pad(widths);
}

// Axis `at` as [..., o, ..., k]: the windows in its place, their elements at the end.
Tensor windows_of(const Tensor& x, int64_t at, const Track& t) {
  // Windows that do not overlap lie side by side.
  bool apart = t.kernel == 1 || (t.dilation == 1 && t.kernel <= t.stride);
  int64_t used = t.count * t.stride;
  int64_t row = apart ? used : used + t.span() - 1;
  Tensor y = continued(x, at, row - (t.before + t.size + t.after));
  int64_t place = at;
  if (apart) {
    y = y.unflatten(at, {t.count, t.stride}).narrow(at + 1, 0, t.kernel);
    place = at + 1;
  } else {
    Dims copies = dims_of(y.shape());
    copies.insert(copies.begin() + at, Dim(t.kernel));
    y = y.unsqueeze(at).expand(copies).flatten(at, at + 1);
    y = continued(y, at, t.kernel * t.dilation);
    y = y.unflatten(at, {t.kernel, row + t.dilation}).narrow(at + 1, 0, used);
    y = y.unflatten(at + 1, {t.count, t.stride}).narrow(at + 2, 0, 1).squeeze(at + 2);
  }
  Axes order(size_t(y.rank()));
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin() + place, order.begin() + place + 1, order.end());
  return y.permute(order);
}

// What every element exceeds or equals.
Tensor least(DType t) {
  if (is_float(t)) return Tensor(constant(t, -std::numeric_limits<double>::infinity()));
  return Tensor(constant(t, Value::of(is_unsigned(t) ? 0 : dtype_bounds(t).lo)));
}

Axes last_axes(size_t n) {
  Axes axes(n);
  std::iota(axes.begin(), axes.end(), -int64_t(n));
  return axes;
}

}  // namespace

Sizes one_an_axis(const char* op, const char* what, size_t axes, const Sizes& given) {
  check(given.size() == 1 || given.size() == axes,
        "{}: {} ({}) for {} axes: one number for all, or one each", op, what,
        fmt::join(given, ", "), axes);
  return given.size() == 1 ? Sizes(axes, given[0]) : given;
}

std::vector<std::pair<int64_t, int64_t>> paddings(const char* op, size_t axes,
                                                  const Sizes& padding) {
  size_t n = padding.size();
  check(n == 1 || n == axes || n == 2 * axes,
        "{}: padding ({}) for {} axes: one number for all, one each or two each", op,
        fmt::join(padding, ", "), axes);
  std::vector<std::pair<int64_t, int64_t>> found;
  for (size_t i = 0; i < axes; ++i) {
    size_t pair = 2 * (axes - 1 - i);
    if (n == 2 * axes) found.emplace_back(padding[pair], padding[pair + 1]);
    else found.emplace_back(padding[n == 1 ? 0 : i], padding[n == 1 ? 0 : i]);
    check(std::abs(found[i].first) < most && std::abs(found[i].second) < most,
          "{}: a padding of ({}, {})", op, found[i].first, found[i].second);
  }
  return found;
}

std::vector<Track> tracks_of(const char* op, const Tensor& x, const Sizes& kernel,
                             const PoolOptions& how) {
  size_t n = kernel.size();
  int64_t first = x.rank() - int64_t(n);
  check(n > 0 && first >= 0, "{}: a kernel ({}) over the shape {}", op, fmt::join(kernel, ", "),
        to_string(x.shape()));
  Sizes stride = one_an_axis(op, "stride", n, how.stride.empty() ? kernel : how.stride);
  Sizes dilation = one_an_axis(op, "dilation", n, how.dilation);
  std::vector<std::pair<int64_t, int64_t>> padding = paddings(op, n, how.padding);
  std::vector<Track> tracks;
  for (size_t i = 0; i < n; ++i) {
    const int64_t* size = const_int(x.dim(first + int64_t(i)));
    check(size, "{}: dim {} of {} is symbolic, and the number of windows would be", op,
          first + int64_t(i), to_string(x.shape()));
    auto [before, after] = padding[i];
    Track t{*size, before, after, kernel[i], stride[i], dilation[i], 0};
    for (int64_t number : {t.kernel, t.stride, t.dilation}) {
      check(number > 0 && number < most, "{}: kernel {}, stride {}, dilation {} at axis {}", op,
            t.kernel, t.stride, t.dilation, first + int64_t(i));
    }
    int64_t whole = t.size + before + after;
    check(t.span() <= whole,
          "{}: a kernel ({}) with dilation ({}) is larger than {} with padding ({}, {}) at axis {}",
          op, fmt::join(kernel, ", "), fmt::join(dilation, ", "), to_string(x.shape()), before,
          after, first + int64_t(i));
    t.count = (whole - t.span()) / t.stride + 1;
    // A last window may reach beyond the padding, but not begin in it.
    int64_t left = (whole - t.span()) % t.stride;
    if (how.ceil_mode && left > 0 && t.count * t.stride < t.size + before) {
      ++t.count;
      t.after += t.stride - left;
    }
    tracks.push_back(t);
  }
  return tracks;
}

Tensor padded(const Tensor& x, const std::vector<Track>& tracks, const Tensor& value) {
  Widths widths(size_t(x.rank()) - tracks.size(), {Dim(0), Dim(0)});
  for (const Track& t : tracks) widths.emplace_back(t.before, t.after);
  bool none = std::all_of(tracks.begin(), tracks.end(),
                          [](const Track& t) { return t.before == 0 && t.after == 0; });
  return none ? x : is_const(value.uop(), 0) ? x.pad(widths) : x.pad(widths, value);
}

Tensor windows(const Tensor& x, const std::vector<Track>& tracks) {
  Tensor y = x;
  int64_t first = x.rank() - int64_t(tracks.size());
  for (size_t i = 0; i < tracks.size(); ++i) y = windows_of(y, first + int64_t(i), tracks[i]);
  return y;
}

Tensor Tensor::pool(const Sizes& kernel, const PoolOptions& how, Here) const {
  std::vector<Track> tracks = tracks_of("pool", *this, kernel, how);
  return windows(padded(*this, tracks), tracks);
}

Tensor Tensor::max_pool2d(const Sizes& kernel, const PoolOptions& how, Here) const {
  Tensor x = numbers();
  std::vector<Track> tracks = tracks_of("max_pool2d", x, kernel, how);
  return windows(padded(x, tracks, least(x.dtype())), tracks).max(last_axes(kernel.size()));
}

std::pair<Tensor, Tensor> Tensor::max_pool2d_with_indices(const Sizes& kernel,
                                                          const PoolOptions& how, Here) const {
  Tensor x = numbers();
  std::vector<Track> tracks = tracks_of("max_pool2d", x, kernel, how);
  Axes inner = last_axes(kernel.size());
  Tensor all = windows(padded(x, tracks, least(x.dtype())), tracks);
  Tensor best = all.max(inner, true);
  // The first of the elements that are the greatest; of padding, a position behind all.
  Dims plane(x.shape().end() - int64_t(kernel.size()), x.shape().end());
  UOp n = dim_product(Shape(x.shape().end() - int64_t(kernel.size()), x.shape().end()));
  Tensor places = windows(padded(arange(n).reshape(plane), tracks, Tensor(n)), tracks);
  Dims lined = dims_of(places.shape());
  lined.insert(lined.begin(), size_t(all.rank() - places.rank()), Dim(1));
  Tensor greatest = (all == best) | (all != all);
  Tensor first = niwaki::where(greatest, places.reshape(lined), Tensor(n)).min(inner);
  return {all.max(inner), first};
}

Tensor Tensor::max_unpool2d(const Tensor& indices, const Sizes& kernel, const PoolOptions& how,
                            const Sizes& output_size, Here) const {
  size_t n = kernel.size();
  check(n > 0 && rank() >= int64_t(n) && indices.shape() == shape(),
        "max_unpool2d: a kernel ({}) over values {} and indices {}", fmt::join(kernel, ", "),
        to_string(shape()), to_string(indices.shape()));
  Sizes stride = one_an_axis("max_unpool2d", "stride", n, how.stride.empty() ? kernel : how.stride);
  std::vector<std::pair<int64_t, int64_t>> padding = paddings("max_unpool2d", n, how.padding);
  check(output_size.empty() || output_size.size() >= n,
        "max_unpool2d: output_size ({}) for a kernel ({})", fmt::join(output_size, ", "),
        fmt::join(kernel, ", "));
  Dims dims = dims_of(shape());
  Shape plane;
  for (size_t i = 0; i < n; ++i) {
    Dim& dim = dims[size_t(rank()) - n + i];
    UOp reach = dim_add(dim_mul(dim_sub(dim.uop, index(1)), index(stride[i])), index(kernel[i]));
    int64_t margin = padding[i].first + padding[i].second;
    bool given = !output_size.empty();
    dim = given ? Dim(output_size[output_size.size() - n + i]) : Dim(dim_sub(reach, index(margin)));
    plane.push_back(dim.uop);
  }
  Dims rows(shape().begin(), shape().end() - int64_t(n));
  rows.push_back(Dim(dim_product(plane)));
  Tensor zeros = full(rows, 0, dtype());
  return zeros.scatter(-1, indices.flatten(-int64_t(n)), flatten(-int64_t(n))).reshape(dims);
}

Tensor Tensor::avg_pool2d(const Sizes& kernel, const PoolOptions& how, Here) const {
  Tensor x = numbers();
  if (!is_float(x.dtype())) x = x.cast(f32);
  std::vector<Track> tracks = tracks_of("avg_pool2d", x, kernel, how);
  Tensor total = windows(padded(x, tracks), tracks).sum(last_axes(kernel.size()));
  // How many elements of a window count: those from `low` up to `high` of the padded axis.
  std::vector<std::pair<int64_t, int64_t>> padding =
      paddings("avg_pool2d", kernel.size(), how.padding);
  double always = 1;
  Tensor counts(constant(i64, 1.0));
  for (size_t i = 0; i < tracks.size(); ++i) {
    const Track& t = tracks[i];
    auto [before, after] = padding[i];
    int64_t low = how.count_include_pad ? 0 : std::max<int64_t>(before, 0);
    int64_t high = t.size + before + (how.count_include_pad ? after : std::min<int64_t>(after, 0));
    if (low == 0 && t.size + t.before + t.after <= high) {
      always *= double(t.kernel);
      continue;
    }
    Tensor start = arange(t.count) * t.stride;
    auto offsets_below = [&](int64_t end) {
      Tensor steps = (Tensor(end) - start + (t.dilation - 1)).floor_divide(t.dilation);
      return steps.maximum(0).minimum(t.kernel);
    };
    Tensor count = offsets_below(high) - offsets_below(low);
    Dims column(tracks.size() - i, Dim(1));
    column[0] = Dim(t.count);
    counts = counts * count.reshape(column);
  }
  if (counts.rank() == 0) return total * (1.0 / always);
  return total / (counts.cast(x.dtype()) * always);
}

}  // namespace niwaki
