// A small cost model: a node costs its iterations, divided by the lanes where it becomes a vector,
// and a load whose lanes lie apart gains nothing.
//
// Rejected: choosing by the shape of known kernels (matrix-vector, matrix-matrix). The model needs
// no such names, and sees in an unpacking of bits what it sees in a matrix of floats.
#include "codegen/regions.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "codegen/lookups.h"
#include "ops/rules.h"
#include "schedule/estimate.h"

namespace niwaki {

void Region::find_nodes() {
  nodes.clear();
  reduces.clear();
  outputs = loops_of(is_kernel() ? root[0] : root);
  std::vector<UOp> todo = is_kernel() ? root->src : std::vector<UOp>{root};
  std::unordered_set<const Node*> seen;
  while (!todo.empty()) {
    UOp u = todo.back();
    todo.pop_back();
    if (!seen.insert(u.get()).second) continue;
    nodes.push_back(u);
    if (is_packed(u)) continue;
    if (u->op == Op::Reduce) {
      for (const UOp& r : loops_of(u)) {
        bool known = std::find(reduces.begin(), reduces.end(), r) != reduces.end();
        if (!known) reduces.push_back(r);
      }
    }
    for (const UOp& s : u->src) {
      if (s->op != Op::Stage) todo.push_back(s);
    }
  }
}

RangeSet Region::packed_ranges() const {
  RangeSet ranges = 0;
  for (const UOp& u : packed) ranges |= u->ranges;
  return ranges;
}

Loops::Loops(const UOp& kernel)
    : ast(kernel), store(ast[0]), nodes(toposort(ast)), outputs(loops_of(store)) {
  for (const UOp& u : nodes) {
    bool reduce = u->op == Op::Range && u->get<RangeInfo>().kind == AxisKind::Reduce;
    if (reduce) reduces.push_back(u);
    if (u->op == Op::Stage) regions.emplace_back(u);
  }
  regions.emplace_back(ast);
  for (Region& region : regions) region.cost = cost(region);
  std::stable_sort(regions.begin(), regions.end(),
                   [](const Region& a, const Region& b) { return a.cost > b.cost; });
}

double trips(const UOp& range) { return double(std::max<int64_t>(range[0]->hi, 1)); }

double iterations(const UOp& u, const Loops& loops) {
  double n = 1;
  for (const std::vector<UOp>* list : {&loops.outputs, &loops.reduces}) {
    RangeSet counted = 0;
    for (const UOp& r : *list) {
      RangeSet bit = range_bit(r->get<RangeInfo>().id);
      if ((u->ranges & bit) && !(counted & bit)) n *= trips(r);
      counted |= bit;
    }
  }
  return n;
}

bool is_address(const UOp& u) { return u->dtype == i64 || u->op == Op::Range; }

bool reads_together(const UOp& at, const UOp& r, int64_t lanes) {
  UOp base = r * index(lanes);
  UOp first = simplify(substitute(at, {{r, base}}));
  UOp last = simplify(substitute(at, {{r, base + index(lanes - 1)}}));
  UOp middle = simplify(substitute(at, {{r, base + index(lanes / 2)}}));
  UOp span = simplify(last - first);
  UOp half = simplify(middle - first);
  const int64_t* s = const_int(span);
  const int64_t* h = const_int(half);
  return s && h && *s >= 0 && *s < 2 * lanes && *h >= 0 && *h <= *s;
}

double waste(double n, int64_t amount) {
  return std::ceil(n / double(amount)) * double(amount) / n;
}

namespace {

// Cost of a node with `r` (null: no axis) as vectors of `lanes`, which are more than one register
// where the lanes are wide.
double cost_of(const UOp& u, const Loops& loops, const Region& region, const UOp& r,
               int64_t lanes, const Target& target) {
  RangeSet bit = r ? r->ranges : 0;
  double width = u->dtype.kind == Kind::Void ? 4 : double(byte_size(u->dtype));
  double registers = std::max(1.0, double(lanes) * width / (4.0 * double(target.lanes)));
  double part = r ? waste(trips(r), lanes) * registers / double(lanes) : 1;
  // A stage costs its stores: what it writes is the last of its values.
  bool writes = u->op == Op::Store || u->op == Op::Stage;
  bool memory = u->op == Op::Load || writes;
  if (is_address(u) && !memory) return 0;
  if (region.is_packed(u)) {
    double cost = iterations(u, loops);
    return r && (u->ranges & bit) ? cost * part : cost;
  }
  if (!memory && u->op != Op::Reduce) {
    double cost = iterations(u, loops) * op_cost(u->op);
    return r && (u->ranges & bit) ? cost * part : cost;
  }
  if (u->op == Op::Reduce) {
    double cost = iterations(u[0], loops);
    return r && (u[0]->ranges & bit) ? cost * part : cost;
  }
  const UOp& at = u[u->op == Op::Stage ? 0 : 1];
  double cost = iterations(u, loops);
  for (const UOp& o : loops_of(u)) cost *= trips(o);
  if (!r || !(at->ranges & bit)) return cost;
  if (table_index(u)) {
    const LaneLookup* lookup = target.lookup(byte_size(u->dtype));
    return lookup && lookup->lanes == lanes ? cost * part : 2 * cost;
  }
  return reads_together(at, r, lanes) ? cost * part : 2 * cost;
}

}  // namespace

double vector_cost(const Loops& loops, const Region& region, const UOp& r, int64_t lanes,
                   const Target& target) {
  double total = 0;
  for (const UOp& u : region.nodes) total += cost_of(u, loops, region, r, lanes, target);
  return total;
}

double Loops::cost(const Region& region) const { return vector_cost(*this, region, {}, 1, {}); }

}  // namespace niwaki
