// A kernel's graph becomes a list of instructions with loops.
//
// Every value is placed in the outermost loop it can be in: before a loop is opened, whatever its
// body needs that does not depend on it is emitted. A reduce becomes an accumulator, its loops, and
// an update; a stage becomes memory, its loops, and stores. Those over the same ranges that do not
// need each other share one loop: that is how the copies of a tile, or the two products of a gated
// layer, read their common operand once, and how the exponentials of a softmax are summed while
// they are stored.
#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "codegen/lower.h"
#include "core/bounds.h"
#include "core/error.h"
#include "core/text.h"

namespace niwaki {
namespace {

RangeSet bits_of(const std::vector<UOp>& ranges) {
  RangeSet set = 0;
  for (const UOp& r : ranges) set |= range_bit(r->get<RangeInfo>().id);
  return set;
}

UOp identity(Op op, DType t) {
  UOp value = constant(t.scalar(), op == Op::Mul ? 1 : 0);
  if (op == Op::Max && is_float(t)) value = constant(t.scalar(), -INFINITY);
  if (op == Op::Max && is_signed(t)) {
    value = constant(t.scalar(), Value::of(dtype_bounds(t.scalar()).lo));
  }
  return t.lanes == 1 ? value : make(Op::Stack, {value}, int64_t(t.lanes));
}

class Linearizer {
 public:
  Linearizer(const UOp& ast, const Target& target) : target_(target) {
    for (const UOp& u : toposort(ast)) {
      std::vector<const Node*> below;
      for (const UOp& s : u->src) {
        const std::vector<const Node*>& more = loops_in_[s.get()];
        below.insert(below.end(), more.begin(), more.end());
      }
      if (has_loops(u)) {
        loops_.push_back(u);
        below.push_back(u.get());
      }
      std::sort(below.begin(), below.end());
      below.erase(std::unique(below.begin(), below.end()), below.end());
      loops_in_[u.get()] = std::move(below);
      if (u->op == Op::Param) linear_.params.push_back(u);
      if (u->op == Op::Variable) linear_.variables.push_back(u);
    }
    std::sort(linear_.params.begin(), linear_.params.end(), [](const UOp& a, const UOp& b) {
      return a->get<ParamInfo>().index < b->get<ParamInfo>().index;
    });
    std::sort(linear_.variables.begin(), linear_.variables.end(), [](const UOp& a, const UOp& b) {
      return a->get<Symbol>().name < b->get<Symbol>().name;
    });
  }

  LinearCode run(const UOp& sink) {
    scopes_.emplace_back();
    std::vector<UOp> loops = loops_of(sink[0]);
    std::stable_sort(loops.begin(), loops.end(),
                     [](const UOp& a, const UOp& b) { return outer_first(a) < outer_first(b); });
    for (const UOp& r : loops) note_launch(r);
    size_t open = 0;
    for (; open < loops.size(); ++open) {
      std::vector<UOp> inner(loops.begin() + int64_t(open), loops.end());
      for (const UOp& store : sink->src) {
        for (size_t i = 1; i < 3; ++i) hoist(store[i], bits_of(inner));
      }
      open_loop(loops[open]);
    }
    // All values before all stores: a tile that overhangs stores an element twice, the same value.
    std::vector<UOp> stores;
    for (const UOp& store : sink->src) {
      stores.push_back(make(Op::Store, {store[0], emit(store[1]), emit(store[2])}, store->arg));
    }
    for (const UOp& store : stores) linear_.code.push_back(store);
    while (open > 0) close_loop(loops[--open]);
    return std::move(linear_);
  }

 private:
  // What becomes loops of its own.
  static bool has_loops(const UOp& u) { return u->op == Op::Reduce || u->op == Op::Stage; }

  // Parallel and grid loops are outside, where their launch is.
  static int outer_first(const UOp& r) {
    switch (r->get<RangeInfo>().kind) {
      case AxisKind::Global: return 0;
      case AxisKind::Local: return 1;
      case AxisKind::Parallel: return 2;
      default: return 3;
    }
  }

  void note_launch(const UOp& r) {
    switch (r->get<RangeInfo>().kind) {
      case AxisKind::Parallel: linear_.parallel = r[0]; break;
      case AxisKind::Global: linear_.globals.push_back(r[0]); break;
      case AxisKind::Local: linear_.locals.push_back(r[0]); break;
      default: break;
    }
  }

  void open_loop(const UOp& r) {
    UOp end = emit(r[0]);
    UOp loop = with_sources(r, {end});
    linear_.code.push_back(loop);
    scopes_.emplace_back();
    scopes_.back()[r.get()] = loop;
  }

  void close_loop(const UOp& r) {
    linear_.code.push_back(make(Op::End, {emit(r)}));
    scopes_.pop_back();
  }

  const UOp* find(const UOp& u) const {
    for (size_t i = scopes_.size(); i-- > 0;) {
      auto found = scopes_[i].find(u.get());
      if (found != scopes_[i].end()) return &found->second;
    }
    return nullptr;
  }

  // Emits the greatest parts of `u` that depend on none of the loops in `inner`.
  void hoist(const UOp& u, RangeSet inner) {
    std::unordered_set<const Node*> seen;
    hoist(u, inner, seen);
  }

  void hoist(const UOp& u, RangeSet inner, std::unordered_set<const Node*>& seen) {
    if (!seen.insert(u.get()).second || find(u)) return;
    if (!(u->ranges & inner)) {
      emit(u);
      return;
    }
    if (has_loops(u)) {
      hoist_body(u, inner | bound_ranges(*u));
      return;
    }
    for (const UOp& s : u->src) hoist(s, inner, seen);
  }

  // Nothing that depends on the loops of a reduce or stage can leave them.
  void hoist_body(const UOp& u, RangeSet inner) {
    std::unordered_set<const Node*> below;
    for (size_t i = 0; i < first_loop(*u); ++i) hoist(u[i], inner, below);
  }

  UOp emit(const UOp& u) {
    if (u->op == Op::Const || u->op == Op::Param || u->op == Op::Variable) return u;
    if (const UOp* done = find(u)) return *done;
    if (has_loops(u)) {
      emit_loops(u);
      return *find(u);
    }
    if (u->op == Op::Range) bug("r{} is used outside of its loop", u->get<RangeInfo>().id);
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(emit(s));
    UOp made = with_sources(u, std::move(src));
    linear_.code.push_back(made);
    scopes_.back()[u.get()] = made;
    return made;
  }

  bool contains(const UOp& u, const UOp& other) const {
    const std::vector<const Node*>& below = loops_in_.at(u.get());
    return std::binary_search(below.begin(), below.end(), other.get());
  }

  RangeSet open_ranges() const {
    RangeSet open = 0;
    for (const auto& scope : scopes_) {
      for (const auto& [node, unused] : scope) {
        if (node->op == Op::Range) open |= node->ranges;
      }
    }
    return open;
  }

  // `first` and all that can share its loops.
  std::vector<UOp> group_of(const UOp& first) const {
    std::vector<UOp> group = {first};
    RangeSet open = open_ranges();
    for (const UOp& other : loops_) {
      bool same_loops = loops_of(other) == loops_of(first);
      if (!same_loops || other == first || (other->ranges & ~open) || find(other)) continue;
      bool independent = other->ranges == first->ranges;
      for (const UOp& member : group) {
        independent = independent && !contains(other, member) && !contains(member, other);
      }
      if (independent) group.push_back(other);
    }
    return group;
  }

  void emit_loops(const UOp& first) {
    std::vector<UOp> group = group_of(first);
    std::vector<UOp> loops = loops_of(first);
    for (const UOp& u : group) results_[u.get()] = result_of(u);
    for (const UOp& u : group) hoist_body(u, bits_of(loops));
    // What was hoisted may have taken members of the group into its own loop.
    std::erase_if(group, [&](const UOp& u) { return find(u); });
    for (const UOp& u : group) linear_.code.push_back(results_[u.get()]);
    if (group.empty()) return;
    size_t open = 0;
    for (; open < loops.size(); ++open) {
      std::vector<UOp> inner(loops.begin() + int64_t(open), loops.end());
      for (const UOp& u : group) hoist_body(u, bits_of(inner));
      open_loop(loops[open]);
    }
    for (const UOp& u : group) {
      if (u->op == Op::Stage) fill(u);
      else accumulate(u);
    }
    while (open > 0) close_loop(loops[--open]);
    for (const UOp& u : group) scopes_.back()[u.get()] = results_[u.get()];
  }

  // Where the value of loops is found after them: a register, or memory.
  UOp result_of(const UOp& u) {
    if (u->op == Op::Stage) {
      return make(Op::Scratch, {}, ParamInfo{next_scratch_++, u->dtype, memory_size(u), false});
    }
    return make(Op::Acc, {emit(identity(u->get<Reduction>().op, u->dtype))}, next_acc_++);
  }

  void fill(const UOp& stage) {
    std::vector<UOp> stores;
    for (size_t i = 0; i < first_loop(*stage); i += 2) {
      UOp at = emit(stage[i]);
      stores.push_back(make(Op::Store, {results_[stage.get()], at, emit(stage[i + 1])}));
    }
    for (const UOp& store : stores) linear_.code.push_back(store);
  }

  void accumulate(const UOp& u) {
    // The factors of a product stay apart for the fused multiply-add.
    bool product = u->get<Reduction>().op == Op::Add && u[0]->op == Op::Mul && is_float(u->dtype);
    bool fused = product && !target_.interpreted && !find(u[0]);
    UOp value = fused ? make(Op::Mul, {emit(u[0][0]), emit(u[0][1])}) : emit(u[0]);
    UOp acc = results_[u.get()];
    UOp step = emit_combined(combine(u->get<Reduction>().op, acc, value, target_), acc, value);
    linear_.code.push_back(make(Op::Update, {acc, step}));
  }

  // The ops that combine() made around what is already emitted.
  UOp emit_combined(const UOp& u, const UOp& acc, const UOp& value) {
    bool leaf = u == acc || u == value || u->op == Op::Const;
    bool operand = u->op != Op::MulAdd && value->op == Op::Mul && (u == value[0] || u == value[1]);
    if (leaf || operand) return u;
    std::vector<UOp> src;
    for (const UOp& s : u->src) {
      bool factor = u->op == Op::MulAdd && s != acc;
      src.push_back(factor ? s : emit_combined(s, acc, value));
    }
    UOp made = with_sources(u, std::move(src));
    if (std::find(linear_.code.rbegin(), linear_.code.rend(), made) == linear_.code.rend() ||
        made->op != Op::Stack) {
      linear_.code.push_back(made);
    }
    return made;
  }

  const Target& target_;
  LinearCode linear_;
  std::vector<std::unordered_map<const Node*, UOp>> scopes_;
  std::unordered_map<const Node*, std::vector<const Node*>> loops_in_;
  std::vector<UOp> loops_;
  std::unordered_map<const Node*, UOp> results_;
  int64_t next_acc_ = 0;
  int64_t next_scratch_ = 0;
};

}  // namespace

LinearCode linearize(const UOp& ast, const Target& target) {
  return Linearizer(ast, target).run(ast);
}

std::string print(const LinearCode& linear) {
  std::unordered_map<const Node*, std::string> names;
  std::string text;
  int64_t n = 0;
  auto name_of = [&](const UOp& u) {
    if (u->op == Op::Const) return print_constant(u);
    if (u->op == Op::Variable) return u->get<Symbol>().name;
    return names.at(u.get());
  };
  for (const UOp& p : linear.params) {
    names[p.get()] = fmt::format("p{}", p->get<ParamInfo>().index);
    text += fmt::format("{} = {}\n", names[p.get()], print_node(p, {}, {}));
  }
  std::string indent;
  for (const UOp& u : linear.code) {
    if (u->op == Op::End) {
      indent.resize(indent.size() - 2);
      text += indent + "end\n";
      continue;
    }
    std::vector<std::string> sources;
    for (const UOp& s : u->src) sources.push_back(name_of(s));
    std::string line = print_node(u, sources, {});
    if (u->dtype != void_type) {
      switch (u->op) {
        case Op::Range: names[u.get()] = fmt::format("r{}", u->get<RangeInfo>().id); break;
        case Op::Acc: names[u.get()] = fmt::format("a{}", u->get<int64_t>()); break;
        case Op::Scratch: names[u.get()] = fmt::format("s{}", u->get<ParamInfo>().index); break;
        default: names[u.get()] = fmt::format("%{}", n++);
      }
      line = names[u.get()] + " = " + line;
    }
    text += indent + line + "\n";
    if (u->op == Op::Range) indent += "  ";
  }
  return text;
}

}  // namespace niwaki
