// A value is hoisted out of the innermost loops that it does not depend on. The loops of an output
// may stand in any order, so where only they are left, it leaves all that it does not depend on.
#include "schedule/uses.h"

#include <algorithm>

namespace niwaki {
namespace {

// The owners of the loops that an index depends on.
std::vector<const Node*> owners(const Use& use) {
  RangeSet needed = ranges_of(use.index);
  std::vector<const Node*> found;
  for (const Loop& loop : use.loops) {
    if (loop.range->ranges & needed) found.push_back(loop.owner);
  }
  return found;
}

}  // namespace

double size_of(const Shape& shape) {
  double n = 1;
  for (const UOp& dim : shape) n *= double(std::max<int64_t>(dim_max(dim), 1));
  return n;
}

RangeSet ranges_of(const std::vector<UOp>& index) {
  RangeSet set = 0;
  for (const UOp& i : index) set |= i->ranges;
  return set;
}

std::vector<Loop> hoisted_loops(const Use& use) {
  RangeSet needed = ranges_of(use.index);
  std::vector<Loop> loops = use.loops;
  while (!loops.empty() && !(loops.back().range->ranges & needed)) loops.pop_back();
  bool in_output = loops.empty() || !loops.back().owner;
  if (in_output) {
    std::erase_if(loops, [&](const Loop& loop) { return !(loop.range->ranges & needed); });
  }
  return loops;
}

double evaluations(const Use& use) {
  double n = use.times;
  for (const Loop& loop : hoisted_loops(use)) {
    n *= double(std::max<int64_t>(loop.range[0]->hi, 1));
  }
  return n;
}

double tiles(const std::vector<Use>& uses) {
  // Elements that a product's tile has in one loop, at most.
  constexpr double longest = 512;
  double most = 1;
  for (const Use& use : uses) {
    RangeSet needed = ranges_of(use.index);
    double n = 1;
    for (const Loop& loop : use.loops) {
      bool apart = !loop.owner && !(loop.range->ranges & needed);
      if (apart) n *= std::max(1.0, double(loop.range[0]->hi) / longest);
    }
    most = std::max(most, n);
  }
  return most;
}

void add_use(std::vector<Use>& uses, Use use) {
  for (const Use& known : uses) {
    bool same = known.kernel == use.kernel && known.index == use.index;
    if (same && owners(known) == owners(use)) return;
  }
  uses.push_back(std::move(use));
}

std::vector<std::vector<Use>> by_kernel(const std::vector<Use>& uses) {
  std::vector<std::vector<Use>> groups;
  for (const Use& use : uses) {
    auto same = [&](const std::vector<Use>& group) { return group[0].kernel == use.kernel; };
    auto group = std::find_if(groups.begin(), groups.end(), same);
    if (group == groups.end()) groups.push_back({use});
    else group->push_back(use);
  }
  return groups;
}

}  // namespace niwaki
