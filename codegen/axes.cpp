// The choice of axes: which loops are split, run as vectors, copied into tiles, or spread over
// threads.
//
// The heuristic weighs every candidate vector axis with the same small cost model: a node costs its
// iterations, divided by the lanes where it becomes a vector, and a load whose lanes lie apart
// gains nothing. Then loops whose body re-reads values that do not depend on them are copied (a
// register tile), and one loop of independent iterations is given to the threads. Its result is a
// list of moves, which a search may replace.
//
// A kernel is made of regions: what is stored is one, and so is every stage. Each has loops over
// what it writes and reduces of its own, and gets vectors and tiles like a kernel of its own; the
// most expensive one chooses first.
//
// Rejected: choosing by the shape of known kernels (matrix-vector, matrix-matrix). The model needs
// no such names, and sees in an unpacking of bits what it sees in a matrix of floats.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_set>

#include "codegen/lower.h"
#include "ops/rules.h"
#include "schedule/estimate.h"

namespace niwaki {
namespace {

// What writes memory, the stores or a stage, and what it takes: the nodes down to other stages.
struct Region {
  UOp root;  // the sink or the stage
  std::vector<UOp> nodes = {};
  std::vector<UOp> outputs = {};  // loops over what is written, outermost first
  std::vector<UOp> reduces = {};  // distinct loops of its reduces
  double cost = 0;

  // Values that come packed from a stage to be made, if any; bytes of one element of `fastest`.
  std::vector<UOp> packed = {};
  UOp sharing;  // the loop whose iterations read them alike
  UOp fastest;  // the loop along which elements are written, and values packed
  double packed_bytes = 0;

  explicit Region(UOp from) : root(std::move(from)) { find_nodes(); }

  bool is_kernel() const { return root->op == Op::Sink; }
  const UOp& written_at() const { return is_kernel() ? root[0][1] : root[0]; }

  // Down to packed values: what is below belongs to their stage.
  void find_nodes() {
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

  bool is_packed(const UOp& u) const {
    return std::find(packed.begin(), packed.end(), u) != packed.end();
  }
  RangeSet packed_ranges() const {
    RangeSet ranges = 0;
    for (const UOp& u : packed) ranges |= u->ranges;
    return ranges;
  }
};

// What the heuristic looks at: the nodes of a kernel, its loops and its regions.
struct Loops {
  UOp ast;
  UOp store;
  std::vector<UOp> nodes;
  std::vector<UOp> outputs;  // the store's ranges, outermost first
  std::vector<UOp> reduces;  // distinct ranges of reduces and stages
  std::vector<Region> regions;

  explicit Loops(const UOp& kernel)
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

  double cost(const Region& region) const;
};

double trips(const UOp& range) { return double(std::max<int64_t>(range[0]->hi, 1)); }

// Iterations of each node: the product of the loops it cannot be hoisted out of.
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

// An index computation: cheap, and mostly hoisted or folded into addresses.
bool is_address(const UOp& u) { return u->dtype == i64 || u->op == Op::Range; }

// Whether `lanes` consecutive iterations of r, from a multiple of lanes on, read one short stretch.
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

bool divides(const UOp& range, int64_t n) {
  const int64_t* end = const_int(range[0]);
  return end && *end % n == 0;
}

// What `n` iterations in pieces of `amount` cost, because the last piece does some again.
double waste(double n, int64_t amount) {
  return std::ceil(n / double(amount)) * double(amount) / n;
}

// Cost of a node with `r` (null: no axis) as vectors of `lanes`.
double cost_of(const UOp& u, const Loops& loops, const Region& region, const UOp& r,
               int64_t lanes) {
  RangeSet bit = r ? r->ranges : 0;
  double part = r ? waste(trips(r), lanes) / double(lanes) : 1;
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
  return reads_together(at, r, lanes) ? cost * part : 2 * cost;
}

// Cost of a region with `r` as vectors.
double vector_cost(const Loops& loops, const Region& region, const UOp& r, int64_t lanes) {
  double total = 0;
  for (const UOp& u : region.nodes) total += cost_of(u, loops, region, r, lanes);
  return total;
}

double Loops::cost(const Region& region) const { return vector_cost(*this, region, {}, 1); }

struct Vectors {
  std::vector<Move> moves;
  std::vector<UOp> axes;
};

// Whether some value would be a vector along both `r` and one of the chosen axes: where both are
// written over, or a load, an operation on data, or the body of a reduce depends on both.
bool meets(const Loops& loops, const UOp& r, const std::vector<UOp>& chosen) {
  RangeSet bit = range_bit(r->get<RangeInfo>().id);
  for (const UOp& axis : chosen) {
    RangeSet other = range_bit(axis->get<RangeInfo>().id);
    if (axis == r) return true;
    for (const UOp& u : loops.nodes) {
      bool data = !is_address(u) || u->op == Op::Load;
      RangeSet ranges = u->op == Op::Reduce ? u[0]->ranges : data ? u->ranges : 0;
      if (u->op == Op::Store || u->op == Op::Stage) ranges |= bound_ranges(*u);
      if ((ranges & bit) && (ranges & other)) return true;
    }
  }
  return false;
}

// The loop along which a region writes neighbours.
UOp fastest_loop(const Region& region, int64_t lanes) {
  for (const UOp& r : region.outputs) {
    bool moves = region.written_at()->ranges & r->ranges;
    if (moves && reads_together(region.written_at(), r, lanes)) return r;
  }
  return {};
}

// Operations to come by a value once.
double read_cost(const UOp& value) {
  double cost = 0;
  for (const UOp& u : toposort(value)) {
    if (!is_address(u) || u->op == Op::Load) cost += op_cost(u->op);
  }
  return cost;
}

// What reduces and stages need of loop `r` but not of all in `around` runs again for each tile.
double repeated_in_tiles(const Loops& loops, const Region& region, const UOp& r, RangeSet around,
                         double tile) {
  double repeated = 0;
  for (const UOp& u : loops.nodes) {
    bool loop = u->op == Op::Reduce || u->op == Op::Stage;
    if (!loop || !(u->ranges & r->ranges) || !(around & ~u->ranges)) continue;
    double again = iterations(u[first_loop(*u) - 1], loops) / tile;
    for (const UOp& other : region.outputs) {
      if (other->ranges & around & ~u->ranges) again *= trips(other);
    }
    repeated += again;
  }
  return repeated;
}

// The loop for which packing saves a region most: whose iterations are many, and take values alike
// that become vectors along the loop that writes neighbours. The others of a kernel have to make
// enough tiles for all threads, each of them fit a cache, and what only the loop needs is not to be
// computed again for each of them.
void choose_packing(const Loops& loops, const Target& target, Region& region) {
  constexpr double least_iterations = 32;
  constexpr double most_bytes = 2 << 20;
  constexpr double least_tiles = 8;
  double tile = 4 * double(target.lanes);
  double cost = 0;
  for (const Region& other : loops.regions) cost += other.cost;
  UOp fastest = fastest_loop(region, target.lanes);
  if (!fastest || !comes_in_pieces(loops.ast, fastest, target.lanes)) return;
  RangeSet written = bound_ranges(region.is_kernel() ? *region.root[0] : *region.root);
  Region best = region;
  double most_saved = 0;
  for (const UOp& r : region.outputs) {
    if (r == fastest || trips(r) < least_iterations) continue;
    Region packed = region;
    packed.root = regrouped(region.root, r);
    packed.sharing = r;
    packed.fastest = fastest;
    double saved = 0;
    for (const Packing& packing : packings(packed.root, r)) {
      packed.packed_bytes += bytes_of(packing);
      for (const UOp& u : packing.values) {
        packed.packed.push_back(u);
        saved += read_cost(u);
      }
    }
    RangeSet around = packed.packed_ranges() & written;
    if (!(around & fastest->ranges) || saved <= most_saved) continue;
    if (packed.packed_bytes * tile > most_bytes) continue;
    double tiles = 1 / tile;
    for (const UOp& other : region.outputs) tiles *= around & other->ranges ? trips(other) : 1;
    if (region.is_kernel() && tiles < least_tiles) continue;
    if (repeated_in_tiles(loops, region, r, around, tile) > 0.1 * cost) continue;
    most_saved = saved;
    best = std::move(packed);
  }
  if (!best.sharing) return;
  region = std::move(best);
  region.find_nodes();
  region.cost = loops.cost(region);
}

// A loop that could become vectors, and what that would save.
struct Candidate {
  UOp axis;
  int64_t lanes;
  double gain;
};

// The loops of a region in their best number of lanes, as far as they gain anything, the best
// first.
std::vector<Candidate> vector_candidates(const Loops& loops, const Region& region,
                                         const Target& target, const Vectors& chosen) {
  // Values are packed along one loop, of which each vector then serves all others.
  RangeSet taken = 0;
  if (region.sharing) {
    taken = (region.packed_ranges() | region.sharing->ranges) & ~region.fastest->ranges;
  }
  std::vector<Candidate> found;
  for (const std::vector<UOp>* list : {&region.outputs, &region.reduces}) {
    for (const UOp& r : *list) {
      if ((taken & r->ranges) || meets(loops, r, chosen.axes)) continue;
      Candidate best = {r, 1, 0.02 * region.cost};
      for (int64_t lanes = target.lanes; lanes >= 4; lanes /= 2) {
        if (!comes_in_pieces(loops.ast, r, lanes)) continue;
        double gain = region.cost - vector_cost(loops, region, r, lanes);
        if (gain > best.gain) best = {r, lanes, gain};
      }
      if (best.lanes > 1) found.push_back(best);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Candidate& a, const Candidate& b) { return a.gain > b.gain; });
  return found;
}

// Vector axes, those of the most expensive region first; of one, those that together save most. A
// value is a vector along one axis, so what they save adds up, and the best axis alone may be worse
// than several: the rows of a softmax than its three loops over columns.
Vectors choose_vectors(const Loops& loops, const Target& target) {
  Vectors chosen;
  for (const Region& region : loops.regions) {
    std::vector<Candidate> candidates = vector_candidates(loops, region, target, chosen);
    std::vector<Candidate> best;
    double best_gain = 0.2 * region.cost;
    for (const Candidate& first : candidates) {
      std::vector<Candidate> together = {first};
      std::vector<UOp> axes = {first.axis};
      double gain = first.gain;
      for (const Candidate& next : candidates) {
        if (meets(loops, next.axis, axes)) continue;
        together.push_back(next);
        axes.push_back(next.axis);
        gain += next.gain;
      }
      if (gain <= best_gain) continue;
      best_gain = gain;
      best = std::move(together);
    }
    for (const Candidate& c : best) {
      const RangeInfo& info = c.axis->get<RangeInfo>();
      chosen.axes.push_back(c.axis);
      chosen.moves.push_back({Move::Kind::Vector, info.id, info.kind == AxisKind::Reduce, c.lanes});
    }
  }
  return chosen;
}

// Operations for one step of the innermost loop of a reduce, by which of two loops they depend on.
struct StepCost {
  double neither = 0;
  double first = 0;
  double second = 0;
  double both = 0;

  // For one output, where `a` copies over the first loop share what does not depend on it, and `b`
  // over the second.
  double shared(double a, double b) const {
    return neither / (a * b) + first / b + second / a + both;
  }
};

// Iterations of the loops of a region's reduces around a node.
double steps(const UOp& u, const Region& region) {
  double n = 1;
  for (const UOp& r : region.reduces) {
    if (u->ranges & r->ranges) n *= trips(r);
  }
  return n;
}

// `packed_cost`: what it costs to read a packed value.
StepCost step_cost(const Region& region, const UOp& r, const UOp& q, double packed_cost) {
  RangeSet first = r->ranges;
  RangeSet second = q ? q->ranges : 0;
  double most = 1;
  for (const UOp& u : region.nodes) most = std::max(most, steps(u, region));
  StepCost cost;
  for (const UOp& u : region.nodes) {
    bool data = !is_address(u) || u->op == Op::Load;
    const UOp& inside = u->op == Op::Reduce ? u[0] : u;
    double n = steps(inside, region);
    if (!data || n == 1) continue;
    bool in_first = inside->ranges & first;
    bool in_second = inside->ranges & second;
    double& sum =
        in_first ? (in_second ? cost.both : cost.first) : (in_second ? cost.second : cost.neither);
    sum += (region.is_packed(u) ? packed_cost : op_cost(u->op)) * n / most;
  }
  return cost;
}

// Whether a reduce shares the loop of its stage: copies of it get accumulators of their own, so
// their number has to divide it.
bool is_shared(const UOp& r, const Loops& loops) {
  for (const UOp& u : loops.nodes) {
    if (u->op != Op::Reduce) continue;
    std::vector<UOp> own = loops_of(u);
    if (std::find(own.begin(), own.end(), r) != own.end()) return true;
  }
  return false;
}

// A register tile: copies of the body over one or two loops of the output, of which one may be the
// rest of a vector's. Copies share what does not depend on their loop, and are chains of additions
// that do not wait for each other; against that stand registers, and what an overhanging tile does
// twice.
struct Tile {
  UOp first;
  int64_t a = 1;
  UOp second;
  int64_t b = 1;
};

Tile best_tile(const Loops& loops, const Region& region, const Target& target,
               const Vectors& vectors) {
  // Additions that a processor has under way: two a cycle, four cycles each.
  constexpr double chains = 8;
  // What a larger tile has to save.
  constexpr double least_gain = 0.01;
  constexpr int64_t most_copies = 8;
  // Packed values come from the second cache, or from the one behind it.
  constexpr double cost_near = 2;
  constexpr double cost_far = 4;
  constexpr double most_bytes_near = 512 << 10;
  std::vector<UOp> reduces;
  size_t n_values = 0;  // of the body, but for loads
  RangeSet free = 0;
  for (const UOp& u : region.nodes) {
    bool reduce = u->op == Op::Reduce;
    if (reduce) reduces.push_back(u);
    if (reduce) free |= u->ranges;
    bool loaded = u->op == Op::Load || region.is_packed(u);
    n_values += !reduce && !is_address(u) && !loaded && steps(u, region) > 1;
  }
  auto is_vector = [&](const UOp& r) {
    return std::find(vectors.axes.begin(), vectors.axes.end(), r) != vectors.axes.end();
  };
  auto lanes_of = [&](const UOp& r) {
    for (size_t i = 0; i < vectors.axes.size(); ++i) {
      if (vectors.axes[i] == r) return double(vectors.moves[i].amount);
    }
    return 1.0;
  };
  auto pieces_of = [&](const UOp& r) { return trips(r) / lanes_of(r); };
  // One percent for finding out where the last tile begins.
  auto overhang = [](double n, int64_t copies) {
    double factor = waste(n, copies);
    return factor > 1 ? factor * 1.01 : 1;
  };
  // Accumulators of the reduces that share a loop.
  auto accumulators = [&](const UOp& r, int64_t a, const UOp& q, int64_t b) {
    std::map<std::vector<const Node*>, int64_t> together;
    int64_t most = 0;
    for (const UOp& u : reduces) {
      std::vector<const Node*> key;
      for (const UOp& loop : loops_of(u)) key.push_back(loop.get());
      int64_t copies = u->ranges & r->ranges ? a : 1;
      if (q && (u->ranges & q->ranges)) copies *= b;
      most = std::max(most, together[key] += copies);
    }
    return most;
  };
  // More values than the products that are added need registers themselves.
  auto fits = [&](const UOp& r, int64_t a, const UOp& q, int64_t b) {
    int64_t copies = accumulators(r, a, q, b);
    if (n_values > reduces.size()) return copies <= target.registers / 2;
    return copies + std::min(a, b) + 1 <= target.registers;
  };
  RangeSet packed = region.packed_ranges();
  auto is_near = [&](const UOp& r, int64_t a, const UOp& q, int64_t b) {
    double bytes = region.packed_bytes;
    if (region.fastest) bytes *= lanes_of(region.fastest);
    if (packed & r->ranges) bytes *= double(a);
    if (q && (packed & q->ranges)) bytes *= double(b);
    return bytes <= most_bytes_near;
  };
  // A loop of which no reduce depends has nothing to tile, and one whose copies share nothing is
  // better served by wider vectors.
  auto is_candidate = [&](const UOp& r) {
    return (free & r->ranges) && (step_cost(region, r, {}, cost_near).neither > 0 || is_vector(r));
  };
  auto allows = [&](const UOp& r, int64_t copies) {
    double n = pieces_of(r);
    if (double(copies) > n) return false;
    return !is_shared(r, loops) || std::fmod(n, double(copies)) == 0;
  };
  Tile best;
  double least = 0;
  for (size_t i = 0; i < region.outputs.size(); ++i) {
    for (size_t j = i; j < region.outputs.size(); ++j) {
      const UOp& r = region.outputs[i];
      UOp q = i == j ? UOp() : region.outputs[j];
      if (!is_candidate(r) || (q && !is_candidate(q))) continue;
      StepCost near = step_cost(region, r, q, cost_near);
      StepCost far = step_cost(region, r, q, cost_far);
      for (int64_t a = 1; a <= most_copies; ++a) {
        for (int64_t b = 1; b <= (q ? most_copies : 1); ++b) {
          if (!fits(r, a, q, b) || !allows(r, a) || (q && !allows(q, b))) continue;
          const StepCost& cost = is_near(r, a, q, b) ? near : far;
          double each = std::max(cost.shared(double(a), double(b)), chains / double(a * b));
          each *= overhang(pieces_of(r), a) * (q ? overhang(pieces_of(q), b) : 1);
          bool better = least == 0 || each < least * (1 - least_gain);
          bool smaller = each < least && a * b <= best.a * best.b;
          if (!better && !smaller) continue;
          least = each;
          best = {r, a, q, b};
        }
      }
    }
  }
  return best;
}

void choose_tiles(const Loops& loops, const Region& region, const Target& target,
                  const Vectors& vectors, std::vector<Move>& moves) {
  double longest = 0;
  for (const UOp& r : region.reduces) longest = std::max(longest, trips(r));
  if (longest < 16) return;
  Tile tile = best_tile(loops, region, target, vectors);
  auto unroll = [&](const UOp& r, int64_t copies) {
    if (!r || copies < 2) return;
    const RangeInfo& info = r->get<RangeInfo>();
    moves.push_back({Move::Kind::Unroll, info.id, info.kind == AxisKind::Reduce, copies});
  };
  // What the copies over the first loop share stays in registers while they are gone through: few.
  if (tile.a < tile.b) {
    std::swap(tile.first, tile.second);
    std::swap(tile.a, tile.b);
  }
  unroll(tile.first, tile.a);
  unroll(tile.second, tile.b);
}

// What reduces and stages cost that stand in other loops than `r`: all of it is done for each of
// its `n` iterations where that is the outermost loop.
double repeated_cost(const Loops& loops, const UOp& r, double n) {
  RangeSet outputs = bound_ranges(*loops.store);
  double cost = 0;
  for (const UOp& u : loops.nodes) {
    bool loop = u->op == Op::Reduce || u->op == Op::Stage;
    bool inside = (u->ranges & outputs) && !(u->ranges & r->ranges);
    if (loop && inside) cost += iterations(u[first_loop(*u) - 1], loops) * n;
  }
  return cost;
}

// Additions to one register wait for each other. Where no tile gives a reduce several, its loop is
// copied until there are as many as are under way at once, as long as an iteration is short.
void choose_accumulators(const Region& region, const std::vector<Move>& tiles,
                         std::vector<Move>& moves) {
  constexpr int64_t under_way = 4;
  constexpr double short_iteration = 8;
  for (const Move& tile : tiles) {
    for (const UOp& r : region.outputs) {
      if (tile.range == r->get<RangeInfo>().id) return;
    }
  }
  for (const UOp& r : region.reduces) {
    int64_t lanes = 1;
    bool is_cut = false;
    for (const Move& move : moves) {
      if (!move.reduce || move.range != r->get<RangeInfo>().id) continue;
      if (move.kind == Move::Kind::Vector) lanes = move.amount;
      else is_cut = true;
    }
    double work = 0;
    int64_t accumulators = 0;
    for (const UOp& u : region.nodes) {
      accumulators += u->op == Op::Reduce && loops_of(u).back() == r;
      if (!is_address(u) && (u->ranges & r->ranges)) work += op_cost(u->op);
    }
    bool fits = divides(r, lanes * under_way) && trips(r) >= double(8 * lanes * under_way);
    bool waits = accumulators > 0 && accumulators < under_way && work <= short_iteration;
    if (is_cut || !fits || !waits) continue;
    moves.push_back({Move::Kind::Unroll, r->get<RangeInfo>().id, true, under_way});
  }
}

// The loop that threads share: the outermost that makes little that was hoisted run more often.
void choose_parallel(const Loops& loops, std::vector<Move>& moves) {
  double most_repeated = 0;
  for (const Region& region : loops.regions) most_repeated += 0.1 * region.cost;
  UOp best;
  double best_trips = 1;
  for (const UOp& r : loops.outputs) {
    auto shares = [&](const Region& region) { return region.sharing == r; };
    if (std::any_of(loops.regions.begin(), loops.regions.end(), shares)) continue;
    double n = trips(r);
    double pieces = n;
    for (const Move& move : moves) {
      if (move.reduce || move.range != r->get<RangeInfo>().id || move.amount == 0) continue;
      pieces = std::ceil(pieces / double(move.amount));
      if (move.kind == Move::Kind::Unroll) n = std::ceil(n / double(move.amount));
    }
    // An outer loop wins unless an inner one is several times as long.
    bool repeats = repeated_cost(loops, r, pieces) > most_repeated;
    if (!repeats && n > (best ? 4 * best_trips : 1)) {
      best = r;
      best_trips = n;
    }
  }
  if (best) moves.push_back({Move::Kind::Parallel, best->get<RangeInfo>().id, false, 0});
}

// What is too large to be still in a cache when somebody reads it is not put there: its lines need
// not be read before they are written.
void choose_stream(const Loops& loops, std::vector<Move>& moves) {
  constexpr double least_bytes = 16 << 20;
  double bytes = double(byte_size(loops.store[2]->dtype));
  for (const UOp& r : loops.outputs) bytes *= trips(r);
  if (bytes >= least_bytes) moves.push_back({Move::Kind::Stream, 0, false, 0});
}

// A grid: every output loop is global, and the innermost is cut into blocks. A grid has three dims:
// where there are more loops, the outermost become one.
void choose_grid(const Loops& loops, std::vector<Move>& moves) {
  auto id = [&](size_t i) { return loops.outputs[i]->get<RangeInfo>().id; };
  size_t first = 0;
  for (; loops.outputs.size() - first > 3; ++first) {
    moves.push_back({Move::Kind::Merge, id(first + 1), false, id(first)});
  }
  for (size_t i = first; i < loops.outputs.size(); ++i) {
    const UOp& r = loops.outputs[i];
    int64_t block = 256;
    while (block > 1 && !divides(r, block)) block /= 2;
    bool last = i + 1 == loops.outputs.size();
    bool merged = i == first && first > 0;
    if (last && !merged && block > 1) moves.push_back({Move::Kind::Local, id(i), false, block});
    moves.push_back({Move::Kind::Global, id(i), false, 0});
  }
}

// A reduce loop whose loads change their way every `c` iterations splits there, so that what is
// constant for c iterations is computed once for them. Where values are packed it splits at every
// such c: the loops of the stage are many and short, but the tile reads it in one.
void choose_splits(const Loops& loops, const std::vector<Move>& vectors, std::vector<Move>& moves) {
  RangeSet packed = 0;
  for (const Region& region : loops.regions) packed |= region.packed_ranges();
  for (const UOp& r : loops.reduces) {
    int64_t lanes = 1;
    for (const Move& v : vectors) {
      if (v.reduce && v.range == r->get<RangeInfo>().id) lanes = v.amount;
    }
    std::set<int64_t> ways;
    for (const UOp& u : loops.nodes) {
      if (u->op != Op::Div || u[0] != r) continue;
      const int64_t* c = const_int(u[1]);
      if (c && *c > lanes && *c % lanes == 0 && divides(r, *c)) ways.insert(*c);
    }
    if (ways.empty()) continue;
    if (!(packed & r->ranges)) ways = {*ways.rbegin()};
    int64_t inside = lanes;
    for (int64_t c : ways) {
      if (c % inside != 0) continue;
      moves.push_back({Move::Kind::Split, r->get<RangeInfo>().id, true, c / inside});
      inside = c;
    }
  }
}

}  // namespace

std::vector<Move> choose_axes(const UOp& ast, const Target& target) {
  std::vector<Move> moves;
  if (target.interpreted) return moves;
  Loops loops(ast);
  if (target.grid) {
    choose_grid(loops, moves);
    return moves;
  }
  Vectors vectors;
  if (target.lanes > 1) {
    for (Region& region : loops.regions) choose_packing(loops, target, region);
    vectors = choose_vectors(loops, target);
  }
  moves = vectors.moves;
  choose_splits(loops, vectors.moves, moves);
  std::vector<Move> tiles;
  for (const Region& region : loops.regions) choose_tiles(loops, region, target, vectors, tiles);
  for (const Region& region : loops.regions) {
    choose_accumulators(region, tiles, moves);
  }
  moves.insert(moves.end(), tiles.begin(), tiles.end());
  for (const Region& region : loops.regions) {
    if (!region.sharing) continue;
    const RangeInfo& info = region.sharing->get<RangeInfo>();
    moves.push_back({Move::Kind::Pack, info.id, info.kind == AxisKind::Reduce, 0});
  }
  choose_parallel(loops, moves);
  if (target.lanes > 1) choose_stream(loops, moves);
  return moves;
}

}  // namespace niwaki
