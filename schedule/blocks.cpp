#include "schedule/blocks.h"

#include <algorithm>
#include <optional>

#include "ops/linear_form.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {

UOp block_of(const UOp& at, const UOp& dim, const UOp& block) {
  if (block == dim) return index(0);
  return is_const(block, 1) ? at : simplify(at / block);
}

namespace {

// The greatest stretches of a dim that an index may be made of: the factors of its terms.
std::vector<int64_t> stretches(const UOp& at) {
  std::vector<int64_t> found;
  for (const LinearForm::Term& term : LinearForm::of(at).terms) {
    if (term.factor > 1) found.push_back(term.factor);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The loops of reduces and stages that stand inside of a loop which a use does not depend on: with
// one of them outside, a stage would be filled as often as the value is read.
RangeSet loops_inside(const Use& use) {
  RangeSet needed = ranges_of(use.index);
  RangeSet inside = 0;
  bool repeats = false;
  for (const Loop& loop : use.loops) {
    repeats |= !(loop.range->ranges & needed);
    if (repeats && loop.owner) inside |= loop.range->ranges;
  }
  return inside;
}

// Whether the ranges of `at` are the same loops around all uses.
bool loops_are_shared(const UOp& at, const std::vector<Use>& uses) {
  auto owner = [&](const Use& use, const UOp& r) -> std::optional<const Node*> {
    for (size_t i = use.loops.size(); i-- > 0;) {
      if (use.loops[i].range == r) return use.loops[i].owner;
    }
    return std::nullopt;
  };
  for (const Loop& loop : uses[0].loops) {
    if (!(loop.range->ranges & at->ranges)) continue;
    for (const Use& use : uses) {
      if (owner(use, loop.range) != owner(uses[0], loop.range)) return false;
      if (loop.range->ranges & loops_inside(use)) return false;
    }
  }
  return true;
}

// Whether an index exists for certain, whatever its gate says.
bool is_within(const UOp& at, const UOp& dim) {
  if (at->op == Op::Range && at[0] == dim) return true;
  const int64_t* size = const_int(dim);
  return size && at->lo >= 0 && at->hi < *size;
}

// The smallest block of a dim that all uses agree on in the loops that they share; without those of
// `inside`.
UOp choose_block(const std::vector<Use>& uses, size_t axis, const UOp& dim, RangeSet inside) {
  auto agree = [&](const UOp& block) {
    UOp first = block_of(uses[0].index[axis], dim, block);
    for (const Use& use : uses) {
      if (block_of(use.index[axis], dim, block) != first) return false;
      if (!is_within(use.index[axis], dim)) return false;
    }
    return !(first->ranges & inside) && loops_are_shared(first, uses);
  };
  if (agree(index(1))) return index(1);
  const int64_t* size = const_int(dim);
  for (int64_t stretch : stretches(uses[0].index[axis])) {
    if (size && stretch < *size && *size % stretch == 0 && agree(index(stretch))) {
      return index(stretch);
    }
  }
  return dim;
}

// What each memory, or reduce, that a value is made of depends on.
void ranges_read(const UOp& u, const std::vector<UOp>& at, int depth,
                 std::vector<RangeSet>& found) {
  if (u->op == Op::Const || u->op == Op::Iota || u->op == Op::Variable) return;
  if (depth == 0 || (!is_movement(u->op) && !is_elementwise(u->op))) {
    found.push_back(ranges_of(at));
    return;
  }
  UOp valid;
  bool moves = is_movement(u->op);
  std::vector<UOp> below = moves ? source_index(u, at, valid) : at;
  for (size_t i = 0; i < (moves ? 1 : u->src.size()); ++i) {
    ranges_read(u[i], below, depth - 1, found);
  }
}

std::vector<UOp> blocks_without(const UOp& u, const std::vector<Use>& uses, RangeSet inside) {
  std::vector<UOp> blocks;
  for (size_t i = 0; i < u->shape.size(); ++i) {
    blocks.push_back(choose_block(uses, i, u->shape[i], inside));
  }
  return blocks;
}

// What each memory, or reduce, depends on that a reduce reads all along its loops.
void add_operands(const UOp& u, std::vector<UOp> at, const Outcomes& outcomes, int depth,
                  std::vector<std::vector<RangeSet>>& found) {
  if (!outcomes.computes_reduce(u)) return;
  if (u->op != Op::Reduce) {
    UOp valid;
    bool moves = is_movement(u->op);
    std::vector<UOp> below = moves ? source_index(u, at, valid) : at;
    for (size_t i = 0; depth > 0 && i < (moves ? 1 : u->src.size()); ++i) {
      if (!outcomes.has(u[i])) add_operands(u[i], below, outcomes, depth - 1, found);
    }
    return;
  }
  RangeSet own = 0;
  int64_t id = first_free_range(at, {}, 0);
  for (int64_t a : u->get<Reduction>().axes) {
    at[size_t(a)] = range(u[0]->shape[size_t(a)], id++, AxisKind::Reduce);
    own |= at[size_t(a)]->ranges;
  }
  std::vector<RangeSet> read;
  ranges_read(u[0], at, 16, read);
  std::erase_if(read, [&](RangeSet ranges) { return !(ranges & own); });
  found.push_back(std::move(read));
}

}  // namespace

bool Products::share(RangeSet dim, const std::vector<RangeSet>& in_block) {
  if (!reads_) {
    reads_.emplace();
    add_operands(value_, at_, *outcomes_, 16, *reads_);
  }
  return std::any_of(reads_->begin(), reads_->end(), [&](const std::vector<RangeSet>& read) {
    bool varies = std::any_of(read.begin(), read.end(), [&](RangeSet r) { return bool(r & dim); });
    bool alone = std::any_of(read.begin(), read.end(), [&](RangeSet r) {
      return !(r & dim) && std::all_of(in_block.begin(), in_block.end(),
                                       [&](RangeSet block) { return bool(r & block); });
    });
    return varies && alone;
  });
}

std::vector<UOp> choose_blocks(const UOp& u, const std::vector<Use>& uses, Products& products) {
  RangeSet inside = 0;
  std::vector<UOp> blocks = blocks_without(u, uses, inside);
  const std::vector<UOp>& at = uses[0].index;
  for (size_t i = 0; i < blocks.size() && size_of(blocks) > 1; ++i) {
    if (!is_const(blocks[i], 1) || !at[i]->ranges) continue;
    std::vector<RangeSet> in_block;
    for (size_t j = 0; j < blocks.size(); ++j) {
      if (!is_const(blocks[j], 1)) in_block.push_back(at[j]->ranges & ~at[i]->ranges);
    }
    if (!products.share(at[i]->ranges, in_block)) continue;
    RangeSet taken = inside | at[i]->ranges;
    for (const Loop& loop : uses[0].loops) {
      if (loop.owner) taken |= loop.range->ranges;
    }
    std::vector<UOp> longer = blocks_without(u, uses, taken);
    if (size_of(longer) * double(byte_size(u->dtype)) > max_stage_bytes) continue;
    inside = taken;
    blocks = longer;
  }
  return blocks;
}

Use around(const UOp& u, const std::vector<Use>& uses, const std::vector<UOp>& blocks,
           double threads) {
  Use use = uses[0];
  for (size_t i = 0; i < blocks.size(); ++i) {
    use.index[i] = block_of(use.index[i], u->shape[i], blocks[i]);
  }
  use.loops = hoisted_loops(use);
  if (use.loops.empty()) use.times *= threads;
  return use;
}

bool reads_anew(const Use& use, const std::vector<UOp>& blocks, const Use& outside,
                Products& products) {
  RangeSet around = ranges_of(outside.index);
  std::vector<RangeSet> in_block;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!is_const(blocks[i], 1)) in_block.push_back(use.index[i]->ranges & ~around);
  }
  return around && products.share(around, in_block);
}

}  // namespace niwaki
