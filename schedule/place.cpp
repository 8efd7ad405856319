// Where values are: in memory of their own, inside of the kernel that reads them, or nowhere, being
// computed where they are read.
//
// The graph is walked from the outputs, users before sources, so that every node has been told the
// index expressions at which it is read. From them follows how often it would be computed if it
// were inlined: a value is hoisted into the innermost loop that its index depends on, so the norm
// of a row costs a row, wherever in the row it is used. A stage computes blocks of it inside of the
// kernel, once in the loops that all readers there share, for a store and a load that do not leave
// the cache; so a softmax keeps the exponentials of a row. Or it computes all of it before its
// loops, in every thread: the rows that a wide product reads again for each tile of its columns. A
// kernel of its own computes each element once, for a store and a load through memory and a meeting
// of all threads. The cheapest is chosen, and the comparison is kept as the reason.
//
// A kernel may store several values: those over the same loops of which one is made of the other's
// elements, or which share a sum or other costly value (unite_readers).
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
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/node_map.h"
#include "ops/rules.h"
#include "schedule/blocks.h"
#include "schedule/estimate.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// What a store to memory and the load that follows cost, in operations.
constexpr double store_cost = 8;

// The same for memory that does not leave the cache of one processor.
constexpr double stage_cost = 2;

// What a kernel of its own costs: threads that meet, a microsecond or two of vector operations.
constexpr double kernel_cost = 2e5;

// Of a kernel's work, what no other kernel is worth.
constexpr double small_part = 1e-3;

// What is computed outside of all loops, every thread computes.
constexpr double threads = 2;

// The cost of what cannot be.
constexpr double impossible = 1e18;

bool is_condition(const UOp& u) {
  if (u->op == Op::Reduce) return false;
  UOp x = essence(u);
  bool choice =
      x->op == Op::Where && essence(x[1])->op == Op::Const && essence(x[2])->op == Op::Const;
  return u->dtype == boolean || (x->dtype == boolean && x->op != Op::Reduce) || choice;
}

// What is made of stored integers alone, as the floats of quantize() are: to store it would take
// more memory than they do, and hide from a product that its sum is one of integers.
bool is_of_stored_integers(const UOp& u) {
  constexpr size_t most_nodes = 64;
  std::vector<UOp> todo = {u};
  NodeMap<bool> seen;
  bool has_integer = false;
  for (size_t n = 0; !todo.empty(); ++n) {
    UOp x = todo.back();
    todo.pop_back();
    if (std::exchange(seen[x.get()], true)) continue;
    if (n > most_nodes || x->op == Op::Buffer || x->op == Op::Reduce) return false;
    if (x->op == Op::Contiguous || x->op == Op::Const) {
      has_integer |= x->op == Op::Contiguous && is_integer(x->dtype);
      continue;
    }
    bool passes = is_movement(x->op) || x->op == Op::Cast || x->op == Op::Mul ||
                  (is_elementwise(x->op) && !is_float(x->dtype));
    if (!passes) return false;
    size_t sources = is_movement(x->op) ? 1 : x->src.size();
    todo.insert(todo.end(), x->src.begin(), x->src.begin() + int64_t(sources));
  }
  return has_integer;
}

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
    if (!is_movement(u->op)) e.work += op_cost(u->op);
    // What is repeated is computed once, outside of the loop that repeats it; of a one-hot sum one
    // term is left.
    if (u->op == Op::Reduce) e.work *= terms(u);
    if (u->op == Op::Expand) e.work *= size_of(u[0]->shape) / size_of(u->shape);
    e.work = std::min(e.work, 1e15);
    estimates[u.get()] = e;
  }
  return estimates;
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
      std::string reason = reason_given(u);
      std::vector<Readers> readers;
      if (reason.empty() && has_choice(u, uses)) {
        readers = readers_of(u, uses);
        reason = reason_to_store(u, readers);
      }
      if (!reason.empty()) uses = store(u, reason);
      else if (!readers.empty()) uses = staged(u, std::move(readers));
      for (const Use& use : uses) {
        work_[size_t(use.kernel)] += evaluations(use) * own_work(u);
        pass_on(u, use);
      }
      uses_.erase(u.get());
    }
    std::erase_if(stored_, [](const Stored& kernel) { return kernel.nodes.empty(); });
    return std::move(stored_);
  }

 private:
  // A stage that a kernel could have: which block of the value, the use that fills it, and what
  // that and reading it cost.
  struct StageChoice {
    std::vector<UOp> blocks;
    Use filling;
    double work = impossible;
  };

  // The uses of a value in one kernel, how often it would be computed for them, and the stage that
  // could serve them.
  struct Readers {
    int64_t kernel;
    std::vector<Use> uses;
    double evaluated = 0;
    double inlined = 0;
    StageChoice stage;
  };

  std::vector<Readers> readers_of(const UOp& u, const std::vector<Use>& uses) const {
    std::vector<Readers> all;
    for (std::vector<Use>& together : by_kernel(uses)) {
      Readers readers = {together[0].kernel, std::move(together), 0, 0, {}};
      for (const Use& use : readers.uses) readers.evaluated += evaluations(use);
      bool may_inline = readers.uses.size() == 1 || !outcomes_.is_sum(u);
      readers.inlined = may_inline ? readers.evaluated * estimates_.at(u.get()).work : impossible;
      readers.stage = best_stage(u, readers);
      all.push_back(std::move(readers));
    }
    return all;
  }

  // Why a value is stored whatever that costs; else empty.
  std::string reason_given(const UOp& u) const {
    if (u->op == Op::Assign) return "assign";
    bool output = std::find(outputs_.begin(), outputs_.end(), u) != outputs_.end();
    if (output && u->op != Op::Buffer) return "output";
    if (u->op != Op::Contiguous) return "";
    bool parts = std::holds_alternative<int64_t>(u->arg);
    return parts ? "parts of a long sum, for all threads" : "contiguous";
  }

  std::string reason_to_store(const UOp& u, const std::vector<Readers>& kernels) const {
    bool apart = kernels.size() > 1 && outcomes_.is_sum(u);
    if (apart) return fmt::format("a sum of floats that {} kernels read", kernels.size());
    double total = 0;
    double in_place = 0;
    double least_saved = kernel_cost;
    for (const Readers& readers : kernels) {
      total += readers.evaluated;
      in_place += std::min(readers.inlined, readers.stage.work);
      least_saved = std::max(least_saved, small_part * work_[size_t(readers.kernel)]);
    }
    double size = size_of(u->shape);
    double stored = size * (estimates_.at(u.get()).work + store_cost) + total;
    if (in_place <= stored + least_saved) return "";
    return fmt::format("inlined it would be computed {:.3g} times for {:.3g} values", total, size);
  }

  // Operations for one element, without those of its sources.
  static double own_work(const UOp& u) {
    if (u->op == Op::Reduce) return terms(u);
    return is_elementwise(u->op) ? op_cost(u->op) : 0;
  }

  // Whether it could be anywhere else than where it is read.
  bool has_choice(const UOp& u, const std::vector<Use>& uses) const {
    bool computes = u->op == Op::Reduce ||
                    (is_elementwise(u->op) && estimates_.at(u.get()).varies && !is_condition(u));
    if (!computes || outcomes_.is_passed(u) || is_of_stored_integers(u)) return false;
    bool once = uses.size() == 1 && evaluations(uses[0]) <= size_of(u->shape);
    return !once;
  }

  // The cheaper of a block in the loops that the readers share, and of all of the value outside of
  // them.
  StageChoice best_stage(const UOp& u, const Readers& readers) const {
    Products products(u, readers.uses[0].index, outcomes_);
    std::vector<UOp> blocks = choose_blocks(u, readers.uses, products);
    StageChoice inside = stage_choice(u, readers, blocks, products, max_stage_bytes);
    if (blocks == u->shape || inside.filling.loops.empty()) return inside;
    StageChoice outside = stage_choice(u, readers, u->shape, products, max_outer_stage_bytes);
    return outside.work < inside.work ? outside : inside;
  }

  StageChoice stage_choice(const UOp& u, const Readers& readers, std::vector<UOp> blocks,
                           Products& products, double most_bytes) const {
    StageChoice choice = {std::move(blocks), {}};
    choice.filling = around(u, readers.uses, choice.blocks, threads);
    double elements = size_of(choice.blocks);
    bool fits = elements * double(byte_size(u->dtype)) <= most_bytes;
    if (u->dtype == boolean || elements <= 1 || !fits) return choice;
    if (reads_anew(readers.uses[0], choice.blocks, choice.filling, products)) return choice;
    double filled = evaluations(choice.filling) * elements;
    if (!choice.filling.loops.empty()) filled *= tiles(readers.uses);
    choice.work = filled * (estimates_.at(u.get()).work + stage_cost) + readers.evaluated;
    return choice;
  }

  // The uses of what is left to be computed: where it pays to keep blocks of the value in a kernel,
  // there is one, that of the stage.
  std::vector<Use> staged(const UOp& u, std::vector<Readers> kernels) {
    std::vector<Use> left;
    for (Readers& readers : kernels) {
      auto& [blocks, use, work] = readers.stage;
      if (readers.inlined <= work) {
        left.insert(left.end(), readers.uses.begin(), readers.uses.end());
        continue;
      }
      int64_t id = first_free_range(use.index, {}, rank_of(use.kernel));
      for (size_t i = 0; i < blocks.size(); ++i) {
        if (is_const(blocks[i], 1)) continue;
        UOp r = range(blocks[i], id++, AxisKind::Reduce);
        use.index[i] = simplify(use.index[i] * blocks[i] + r);
        use.loops.push_back({r, u.get()});
      }
      stored_[size_t(use.kernel)].stages.push_back(
          {u, blocks,
           fmt::format("inlined it would be computed {:.3g} times, not {:.3g}", readers.evaluated,
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
      work_.push_back(0);
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
    const std::vector<Use> all = uses;
    std::erase_if(uses, [&](const Use& use) { return use.kernel != kernel; });
    own.kernel = kernel;
    uses.push_back(own);
    std::vector<Readers> readers = readers_of(u, uses);
    double in_place = std::min(readers[0].inlined, readers[0].stage.work);
    double stored_work = size_of(u->shape) * (estimates_.at(u.get()).work + store_cost);
    if (in_place > stored_work + readers[0].evaluated + kernel_cost) return {};
    if (!may_join(u, kernel, all)) return {};
    return has_choice(u, uses) ? staged(u, std::move(readers)) : uses;
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
    return may_store_together(nodes, order_, outputs_);
  }

  void unite(int64_t into, int64_t from) {
    Stored& a = stored_[size_t(into)];
    Stored& b = stored_[size_t(from)];
    if (reaches(into, from) || reaches(from, into)) return;
    std::vector<UOp> nodes = a.nodes;
    nodes.insert(nodes.end(), b.nodes.begin(), b.nodes.end());
    if (!may_store_together(nodes, order_, outputs_)) return;
    for (const Staged& staged : b.stages) {
      auto same = [&](const Staged& other) { return other.node == staged.node; };
      if (std::any_of(a.stages.begin(), a.stages.end(), same)) return;
    }
    a.nodes.insert(a.nodes.end(), b.nodes.begin(), b.nodes.end());
    a.reasons.insert(a.reasons.end(), b.reasons.begin(), b.reasons.end());
    a.stages.insert(a.stages.end(), b.stages.begin(), b.stages.end());
    b = {};
    work_[size_t(into)] += work_[size_t(from)];
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
  /// Operations that are known to be done in each, as far as the walk has come.
  std::vector<double> work_;
  /// Which kernels each takes values from, as far as is known.
  std::map<int64_t, std::set<int64_t>> depends_;
};

}  // namespace

std::vector<Stored> place(const std::vector<UOp>& outputs) { return Placement(outputs).run(); }

}  // namespace niwaki
