// Which loops become vectors.
//
// Vector axes, those of the most expensive region first; of one, those that together save most. A
// value is a vector along one axis, so what they save adds up, and the best axis alone may be worse
// than several: the rows of a softmax than its three loops over columns.
#include <algorithm>

#include "codegen/lookups.h"
#include "codegen/regions.h"

namespace niwaki {
namespace {

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

// A loop that could become vectors, and what that would save.
struct Candidate {
  UOp axis;
  int64_t lanes;
  double gain;
};

// Whether bytes are what a region writes or looks up.
bool is_of_bytes(const Region& region) {
  const UOp& root = region.is_kernel() ? region.root[0] : region.root;
  if (byte_size(root[root->op == Op::Store ? 2 : 1]->dtype) == 1) return true;
  return std::any_of(region.nodes.begin(), region.nodes.end(), [](const UOp& u) {
    return u->op == Op::Load && byte_size(u->dtype) == 1 && table_index(u);
  });
}

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
      auto consider = [&](int64_t lanes, double least_gain) {
        if (!comes_in_pieces(loops.ast, r, lanes)) return;
        double gain = region.cost - vector_cost(loops, region, r, lanes, target);
        if (gain > least_gain) best = {r, lanes, gain};
      };
      for (int64_t lanes = target.lanes; lanes >= 4; lanes /= 2) consider(lanes, best.gain);
      // Lanes of bytes are four times as many; where most are wider, they gain nothing.
      double left = region.cost - best.gain;
      if (is_of_bytes(region)) consider(4 * target.lanes, best.gain + 0.1 * left);
      if (best.lanes > 1) found.push_back(best);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Candidate& a, const Candidate& b) { return a.gain > b.gain; });
  return found;
}

}  // namespace

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

}  // namespace niwaki
