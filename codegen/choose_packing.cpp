// For which loop of a region values are packed, if for any.
//
// It is the loop for which packing saves most: its iterations are many, and take values alike that
// become vectors along the loop that writes neighbours. The other loops of a kernel have to make
// enough tiles for all threads, each of them fit a cache, and what only this loop needs is not to
// be computed again for each of them. Vectors are chosen after it, because what is packed decides
// which loop is worth making vectors of.
#include "codegen/regions.h"
#include "schedule/estimate.h"

namespace niwaki {
namespace {

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

}  // namespace

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

}  // namespace niwaki
