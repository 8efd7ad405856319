// Which values are stored and which are computed where they are read.
//
// The graph is walked from the outputs, users before sources, so that every node has been told the
// index expressions at which it is read. From them follows how often it would be evaluated if it
// were inlined: a value is hoisted into the innermost loop that its index depends on, so the norm
// of a row costs a row, wherever in the row it is used. Storing costs a write and a read;
// recomputing costs the work of the value times the evaluations in excess of its size. The cheaper
// one is chosen, and the comparison is kept as the reason.
//
// A value of constants alone is never stored here: it would be written anew in every replay, and
// for unpacked weights the copy would be larger than what it was made from. A reduce is the
// exception.
//
// Nor is a condition, as a bool, a number, or a choice between constants: a comparison costs less
// than the byte it would be read back from, and a one-hot mask must stay in sight of the sum that
// it selects from (collapse.cpp).
//
// Rejected: storing by op (every reduce, every second reader). It needs exceptions for norms,
// gathers and casts, which this has not.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "ops/linear_form.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// A loop, and whose it is: the same range in two reduces is two loops.
struct Loop {
  UOp range;
  const Node* owner;
};

// How a value is read: at `index`, inside `loops`, outermost first.
struct Use {
  int64_t kernel;
  std::vector<UOp> index;
  std::vector<Loop> loops;
  /// How often all of it is done: by every thread, where it is done outside of the loops.
  double times = 1;
};

// What a store to memory and the load that follows cost, in operations.
constexpr double store_cost = 8;

// The same for memory that does not leave the cache of one processor.
constexpr double stage_cost = 2;

// What a kernel of its own costs: threads that meet, a microsecond or two of vector operations.
constexpr double kernel_cost = 2e5;

// What is computed outside of all loops, every thread computes.
constexpr double threads = 2;

// The cost of what cannot be.
constexpr double impossible = 1e18;

// Stages stay in the cache.
constexpr double max_stage_bytes = 256 * 1024;

double op_cost(Op op) {
  switch (op) {
    case Op::Exp:
    case Op::Log2:
    case Op::Sin: return 20;
    case Op::Div:
    case Op::Mod:
    case Op::Sqrt: return 4;
    default: return is_movement(op) ? 0 : 1;
  }
}

// What a value is but for its place and type.
UOp essence(UOp u) {
  while (is_movement(u->op) || u->op == Op::Cast) u = u[0];
  return u;
}

bool is_condition(const UOp& u) {
  if (u->op == Op::Reduce) return false;
  UOp x = essence(u);
  bool choice =
      x->op == Op::Where && essence(x[1])->op == Op::Const && essence(x[2])->op == Op::Const;
  return u->dtype == boolean || (x->dtype == boolean && x->op != Op::Reduce) || choice;
}

// The sum of all indices at which memory and positions are read for `u` at `at`: it has the ranges
// that the value depends on, or may, below a few nodes.
UOp read_at(const UOp& u, const std::vector<UOp>& at, int depth = 8) {
  UOp sum = index(0);
  if (depth == 0 || (!is_movement(u->op) && !is_elementwise(u->op))) {
    for (const UOp& i : at) sum = sum + i;
    return sum;
  }
  UOp valid;
  bool moves = is_movement(u->op);
  std::vector<UOp> below = moves ? source_index(u, at, valid) : at;
  for (size_t i = 0; i < (moves ? 1 : u->src.size()); ++i) {
    sum = sum + read_at(u[i], below, depth - 1);
  }
  return sum;
}

// Where a sum over r is of a one-hot product, an index that depends on what the one position does;
// else null. It need not see every form that collapse.cpp does: it only keeps what is selected from
// from being counted as read n times.
UOp selected_at(const UOp& u, const std::vector<UOp>& at, const UOp& r, int depth = 12) {
  if (depth-- == 0) return {};
  if (is_movement(u->op)) {
    UOp valid;
    return selected_at(u[0], source_index(u, at, valid), r, depth);
  }
  if (u->op == Op::Xor && u[0]->op == Op::Ne) {
    for (size_t side : {0, 1}) {
      UOp position = read_at(u[0][1 - side], at);
      bool counts = essence(u[0][side])->op == Op::Iota;
      bool varies = read_at(u[0][side], at)->ranges & r->ranges;
      if (counts && varies && !(position->ranges & r->ranges)) return position;
    }
    return {};
  }
  if (u->op == Op::Cast) return selected_at(u[0], at, r, depth);
  if (u->op != Op::Where && u->op != Op::And && u->op != Op::Mul) return {};
  // A float times zero is zero where it is finite, as what was an integer is.
  auto exact = [&](const UOp& other) {
    return u->op != Op::Mul || !is_float(u->dtype) || !is_float(essence(other)->dtype);
  };
  UOp first = exact(u[1]) ? selected_at(u[0], at, r, depth) : UOp();
  return first || !exact(u[0]) ? first : selected_at(u[1], at, r, depth);
}

double size_of(const Shape& shape) {
  double n = 1;
  for (const UOp& dim : shape) n *= double(std::max<int64_t>(dim_max(dim), 1));
  return n;
}

// How many terms of a tensor's reduce are left: of a sum over a one-hot product one.
double terms(const UOp& reduce) {
  std::vector<UOp> at;
  for (size_t i = 0; i < reduce[0]->shape.size(); ++i) {
    at.push_back(range(reduce[0]->shape[i], int64_t(i), AxisKind::Loop));
  }
  double n = 1;
  for (int64_t axis : reduce->get<Reduction>().axes) {
    bool sum = reduce->get<Reduction>().op == Op::Add;
    if (sum && selected_at(reduce[0], at, at[size_t(axis)])) continue;
    n *= double(std::max<int64_t>(dim_max(reduce[0]->shape[size_t(axis)]), 1));
  }
  return n;
}

// The order in which floats are added up depends on the loops around, so that one sum computed in
// two places may be two values: x == max(x) would not hold.
bool depends_on_order(const UOp& u) {
  return u->op == Op::Reduce && u->get<Reduction>().op != Op::Max && is_float(u->dtype) &&
         terms(u) > 1;
}

// What the sums of a graph are placed as: each as the last of the elementwise values of its size
// that all of it goes through before anything else reads it, so that a sum is stored with the bias
// and the residual added to it. What is on the way is computed where that is.
class Outcomes {
 public:
  Outcomes() = default;

  explicit Outcomes(const std::vector<UOp>& order) {
    std::unordered_map<const Node*, size_t> position;
    std::vector<std::vector<size_t>> readers(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      position[order[i].get()] = i;
      for (const UOp& s : order[i]->src) readers[position.at(s.get())].push_back(i);
    }
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i]->op == Op::Reduce) find(order, readers, i);
    }
  }

  /// Whether a reduce is placed as this value, itself perhaps.
  bool has(const UOp& u) const { return outcomes_.count(u.get()) > 0; }
  /// Whether it is one that floats were added up for.
  bool is_sum(const UOp& u) const {
    auto found = outcomes_.find(u.get());
    return found != outcomes_.end() && found->second;
  }
  /// Whether it is on the way from a reduce to what that is placed as.
  bool is_passed(const UOp& u) const { return passed_.count(u.get()) > 0; }

 private:
  void find(const std::vector<UOp>& order, const std::vector<std::vector<size_t>>& readers,
            size_t reduce) {
    const UOp& u = order[reduce];
    double size = size_of(u->shape);
    size_t outcome = reduce;
    std::vector<size_t> before;  // the outcome
    std::vector<size_t> since;
    // Values whose readers are still to be looked at, sources first: where there is one alone, all
    // goes through it.
    std::set<size_t> open = {reduce};
    for (bool goes_on = true; goes_on && !open.empty();) {
      size_t next = *open.begin();
      open.erase(open.begin());
      bool alone = open.empty() && (next == reduce || is_elementwise(order[next]->op));
      if (alone) {
        outcome = next;
        before.insert(before.end(), since.begin(), since.end());
        since.clear();
      }
      since.push_back(next);
      goes_on = !readers[next].empty();
      for (size_t reader : readers[next]) {
        const UOp& r = order[reader];
        bool moves = r->op == Op::Reshape || r->op == Op::Permute;
        goes_on &= size_of(r->shape) == size && (is_elementwise(r->op) || moves);
        open.insert(reader);
      }
    }
    outcomes_[order[outcome].get()] |= depends_on_order(u);
    for (size_t i : before) passed_.insert(order[i].get());
  }

  std::unordered_map<const Node*, bool> outcomes_;
  std::unordered_set<const Node*> passed_;
};

struct Estimate {
  /// Operations for one element, without those of the reduces below that are placed as other
  /// values.
  double work = 0;
  /// Depends on memory that is not constant.
  bool varies = false;
};

std::unordered_map<const Node*, Estimate> estimate(const std::vector<UOp>& order,
                                                   const Outcomes& outcomes) {
  std::unordered_map<const Node*, Estimate> estimates;
  for (const UOp& u : order) {
    Estimate e;
    e.varies = u->op == Op::Buffer && !u->get<BufferRef>()->constant;
    for (const UOp& s : u->src) {
      const Estimate& below = estimates[s.get()];
      e.work += outcomes.has(s) ? 1 : below.work;
      e.varies |= below.varies;
    }
    e.work += op_cost(u->op);
    // What is repeated is computed once, outside of the loop that repeats it; of a one-hot sum one
    // term is left.
    if (u->op == Op::Reduce) e.work *= terms(u);
    if (u->op == Op::Expand) e.work *= size_of(u[0]->shape) / size_of(u->shape);
    e.work = std::min(e.work, 1e15);
    estimates[u.get()] = e;
  }
  return estimates;
}

RangeSet ranges_of(const std::vector<UOp>& index) {
  RangeSet set = 0;
  for (const UOp& i : index) set |= i->ranges;
  return set;
}

// The loops around a value that is hoisted as far as its index allows: out of the innermost ones
// that it does not depend on. The loops of an output may stand in any order, so where only they are
// left, it leaves all that it does not depend on.
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

// The owners of the loops that an index depends on.
std::vector<const Node*> owners(const Use& use) {
  RangeSet needed = ranges_of(use.index);
  std::vector<const Node*> found;
  for (const Loop& loop : use.loops) {
    if (loop.range->ranges & needed) found.push_back(loop.owner);
  }
  return found;
}

void add_use(std::vector<Use>& uses, Use use) {
  for (const Use& known : uses) {
    bool same = known.kernel == use.kernel && known.index == use.index;
    if (same && owners(known) == owners(use)) return;
  }
  uses.push_back(std::move(use));
}

// --- stages ---

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

// Which block an index falls into.
UOp block_of(const UOp& at, const UOp& dim, const UOp& block) {
  if (block == dim) return index(0);
  return is_const(block, 1) ? at : simplify(at / block);
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

class Placement {
 public:
  explicit Placement(const std::vector<UOp>& outputs) : outputs_(outputs) {
    order_ = toposort(make(Op::Sink, outputs));
    order_.pop_back();
    outcomes_ = Outcomes(order_);
    estimates_ = estimate(order_, outcomes_);
  }

  std::vector<Stored> run() {
    for (size_t i = order_.size(); i-- > 0;) {
      const UOp& u = order_[i];
      std::vector<Use>& uses = uses_[u.get()];
      if (is_worth_sharing(u)) unite_readers(u, false);
      std::string reason = reason_to_store(u, uses);
      if (!reason.empty()) uses = store(u, reason);
      else uses = staged(u, uses);
      for (const Use& use : uses) pass_on(u, use);
      uses_.erase(u.get());
    }
    std::erase_if(stored_, [](const Stored& kernel) { return kernel.nodes.empty(); });
    return std::move(stored_);
  }

 private:
  std::string reason_to_store(const UOp& u, const std::vector<Use>& uses) const {
    if (u->op == Op::Assign) return "assign";
    bool output = std::find(outputs_.begin(), outputs_.end(), u) != outputs_.end();
    if (output) return u->op == Op::Buffer ? "" : "output";
    if (u->op == Op::Contiguous) return "contiguous";
    bool computes = is_elementwise(u->op) || u->op == Op::Reduce;
    const Estimate& e = estimates_.at(u.get());
    if (!computes || (!e.varies && u->op != Op::Reduce)) return "";
    if (is_condition(u) || outcomes_.is_passed(u)) return "";
    double total = 0;
    double in_place = 0;
    for (const std::vector<Use>& together : by_kernel(uses)) {
      double here = 0;
      for (const Use& use : together) here += evaluations(use);
      total += here;
      double inlined = may_inline(u, together) ? here * e.work : impossible;
      in_place += std::min(inlined, stage_work(u, together));
    }
    double size = size_of(u->shape);
    size_t readers = by_kernel(uses).size();
    bool apart = readers > 1 && outcomes_.is_sum(u);
    if (apart) return fmt::format("a sum of floats that {} kernels read", readers);
    if (in_place <= size * (e.work + store_cost) + total + kernel_cost) return "";
    return fmt::format("inlined it would be computed {:.3g} times for {:.3g} values", total, size);
  }

  // The uses of each kernel.
  static std::vector<std::vector<Use>> by_kernel(const std::vector<Use>& uses) {
    std::vector<std::vector<Use>> groups;
    for (const Use& use : uses) {
      auto same = [&](const std::vector<Use>& group) { return group[0].kernel == use.kernel; };
      auto group = std::find_if(groups.begin(), groups.end(), same);
      if (group == groups.end()) groups.push_back({use});
      else group->push_back(use);
    }
    return groups;
  }

  bool may_inline(const UOp& u, const std::vector<Use>& uses) const {
    return uses.size() == 1 || !outcomes_.is_sum(u);
  }

  // Whether a reduce that a value is made of reads something all along its loops that is the same
  // for all of a dim, and for nothing that is in a block: it would be read for that one element.
  bool shares_operand(const UOp& u, std::vector<UOp> at, RangeSet dim,
                      const std::vector<RangeSet>& in_block, int depth = 16) const {
    if (depth < 16 && outcomes_.has(u)) return false;
    if (is_movement(u->op) || is_elementwise(u->op)) {
      UOp valid;
      std::vector<UOp> below = is_movement(u->op) ? source_index(u, at, valid) : at;
      for (size_t i = 0; depth > 0 && i < (is_movement(u->op) ? 1 : u->src.size()); ++i) {
        if (shares_operand(u[i], below, dim, in_block, depth - 1)) return true;
      }
      return false;
    }
    if (u->op != Op::Reduce) return false;
    RangeSet own = 0;
    int64_t id = first_free_range(at, {}, 0);
    for (int64_t a : u->get<Reduction>().axes) {
      at[size_t(a)] = range(u[0]->shape[size_t(a)], id++, AxisKind::Reduce);
      own |= at[size_t(a)]->ranges;
    }
    std::vector<RangeSet> read;
    ranges_read(u[0], at, 16, read);
    std::erase_if(read, [&](RangeSet ranges) { return !(ranges & own); });
    bool varies = std::any_of(read.begin(), read.end(), [&](RangeSet r) { return bool(r & dim); });
    bool alone = std::any_of(read.begin(), read.end(), [&](RangeSet r) {
      return !(r & dim) && std::all_of(in_block.begin(), in_block.end(),
                                       [&](RangeSet block) { return bool(r & block); });
    });
    return varies && alone;
  }

  // A product shares what it reads among all that a loop makes of it only where the loop is its
  // own, the weights among the tokens: such loops, and those inside of them, are taken in.
  std::vector<UOp> choose_blocks(const UOp& u, const std::vector<Use>& uses) const {
    RangeSet inside = 0;
    std::vector<UOp> blocks = blocks_without(u, uses, inside);
    const std::vector<UOp>& at = uses[0].index;
    for (size_t i = 0; i < blocks.size() && size_of(blocks) > 1; ++i) {
      if (!is_const(blocks[i], 1) || !at[i]->ranges) continue;
      std::vector<RangeSet> in_block;
      for (size_t j = 0; j < blocks.size(); ++j) {
        if (!is_const(blocks[j], 1)) in_block.push_back(at[j]->ranges & ~at[i]->ranges);
      }
      if (!shares_operand(u, at, at[i]->ranges, in_block)) continue;
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

  static std::vector<UOp> blocks_without(const UOp& u, const std::vector<Use>& uses,
                                         RangeSet inside) {
    std::vector<UOp> blocks;
    for (size_t i = 0; i < u->shape.size(); ++i) {
      blocks.push_back(choose_block(uses, i, u->shape[i], inside));
    }
    return blocks;
  }

  // The loops around a stage, and the block that they ask for, as a use of it.
  static Use around(const UOp& u, const std::vector<Use>& uses, const std::vector<UOp>& blocks) {
    Use use = uses[0];
    for (size_t i = 0; i < blocks.size(); ++i) {
      use.index[i] = block_of(use.index[i], u->shape[i], blocks[i]);
    }
    use.loops = hoisted_loops(use);
    if (use.loops.empty()) use.times *= threads;
    return use;
  }

  // Whether a product would read the whole of an operand anew in each of the loops around.
  bool reads_anew(const UOp& u, const Use& use, const std::vector<UOp>& blocks,
                  const Use& outside) const {
    RangeSet around = ranges_of(outside.index);
    std::vector<RangeSet> in_block;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (!is_const(blocks[i], 1)) in_block.push_back(use.index[i]->ranges & ~around);
    }
    return around && shares_operand(u, use.index, around, in_block);
  }

  // Operations to keep a value inside of the kernel that has these uses.
  double stage_work(const UOp& u, const std::vector<Use>& uses) const {
    const Estimate& e = estimates_.at(u.get());
    std::vector<UOp> blocks = choose_blocks(u, uses);
    double elements = size_of(blocks);
    if (elements <= 1 || elements * double(byte_size(u->dtype)) > max_stage_bytes) {
      return impossible;
    }
    Use outside = around(u, uses, blocks);
    if (reads_anew(u, uses[0], blocks, outside)) return impossible;
    double filled = evaluations(outside) * elements;
    double read = 0;
    for (const Use& use : uses) read += evaluations(use);
    return filled * (e.work + stage_cost) + read;
  }

  // The uses of what is left to be computed: where it pays to keep blocks of the value in a kernel,
  // there is one, that of the stage.
  std::vector<Use> staged(const UOp& u, const std::vector<Use>& uses) {
    bool computes = is_elementwise(u->op) || u->op == Op::Reduce;
    const Estimate& e = estimates_.at(u.get());
    if (!computes || (!e.varies && u->op != Op::Reduce)) return uses;
    if (is_condition(u) || outcomes_.is_passed(u)) return uses;
    std::vector<Use> left;
    for (const std::vector<Use>& together : by_kernel(uses)) {
      double inlined = 0;
      for (const Use& use : together) inlined += evaluations(use);
      if (may_inline(u, together) && inlined * e.work <= stage_work(u, together)) {
        left.insert(left.end(), together.begin(), together.end());
        continue;
      }
      std::vector<UOp> blocks = choose_blocks(u, together);
      Use use = around(u, together, blocks);
      int64_t id = first_free_range(use.index, {}, rank_of(use.kernel));
      for (size_t i = 0; i < blocks.size(); ++i) {
        if (is_const(blocks[i], 1)) continue;
        UOp r = range(blocks[i], id++, AxisKind::Reduce);
        use.index[i] = simplify(use.index[i] * blocks[i] + r);
        use.loops.push_back({r, u.get()});
      }
      stored_[size_t(use.kernel)].stages.push_back(
          {u, blocks,
           fmt::format("inlined it would be computed {:.3g} times, not {:.3g}", inlined,
                       evaluations(use))});
      left.push_back(std::move(use));
    }
    return left;
  }

  static std::vector<UOp> loops_for(const Shape& shape) {
    std::vector<UOp> loops = output_index(shape);
    std::erase_if(loops, [](const UOp& i) { return i->op != Op::Range; });
    return loops;
  }
  std::vector<UOp> output_loops(int64_t kernel) const {
    return loops_for(written_shape(stored_[size_t(kernel)].nodes[0]));
  }
  int64_t rank_of(int64_t kernel) const { return int64_t(output_loops(kernel).size()); }

  // --- kernels that store several values ---

  // Whether kernels over the same loops should be one for its sake.
  bool is_worth_sharing(const UOp& u) const {
    const Estimate& e = estimates_.at(u.get());
    bool computes = is_elementwise(u->op) && e.varies && e.work > store_cost && !is_condition(u);
    return computes || outcomes_.is_sum(u);
  }

  // Stores a value in a kernel of its own, or in one that reads it; the uses of what is left to be
  // computed.
  std::vector<Use> store(const UOp& u, const std::string& reason) {
    const Shape& shape = written_shape(u);
    int64_t kernel = u->op == Op::Contiguous ? -1 : unite_readers(u, true);
    std::vector<Use> uses = uses_[u.get()];
    Use own = {kernel, output_index(shape), {}};
    for (const UOp& r : loops_for(shape)) own.loops.push_back({r, nullptr});
    std::vector<Use> left = {own};
    for (size_t i = 0; i < uses.size() && kernel < 0; ++i) {
      left = uses_beside(u, uses[i].kernel, own);
      if (!left.empty()) kernel = uses[i].kernel;
    }
    if (kernel < 0) {
      kernel = int64_t(stored_.size());
      stored_.push_back({});
      own.kernel = kernel;
      left = {own};
    }
    for (const Use& use : uses) {
      if (use.kernel != kernel) depends_[use.kernel].insert(kernel);
    }
    stored_[size_t(kernel)].nodes.push_back(u);
    stored_[size_t(kernel)].reasons.push_back(reason);
    return left;
  }

  // The uses of an output that a kernel over the same loops reads elsewhere than at its own
  // element, where it pays to compute it there for both; else none.
  std::vector<Use> uses_beside(const UOp& u, int64_t kernel, Use own) {
    std::vector<Use> uses = uses_[u.get()];
    const Stored& stored = stored_[size_t(kernel)];
    bool plain = is_elementwise(u->op) && stored.nodes[0]->op != Op::Contiguous;
    if (!plain || output_loops(kernel) != loops_for(u->shape)) return {};
    if (!may_join(u, kernel, uses)) return {};
    std::erase_if(uses, [&](const Use& use) { return use.kernel != kernel; });
    own.kernel = kernel;
    uses.push_back(own);
    double here = 0;
    for (const Use& use : uses) here += evaluations(use);
    const Estimate& e = estimates_.at(u.get());
    double inlined = may_inline(u, uses) ? here * e.work : impossible;
    double in_place = std::min(inlined, stage_work(u, uses));
    if (in_place > size_of(u->shape) * (e.work + store_cost) + here + kernel_cost) return {};
    return staged(u, uses);
  }

  // Kernels over the same loops that read a value at their own elements become one, which may then
  // compute it too: the moments and weights of an optimiser, or the statistics that a
  // normalisation keeps. `with_value`: it is to be stored there, else only read. The kernel, or -1.
  int64_t unite_readers(const UOp& u, bool with_value) {
    const Shape& shape = written_shape(u);
    int64_t united = -1;
    std::vector<Use> uses = uses_[u.get()];
    for (const Use& use : uses) {
      if (use.kernel == united || stored_[size_t(use.kernel)].nodes.empty()) continue;
      bool fits = with_value ? reads_own_elements(use.kernel, uses, shape)
                             : reads_outside_of_reduces(use.kernel, uses);
      if (!fits || stored_[size_t(use.kernel)].nodes[0]->op == Op::Contiguous) continue;
      if (with_value && !may_join(u, use.kernel, uses)) continue;
      if (united < 0) united = use.kernel;
      else if (output_loops(united) == output_loops(use.kernel)) unite(united, use.kernel);
    }
    return united;
  }

  bool reads_own_elements(int64_t kernel, const std::vector<Use>& uses, const Shape& shape) const {
    if (output_loops(kernel) != loops_for(shape)) return false;
    std::vector<UOp> own = output_index(shape);
    return std::all_of(uses.begin(), uses.end(),
                       [&](const Use& use) { return use.kernel != kernel || use.index == own; });
  }

  static bool reads_outside_of_reduces(int64_t kernel, const std::vector<Use>& uses) {
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
      return use.kernel == kernel && (use.loops.empty() || !use.loops.back().owner);
    });
  }

  // Whether what a kernel needs, or what that needs, comes from another.
  bool reaches(int64_t from, int64_t to) const {
    std::vector<int64_t> todo = {from};
    std::set<int64_t> seen;
    while (!todo.empty()) {
      int64_t kernel = todo.back();
      todo.pop_back();
      auto next = depends_.find(kernel);
      if (next == depends_.end()) continue;
      for (int64_t k : next->second) {
        if (k == to) return true;
        if (seen.insert(k).second) todo.push_back(k);
      }
    }
    return false;
  }

  // No other reader may come before the kernel.
  bool may_join(const UOp& u, int64_t kernel, const std::vector<Use>& uses) const {
    for (const Use& use : uses) {
      if (use.kernel != kernel && reaches(kernel, use.kernel)) return false;
    }
    std::vector<UOp> nodes = stored_[size_t(kernel)].nodes;
    nodes.push_back(u);
    return may_assign_together(nodes);
  }

  // Whether an assign changes what a value reads elsewhere than at its own element.
  static bool overwrites_early(const UOp& assign, const UOp& value) {
    std::vector<std::pair<UOp, bool>> todo = {{value->op == Op::Assign ? value[2] : value, false}};
    std::set<std::pair<const Node*, bool>> seen;
    while (!todo.empty()) {
      auto [u, moved] = todo.back();
      todo.pop_back();
      if (!seen.insert({u.get(), moved}).second) continue;
      if (u == assign[0] && moved) return true;
      bool moves = moved || !(is_elementwise(u->op) || u->op == Op::Assign);
      for (const UOp& s : u->src) todo.emplace_back(s, moves);
    }
    return false;
  }

  // Whether one of the values is made of what an assign left and another of what was there before.
  static bool needs_two_states(const std::vector<UOp>& nodes) {
    std::vector<std::unordered_set<const Node*>> made_of;
    std::vector<UOp> assigns;
    for (const UOp& u : nodes) {
      std::unordered_set<const Node*>& all = made_of.emplace_back();
      for (const UOp& x : toposort(u)) {
        all.insert(x.get());
        bool here = std::find(nodes.begin(), nodes.end(), x) != nodes.end();
        if (x->op == Op::Assign && !here) assigns.push_back(x);
      }
    }
    return std::any_of(assigns.begin(), assigns.end(), [&](const UOp& assign) {
      return std::any_of(made_of.begin(), made_of.end(), [&](const auto& all) {
        return all.count(assign[0].get()) && !all.count(assign.get());
      });
    });
  }

  // Whether values may be stored by one kernel though some of them overwrite a buffer: each buffer
  // as a whole and once, read by the others at the same element only, and by nothing that comes
  // after the kernel.
  bool may_assign_together(const std::vector<UOp>& nodes) const {
    if (needs_two_states(nodes)) return false;
    std::set<const Node*> inside;
    std::set<const Node*> bases;
    for (const UOp& u : nodes) inside.insert(u.get());
    for (const UOp& assign : nodes) {
      if (assign->op != Op::Assign) continue;
      bool whole = assign[0]->op == Op::Buffer && assign[1] == assign[0];
      if (!whole || !bases.insert(assign[0].get()).second) return false;
      for (const UOp& value : nodes) {
        if (value != assign && overwrites_early(assign, value)) return false;
      }
    }
    if (bases.empty()) return true;
    // What depends on a value that is stored here and on one that is overwritten here.
    std::set<const Node*> later;
    std::set<const Node*> old;
    std::vector<UOp> torn;
    for (const UOp& u : order_) {
      if (u->op == Op::Assign && bases.count(u[0].get()) && !inside.count(u.get())) return false;
      if (inside.count(u.get())) {
        later.insert(u.get());
        continue;
      }
      bool is_later = false;
      bool is_old = bases.count(u.get()) > 0;
      for (const UOp& s : u->src) {
        is_later |= later.count(s.get()) > 0;
        is_old |= old.count(s.get()) > 0;
      }
      if (is_later) later.insert(u.get());
      if (is_old) old.insert(u.get());
      if (is_later && is_old) torn.push_back(u);
    }
    // It is computed in the kernel itself, unless something else needs it.
    std::set<const Node*> outside;
    for (const UOp& u : outputs_) outside.insert(u.get());
    for (size_t i = order_.size(); i-- > 0;) {
      const UOp& u = order_[i];
      bool stored = u->op == Op::Assign || u->op == Op::Contiguous;
      if (inside.count(u.get()) || !(stored || outside.count(u.get()))) continue;
      outside.insert(u.get());
      for (const UOp& s : u->src) outside.insert(s.get());
    }
    return std::none_of(torn.begin(), torn.end(),
                        [&](const UOp& u) { return outside.count(u.get()) > 0; });
  }

  void unite(int64_t into, int64_t from) {
    Stored& a = stored_[size_t(into)];
    Stored& b = stored_[size_t(from)];
    if (reaches(into, from) || reaches(from, into)) return;
    std::vector<UOp> nodes = a.nodes;
    nodes.insert(nodes.end(), b.nodes.begin(), b.nodes.end());
    if (!may_assign_together(nodes)) return;
    for (const Staged& staged : b.stages) {
      auto same = [&](const Staged& other) { return other.node == staged.node; };
      if (std::any_of(a.stages.begin(), a.stages.end(), same)) return;
    }
    a.nodes.insert(a.nodes.end(), b.nodes.begin(), b.nodes.end());
    a.reasons.insert(a.reasons.end(), b.reasons.begin(), b.reasons.end());
    a.stages.insert(a.stages.end(), b.stages.begin(), b.stages.end());
    b = {};
    depends_[into].merge(depends_[from]);
    depends_.erase(from);
    for (auto& [kernel, needed] : depends_) {
      if (needed.erase(from)) needed.insert(into);
    }
    for (auto& [node, uses] : uses_) {
      std::vector<Use> known;
      for (Use use : uses) {
        if (use.kernel == from) use.kernel = into;
        add_use(known, std::move(use));
      }
      uses = std::move(known);
    }
  }

  void pass_on(const UOp& u, const Use& use) {
    switch (u->op) {
      case Op::Assign:
        // What is read is the value; the buffer and the view only say where it goes.
        add_use(uses_[u[2].get()], use);
        return;
      case Op::Reduce: {
        Use inner = use;
        inner.loops = hoisted_loops(use);
        int64_t id = first_free_range(use.index, {}, rank_of(use.kernel));
        for (int64_t axis : u->get<Reduction>().axes) {
          UOp r = range(u[0]->shape[size_t(axis)], id++, AxisKind::Reduce);
          inner.index[size_t(axis)] = r;
          inner.loops.push_back({r, u.get()});
        }
        for (int64_t axis : u->get<Reduction>().axes) {
          if (u->get<Reduction>().op != Op::Add) break;
          UOp r = inner.index[size_t(axis)];
          UOp position = selected_at(u[0], inner.index, r);
          if (!position) continue;
          inner.index[size_t(axis)] = position;
          std::erase_if(inner.loops, [&](const Loop& loop) { return loop.range == r; });
        }
        add_use(uses_[u[0].get()], inner);
        return;
      }
      case Op::Bitcast:
        // A change of width reads several neighbours: the same ranges, whichever they are.
        if (!u->shape.empty() && u[0]->shape != u->shape) break;
        add_use(uses_[u[0].get()], use);
        return;
      case Op::Const:
      case Op::Variable:
      case Op::Buffer:
      case Op::Iota: return;
      default: break;
    }
    if (is_movement(u->op)) {
      UOp valid;
      std::vector<UOp> index = source_index(u, use.index, valid);
      // Padding takes no work.
      double times = use.times;
      if (u->op == Op::Pad) times *= std::min(1.0, size_of(u[0]->shape) / size_of(u->shape));
      add_use(uses_[u[0].get()], {use.kernel, std::move(index), use.loops, times});
      return;
    }
    for (const UOp& s : u->src) add_use(uses_[s.get()], use);
  }

  const std::vector<UOp>& outputs_;
  std::vector<UOp> order_;
  std::unordered_map<const Node*, Estimate> estimates_;
  std::unordered_map<const Node*, std::vector<Use>> uses_;
  Outcomes outcomes_;
  std::vector<Stored> stored_;
  /// Which kernels each takes values from, as far as is known.
  std::map<int64_t, std::set<int64_t>> depends_;
};

}  // namespace

std::vector<Stored> place(const std::vector<UOp>& outputs) { return Placement(outputs).run(); }

}  // namespace niwaki
