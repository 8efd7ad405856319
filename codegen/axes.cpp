// The choice of axes: which loops are split, run as vectors, copied into tiles, packed for, or
// spread over threads.
//
// What is packed is chosen first, then vectors, by the cost model of regions.cpp; the most
// expensive region of a kernel chooses first. Then loops whose body re-reads values that do not
// depend on them are copied, and one loop of independent iterations is given to the threads. The
// result is a list of moves, which a search may replace.
#include <algorithm>
#include <cmath>
#include <set>

#include "codegen/regions.h"
#include "schedule/estimate.h"

namespace niwaki {
namespace {

bool divides(const UOp& range, int64_t n) {
  const int64_t* end = const_int(range[0]);
  return end && *end % n == 0;
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
// copied until there are as many as are under way at once, as long as an iteration is short. Where
// it has a loop around, that one is: the copies read streams of their own, of which some go on
// while the processor's prefetching of another ends at the end of a page.
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
    UOp copied = r;
    for (const UOp& u : region.nodes) {
      std::vector<UOp> own = u->op == Op::Reduce ? loops_of(u) : std::vector<UOp>();
      if (!own.empty() && own.back() == r) {
        ++accumulators;
        bool streams = own.size() > 1 && divides(own[own.size() - 2], under_way);
        if (streams) copied = own[own.size() - 2];
      }
      if (!is_address(u) && (u->ranges & r->ranges)) work += op_cost(u->op);
    }
    bool fits = divides(r, lanes * under_way) && trips(r) >= double(8 * lanes * under_way);
    bool waits = accumulators > 0 && accumulators < under_way && work <= short_iteration;
    if (is_cut || !fits || !waits) continue;
    moves.push_back({Move::Kind::Unroll, copied->get<RangeInfo>().id, true, under_way});
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

// Whether a stage is filled over the loop.
bool is_written_over(const Loops& loops, const UOp& r) {
  return std::any_of(loops.regions.begin(), loops.regions.end(), [&](const Region& region) {
    const std::vector<UOp>& over = region.outputs;
    return !region.is_kernel() && std::find(over.begin(), over.end(), r) != over.end();
  });
}

// A reduce loop whose loads change their way every `c` iterations splits there, so that what is
// constant for c iterations is computed once for them. Where values are packed it splits at every
// such c: the loops of the stage are many and short, but the tile reads it in one.
void choose_splits(const Loops& loops, const std::vector<Move>& vectors, std::vector<Move>& moves) {
  RangeSet packed = 0;
  for (const Region& region : loops.regions) packed |= region.packed_ranges();
  for (const UOp& r : loops.reduces) {
    if (is_written_over(loops, r)) continue;
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

// What a split leaves inside may be a loop of a few iterations, that of the two nibbles of a byte:
// it is copied as a whole, so that its loads are shared, its shifts constants, and no loop is left.
// Each copy has accumulators of its own, as far as there are registers for them.
void choose_short_loops(const Loops& loops, const Target& target, const std::vector<Move>& tiles,
                        std::vector<Move>& moves) {
  constexpr int64_t longest = 4;
  RangeSet packed = 0;
  for (const Region& region : loops.regions) packed |= region.packed_ranges();
  int64_t accumulators = 1;
  for (const Move& tile : tiles) accumulators *= tile.amount;
  std::vector<Move> copies;
  std::set<int64_t> seen;
  int64_t inner = first_inner_id;
  for (const Move& move : moves) {
    if (move.kind != Move::Kind::Split) continue;
    int64_t id = inner++;
    bool innermost = seen.insert(move.range).second;
    bool fits = accumulators * move.amount <= target.registers * 3 / 4;
    if (!innermost || !fits || move.amount > longest || (packed & range_bit(move.range))) continue;
    copies.push_back({Move::Kind::Unroll, id, true, move.amount});
  }
  moves.insert(moves.end(), copies.begin(), copies.end());
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
  choose_short_loops(loops, target, tiles, moves);
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
