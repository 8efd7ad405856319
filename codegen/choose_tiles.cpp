// Register tiles.
//
// Copies of a loop's body share what does not depend on the loop: the rows of a matrix the columns
// that they are multiplied with. They are chosen over the loops where an output then costs least,
// as far as there are registers for them, with what a last tile that overhangs does twice, and with
// packed values costing more where they do not fit the second cache.
#include <algorithm>
#include <cmath>
#include <map>

#include "codegen/lookups.h"
#include "codegen/regions.h"
#include "schedule/estimate.h"

namespace niwaki {
namespace {

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

// What it costs to bring the table of a lookup into registers.
constexpr double table_cost = 2;

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
    auto add = [&](RangeSet ranges, double operations) {
      bool in_first = ranges & first;
      bool in_second = ranges & second;
      double& sum = in_first ? (in_second ? cost.both : cost.first)
                             : (in_second ? cost.second : cost.neither);
      sum += operations * n / most;
    };
    add(inside->ranges, region.is_packed(u) ? packed_cost : op_cost(u->op));
    // Of a lookup the table is loaded once for all that read it.
    if (auto table = table_index(u)) add(table->begin->ranges, table_cost);
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
  // Registers of a vector along one of the chosen axes.
  auto registers_of = [&](const UOp& u) {
    double bytes = double(byte_size(u->dtype.scalar()));
    for (const UOp& axis : vectors.axes) {
      if (u->ranges & axis->ranges) bytes *= lanes_of(axis);
    }
    return std::max<int64_t>(1, int64_t(bytes) / (4 * target.lanes));
  };
  // Accumulators of the reduces that share a loop.
  auto accumulators = [&](const UOp& r, int64_t a, const UOp& q, int64_t b) {
    std::map<std::vector<const Node*>, int64_t> together;
    int64_t most = 0;
    for (const UOp& u : reduces) {
      std::vector<const Node*> key;
      for (const UOp& loop : loops_of(u)) key.push_back(loop.get());
      int64_t copies = registers_of(u) * (u->ranges & r->ranges ? a : 1);
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

}  // namespace

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

}  // namespace niwaki
