// The choice of axes: which loops are split, run as vectors, copied into tiles, or spread over
// threads.
//
// The heuristic weighs every candidate vector axis with the same small cost model: a node costs its
// iterations, divided by the lanes where it becomes a vector, and a load whose lanes lie apart
// gains nothing. Then loops whose body re-reads values that do not depend on them are copied (a
// register tile), and one loop of independent iterations is given to the threads. Its result is a
// list of moves, which a search may replace.
//
// Rejected: choosing by the shape of known kernels (matrix-vector, matrix-matrix). The model needs
// no such names, and sees in an unpacking of bits what it sees in a matrix of floats.
#include <algorithm>
#include <cmath>

#include "codegen/lower.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// What the heuristic looks at: the nodes of a kernel and its loops.
struct Loops {
  std::vector<UOp> nodes;
  std::vector<UOp> outputs;  // the store's ranges, outermost first
  std::vector<UOp> reduces;  // distinct ranges of reduces

  explicit Loops(const UOp& ast) : nodes(toposort(ast)) {
    const UOp& store = ast[0];
    outputs.assign(store->src.begin() + 3, store->src.end());
    for (const UOp& u : nodes) {
      bool reduce = u->op == Op::Range && u->get<RangeInfo>().kind == AxisKind::Reduce;
      if (reduce) reduces.push_back(u);
    }
  }
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

double node_cost(const UOp& u) {
  switch (u->op) {
    case Op::Exp:
    case Op::Log2:
    case Op::Sin: return 15;
    case Op::Div:
    case Op::Sqrt: return 5;
    case Op::Const:
    case Op::Param:
    case Op::Range:
    case Op::Sink: return 0;
    default: return 1;
  }
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

// Cost of the kernel with `r` (null: no axis) as vectors of `lanes`.
double vector_cost(const Loops& loops, const UOp& r, int64_t lanes) {
  double total = 0;
  RangeSet bit = r ? range_bit(r->get<RangeInfo>().id) : 0;
  for (const UOp& u : loops.nodes) {
    bool memory = u->op == Op::Load || u->op == Op::Store;
    if (is_address(u) && !memory) continue;
    double n = iterations(u, loops);
    if (u->op == Op::Store) {
      for (const UOp& o : loops.outputs) n = std::max(n, trips(o));
    }
    double cost = n * node_cost(u);
    bool varies = r && (u->ranges & bit);
    if (u->op == Op::Reduce) varies = r && (u[0]->ranges & bit);
    if (u->op == Op::Reduce) cost = iterations(u[0], loops);
    if (memory) {
      varies = r && (u[1]->ranges & bit);
      bool together = varies && reads_together(u[1], r, lanes);
      cost *= !varies ? 1.0 : together ? 1.0 / double(lanes) : 2.0;
    } else if (varies) {
      cost /= double(lanes);
    }
    total += cost;
  }
  return total;
}

struct Vectors {
  std::vector<Move> moves;
  std::vector<UOp> axes;
};

// Whether some value would be a vector along both `r` and one of the chosen axes: two outputs meet
// in the store, others where a load or an operation on data, or the body of a reduce, depends on
// both.
bool meets(const Loops& loops, const UOp& r, const std::vector<UOp>& chosen) {
  RangeSet bit = range_bit(r->get<RangeInfo>().id);
  bool is_output = r->get<RangeInfo>().kind != AxisKind::Reduce;
  for (const UOp& axis : chosen) {
    RangeSet other = range_bit(axis->get<RangeInfo>().id);
    bool other_is_output = axis->get<RangeInfo>().kind != AxisKind::Reduce;
    if (axis == r || (is_output && other_is_output)) return true;
    for (const UOp& u : loops.nodes) {
      bool data = !is_address(u) || u->op == Op::Load;
      RangeSet ranges = u->op == Op::Reduce ? u[0]->ranges : data ? u->ranges : 0;
      if ((ranges & bit) && (ranges & other)) return true;
    }
  }
  return false;
}

// Vector axes, best first; a second one only where no value depends on both.
Vectors choose_vectors(const Loops& loops, const Target& target) {
  Vectors chosen;
  for (;;) {
    double none = vector_cost(loops, {}, 1);
    double best_gain = 0.2 * none;
    if (!chosen.axes.empty()) best_gain = 0.02 * none;
    UOp best;
    int64_t best_lanes = 0;
    for (const std::vector<UOp>* list : {&loops.outputs, &loops.reduces}) {
      for (const UOp& r : *list) {
        if (meets(loops, r, chosen.axes)) continue;
        for (int64_t lanes = target.lanes; lanes >= 4; lanes /= 2) {
          if (!divides(r, lanes)) continue;
          double gain = none - vector_cost(loops, r, lanes);
          if (gain > best_gain) {
            best_gain = gain;
            best = r;
            best_lanes = lanes;
          }
        }
      }
    }
    if (!best) return chosen;
    const RangeInfo& info = best->get<RangeInfo>();
    chosen.axes.push_back(best);
    chosen.moves.push_back(
        {Move::Kind::Vector, info.id, info.kind == AxisKind::Reduce, best_lanes});
  }
}

// Work inside of reduces that is repeated for every iteration of the output range `r` though it
// does not depend on it: what a tile over r would share. Beside a tile over `other`, only what
// depends on that is still repeated.
double shared_work(const Loops& loops, const UOp& r, const UOp& other) {
  RangeSet bit = range_bit(r->get<RangeInfo>().id);
  RangeSet tiled = other ? range_bit(other->get<RangeInfo>().id) : 0;
  RangeSet reduces = 0;
  for (const UOp& q : loops.reduces) reduces |= range_bit(q->get<RangeInfo>().id);
  double total = 0;
  for (const UOp& u : loops.nodes) {
    bool repeated = (u->ranges & reduces) && !(u->ranges & bit);
    if (is_address(u) || !repeated || (tiled && !(u->ranges & tiled))) continue;
    total += iterations(u, loops) * node_cost(u);
  }
  return total * trips(r);
}

double inner_trips(const Loops& loops) {
  double most = 0;
  for (const UOp& r : loops.reduces) most = std::max(most, trips(r));
  return most;
}

// The output loop, not a vector, over which a tile would share most; null if over none.
UOp best_tile(const Loops& loops, const Vectors& vectors, const UOp& other) {
  UOp best;
  double most = 0;
  for (const UOp& r : loops.outputs) {
    bool vector = std::find(vectors.axes.begin(), vectors.axes.end(), r) != vectors.axes.end();
    if (vector || r == other || trips(r) < 4) continue;
    double shared = shared_work(loops, r, other);
    if (shared > most) {
      most = shared;
      best = r;
    }
  }
  return best;
}

// Register tiles: copies of the body over the one or two output loops that share the most. Half of
// the registers are for accumulators; with one loop every copy has operands of its own, and gets
// half of that.
void choose_tiles(const Loops& loops, const Target& target, const Vectors& vectors,
                  std::vector<Move>& moves) {
  if (loops.reduces.empty() || inner_trips(loops) < 16) return;
  UOp first = best_tile(loops, vectors, {});
  if (!first) return;
  UOp second = best_tile(loops, vectors, first);
  int64_t n_reduces = 0;
  for (const UOp& u : loops.nodes) n_reduces += u->op == Op::Reduce;
  int64_t budget = target.registers / (second ? 2 : 4) / n_reduces;
  auto tile = [&](const UOp& r, int64_t most) {
    int64_t copies = std::min(most, budget);
    while (copies > 1 && double(copies) > trips(r)) copies /= 2;
    if (copies < 2) return;
    moves.push_back({Move::Kind::Unroll, r->get<RangeInfo>().id, false, copies});
    budget /= copies;
  };
  tile(first, second ? 4 : 8);
  if (second) tile(second, 4);
}

// The loop that threads share: the outermost that makes no hoisted reduce run more often.
void choose_parallel(const Loops& loops, const std::vector<Move>& tiles, std::vector<Move>& moves) {
  RangeSet outputs = 0;
  for (const UOp& r : loops.outputs) outputs |= range_bit(r->get<RangeInfo>().id);
  UOp best;
  double best_trips = 1;
  for (const UOp& r : loops.outputs) {
    RangeSet bit = range_bit(r->get<RangeInfo>().id);
    bool recomputes = false;
    for (const UOp& u : loops.nodes) {
      bool partial = u->op == Op::Reduce && !(u->ranges & bit) && (u->ranges & outputs);
      recomputes |= partial;
    }
    double n = trips(r);
    for (const Move& tile : tiles) {
      if (tile.range == r->get<RangeInfo>().id) n = std::ceil(n / double(tile.amount));
    }
    // An outer loop wins unless an inner one is several times as long.
    if (!recomputes && n > (best ? 4 * best_trips : 1)) {
      best = r;
      best_trips = n;
    }
  }
  if (best) moves.push_back({Move::Kind::Parallel, best->get<RangeInfo>().id, false, 0});
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
// constant for c iterations is computed once for them.
void choose_splits(const Loops& loops, const std::vector<Move>& vectors, std::vector<Move>& moves) {
  for (const UOp& r : loops.reduces) {
    int64_t lanes = 1;
    for (const Move& v : vectors) {
      if (v.reduce && v.range == r->get<RangeInfo>().id) lanes = v.amount;
    }
    int64_t longest = 0;
    for (const UOp& u : loops.nodes) {
      if (u->op != Op::Div || u[0] != r) continue;
      const int64_t* c = const_int(u[1]);
      if (c && *c > lanes && *c % lanes == 0 && divides(r, *c)) longest = std::max(longest, *c);
    }
    if (longest > 0) {
      moves.push_back({Move::Kind::Split, r->get<RangeInfo>().id, true, longest / lanes});
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
  if (target.lanes > 1) vectors = choose_vectors(loops, target);
  moves = vectors.moves;
  choose_splits(loops, vectors.moves, moves);
  std::vector<Move> tiles;
  choose_tiles(loops, target, vectors, tiles);
  moves.insert(moves.end(), tiles.begin(), tiles.end());
  choose_parallel(loops, tiles, moves);
  return moves;
}

double kernel_work(const UOp& ast) {
  Loops loops(ast);
  double total = 0;
  for (const UOp& u : loops.nodes) {
    double n = iterations(u->op == Op::Reduce ? u[0] : u, loops);
    if (u->op == Op::Store) n = iterations(u[2], loops);
    if (!is_address(u)) total += n * std::max(node_cost(u), 0.0);
  }
  return total;
}

}  // namespace niwaki
