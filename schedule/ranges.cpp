// Movement ops become index expressions over ranges.
//
// There are no views and no strides. A stored value gets one range a dim; reading it at those
// ranges is asked of its source, whose movement ops change the question: shrink adds an offset,
// permute reorders, flip reverses, expand drops, pad adds a condition, reshape flattens and splits
// again. What arrives at a buffer is an index, and the index rules make it short.
//
// A condition does not only choose the padding's zero: it guards the loads below it, because the
// index it rejects may lie outside of the buffer.
#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "core/error.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// Both conditions, null standing for true.
UOp both(const UOp& a, const UOp& b) {
  if (!a || is_const(a, 1)) return b && is_const(b, 1) ? UOp() : b;
  return !b || is_const(b, 1) || a == b ? a : a & b;
}

// Groups of dims on both sides with equal products are split alone, so that dims which the reshape
// leaves as they are, symbolic ones above all, pass through untouched.
std::vector<UOp> reshape_index(const Shape& from, const Shape& to, const std::vector<UOp>& at) {
  std::vector<UOp> result(from.size());
  size_t i = from.size();
  size_t j = to.size();
  while (i > 0 || j > 0) {
    size_t i_end = i;
    size_t j_end = j;
    UOp left = index(1);
    UOp right = index(1);
    if (i > 0) left = from[--i];
    if (j > 0) right = to[--j];
    while (left != right) {
      const int64_t* a = const_int(left);
      const int64_t* b = const_int(right);
      bool grow_left = i > 0 && (j == 0 || (a && (!b || *a < *b)));
      if (grow_left) left = dim_mul(from[--i], left);
      else if (j > 0) right = dim_mul(to[--j], right);
      else break;
    }
    if (i_end - i == 1 && j_end - j == 1) {
      result[i] = at[j];
      continue;
    }
    UOp flat = index(0);
    for (size_t d = j; d < j_end; ++d) flat = flat * to[d] + at[d];
    for (size_t d = i_end; d-- > i;) {
      result[d] = d == i ? flat : simplify(flat % from[d]);
      if (d > i) flat = flat / from[d];
    }
    if (i < i_end) result[i] = simplify(result[i]);
  }
  return result;
}

UOp flip_index(const UOp& dim, const UOp& at) {
  return simplify(dim_add(dim, index(-1)) + at * index(-1));
}

// Where the remainder x % c is below `end` and an x below 0 would give more, x is not below 0:
// there x % c is x, and x / c is 0. So the gradient of overlapping windows reads at differences.
void unwrap(std::vector<UOp>& at, const UOp& remainder, const UOp& end) {
  if (remainder->op != Op::Mod) return;
  const UOp& x = remainder[0];
  const int64_t* c = const_int(remainder[1]);
  if (!c || *c <= 0 || x->lo <= -*c || x->hi >= *c || x->lo + *c < end->hi) return;
  for (UOp& i : at) {
    i = simplify(substitute(i, {{remainder, x}, {x / remainder[1], index(0)}}));
  }
}

}  // namespace

// Nodes are interned, so an index is known by those of its dims; the memo keeps them.
struct IndexMemo::Known {
  struct Hash {
    size_t operator()(const std::vector<UOp>& key) const {
      size_t hash = 0;
      for (const UOp& u : key) hash = (hash ^ (uintptr_t(u.get()) >> 4)) * 0x9e3779b97f4a7c15;
      return hash ^ (hash >> 32);
    }
  };
  std::unordered_map<std::vector<UOp>, std::vector<UOp>, Hash> reshapes;
};

namespace {

IndexMemo::Known* current_memo = nullptr;

std::vector<UOp> known_reshape_index(const Shape& from, const Shape& to,
                                     const std::vector<UOp>& at) {
  if (!current_memo) return reshape_index(from, to, at);
  std::vector<UOp> key = from;
  key.emplace_back();  // where one shape ends and the next begins
  key.insert(key.end(), to.begin(), to.end());
  key.insert(key.end(), at.begin(), at.end());
  auto [entry, fresh] = current_memo->reshapes.try_emplace(std::move(key));
  if (fresh) entry->second = reshape_index(from, to, at);
  return entry->second;
}

}  // namespace

IndexMemo::IndexMemo() {
  if (current_memo) return;
  known_ = std::make_unique<Known>();
  current_memo = known_.get();
}

IndexMemo::~IndexMemo() {
  if (known_) current_memo = nullptr;
}

std::vector<UOp> source_index(const UOp& u, const std::vector<UOp>& at, UOp& valid) {
  const Shape& from = u[0]->shape;
  if (u->op == Op::Reshape) return known_reshape_index(from, u->shape, at);
  std::vector<UOp> result = at;
  switch (u->op) {
    case Op::Permute: {
      const Axes& order = u->get<Axes>();
      for (size_t i = 0; i < order.size(); ++i) result[size_t(order[i])] = at[i];
      return result;
    }
    case Op::Expand:
      for (size_t i = 0; i < from.size(); ++i) {
        if (from[i] != u->shape[i]) result[i] = index(0);
      }
      return result;
    case Op::Shrink:
      for (size_t i = 0; i < from.size(); ++i) {
        if (!is_const(u[1 + 2 * i], 0)) result[i] = simplify(at[i] + u[1 + 2 * i]);
      }
      return result;
    case Op::Flip:
      for (int64_t axis : u->get<Axes>()) {
        result[size_t(axis)] = flip_index(from[size_t(axis)], at[size_t(axis)]);
      }
      return result;
    case Op::Pad:
      for (size_t i = 0; i < from.size(); ++i) {
        const UOp& lo = u[1 + 2 * i];
        const UOp& hi = u[2 + 2 * i];
        UOp end = dim_add(lo, from[i]);
        if (!is_const(lo, 0)) {
          valid = both(valid, simplify(negate(at[i] < lo)));
          result[i] = simplify(result[i] - lo);
        }
        if (!is_const(hi, 0)) {
          valid = both(valid, simplify(at[i] < end));
          unwrap(result, at[i], end);
        }
      }
      return result;
    default: throw InternalError(fmt::format("{} moves nothing", info(u->op).name));
  }
}

int64_t first_free_range(const std::vector<UOp>& at, const UOp& gate, int64_t least) {
  RangeSet used = gate ? gate->ranges : 0;
  for (const UOp& i : at) used |= i->ranges;
  return std::max<int64_t>(least, used ? 64 - __builtin_clzll(used) : 0);
}

namespace {

class Builder {
 public:
  Builder(const Slots& slots, const std::vector<Staged>& stages) : slots_(slots), stages_(stages) {}

  UOp ast(const std::vector<UOp>& roots) {
    roots_ = roots;
    std::vector<UOp> loops;
    for (const UOp& i : output_index(written_shape(roots[0]))) {
      if (i->op == Op::Range) loops.push_back(i);
    }
    rank_ = int64_t(loops.size());
    std::vector<UOp> stores;
    for (const UOp& root : roots) {
      bool assigns = root->op == Op::Assign;
      std::vector<UOp> at = output_index(written_shape(root));
      UOp target = assigns ? target_index(root, at) : flat_index(root, at);
      std::vector<UOp> src = {param(slots_.find(root)), target, stored_value(root)};
      src.insert(src.end(), loops.begin(), loops.end());
      stores.push_back(make(Op::Store, std::move(src)));
    }
    return make(Op::Sink, std::move(stores));
  }

  const std::vector<int64_t>& buffers() const { return buffers_; }

 private:
  UOp param(int64_t slot) {
    expect(slot >= 0, "a value without a buffer is read");
    size_t number = size_t(std::find(buffers_.begin(), buffers_.end(), slot) - buffers_.begin());
    if (number == buffers_.size()) buffers_.push_back(slot);
    const Buffer& b = *slots_.buffer(slot);
    // Packed data is bytes to a kernel.
    DType t = b.dtype.packed ? u8 : b.dtype;
    int64_t size = b.dtype.packed ? b.bytes() : b.size();
    return make(Op::Param, {}, ParamInfo{int64_t(number), t, size, b.constant});
  }

  // Row-major over the greatest dims, so that strides are constants where dims are symbolic.
  static UOp flat_index(const UOp& node, const std::vector<UOp>& at) {
    UOp flat = index(0);
    for (size_t i = 0; i < at.size(); ++i) {
      flat = flat * index(dim_max(node->shape[i])) + at[i];
    }
    return simplify(flat);
  }

  static UOp target_index(const UOp& assign, std::vector<UOp> at) {
    UOp view = assign[1];
    UOp valid;
    Here user(assign->site);
    for (; is_movement(view->op); view = view[0]) {
      check(view->op != Op::Expand,
            "assign: the target is an expand of its buffer: one place for several values");
      at = source_index(view, at, valid);
    }
    // Padding that a slice has cut off again, as one with a step does, is no hindrance.
    check(!valid || is_const(simplify(valid), 1),
          "assign: the target is a pad of its buffer, which has no place to write");
    return flat_index(assign[0], at);
  }

  // Elements in row-major order of blocks at their greatest size.
  UOp from_stage(const Staged& staged, const std::vector<UOp>& at, const UOp& gate) {
    const UOp& u = staged.node;
    std::vector<UOp> block = at;
    for (size_t i = 0; i < at.size(); ++i) {
      if (staged.blocks[i] == u->shape[i]) block[i] = index(0);
      else if (!is_const(staged.blocks[i], 1)) block[i] = simplify(at[i] / staged.blocks[i]);
    }
    int64_t depth = first_free_range(block, {}, rank_);
    int64_t size = 1;
    UOp filled = index(0);
    UOp wanted = index(0);
    std::vector<UOp> inner = block;
    std::vector<UOp> loops;
    for (size_t i = 0; i < at.size(); ++i) {
      const UOp& n = staged.blocks[i];
      if (is_const(n, 1)) continue;
      loops.push_back(inner_range(n, depth++, u.get()));
      UOp most = index(dim_max(n));
      size *= dim_max(n);
      inner[i] = simplify(block[i] * n + loops.back());
      filled = filled * most + loops.back();
      wanted = wanted * most + (n == u->shape[i] ? at[i] : at[i] % n);
    }
    std::vector<UOp> src = {simplify(filled), compute(u, inner, {})};
    src.insert(src.end(), loops.begin(), loops.end());
    UOp memory = make(Op::Stage, std::move(src), StageInfo{size, 1});
    std::vector<UOp> read = {memory, simplify(wanted)};
    if (gate) read.push_back(gate);
    return make(Op::Load, std::move(read));
  }

  UOp load(const UOp& node, const std::vector<UOp>& at, const UOp& gate) {
    std::vector<UOp> src = {param(slots_.find(node)), flat_index(node, at)};
    if (gate) src.push_back(gate);
    return make(Op::Load, std::move(src));
  }

  UOp stored_value(const UOp& root) {
    if (root->op == Op::Assign) return read(root[2], output_index(written_shape(root)), {});
    std::vector<UOp> at = output_index(root->shape);
    if (root->op == Op::Contiguous) return read(root[0], at, {});
    for (const Staged& staged : stages_) {
      if (staged.node == root) return from_stage(staged, at, {});
    }
    return compute(root, at, {});
  }

  // The value of a node at an index: what this kernel stores itself is at hand, and read for the
  // element that is computed; else it is loaded where it is stored, or computed.
  UOp read(const UOp& u, const std::vector<UOp>& at, const UOp& gate) {
    for (const Staged& staged : stages_) {
      if (staged.node == u) return from_stage(staged, at, gate);
    }
    bool own = std::find(roots_.begin(), roots_.end(), u) != roots_.end();
    if (own && at == output_index(written_shape(u))) return stored_value(u);
    if (!own && slots_.find(u) >= 0) return load(u, at, gate);
    return compute(u, at, gate);
  }

  UOp compute(const UOp& u, const std::vector<UOp>& at, const UOp& gate) {
    std::vector<const Node*> key = {u.get(), gate.get()};
    for (const UOp& i : at) key.push_back(i.get());
    auto found = memo_.find(key);
    if (found != memo_.end()) return found->second;
    UOp value = compute_new(u, at, gate);
    keep_.insert(keep_.end(), at.begin(), at.end());
    if (gate) keep_.push_back(gate);
    memo_[key] = value;
    return value;
  }

  UOp compute_new(const UOp& u, const std::vector<UOp>& at, const UOp& gate) {
    switch (u->op) {
      case Op::Const:
      case Op::Variable: return u;
      case Op::Iota: return at[0];
      case Op::Contiguous: return read(u[0], at, gate);
      case Op::Bitcast: return bitcast(u, at, gate);
      case Op::Reduce: return is_empty(u[0]->shape) ? of_nothing(u) : reduce(u, at, gate);
      default: break;
    }
    if (is_movement(u->op)) {
      // All of it is padding.
      if (is_empty(u[0]->shape)) return constant(u->dtype, 0);
      UOp valid;
      std::vector<UOp> below = source_index(u, at, valid);
      UOp value = read(u[0], below, both(gate, valid));
      return valid ? where(valid, value, constant(u->dtype, 0)) : value;
    }
    // The values of dims and positions have no index of their own.
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(read(s, at, gate));
    return make(u->op, std::move(src), u->arg);
  }

  // What a reduce of no elements is; no element of an empty result is ever asked for.
  static UOp of_nothing(const UOp& u) {
    return constant(u->dtype, u->get<Reduction>().op == Op::Mul ? 1 : 0);
  }

  UOp reduce(const UOp& u, const std::vector<UOp>& at, const UOp& gate) {
    int64_t depth = first_free_range(at, gate, rank_);
    std::vector<UOp> inner = at;
    std::vector<UOp> src(1);
    for (int64_t axis : u->get<Reduction>().axes) {
      const UOp& dim = u[0]->shape[size_t(axis)];
      if (is_const(dim, 1)) {
        inner[size_t(axis)] = index(0);
        continue;
      }
      inner[size_t(axis)] = inner_range(dim, depth++, nullptr);
      src.push_back(inner[size_t(axis)]);
    }
    src[0] = read(u[0], inner, gate);
    if (src.size() == 1) return src[0];
    return make(Op::Reduce, std::move(src), Reduction{u->get<Reduction>().op, {}});
  }

  // Equal loops of reduces at equal depth are one range, so that reduces side by side can share a
  // loop; a stage has loops of its own, and any others differ in their number.
  UOp inner_range(const UOp& end, int64_t depth, const Node* stage) {
    size_t at = 0;
    while (at < loops_.size() && loops_[at] != std::tuple(end, depth, stage)) ++at;
    if (at == loops_.size()) loops_.emplace_back(end, depth, stage);
    int64_t id = rank_ + int64_t(at);
    expect(id < 40, "a kernel of {} loops", id);
    return range(end, id, AxisKind::Reduce);
  }

  // Several narrow elements make a wide one, or a wide one several narrow.
  UOp bitcast(const UOp& u, const std::vector<UOp>& at, const UOp& gate) {
    const UOp& x = u[0];
    if (x->dtype.packed) {
      expect(slots_.find(x) >= 0 && u->dtype == u8, "packed data is only read as bytes");
      UOp flat = index(0);
      for (size_t i = 0; i < at.size(); ++i) flat = flat * u->shape[i] + at[i];
      std::vector<UOp> src = {param(slots_.find(x)), simplify(flat)};
      if (gate) src.push_back(gate);
      return make(Op::Load, std::move(src));
    }
    int64_t from = byte_size(x->dtype);
    int64_t to = byte_size(u->dtype);
    std::vector<UOp> below = at;
    if (from == to) return make(Op::Bitcast, {read(x, at, gate)}, u->dtype);
    if (from < to) {
      std::vector<UOp> parts;
      for (int64_t i = 0; i < to / from; ++i) {
        below.back() = simplify(at.back() * index(to / from) + index(i));
        parts.push_back(read(x, below, gate));
      }
      return make(Op::Bitcast, {make(Op::Stack, std::move(parts))}, u->dtype);
    }
    int64_t ratio = from / to;
    below.back() = simplify(at.back() / index(ratio));
    DType wide = unsigned_of_same_width(x->dtype);
    UOp bits = make(Op::Bitcast, {read(x, below, gate)}, wide);
    UOp shift = cast((at.back() % index(ratio)) * index(8 * to), wide);
    UOp part = cast(make(Op::Shr, {bits, shift}), unsigned_of_same_width(u->dtype));
    return make(Op::Bitcast, {part}, u->dtype);
  }

  const Slots& slots_;
  const std::vector<Staged>& stages_;
  std::vector<UOp> roots_;
  /// The slots of the params, by their numbers.
  std::vector<int64_t> buffers_;
  int64_t rank_ = 0;
  std::vector<std::tuple<UOp, int64_t, const Node*>> loops_;
  std::map<std::vector<const Node*>, UOp> memo_;
  std::vector<UOp> keep_;
};

}  // namespace

const Shape& written_shape(const UOp& stored) {
  return stored->op == Op::Assign ? stored[2]->shape : stored->shape;
}

std::vector<UOp> output_index(const Shape& shape) {
  std::vector<UOp> at;
  int64_t n = 0;
  for (const UOp& dim : shape) {
    at.push_back(is_const(dim, 1) ? index(0) : range(dim, n++, AxisKind::Loop));
  }
  return at;
}

KernelAst kernel_ast(const Stored& stored, const Slots& slots) {
  Builder builder(slots, stored.stages);
  UOp ast = builder.ast(stored.nodes);
  return {simplify(ast), builder.buffers()};
}

}  // namespace niwaki
