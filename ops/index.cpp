// Indexing: parts of tensors, read and written, and what is chosen by positions in other tensors.
//
// slice() is movement as far as positions are known: a box, turned around and thinned out. What
// set() writes is moved the opposite way onto a tensor of zeros, and a true mask with it, which
// tells where. Positions that are data become one-hot conditions: of where(arange(n) == i, x, 0)
// summed over n the compiler keeps the one read (schedule/collapse.cpp), and the gradient of a read
// comes out as the sum it is. A condition chooses, it never multiplies: inf * 0 is NaN.
//
// There is no op that writes to places given as data, so a scatter asks of every element what falls
// on it: as many comparisons as elements times positions.
//
// The sizes of masked_select() and nonzero() are arguments, since shapes are known before values;
// runtimes/dynamic.h counts first.
#include <algorithm>
#include <bit>
#include <cmath>

#include "core/bounds.h"
#include "core/error.h"
#include "ops/rules.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

Tensor zero(DType t) { return Tensor(constant(t, 0.0)); }

void check_positions(const char* op, const Tensor& positions) {
  DType t = positions.dtype();
  check(t.kind != Kind::Bool,
        "{}: a mask of bools chooses a number of elements that is not known: masked_select() or "
        "nonzero() with a size, or where()",
        op);
  check(is_integer(t), "{}: positions are integers, not {}", op, name(t));
}

// --- which part of each axis ---

// `size` positions of an axis: the lowest is `start`, the next `step` higher; or backwards.
struct Part {
  UOp start;
  UOp size;
  int64_t step = 1;
  bool flipped = false;

  // How many positions lie between the ends.
  UOp span() const {
    const int64_t* n = const_int(size);
    return step == 1 || !n ? size : index(*n == 0 ? 0 : (*n - 1) * step + 1);
  }
};

// Python's rules: ends count from the end where negative and are clamped.
Part constant_range(const Index::Range& range, int64_t n) {
  bool forward = range.step > 0;
  int64_t step = std::clamp(range.step, -n - 1, n + 1);
  auto end = [&](const Bound& bound, int64_t otherwise) {
    if (!bound) return otherwise;
    int64_t at = *const_int(*bound);
    if (at < 0) at += n;
    return forward ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
  };
  int64_t start = end(range.start, forward ? 0 : n - 1);
  int64_t stop = end(range.stop, forward ? n : -1);
  int64_t distance = forward ? stop - start : start - stop;
  int64_t stride = forward ? step : -step;
  int64_t size = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  int64_t lowest = size == 0 ? 0 : forward ? start : start - (size - 1) * stride;
  return {index(lowest), index(size), stride, !forward};
}

// Symbolic ends must be inside: clamping them would hide that they are not.
Part symbolic_range(const Index::Range& range, const UOp& n) {
  bool all_backwards = range.step == -1 && !range.start && !range.stop;
  check(range.step == 1 || all_backwards,
        "slice: a step of {} of a symbolic range: only 1, or -1 of a whole dim", range.step);
  auto end = [&](const Bound& bound, const UOp& otherwise) {
    if (!bound) return otherwise;
    UOp at = (*bound)->hi < 0 ? simplify(dim_add(n, *bound)) : *bound;
    check(at->lo >= 0 && simplify(dim_sub(n, at))->lo >= 0,
          "slice: the end {} may be outside of the dim {}", expression(*bound), expression(n));
    return at;
  };
  UOp start = end(range.start, index(0));
  return {start, simplify(dim_sub(end(range.stop, n), start)), 1, all_backwards};
}

Part range_part(const Index::Range& range, const UOp& n) {
  check(range.step != 0, "slice: the step is 0");
  bool known = const_int(n) && (!range.start || const_int(*range.start)) &&
               (!range.stop || const_int(*range.stop));
  return known ? constant_range(range, *const_int(n)) : symbolic_range(range, n);
}

Part position_part(const UOp& at, const UOp& n, const Shape& shape) {
  UOp position = at->hi < 0 ? simplify(dim_add(n, at)) : at;
  check(position->lo >= 0 && simplify(dim_sub(n, position))->lo > 0,
        "slice: the position {} is outside of the dim {} of {}", expression(at), expression(n),
        to_string(shape));
  return {position, index(1)};
}

// What indices say of a tensor: part of each of its axes; the shape that leaves, without the dims
// of single positions and with new ones; and the axes of that where tensors choose.
struct Selection {
  std::vector<Part> parts;
  Dims shape;
  Axes axes;
  std::vector<Tensor> positions;
};

Selection selection(const Tensor& x, const std::vector<Index>& indices) {
  int64_t used = 0;
  int64_t ellipses = 0;
  for (const Index& i : indices) {
    bool open = std::holds_alternative<Ellipsis>(i.what);
    ellipses += open;
    used += !open && !std::holds_alternative<NewAxis>(i.what);
  }
  check(used <= x.rank(), "slice: {} indices for the shape {}", used, to_string(x.shape()));
  check(ellipses <= 1, "slice: more than one ellipsis");
  Selection s;
  auto keep = [&](const Part& part) {
    s.parts.push_back(part);
    s.shape.push_back(Dim(part.size));
  };
  auto keep_all = [&](int64_t n) {
    while (n-- > 0) keep({index(0), x.shape()[s.parts.size()]});
  };
  for (const Index& i : indices) {
    if (std::holds_alternative<NewAxis>(i.what)) {
      s.shape.push_back(Dim(1));
      continue;
    }
    if (std::holds_alternative<Ellipsis>(i.what)) {
      keep_all(x.rank() - used);
      continue;
    }
    const UOp& n = x.shape()[s.parts.size()];
    if (const Index::Range* range = std::get_if<Index::Range>(&i.what)) {
      keep(range_part(*range, n));
    } else if (const UOp* at = std::get_if<UOp>(&i.what)) {
      s.parts.push_back(position_part(*at, n, x.shape()));
    } else {
      Tensor positions = std::get<Tensor>(i.what);
      check_positions("slice", positions);
      positions = positions.cast(i64);
      s.axes.push_back(int64_t(s.shape.size()));
      s.positions.push_back(where(positions < 0, positions + Tensor(n), positions));
      keep({index(0), n});
    }
  }
  keep_all(x.rank() - int64_t(s.parts.size()));
  return s;
}

std::vector<std::pair<Dim, Dim>> one_axis(int64_t rank, int64_t axis, Dim before, Dim after) {
  std::vector<std::pair<Dim, Dim>> widths(size_t(rank), {Dim(0), Dim(0)});
  widths[size_t(axis)] = {std::move(before), std::move(after)};
  return widths;
}

// The parts of x, in the shape they leave.
Tensor read(Tensor x, const Selection& s) {
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const Part& part = s.parts[size_t(axis)];
    if (part.size != x.dim(axis)) x = x.narrow(axis, Dim(part.start), Dim(part.span()));
    if (part.flipped) x = x.flip({axis});
    if (part.step == 1) continue;
    // In rows as long as the step, what is wanted is the first column.
    int64_t n = *const_int(part.size);
    int64_t lacks = n * part.step - *const_int(part.span());
    x = x.pad(one_axis(x.rank(), axis, 0, lacks)).unflatten(axis, {n, part.step});
    x = x.narrow(axis + 1, 0, 1).flatten(axis, axis + 1);
  }
  return x.reshape(s.shape);
}

// The contrary of read(): where the parts of a tensor of shape `shape` are, with zeros around.
Tensor placed(Tensor value, const Selection& s, const Shape& shape) {
  Dims dims;
  for (const Part& part : s.parts) dims.push_back(Dim(part.size));
  value = value.reshape(dims);
  int64_t rank = value.rank();
  for (int64_t axis = 0; axis < rank; ++axis) {
    const Part& part = s.parts[size_t(axis)];
    const UOp& n = shape[size_t(axis)];
    if (part.step != 1) {
      Tensor apart = value.unsqueeze(axis + 1);
      value = apart.pad(one_axis(rank + 1, axis + 1, 0, part.step - 1)).flatten(axis, axis + 1);
      value = value.narrow(axis, 0, Dim(part.span()));
    }
    if (part.flipped) value = value.flip({axis});
    if (part.size == n) continue;
    UOp end = dim_add(part.start, part.span());
    value = value.pad(one_axis(rank, axis, Dim(part.start), Dim(simplify(dim_sub(n, end)))));
  }
  return value;
}

// x where nothing of `value` is placed.
Tensor replaced(const Tensor& x, const Selection& s, const Tensor& value) {
  Tensor inside = placed(Tensor::full(s.shape, 1, boolean), s, x.shape());
  return where(inside, placed(value, s, x.shape()), x);
}

// --- positions that are data ---

// The one element along `axes` at which `chosen` is true, or 0. A sum of one element and zeros does
// not round, so it has the dtype of the element.
Tensor pick(const Tensor& chosen, const Tensor& x, const Axes& axes) {
  if (x.dtype().kind == Kind::Bool) return pick(chosen, x.cast(u8), axes).cast(boolean);
  Tensor only = where(chosen, x, zero(x.dtype().packed ? f32 : x.dtype()));
  Tensor found(make(Op::Reduce, {only.uop()}, Reduction{Op::Add, axes}));
  Dims dims;
  for (int64_t i = 0; i < found.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(Dim(found.dim(i)));
  }
  return found.reshape(dims);
}

// The order of dims that brings the chosen axes to the front.
Axes chosen_first(const Axes& axes, int64_t rank) {
  Axes order = axes;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) order.push_back(axis);
  }
  return order;
}

Axes inverse(const Axes& order) {
  Axes back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[size_t(order[i])] = int64_t(i);
  return back;
}

// Several tensors of positions as one list of points: the shape they have together, and whether a
// point [points..., coordinates...] is the one at these coordinates.
struct Points {
  Dims shape;
  Axes coordinates;
  Tensor here{0};
};

Points points(const std::vector<Tensor>& positions, const Tensor& chosen_in_front) {
  Points p;
  Tensor together = positions[0];
  for (const Tensor& each : positions) together = where(each < 0, together, each);
  p.shape = dims_of(together.shape());
  int64_t rank = together.rank();
  int64_t n_axes = int64_t(positions.size());
  p.here = Tensor(constant(boolean, 1.0));
  for (int64_t k = 0; k < n_axes; ++k) {
    Dims along(size_t(n_axes), Dim(1));
    along[size_t(k)] = Dim(chosen_in_front.dim(k));
    Dims wide = dims_of(positions[size_t(k)].shape());
    wide.insert(wide.end(), size_t(n_axes), Dim(1));
    Tensor coordinate = Tensor::arange(chosen_in_front.dim(k)).reshape(along);
    p.here = p.here & (coordinate == positions[size_t(k)].reshape(wide));
    p.coordinates.push_back(rank + k);
  }
  return p;
}

// Dims of size 1 after the others.
Tensor with_ones_after(const Tensor& x, int64_t n) {
  Dims dims = dims_of(x.shape());
  dims.insert(dims.end(), size_t(n), Dim(1));
  return x.reshape(dims);
}

// The order of dims that takes those of the points from the front to where indexing puts them.
Axes points_in_place(const Selection& s, int64_t rank_of_points, int64_t rank) {
  bool together = s.axes.back() - s.axes.front() + 1 == int64_t(s.axes.size());
  int64_t first = together ? s.axes.front() : 0;
  Axes order;
  for (int64_t i = 0; i < first; ++i) order.push_back(rank_of_points + i);
  for (int64_t i = 0; i < rank_of_points; ++i) order.push_back(i);
  for (int64_t i = rank_of_points + first; i < rank; ++i) order.push_back(i);
  return order;
}

Tensor at_positions(const Tensor& x, const Selection& s) {
  Tensor y = x.permute(chosen_first(s.axes, x.rank()));
  int64_t rest = y.rank() - int64_t(s.axes.size());
  Points p = points(s.positions, y);
  Tensor found = pick(with_ones_after(p.here, rest), y, p.coordinates);
  return found.permute(points_in_place(s, int64_t(p.shape.size()), found.rank()));
}

// x with `value` at the positions.
Tensor set_positions(const Tensor& x, const Selection& s, const Tensor& value) {
  Axes order = chosen_first(s.axes, x.rank());
  Tensor y = x.permute(order);
  int64_t n_axes = int64_t(s.axes.size());
  int64_t rest = y.rank() - n_axes;
  Points p = points(s.positions, y);
  int64_t rank = int64_t(p.shape.size());
  Dims dims = p.shape;
  for (int64_t i = n_axes; i < y.rank(); ++i) dims.push_back(Dim(y.dim(i)));
  Axes in_place = points_in_place(s, rank, rank + rest);
  Dims given;
  for (int64_t axis : in_place) given.push_back(dims[size_t(axis)]);
  Tensor values = value.expand(given).permute(inverse(in_place));  // points rest
  // Points as one dim, the last: which of them is the last to fall here?
  UOp n = index(1);
  for (const Dim& dim : p.shape) n = dim_mul(n, dim.uop);
  if (is_const(n, 0)) return x;
  Dims flat = {Dim(n)};
  for (int64_t i = n_axes; i < y.rank(); ++i) flat.push_back(Dim(y.dim(i)));
  values = values.reshape(flat).permute([&] {
    Axes to_end;
    for (int64_t i = 1; i <= rest; ++i) to_end.push_back(i);
    to_end.push_back(0);
    return to_end;
  }());  // rest n
  Dims hit = {Dim(n)};
  for (int64_t i = 0; i < n_axes; ++i) hit.push_back(Dim(y.dim(i)));
  Axes points_last;
  for (int64_t i = 1; i <= n_axes; ++i) points_last.push_back(i);
  points_last.push_back(0);
  Tensor here = p.here.reshape(hit).permute(points_last);  // axes n
  Tensor number = Tensor::arange(n);
  Tensor last = where(here, number, -1).max({-1});            // axes
  Tensor chosen = with_ones_after(last, rest + 1) == number;  // axes 1.. n
  Tensor found = pick(chosen, values, {y.rank()});
  return where(with_ones_after(last, rest) >= 0, found, y).permute(inverse(order));
}

// --- gather and scatter: along one axis, dim by dim ---

bool fits(const UOp& dim, const UOp& within) {
  return dim == within || simplify(dim_sub(within, dim))->lo >= 0;
}

// x with the other dims cut to those of `at`.
Tensor beside(const char* op, const Tensor& x, int64_t axis, const Tensor& at) {
  check_positions(op, at);
  check(at.rank() == x.rank(), "{}: positions {} for the shape {}: their ranks differ", op,
        to_string(at.shape()), to_string(x.shape()));
  Tensor cut = x;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i == axis || at.dim(i) == x.dim(i)) continue;
    check(fits(at.dim(i), x.dim(i)), "{}: positions {} exceed dim {} of the shape {}", op,
          to_string(at.shape()), i, to_string(x.shape()));
    cut = cut.narrow(i, 0, Dim(at.dim(i)));
  }
  return cut;
}

// `axis` last, and a dim of size 1 in its place.
Tensor axis_last(const Tensor& x, int64_t axis) {
  Axes order;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  return x.permute(order).unsqueeze(axis);
}

Tensor along(int64_t axis, int64_t rank, const UOp& n) {
  Dims dims(size_t(rank), Dim(1));
  dims[size_t(axis)] = Dim(n);
  return Tensor::arange(n).reshape(dims);
}

// What falls on each element of x: [.. n .., m] of m positions, each with a value or without.
struct Falling {
  Tensor box;     // the part of x it can reach
  Tensor here;    // .. n .. m
  Tensor values;  // .. 1 .. m
};

Falling falling(const char* op, const Tensor& x, int64_t axis, const Tensor& at,
                const Tensor& source) {
  Tensor box = beside(op, x, axis, at);
  bool number = source.rank() == 0;
  Tensor values = number ? source.cast(x.dtype()).expand(dims_of(at.shape())) : source;
  check(values.dtype() == x.dtype(), "{}: dtypes differ: {} and {}, cast one", op, name(x.dtype()),
        name(values.dtype()));
  check(values.rank() == at.rank(), "{}: positions {} for a source {}: their ranks differ", op,
        to_string(at.shape()), to_string(values.shape()));
  for (int64_t i = 0; i < at.rank(); ++i) {
    check(fits(at.dim(i), values.dim(i)), "{}: positions {} exceed dim {} of the source {}", op,
          to_string(at.shape()), i, to_string(values.shape()));
    if (at.dim(i) != values.dim(i)) values = values.narrow(i, 0, Dim(at.dim(i)));
  }
  Tensor here = axis_last(at.cast(i64), axis) == along(axis, x.rank() + 1, x.dim(axis));
  return {box, here, axis_last(values, axis)};
}

// x with `box` in the place of what it was cut from.
Tensor put_back(const Tensor& x, const Tensor& box) {
  std::vector<Index> indices;
  for (const UOp& dim : box.shape()) indices.push_back({0, dim});
  return box.shape() == x.shape() ? box : x.set(indices, box);
}

}  // namespace

Tensor Tensor::slice(const std::vector<Index>& indices, Here) const {
  Tensor x = numbers();
  Selection s = selection(x, indices);
  x = read(x, s);
  return s.axes.empty() ? x : at_positions(x, s);
}

Tensor Tensor::set(const std::vector<Index>& indices, const Tensor& value, Here) const {
  Tensor x = numbers();
  Selection s = selection(x, indices);
  Tensor typed = value.cast(x.dtype());
  if (s.axes.empty()) return replaced(x, s, typed.expand(s.shape));
  return replaced(x, s, set_positions(read(x, s), s, typed));
}

Tensor Tensor::gather(int64_t axis, const Tensor& at, Here) const {
  int64_t d = axis_of(axis);
  Tensor x = beside("gather", numbers(), d, at);
  Tensor here = at.cast(i64).unsqueeze(-1) == arange(x.dim(d));
  return pick(here, axis_last(x, d), {rank()});
}

Tensor Tensor::index_select(int64_t axis, const Tensor& at, Here) const {
  check(at.rank() <= 1, "index_select: positions are a vector, not {}", to_string(at.shape()));
  std::vector<Index> indices(size_t(axis_of(axis)));
  indices.push_back(at.reshape({-1}));
  return slice(indices);
}

Tensor Tensor::take(const Tensor& at, Here) const { return flatten().slice({at}); }

Tensor Tensor::scatter(int64_t axis, const Tensor& at, const Tensor& source, Here) const {
  Falling f = falling("scatter", *this, axis_of(axis), at, source);
  const UOp& m = f.here.dim(-1);
  if (is_const(m, 0)) return *this;
  Tensor number = arange(m);
  Tensor last = niwaki::where(f.here, number, -1).max({-1}, true);
  Tensor found = pick(number == last, f.values, {rank()});
  return put_back(*this, niwaki::where(last.squeeze(-1) >= 0, found, f.box));
}

Tensor Tensor::scatter_add(int64_t axis, const Tensor& at, const Tensor& source, Here) const {
  return scatter_reduce(axis, at, source, "sum");
}

Tensor Tensor::scatter_mul(int64_t axis, const Tensor& at, const Tensor& source, Here) const {
  return scatter_reduce(axis, at, source, "prod");
}

Tensor Tensor::scatter_reduce(int64_t axis, const Tensor& at, const Tensor& source,
                              std::string_view by, bool include_self, Here) const {
  Falling f = falling("scatter_reduce", *this, axis_of(axis), at, source);
  if (is_const(f.here.dim(-1), 0)) return *this;
  DType t = dtype();
  auto fallen = [&](const Tensor& nothing) { return niwaki::where(f.here, f.values, nothing); };
  // The least or greatest value there is.
  auto extreme = [&](bool greatest) {
    double infinite = greatest ? INFINITY : -INFINITY;
    Interval bounds = dtype_bounds(t);
    if (is_float(t)) return Tensor(constant(t, infinite));
    if (t == u64) return Tensor(constant(t, Value::of(greatest ? int64_t(-1) : 0)));
    return Tensor(constant(t, Value::of(greatest ? bounds.hi : bounds.lo)));
  };
  Tensor self = f.box;
  Tensor with_self = self;
  Tensor alone = self;
  if (by == "sum" || by == "mean") {
    alone = fallen(zero(t)).sum({-1});
    with_self = self + alone;
    if (by == "mean") {
      Tensor count = f.here.cast(i64).sum({-1});
      std::string_view rounding = is_float(t) ? "" : "floor";
      with_self = with_self.div((count + 1).cast(t), rounding);
      alone = alone.div(count.maximum(1).cast(t), rounding);
    }
  } else if (by == "prod") {
    alone = fallen(Tensor(constant(t, 1.0))).prod({-1});
    with_self = self * alone;
  } else if (by == "amax") {
    alone = fallen(extreme(false)).max({-1});
    with_self = self.maximum(alone);
  } else if (by == "amin") {
    alone = fallen(extreme(true)).min({-1});
    with_self = self.minimum(alone);
  } else {
    fail("scatter_reduce: \"{}\" is none of sum, prod, mean, amin, amax", by);
  }
  if (!include_self) with_self = niwaki::where(f.here.max({-1}), alone, self);
  return put_back(*this, with_self);
}

Tensor Tensor::one_hot(Dim n, Here) const {
  check_positions("one_hot", *this);
  return (cast(i64).unsqueeze(-1) == arange(n)).cast(i64);
}

namespace {

// The places of the first `size` true elements of a vector; its length for what there is no place.
// The place is how many running counts are at most the number sought, found by halving.
Tensor places_of(const Tensor& mask, const Dim& size) {
  const UOp& n = mask.dim(0);
  Tensor position = Tensor::arange(n);
  Tensor counts = where(position <= position.unsqueeze(-1), mask.cast(i64), 0).sum({-1});
  counts = counts.contiguous();
  Tensor sought = Tensor::arange(size);
  Tensor place = Tensor(0).expand({size});
  for (int64_t step = int64_t(std::bit_floor(uint64_t(dim_max(n)))); step > 0; step /= 2) {
    Tensor next = place + step;
    Tensor last = (next - 1).minimum(Tensor(n) - 1);
    Tensor before = (next <= Tensor(n)) & (counts.take(last) <= sought);
    place = where(before, next, place);
  }
  return place;
}

}  // namespace

Tensor Tensor::masked_select(const Tensor& mask, Dim size, const Tensor& fill, Here) const {
  check(mask.dtype().kind == Kind::Bool, "masked_select: the mask is {}, not bool",
        name(mask.dtype()));
  Tensor x = numbers().flatten();
  Tensor place = places_of(mask.expand(dims_of(shape())).flatten(), size);
  return niwaki::where(place < Tensor(x.dim(0)), x.take(place), fill.cast(x.dtype()));
}

Tensor Tensor::nonzero(Dim size, const Tensor& fill, Here) const {
  if (rank() == 0) return full({size, 0}, 0, i64);
  Tensor mask = (numbers() != zero(dtype())).flatten();
  Tensor place = places_of(mask, size);
  Tensor rest = place;
  std::vector<Tensor> coordinates;
  for (int64_t axis = rank() - 1; axis >= 0; --axis) {
    Tensor n(dim(axis));
    coordinates.insert(coordinates.begin(), axis == 0 ? rest : rest % n);
    rest = rest.floor_divide(n);
  }
  Tensor inside = (place < Tensor(mask.dim(0))).unsqueeze(-1);
  return niwaki::where(inside, stack(coordinates, -1), fill.cast(i64));
}

}  // namespace niwaki
