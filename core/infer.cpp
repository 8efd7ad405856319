// Inference, op by op. The frontend broadcasts and converts; here operands must already agree, so
// what a graph means is decided in one place, and this is where a wrong one stops.
#include "core/infer.h"

#include <algorithm>

#include "core/bounds.h"
#include "core/error.h"

namespace niwaki {
namespace {

const char* op_name(const Node& n) { return info(n.op).name.data(); }

void same_shape(const Node& n, const UOp& a, const UOp& b) {
  check(a->shape == b->shape, "{}: shapes differ: {} and {}", op_name(n), a->shape, b->shape);
}

void same_dtype(const Node& n, const UOp& a, const UOp& b) {
  check(a->dtype == b->dtype, "{}: dtypes differ: {} and {}, cast one", op_name(n), a->dtype,
        b->dtype);
}

void check_operand_class(const Node& n, DType t) {
  bool bits = n.op == Op::And || n.op == Op::Xor;
  bool shifts = n.op == Op::Shl || n.op == Op::Shr || n.op == Op::Mod;
  bool floats = n.op == Op::Sqrt || n.op == Op::Exp || n.op == Op::Log2 || n.op == Op::Sin;
  check(t.kind != Kind::Packed && t.kind != Kind::Void, "{}: no arithmetic on {}, cast it first",
        op_name(n), t);
  check(!bits || !is_float(t), "{}: needs integers or bools, not {}", op_name(n), t);
  check(!shifts || is_integer(t), "{}: needs integers, not {}", op_name(n), t);
  check(!floats || is_float(t), "{}: needs floats, not {}", op_name(n), t);
}

void infer_elementwise(Node& n) {
  size_t first = n.op == Op::Where ? 1 : 0;
  const UOp& a = n.src[first];
  if (n.op == Op::Where) {
    check(n.src[0]->dtype == boolean.vec(a->dtype.lanes), "where: the condition is {}, not bool",
          n.src[0]->dtype);
    same_shape(n, n.src[0], a);
  }
  for (size_t i = first + 1; i < n.src.size(); ++i) {
    same_shape(n, a, n.src[i]);
    same_dtype(n, a, n.src[i]);
  }
  if (n.op != Op::Where) check_operand_class(n, a->dtype);
  n.shape = a->shape;
  bool compares = n.op == Op::Less || n.op == Op::Ne;
  n.dtype = compares ? boolean.vec(a->dtype.lanes) : a->dtype;
}

// The dims a movement op gives as its further sources.
Shape dims_of(const Node& n, size_t first = 1, size_t step = 1) {
  Shape shape;
  for (size_t i = first; i < n.src.size(); i += step) {
    check(n.src[i]->dtype == i64 && n.src[i]->shape.empty(), "{}: a dim must be an i64 scalar",
          op_name(n));
    shape.push_back(n.src[i]);
  }
  return shape;
}

void check_rank(const Node& n, size_t given, size_t wanted) {
  check(given == wanted, "{}: {} dims given for the shape {}", op_name(n), given, n.src[0]->shape);
}

void check_sizes(const Node& n) {
  for (const UOp& dim : n.shape) {
    check(dim->lo >= 0, "{}: a dim of {} may be negative", op_name(n), n.shape);
  }
}

// Equal whatever the variables are: the constant factors agree, and the others are the same nodes.
// Nothing is nothing, whatever it is multiplied by.
bool same_count(const Shape& a, const Shape& b) {
  DimFactors x = factors_of(a);
  DimFactors y = factors_of(b);
  return x.number == y.number &&
         (x.number == 0 ||
          std::is_permutation(x.others.begin(), x.others.end(), y.others.begin(), y.others.end()));
}

void infer_reshape(Node& n) {
  n.shape = dims_of(n);
  check_sizes(n);
  check(same_count(n.src[0]->shape, n.shape), "reshape: sizes differ: {} to {}", n.src[0]->shape,
        n.shape);
}

void infer_permute(Node& n) {
  const Axes& order = n.get<Axes>();
  const Shape& shape = n.src[0]->shape;
  check_rank(n, order.size(), shape.size());
  std::vector<bool> used(shape.size());
  for (int64_t axis : order) {
    bool valid = axis >= 0 && axis < int64_t(shape.size()) && !used[axis];
    check(valid, "permute: [{}] is no order of {} dims", fmt::join(order, ", "), shape.size());
    used[axis] = true;
    n.shape.push_back(shape[axis]);
  }
}

void infer_expand(Node& n) {
  n.shape = dims_of(n);
  check_sizes(n);
  const Shape& from = n.src[0]->shape;
  check_rank(n, n.shape.size(), from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    check(from[i] == n.shape[i] || is_const(from[i], 1),
          "expand: {} to {}: only dims of size 1 expand", from, n.shape);
  }
}

void infer_pad(Node& n) {
  const Shape& from = n.src[0]->shape;
  Shape lo = dims_of(n, 1, 2);
  Shape hi = dims_of(n, 2, 2);
  check_rank(n, lo.size(), from.size());
  expect(lo.size() == hi.size(), "pad with one width of dim {}", hi.size());
  for (size_t i = 0; i < from.size(); ++i) {
    check(lo[i]->lo >= 0 && hi[i]->lo >= 0, "pad: negative width {}, {} for the shape {}", lo[i],
          hi[i], from);
    n.shape.push_back(dim_add(dim_add(lo[i], from[i]), hi[i]));
  }
}

void infer_shrink(Node& n) {
  const Shape& from = n.src[0]->shape;
  Shape start = dims_of(n, 1, 2);
  n.shape = dims_of(n, 2, 2);
  check_rank(n, start.size(), from.size());
  expect(start.size() == n.shape.size(), "shrink without the size of dim {}", n.shape.size());
  for (size_t i = 0; i < from.size(); ++i) {
    // Of symbolic dims, what no values could satisfy is refused here, and what some could not when
    // they are known (Replay::run).
    UOp left = dim_sub(dim_sub(from[i], start[i]), n.shape[i]);
    bool possible = left->lo >= 0 || (from[i] != n.shape[i] && left->hi >= 0 &&
                                      start[i]->hi <= from[i]->hi - n.shape[i]->hi);
    bool inside = start[i]->lo >= 0 && n.shape[i]->lo >= 0 && possible;
    check(inside, "shrink: [{}, {} + {}) leaves dim {} of {}", start[i], start[i], n.shape[i], i,
          from);
  }
}

void infer_flip(Node& n) {
  for (int64_t axis : n.get<Axes>()) {
    check(axis >= 0 && axis < int64_t(n.src[0]->shape.size()), "flip: axis {} of the shape {}",
          axis, n.src[0]->shape);
  }
  n.shape = n.src[0]->shape;
}

// A packed type counts by its block, another by its byte size; the last dim takes the ratio.
void infer_bitcast(Node& n) {
  DType from = n.src[0]->dtype;
  DType to = n.get<DType>();
  check(to.kind != Kind::Void && from.kind != Kind::Void, "bitcast: no bits are {}", to);
  n.dtype = to;
  n.shape = n.src[0]->shape;
  auto block = [](DType t) {
    return t.packed ? std::pair(t.packed->values, t.packed->bytes)
                    : std::pair(int64_t(1), byte_size(t));
  };
  if (from.lanes > 1 || to.lanes > 1) {
    expect(byte_size(from) * from.lanes == byte_size(to) * to.lanes, "bitcast of {} to {}", from,
           to);
    return;
  }
  auto [from_values, from_bytes] = block(from);
  auto [to_values, to_bytes] = block(to);
  if (from_bytes * to_values == to_bytes * from_values) return;
  check(!n.shape.empty(), "bitcast: a scalar {} has not the width of {}", from, to);
  DimFactors last = factors_of({n.shape.back()});
  int64_t bytes = last.number / from_values * from_bytes;
  check(last.number % from_values == 0 && bytes % to_bytes == 0,
        "bitcast: {} of {} do not divide into {}", n.shape.back(), from, to);
  n.shape.back() = dim_mul(dim_product(last.others), index(bytes / to_bytes * to_values));
}

bool is_memory(const UOp& u) {
  return u->op == Op::Param || u->op == Op::Stage || u->op == Op::Scratch;
}

void expect_loops(const Node& n) {
  for (size_t i = first_loop(n); i < n.src.size(); ++i) {
    expect(n.src[i]->op == Op::Range, "{} over a {}", op_name(n), info(n.src[i]->op).name);
  }
}

void infer_reduce(Node& n) {
  const Reduction& r = n.get<Reduction>();
  const UOp& x = n.src[0];
  n.dtype = x->dtype;
  check_operand_class(n, x->dtype);
  expect(r.op == Op::Add || r.op == Op::Mul || r.op == Op::Max, "reduce with {}", info(r.op).name);
  if (n.src.size() > 1) {
    expect_loops(n);
    return;
  }
  n.shape = x->shape;
  for (int64_t axis : r.axes) {
    check(axis >= 0 && axis < int64_t(x->shape.size()), "reduce: axis {} of the shape {}", axis,
          x->shape);
    n.shape[axis] = index(1);
  }
  // No elements have a sum and a product, but no greatest.
  if (r.op != Op::Max || is_empty(n.shape)) return;
  for (int64_t axis : r.axes) {
    check(!is_const(x->shape[axis], 0), "max: no elements along axis {}: {}", axis, x->shape);
  }
}

void infer_assign(Node& n) {
  const UOp& base = n.src[0];
  check(base->op == Op::Buffer || base->op == Op::Assign, "assign: the target is no buffer");
  check(base->op != Op::Buffer || !base->get<BufferRef>()->constant,
        "assign: the target is constant");
  same_shape(n, n.src[1], n.src[2]);
  same_dtype(n, n.src[1], n.src[2]);
  UOp root = n.src[1];
  while (is_movement(root->op)) root = root[0];
  check(root == base, "assign: the target is no view of its buffer");
  n.dtype = base->dtype;
  n.shape = base->shape;
}

void infer_load(Node& n) {
  expect(n.src.size() >= 2 && is_memory(n.src[0]), "load without memory or index");
  n.dtype = n.src[0]->dtype.vec(std::max<int64_t>(
      n.src[1]->dtype.lanes, std::holds_alternative<int64_t>(n.arg) ? n.get<int64_t>() : 1));
}

void infer_store(Node& n) {
  expect(n.src.size() >= 3 && is_memory(n.src[0]), "store without memory, index or value");
  expect_loops(n);
  n.dtype = void_type;
}

// Its elements are scalars, however wide it is written; a bool in memory has a value and no bit.
void infer_stage(Node& n) {
  size_t first = first_loop(n);
  expect(first > 0 && n.src.size() >= first, "stage without values");
  expect_loops(n);
  n.dtype = n.src[1]->dtype.scalar();
  expect(n.dtype.kind != Kind::Bool, "stage of bools");
  for (size_t i = 0; i < first; i += 2) {
    expect(n.src[i]->dtype == i64 && n.src[i + 1]->dtype.scalar() == n.dtype,
           "stage of mixed values");
  }
}

void infer_stack(Node& n) {
  for (const UOp& s : n.src) {
    expect(s->dtype == n.src[0]->dtype && s->dtype.lanes == 1, "stack of mixed sources");
  }
  bool repeats = std::holds_alternative<int64_t>(n.arg);
  n.dtype = n.src[0]->dtype.vec(repeats ? n.get<int64_t>() : int64_t(n.src.size()));
}

void infer_lookup(Node& n) {
  int64_t entries = n.src[0]->dtype.lanes;
  expect(entries > 1 && !(entries & (entries - 1)), "lookup in {} lanes", entries);
  expect(is_unsigned(n.src[1]->dtype.scalar()), "lookup by a {}", n.src[1]->dtype);
  n.dtype = n.src[0]->dtype.vec(n.src[1]->dtype.lanes);
}

void infer_leaf(Node& n) {
  switch (n.op) {
    case Op::Const: n.dtype = n.get<Constant>().dtype; return;
    case Op::Variable:
      check(n.get<Symbol>().min <= n.get<Symbol>().max, "variable: {} has no value in [{}, {}]",
            n.get<Symbol>().name, n.get<Symbol>().min, n.get<Symbol>().max);
      n.dtype = i64;
      return;
    case Op::Buffer:
      n.dtype = n.get<BufferRef>()->dtype;
      n.shape = shape_of(n.get<BufferRef>()->shape);
      return;
    case Op::Param:
    case Op::Scratch: n.dtype = n.get<ParamInfo>().dtype; return;
    case Op::Range: {
      int64_t id = n.get<RangeInfo>().id;
      expect(id >= 0 && id < 64, "range {} has no bit in a set of ranges", id);
      n.dtype = i64;
      return;
    }
    default:
      n.dtype = i64;
      n.shape = dims_of(n, 0);
      check_sizes(n);
  }
}

void infer_type_and_shape(Node& n) {
  int wanted = info(n.op).sources;
  expect(wanted < 0 || size_t(wanted) == n.src.size(), "{} with {} sources", op_name(n),
         n.src.size());
  expect(wanted >= 0 || !n.src.empty() || n.op == Op::Sink, "{} without sources", op_name(n));
  n.dtype = n.src.empty() ? void_type : n.src[0]->dtype;
  switch (n.op) {
    case Op::Const:
    case Op::Variable:
    case Op::Buffer:
    case Op::Param:
    case Op::Scratch:
    case Op::Range:
    case Op::Iota: return infer_leaf(n);
    case Op::Reshape: return infer_reshape(n);
    case Op::Permute: return infer_permute(n);
    case Op::Expand: return infer_expand(n);
    case Op::Pad: return infer_pad(n);
    case Op::Shrink: return infer_shrink(n);
    case Op::Flip: return infer_flip(n);
    case Op::Cast:
      check_operand_class(n, n.src[0]->dtype);
      n.dtype = n.get<DType>();
      check(n.dtype.kind != Kind::Packed && n.dtype.kind != Kind::Void,
            "cast: numbers do not convert to {}", n.dtype);
      n.shape = n.src[0]->shape;
      return;
    case Op::Bitcast: return infer_bitcast(n);
    case Op::Reduce: return infer_reduce(n);
    case Op::Assign: return infer_assign(n);
    case Op::Contiguous: n.shape = n.src[0]->shape; return;
    case Op::Load: return infer_load(n);
    case Op::Stack: return infer_stack(n);
    case Op::Lookup: return infer_lookup(n);
    case Op::Swizzle: n.dtype = n.src[0]->dtype.vec(int64_t(n.get<Axes>().size())); return;
    case Op::Store: return infer_store(n);
    case Op::Stage: return infer_stage(n);
    case Op::Sink:
    case Op::Update:
    case Op::Prefetch:
    case Op::End: n.dtype = void_type; return;
    case Op::Acc: return;
    default: return infer_elementwise(n);
  }
}

}  // namespace

void infer(Node& n) {
  infer_type_and_shape(n);
  Interval b = bounds(n);
  n.lo = b.lo;
  n.hi = b.hi;
  n.ranges = n.op == Op::Range ? range_bit(n.get<RangeInfo>().id) : 0;
  for (const UOp& s : n.src) n.ranges |= s->ranges;
  n.ranges &= ~bound_ranges(n);
}

}  // namespace niwaki
