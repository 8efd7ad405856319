// Loops become vectors, or copies of their body.
//
// vectorize() runs `lanes` consecutive iterations of a loop at once. Data becomes vectors: an
// elementwise op on vectors is one node. Indices do not: an index is worked out for each lane
// alone, by substituting the lane's number and simplifying, and from what the lanes have in common
// follows what the load is: all equal, a scalar; side by side, one wide load; close together, one
// wide load and a swizzle; else a load a lane. Nothing here asks what the bytes mean, and yet the
// bits of a byte that eight lanes share are found to be one byte.
//
// unroll() substitutes constants for the loop's last bits and keeps all copies. Values that do not
// depend on it are shared by interning.
//
// A number that does not divide a loop that writes leaves a last piece that is not whole. It begins
// earlier instead, so that it ends with the loop: what both it and the one before compute is stored
// twice, the same value. That asks for a loop of at least one whole piece, in which nothing is
// accumulated, and for a kernel that does not read what it writes over. Where that is not so, the
// indices of an unrolled piece that overhangs are clamped: it computes and stores the last element
// several times.
#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "codegen/lookups.h"
#include "codegen/lower.h"
#include "core/error.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

UOp repeat(const UOp& scalar, int64_t lanes) { return make(Op::Stack, {scalar}, lanes); }

UOp lane(const UOp& vector, int64_t i) { return make(Op::Swizzle, {vector}, Axes{i}); }

bool divides(const UOp& end, int64_t amount) { return is_const(simplify(end % index(amount)), 0); }

bool binds(const UOp& u, const UOp& r) {
  return std::find(u->src.begin() + int64_t(first_loop(*u)), u->src.end(), r) != u->src.end();
}

class Vectorizer {
 public:
  Vectorizer(const UOp& ast, const UOp& r, int64_t lanes)
      : range_(r), bit_(range_bit(r->get<RangeInfo>().id)), lanes_(lanes) {
    expect(comes_in_pieces(ast, r, lanes), "a loop that is not of whole vectors");
    outer_ = pieces(r, lanes);
    first_ = start_of_piece(outer_, r, lanes);
    for (const UOp& u : toposort(ast)) {
      bool changes = (u->ranges & bit_) || binds(u, range_);
      for (const UOp& s : u->src) changes |= affected_.count(s.get()) > 0;
      if (changes) affected_.insert(u.get());
    }
  }

  // The node with vector lanes where it depends on the loop, itself where it does not.
  UOp operator()(const UOp& u) {
    auto found = memo_.find(u.get());
    if (found != memo_.end()) return found->second;
    UOp result = expand(u);
    keep_.push_back(u);
    memo_[u.get()] = result;
    return result;
  }

 private:
  UOp expand(const UOp& u) {
    switch (u->op) {
      case Op::Sink: return with_sources(u, sources(u));
      case Op::Store: return store(u);
      case Op::Reduce: return reduce(u);
      case Op::Stage: return stage(u);
      default: break;
    }
    if (!affected_.count(u.get())) return u;
    // A reduce or stage that binds the loop stands below, closed: its value is a scalar.
    if (!(u->ranges & bit_)) return with_sources(u, sources(u));
    if (u->op == Op::Load) return load(u);
    if (is_integer_index(u)) {
      std::vector<UOp> all = each_lane(u);
      bool data = is_elementwise(u->op) && u->dtype != i64;
      bool known = std::all_of(all.begin(), all.end(), [&](const UOp& lane) {
        return lane->op == Op::Const || lane == all[0];
      });
      return data && !known ? elementwise(u) : gather_lanes(all);
    }
    if (is_elementwise(u->op)) return elementwise(u);
    bool plain = u->op == Op::Bitcast && u[0]->dtype.lanes == 1;
    if (plain) {
      UOp x = (*this)(u[0]);
      return make(Op::Bitcast, {x}, u->dtype.vec(x->dtype.lanes));
    }
    return gather_lanes(each_lane(u));
  }

  // Computed from loop indices alone, so that each lane can be simplified to what it is.
  bool is_integer_index(const UOp& u) {
    auto [place, fresh] = pure_.try_emplace(u.get(), false);
    if (!fresh) return place->second;
    keep_.push_back(u);
    bool pure = u->op == Op::Range || u->op == Op::Const || u->op == Op::Variable;
    if (is_elementwise(u->op) && !is_float(u->dtype)) {
      pure = true;
      for (const UOp& s : u->src) pure = is_integer_index(s) && pure;
    }
    return pure_[u.get()] = pure;
  }

  // The node as each lane sees it, still a scalar.
  std::vector<UOp> each_lane(const UOp& u) const {
    std::vector<UOp> all;
    for (int64_t i = 0; i < lanes_; ++i) {
      UOp at = first_ + index(i);
      all.push_back(simplify(substitute(u, {{range_, at}})));
    }
    return all;
  }

  // One vector of the lanes' values, as short as what they share allows.
  UOp gather_lanes(const std::vector<UOp>& all) const {
    if (std::equal(all.begin() + 1, all.end(), all.begin())) return all[0];
    DType t = all[0]->dtype;
    if (t != i64) return make(Op::Stack, all);
    std::vector<UOp> offsets;
    for (const UOp& u : all) offsets.push_back(simplify(u - all[0]));
    bool constant = std::all_of(offsets.begin(), offsets.end(),
                                [](const UOp& o) { return o->op == Op::Const; });
    if (!constant || all[0]->op == Op::Const) return make(Op::Stack, all);
    return repeat(all[0], lanes_) + make(Op::Stack, offsets);
  }

  UOp widened(const UOp& u) const { return u->dtype.lanes == 1 ? repeat(u, lanes_) : u; }

  std::vector<UOp> sources(const UOp& u) {
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back((*this)(s));
    return src;
  }

  UOp elementwise(const UOp& u) {
    std::vector<UOp> src = sources(u);
    bool vector =
        std::any_of(src.begin(), src.end(), [](const UOp& s) { return s->dtype.lanes > 1; });
    if (vector) {
      for (UOp& s : src) s = widened(s);
    }
    Arg arg = u->arg;
    if (u->op == Op::Cast) arg = u->dtype.vec(src[0]->dtype.lanes);
    return make(u->op, std::move(src), arg);
  }

  UOp load(const UOp& u) {
    expect(u->dtype.lanes == 1, "a loop is vectorised inside of vectors");
    UOp memory = (*this)(u[0]);
    if (UOp found = lookup(u)) return found;
    std::vector<UOp> at = each_lane(u[1]);
    // Each lane has its own element where it has memory of its own.
    if (has_lanes(u[0])) {
      for (int64_t i = 0; i < lanes_; ++i) {
        at[size_t(i)] = simplify(at[size_t(i)] * index(lanes_) + index(i));
      }
    }
    std::vector<UOp> gates;
    if (u->src.size() > 2) gates = each_lane(u[2]);
    auto each_load = [&] {
      std::vector<UOp> loads;
      for (size_t i = 0; i < at.size(); ++i) {
        std::vector<UOp> src = {memory, at[i]};
        if (!gates.empty()) src.push_back(gates[i]);
        loads.push_back(make(Op::Load, std::move(src)));
      }
      return make(Op::Stack, std::move(loads));
    };
    UOp gate = gates.empty() ? UOp() : gather_lanes(gates);
    std::vector<int64_t> offsets;
    int64_t least = 0;
    int64_t most = 0;
    for (const UOp& a : at) {
      UOp difference = simplify(a - at[0]);
      const int64_t* c = const_int(difference);
      if (!c) return each_load();
      offsets.push_back(*c);
      least = std::min(least, *c);
      most = std::max(most, *c);
    }
    int64_t span = most - least + 1;
    bool varied_gate = gate && gate->dtype.lanes > 1;
    if (span == 1 && !varied_gate) {
      std::vector<UOp> src = {memory, at[0]};
      if (gate) src.push_back(gate);
      return make(Op::Load, std::move(src));
    }
    bool in_order = span == lanes_;
    for (int64_t i = 0; i < lanes_; ++i) in_order = in_order && offsets[size_t(i)] == i;
    if (span >= 2 * lanes_ || (varied_gate && !in_order)) return each_load();
    UOp first = simplify(at[0] + index(least));
    std::vector<UOp> src = {memory, first};
    if (gate) src.push_back(gate);
    UOp wide = make(Op::Load, std::move(src), span);
    if (in_order) return wide;
    for (int64_t& o : offsets) o -= least;
    return make(Op::Swizzle, {wide}, Axes(offsets));
  }

  // An index as wide as an element, so that a lane of the one is a lane of the other: the word that
  // it is taken from is widened.
  static UOp as_wide(const UOp& u, DType wide) {
    if (byte_size(u->dtype.scalar()) >= byte_size(wide)) return u;
    bool takes = u->op == Op::Shr || u->op == Op::And;
    return takes ? make(u->op, {as_wide(u[0], wide), as_wide(u[1], wide)}) : cast(u, wide);
  }

  // Where all lanes read from one short stretch, each the element that a value of its own says, the
  // stretch is a vector and the load a lookup in it; null: it is not so.
  UOp lookup(const UOp& u) {
    std::optional<TableIndex> at = has_lanes(u[0]) ? std::nullopt : table_index(u);
    if (!at || (at->begin->ranges & bit_) || is_integer_index(at->chosen)) return {};
    UOp chosen = at->chosen;
    int64_t entries = int64_t(std::bit_ceil(uint64_t(chosen->hi) + 1));
    if (at->begin->lo < 0 || at->begin->hi + entries > memory_size(u[0])) return {};
    // The lookup itself takes the index modulo the entries.
    if (chosen->op == Op::And && is_const(chosen[1], double(entries - 1))) chosen = chosen[0];
    UOp table = make(Op::Load, {u[0], at->begin}, entries);
    return make(Op::Lookup, {table, as_wide((*this)(chosen), unsigned_of_same_width(u->dtype))});
  }

  // Where a vector of values goes: one place, or one a lane.
  struct Place {
    UOp at;
    UOp value;
  };

  std::vector<Place> places(const std::vector<UOp>& at, const UOp& value) const {
    bool side_by_side = true;
    for (int64_t i = 0; i < lanes_; ++i) {
      side_by_side = side_by_side && is_const(simplify(at[size_t(i)] - at[0]), double(i));
    }
    if (side_by_side) return {{at[0], value}};
    std::vector<Place> lanes;
    for (int64_t i = 0; i < lanes_; ++i) lanes.push_back({at[size_t(i)], lane(value, i)});
    return lanes;
  }

  UOp store(const UOp& u) {
    std::vector<UOp> src = u->src;
    if (!binds(u, range_)) {
      src[2] = (*this)(u[2]);
      return make(Op::Store, std::move(src), u->arg);
    }
    std::replace(src.begin() + 3, src.end(), range_, outer_);
    std::vector<UOp> stores;
    for (const Place& place : places(each_lane(u[1]), widened((*this)(u[2])))) {
      src[1] = place.at;
      src[2] = place.value;
      stores.push_back(make(Op::Store, src, u->arg));
    }
    return stores.size() == 1 ? stores[0] : make(Op::Sink, std::move(stores));
  }

  // A stage inside of the loop becomes one for each lane, their elements side by side.
  bool has_lanes(const UOp& memory) const { return memory->ranges & bit_; }

  // A loop of the stage itself is written in vectors; one around it gives each lane its elements.
  UOp stage(const UOp& u) {
    if (!affected_.count(u.get())) return u;
    bool own = binds(u, range_);
    bool outer = has_lanes(u);
    std::vector<UOp> src;
    for (size_t i = 0; i < first_loop(*u); i += 2) {
      UOp value = (*this)(u[i + 1]);
      if (!own && !outer) {
        src.insert(src.end(), {u[i], value});
        continue;
      }
      std::vector<UOp> at = each_lane(u[i]);
      for (int64_t l = 0; outer && l < lanes_; ++l) {
        at[size_t(l)] = simplify(at[size_t(l)] * index(lanes_) + index(l));
      }
      for (const Place& p : places(at, widened(value))) src.insert(src.end(), {p.at, p.value});
    }
    StageInfo info = u->get<StageInfo>();
    info.stores = int64_t(src.size()) / 2;
    if (outer) info.size *= lanes_;
    for (const UOp& r : loops_of(u)) src.push_back(own && r == range_ ? outer_ : r);
    return make(Op::Stage, std::move(src), info);
  }

  // A loop of the reduce itself: vectors are accumulated, and their lanes at the end.
  UOp reduce(const UOp& u) {
    std::vector<UOp> src = u->src;
    src[0] = (*this)(u[0]);
    if (!binds(u, range_)) return make(Op::Reduce, std::move(src), u->arg);
    src[0] = widened(src[0]);
    std::replace(src.begin() + 1, src.end(), range_, outer_);
    UOp total = make(Op::Reduce, std::move(src), u->arg);
    for (int64_t half = lanes_ / 2; half >= 1; half /= 2) {
      Axes low;
      Axes high;
      for (int64_t i = 0; i < half; ++i) {
        low.push_back(i);
        high.push_back(i + half);
      }
      total = make(u->get<Reduction>().op,
                   {make(Op::Swizzle, {total}, low), make(Op::Swizzle, {total}, high)});
    }
    return total;
  }

  UOp range_;
  UOp outer_;
  /// The first iteration of a vector.
  UOp first_;
  RangeSet bit_;
  int64_t lanes_;
  /// Nodes that depend on the loop or have a reduce over it below.
  std::unordered_set<const Node*> affected_;
  std::unordered_map<const Node*, UOp> memo_;
  std::unordered_map<const Node*, bool> pure_;
  std::vector<UOp> keep_;
};

// Sinks of stores inside of the sink are one list.
UOp flatten(const UOp& sink) {
  std::vector<UOp> stores;
  for (const UOp& s : sink->src) {
    if (s->op == Op::Sink) stores.insert(stores.end(), s->src.begin(), s->src.end());
    else stores.push_back(s);
  }
  return make(Op::Sink, std::move(stores));
}

}  // namespace

bool comes_in_pieces(const UOp& ast, const UOp& r, int64_t amount) {
  if (divides(r[0], amount)) return true;
  if (r[0]->lo < amount) return false;
  const UOp& store = ast[0];
  for (const UOp& u : toposort(ast)) {
    bool overwritten = u->op == Op::Load && u[0] == store[0] && binds(store, r);
    if (overwritten || (u->op == Op::Reduce && binds(u, r))) return false;
  }
  return true;
}

UOp pieces(const UOp& r, int64_t amount) {
  return make(Op::Range, {simplify((r[0] + index(amount - 1)) / index(amount))}, r->arg);
}

UOp start_of_piece(const UOp& piece, const UOp& r, int64_t amount) {
  UOp start = piece * index(amount);
  UOp last = simplify(r[0] + index(-amount));
  return divides(r[0], amount) ? start : where(start < last, start, last);
}

UOp vectorize(const UOp& ast, const UOp& r, int64_t lanes) {
  return simplify(flatten(Vectorizer(ast, r, lanes)(ast)));
}

UOp unroll(const UOp& ast, const UOp& r, int64_t copies) {
  UOp outer = pieces(r, copies);
  bool whole = comes_in_pieces(ast, r, copies);
  UOp first = whole ? start_of_piece(outer, r, copies) : outer * index(copies);
  auto copy = [&](const UOp& u, int64_t i) {
    UOp at = first + index(i);
    UOp last = simplify(r[0] + index(-1));
    if (!whole && i > 0) at = where(at < last, at, last);
    return substitute(u, {{r, at}});
  };
  UOp copied = graph_rewrite(ast, [&](const UOp& u) -> UOp {
    std::vector<UOp> loops = loops_of(u);
    auto bound = std::find(loops.begin(), loops.end(), r);
    if (bound == loops.end()) return {};
    *bound = outer;
    std::vector<UOp> all;
    for (int64_t i = 0; i < copies; ++i) {
      std::vector<UOp> src;
      for (size_t j = 0; j < first_loop(*u); ++j) src.push_back(copy(u[j], i));
      if (u->op == Op::Stage) {
        all.insert(all.end(), src.begin(), src.end());
        continue;
      }
      src.insert(src.end(), loops.begin(), loops.end());
      all.push_back(make(u->op, std::move(src), u->arg));
    }
    if (u->op == Op::Store) return make(Op::Sink, std::move(all));
    if (u->op == Op::Stage) {
      StageInfo info = u->get<StageInfo>();
      info.stores *= copies;
      all.insert(all.end(), loops.begin(), loops.end());
      return make(Op::Stage, std::move(all), info);
    }
    // Each copy of a reduce has an accumulator of its own; what they gathered is one at the end.
    expect(whole, "unroll of a reduce by {} that do not divide it", copies);
    UOp total = all[0];
    for (size_t i = 1; i < all.size(); ++i) {
      total = make(u->get<Reduction>().op, {total, all[i]});
    }
    return total;
  });
  return simplify(flatten(copied));
}

}  // namespace niwaki
