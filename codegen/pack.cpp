// Packing: what all iterations of a loop read alike is laid out for them once, in the order in
// which they read it.
//
// A product of matrices reads the columns of its right side again for every few rows of the left,
// and each time in steps as long as a row: a cache line and a page for one vector. So the part of
// them that one tile needs is copied into a stage, where the vectors of one step of the reduce
// stand side by side, and the loop over rows runs inside of it. What is laid out is not a matrix,
// though, but whatever the body of a reduce takes that does not depend on that loop: the loads of
// an image with their padding, or weights as they come out of their bits. It then is computed once,
// too. A stage is filled by loops of its own, and what they read alike is packed in the same way:
// the weights of a head, whose rows are all known before one is normalised.
//
// Rejected: a layout of operands chosen before scheduling. Which loop is the inner one, and how
// much of an operand a tile takes, is known here.
#include <algorithm>
#include <unordered_set>

#include "codegen/lower.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// A scalar in every lane, which is packed as the scalar.
bool is_splat(const UOp& u) { return u->op == Op::Stack && u->src.size() == 1; }

void add_factors(const UOp& u, std::vector<UOp>& factors) {
  if (u->op != Op::Mul) return factors.push_back(u);
  add_factors(u[0], factors);
  add_factors(u[1], factors);
}

// A product in two parts: what depends on `r`, and what does not.
UOp in_parts(const UOp& u, const UOp& r) {
  if (u->op != Op::Mul || !is_float(u->dtype) || !(u->ranges & r->ranges)) return {};
  std::vector<UOp> factors;
  add_factors(u, factors);
  UOp own;
  UOp alike;
  for (const UOp& f : factors) {
    UOp& part = f->ranges & r->ranges ? own : alike;
    part = part ? make(Op::Mul, {part, f}) : f;
  }
  return alike ? make(Op::Mul, {own, alike}) : UOp();
}

class Search {
 public:
  Search(const UOp& root, const UOp& r) : own_(r->ranges) {
    if (root->op == Op::Stage) {
      written_ = bound_ranges(*root);
      for (size_t i = 1; i < first_loop(*root); i += 2) walk(root[i]);
    } else {
      written_ = bound_ranges(*root[0]);
      for (const UOp& store : root->src) walk(store[2]);
    }
  }

  std::vector<Packing> take() { return std::move(found_); }

 private:
  void walk(const UOp& u) {
    bool memory = u->op == Op::Stage || u->op == Op::Param;
    if (memory || u->dtype.scalar() == i64 || !seen_.insert(u.get()).second) return;
    if (!(u->ranges & own_)) {
      if (is_splat(u)) walk(u[0]);
      else if (is_worth_a_place(u)) add(u);
      return;
    }
    if (u->op == Op::Reduce) {
      for (const UOp& loop : loops_of(u)) {
        bool known = std::find(reduces_.begin(), reduces_.end(), loop) != reduces_.end();
        if (!known) reduces_.push_back(loop);
        summed_ |= loop->ranges;
      }
    }
    for (const UOp& s : u->src) walk(s);
  }

  // It is read more than once in the loop, and by more than one of the others; and it is not in a
  // stage already.
  bool is_worth_a_place(const UOp& u) const {
    bool staged = u->op == Op::Load && u[0]->op == Op::Stage;
    bool is_read_often = (u->ranges & summed_) && (u->ranges & written_);
    return is_read_often && !staged && u->dtype.kind != Kind::Bool;
  }

  void add(const UOp& u) {
    std::vector<UOp> loops;
    for (const UOp& r : reduces_) {
      if (u->ranges & r->ranges) loops.push_back(r);
    }
    for (Packing& p : found_) {
      bool alike = p.loops == loops && p.values[0]->dtype.scalar() == u->dtype.scalar();
      if (alike) return p.values.push_back(u);
    }
    found_.push_back({{u}, std::move(loops)});
  }

  RangeSet own_;
  RangeSet written_ = 0;
  RangeSet summed_ = 0;
  std::vector<UOp> reduces_;
  std::unordered_set<const Node*> seen_;
  std::vector<Packing> found_;
};

RangeSet gate_ranges(const UOp& value) {
  RangeSet ranges = 0;
  for (const UOp& u : toposort(value)) {
    if (u->op == Op::Load && u->src.size() > 2) ranges |= u[2]->ranges;
  }
  return ranges;
}

// The stage of a packing, and for each of its values the load that takes its place.
std::vector<std::pair<UOp, UOp>> staged(const Packing& packing) {
  UOp step = index(0);
  int64_t size = 1;
  for (const UOp& r : packing.loops) {
    step = step * index(r[0]->hi) + r;
    size *= r[0]->hi;
  }
  int64_t pitch = 0;
  for (const UOp& u : packing.values) pitch += u->dtype.lanes;
  std::vector<UOp> src;
  std::vector<UOp> places;
  int64_t offset = 0;
  for (const UOp& u : packing.values) {
    places.push_back(step * index(pitch) + index(offset));
    src.insert(src.end(), {places.back(), u});
    offset += u->dtype.lanes;
  }
  // It is filled in any order: what a gate needs is worked out once for all of the others.
  RangeSet gates = 0;
  for (const UOp& u : packing.values) gates |= gate_ranges(u);
  std::vector<UOp> loops = packing.loops;
  std::stable_partition(loops.begin(), loops.end(),
                        [&](const UOp& r) { return (r->ranges & gates) != 0; });
  src.insert(src.end(), loops.begin(), loops.end());
  UOp stage = make(Op::Stage, std::move(src), StageInfo{size * pitch, int64_t(places.size())});
  std::vector<std::pair<UOp, UOp>> loads;
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t lanes = packing.values[i]->dtype.lanes;
    Arg arg = lanes > 1 ? Arg(lanes) : Arg();
    loads.emplace_back(packing.values[i], make(Op::Load, {stage, places[i]}, arg));
  }
  return loads;
}

bool uses_parts(const UOp& u, const UOp& r) {
  std::vector<UOp> nodes = toposort(u);
  return std::any_of(nodes.begin(), nodes.end(), [&](const UOp& node) {
    return (node->op == Op::Div || node->op == Op::Mod) && (node->ranges & r->ranges);
  });
}

// A reduce whose elements stand in its order is one loop: an outer one and the next are taken for
// parts of a longer one, whose indices then have to come out without parts.
UOp with_one_loop(UOp reduce) {
  for (size_t i = reduce->src.size() - 2; i >= first_loop(*reduce); --i) {
    const UOp& outer = reduce[i];
    const UOp& inner = reduce[i + 1];
    if (!const_int(outer[0]) || !const_int(inner[0])) return reduce;
    UOp both = make(Op::Range, {index(outer[0]->hi * inner[0]->hi)}, inner->arg);
    UOp body = substitute(reduce[0], {{outer, both / inner[0]}, {inner, both % inner[0]}});
    body = simplify(body);
    if (uses_parts(body, both)) return reduce;
    std::vector<UOp> src = {body};
    src.insert(src.end(), reduce->src.begin() + 1, reduce->src.begin() + int64_t(i));
    src.push_back(both);
    reduce = make(Op::Reduce, std::move(src), reduce->arg);
  }
  return reduce;
}

// What writes memory, with its loops in order: those around the stages, others, the one that
// shares.
UOp reordered(const UOp& u, const UOp& r, RangeSet around) {
  auto depth = [&](const UOp& loop) { return loop == r ? 2 : loop->ranges & around ? 0 : 1; };
  std::vector<UOp> src = u->src;
  std::stable_sort(src.begin() + int64_t(first_loop(*u)), src.end(),
                   [&](const UOp& a, const UOp& b) { return depth(a) < depth(b); });
  return make(u->op, std::move(src), u->arg);
}

// Stores, or a stage, with what the loop's iterations read alike in stages; null: it is nothing.
UOp packed(const UOp& root, const UOp& r) {
  UOp result = regrouped(root, r);
  std::vector<std::pair<UOp, UOp>> loads;
  RangeSet around = 0;
  for (const Packing& packing : packings(result, r)) {
    for (const UOp& u : packing.values) around |= u->ranges;
    for (auto& load : staged(packing)) loads.push_back(std::move(load));
  }
  if (loads.empty()) return {};
  result = graph_rewrite(substitute(result, loads), [&](const UOp& u) -> UOp {
    bool shared = u->op == Op::Reduce && (u->ranges & r->ranges);
    return shared ? with_one_loop(u) : UOp();
  });
  if (result->op == Op::Stage) return reordered(result, r, around);
  std::vector<UOp> stores;
  for (const UOp& store : result->src) stores.push_back(reordered(store, r, around));
  return make(Op::Sink, std::move(stores));
}

bool is_over(const UOp& u, const UOp& r) {
  std::vector<UOp> loops = loops_of(u);
  return std::find(loops.begin(), loops.end(), r) != loops.end();
}

}  // namespace

UOp regrouped(const UOp& root, const UOp& r) {
  return graph_rewrite(root, [&](const UOp& u) {
    UOp parts = in_parts(u, r);
    return parts == u ? UOp() : parts;
  });
}

std::vector<Packing> packings(const UOp& root, const UOp& r) { return Search(root, r).take(); }

double bytes_of(const Packing& packing) {
  double bytes = 0;
  for (const UOp& u : packing.values)
    bytes += double(byte_size(u->dtype.scalar()) * u->dtype.lanes);
  for (const UOp& r : packing.loops) bytes *= double(r[0]->hi);
  return bytes;
}

UOp pack(const UOp& kernel, const UOp& r) {
  if (is_over(kernel[0], r)) {
    UOp result = packed(kernel, r);
    return result ? result : kernel;
  }
  return graph_rewrite(kernel, [&](const UOp& u) {
    return u->op == Op::Stage && is_over(u, r) ? packed(u, r) : UOp();
  });
}

}  // namespace niwaki
