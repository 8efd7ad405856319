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
#include <unordered_map>

#include "core/error.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// How a value is read: at `index`, inside `loops`, outermost first.
struct Use {
  int64_t kernel;
  std::vector<UOp> index;
  std::vector<UOp> loops;
};

// What a store and the load that follows cost, in operations.
constexpr double store_cost = 8;

// What a kernel costs that writes next to nothing: few numbers are not worth one.
constexpr double kernel_cost = 100;

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

struct Estimate {
  /// Operations for one element, everything below included.
  double work = 0;
  /// Depends on memory that is not constant.
  bool varies = false;
};

double size_of(const Shape& shape) {
  double n = 1;
  for (const UOp& dim : shape) n *= double(std::max<int64_t>(dim_max(dim), 1));
  return n;
}

std::unordered_map<const Node*, Estimate> estimate(const std::vector<UOp>& order) {
  std::unordered_map<const Node*, Estimate> estimates;
  for (const UOp& u : order) {
    Estimate e;
    e.varies = u->op == Op::Buffer && !u->get<BufferRef>()->constant;
    for (const UOp& s : u->src) {
      e.work += estimates[s.get()].work;
      e.varies |= estimates[s.get()].varies;
    }
    e.work += op_cost(u->op);
    if (u->op == Op::Reduce) e.work *= size_of(u[0]->shape) / size_of(u->shape);
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

// The loops around a value that is hoisted as far as its index allows.
std::vector<UOp> hoisted_loops(const Use& use) {
  RangeSet needed = ranges_of(use.index);
  size_t n = use.loops.size();
  while (n > 0 && !(use.loops[n - 1]->ranges & needed)) --n;
  return {use.loops.begin(), use.loops.begin() + int64_t(n)};
}

double evaluations(const Use& use) {
  double n = 1;
  for (const UOp& loop : hoisted_loops(use)) n *= double(std::max<int64_t>(loop[0]->hi, 1));
  return n;
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

void add_use(std::vector<Use>& uses, Use use) {
  for (const Use& known : uses) {
    if (known.kernel == use.kernel && known.index == use.index) return;
  }
  uses.push_back(std::move(use));
}

class Placement {
 public:
  explicit Placement(const std::vector<UOp>& outputs) : outputs_(outputs) {
    order_ = toposort(make(Op::Sink, outputs));
    order_.pop_back();
    estimates_ = estimate(order_);
  }

  std::vector<Stored> run() {
    for (size_t i = order_.size(); i-- > 0;) {
      const UOp& u = order_[i];
      std::vector<Use>& uses = uses_[u.get()];
      std::string reason = reason_to_store(u, uses);
      if (!reason.empty()) {
        const UOp& written = u->op == Op::Assign ? u[2] : u;
        std::vector<UOp> index = loops_over(written->shape);
        std::vector<UOp> loops;
        for (const UOp& r : index) {
          if (r->op == Op::Range) loops.push_back(r);
        }
        uses = {{int64_t(stored_.size()), index, loops}};
        stored_.push_back({u, reason});
      }
      for (const Use& use : uses) pass_on(u, use);
      uses_.erase(u.get());
    }
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
    if (is_condition(u)) return "";
    double total = 0;
    for (const Use& use : uses) total += evaluations(use);
    double size = size_of(u->shape);
    if ((total - size) * e.work <= store_cost * size + kernel_cost) return "";
    // A store and a load would cost more than a quarter of the work done twice.
    if (total < 1.25 * size) return "";
    return fmt::format("inlined it would be computed {:.3g} times for {:.3g} values", total, size);
  }

  static std::vector<UOp> loops_over(const Shape& shape) {
    std::vector<UOp> index;
    for (const UOp& dim : shape) {
      index.push_back(is_const(dim, 1) ? niwaki::index(0)
                                       : range(dim, int64_t(index.size()), AxisKind::Loop));
    }
    return index;
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
        int64_t id = first_free_range(use.index, {}, 0);
        for (int64_t axis : u->get<Reduction>().axes) {
          UOp r = range(u[0]->shape[size_t(axis)], id++, AxisKind::Reduce);
          inner.index[size_t(axis)] = r;
          inner.loops.push_back(r);
        }
        for (int64_t axis : u->get<Reduction>().axes) {
          if (u->get<Reduction>().op != Op::Add) break;
          UOp r = inner.index[size_t(axis)];
          UOp position = selected_at(u[0], inner.index, r);
          if (!position) continue;
          inner.index[size_t(axis)] = position;
          std::erase(inner.loops, r);
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
      add_use(uses_[u[0].get()], {use.kernel, std::move(index), use.loops});
      return;
    }
    for (const UOp& s : u->src) add_use(uses_[s.get()], use);
  }

  const std::vector<UOp>& outputs_;
  std::vector<UOp> order_;
  std::unordered_map<const Node*, Estimate> estimates_;
  std::unordered_map<const Node*, std::vector<Use>> uses_;
  std::vector<Stored> stored_;
};

}  // namespace

std::vector<Stored> place(const std::vector<UOp>& outputs) { return Placement(outputs).run(); }

}  // namespace niwaki
