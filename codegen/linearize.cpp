// A kernel's graph becomes a list of instructions with loops.
//
// Every value is placed in the outermost loop it can be in: before a loop is opened, whatever its
// body needs that does not depend on it is emitted. One walk over what a nest of loops computes
// finds this for all of them. A reduce becomes an accumulator, its loops, and
// an update; a stage becomes memory, its loops, and stores. Those over the same ranges that do not
// need each other share one loop: that is how the copies of a tile, or the two products of a gated
// layer, read their common operand once, and how the exponentials of a softmax are summed while
// they are stored.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>

#include "codegen/lower.h"
#include "core/bounds.h"
#include "core/error.h"
#include "core/node_map.h"
#include "core/text.h"

namespace niwaki {
namespace {

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
      size_t below = 0;
      for (const UOp& s : u->src) below = united(below, *below_.find(s.get()));
      if (has_loops(u)) {
        alike_[loop_nodes(u)].push_back(u);
        sets_.push_back({u.get()});
        below = united(below, sets_.size() - 1);
      }
      below_[u.get()] = below;
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
    std::vector<UOp> values;
    for (const UOp& store : sink->src) values.insert(values.end(), {store[1], store[2]});
    Nest nest = walk_nest(values, loops);
    for (size_t i = 0; i < loops.size(); ++i) {
      for (const UOp& u : nest.before[i]) emit(u);
      open_loop(loops[i]);
    }
    // All values before all stores: a tile that overhangs stores an element twice, the same value.
    std::vector<UOp> stores;
    for (const UOp& store : sink->src) {
      stores.push_back(make(Op::Store, {store[0], emit(store[1]), emit(store[2])}, store->arg));
    }
    for (const UOp& store : stores) linear_.code.push_back(store);
    for (size_t i = loops.size(); i-- > 0;) close_loop(loops[i]);
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

  static std::vector<const Node*> loop_nodes(const UOp& u) {
    std::vector<const Node*> nodes;
    for (size_t i = first_loop(*u); i < u->src.size(); ++i) nodes.push_back(u[i].get());
    return nodes;
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
    scopes_.push_back({open_, {}});
    remember(r, loop);
    open_ |= r->ranges;
  }

  void close_loop(const UOp& r) {
    linear_.code.push_back(make(Op::End, {emit(r)}));
    Scope& scope = scopes_.back();
    for (size_t i = scope.hidden.size(); i-- > 0;) {
      auto& [node, before] = scope.hidden[i];
      emitted_[node] = std::move(before);
    }
    open_ = scope.open_outside;
    scopes_.pop_back();
  }

  // An open loop: which others are, and what the nodes that are emitted in it were before. Loops
  // over one range may stand in each other.
  struct Scope {
    RangeSet open_outside = 0;
    std::vector<std::pair<const Node*, UOp>> hidden;
  };

  // What a node is in the code, until the innermost loop is closed.
  void remember(const UOp& u, const UOp& made) {
    UOp& known = emitted_[u.get()];
    scopes_.back().hidden.emplace_back(u.get(), std::exchange(known, made));
  }

  const UOp* find(const UOp& u) const {
    const UOp* made = emitted_.find(u.get());
    return made && *made ? made : nullptr;
  }

  // Loops that are to be opened one in the other, and what does not need them: for each loop the
  // greatest values that depend on loops outside of it alone, in the order in which they are met.
  struct Nest {
    std::vector<RangeSet> inner;  // of each loop, and of those in it; nothing for what is in all
    std::vector<std::vector<UOp>> before;
    NodeMap<uint8_t> seen;
  };

  Nest walk_nest(const std::vector<UOp>& values, const std::vector<UOp>& loops) {
    Nest nest;
    nest.inner.assign(loops.size() + 1, 0);
    for (size_t i = loops.size(); i-- > 0;) nest.inner[i] = nest.inner[i + 1] | loops[i]->ranges;
    nest.before.resize(loops.size());
    for (const UOp& u : values) walk(u, loops.size() + 1, 0, nest);
    return nest;
  }

  // `outside`: how many of the loops the user of the value is in; `bound`: loops of reduces and
  // stages on the way, which nothing that depends on them can leave.
  void walk(const UOp& u, size_t outside, RangeSet bound, Nest& nest) {
    constexpr uint8_t seen_free = 2;
    if (is_leaf(u)) return;
    bool is_bound = u->ranges & bound;
    uint8_t& seen = nest.seen[u.get()];
    if (seen == seen_free || (seen && is_bound)) return;
    seen = is_bound ? 1 : seen_free;
    if (find(u)) return;
    size_t level = nest.before.size() + 1;
    while (!is_bound && level > 0 && !(u->ranges & nest.inner[level - 1])) --level;
    if (level < outside && level < nest.before.size()) nest.before[level].push_back(u);
    if (level == 0) return;
    if (has_loops(u)) bound |= bound_ranges(*u);
    size_t end = has_loops(u) ? first_loop(*u) : u->src.size();
    for (size_t i = 0; i < end; ++i) walk(u[i], level, bound, nest);
  }

  static bool is_leaf(const UOp& u) {
    return u->op == Op::Const || u->op == Op::Param || u->op == Op::Variable;
  }

  UOp emit(const UOp& u) {
    if (is_leaf(u)) return u;
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
    remember(u, made);
    return made;
  }

  // --- which reduces and stages are below others ---

  size_t united(size_t a, size_t b) {
    if (a == b || b == 0) return a;
    if (a == 0) return b;
    auto [known, fresh] = unions_.try_emplace({a, b}, 0);
    if (!fresh) return known->second;
    std::vector<const Node*> both;
    std::set_union(sets_[a].begin(), sets_[a].end(), sets_[b].begin(), sets_[b].end(),
                   std::back_inserter(both));
    size_t id = sets_.size();
    if (both.size() == sets_[a].size()) id = a;
    else if (both.size() == sets_[b].size()) id = b;
    else sets_.push_back(std::move(both));
    return known->second = id;
  }

  bool contains(const UOp& u, const UOp& other) const {
    const std::vector<const Node*>& below = sets_[*below_.find(u.get())];
    return std::binary_search(below.begin(), below.end(), other.get());
  }

  // `first` and all that can share its loops.
  std::vector<UOp> group_of(const UOp& first) const {
    std::vector<UOp> group = {first};
    for (const UOp& other : alike_.at(loop_nodes(first))) {
      if (other == first || other->ranges != first->ranges || find(other)) continue;
      bool independent = !(other->ranges & ~open_);
      for (const UOp& member : group) {
        independent = independent && !contains(other, member) && !contains(member, other);
      }
      if (independent) group.push_back(other);
    }
    return group;
  }

  static std::vector<UOp> bodies_of(const std::vector<UOp>& group) {
    std::vector<UOp> bodies;
    for (const UOp& u : group) {
      bodies.insert(bodies.end(), u->src.begin(), u->src.begin() + int64_t(first_loop(*u)));
    }
    return bodies;
  }

  void emit_loops(const UOp& first) {
    std::vector<UOp> group = group_of(first);
    std::vector<UOp> loops = loops_of(first);
    for (const UOp& u : group) results_[u.get()] = result_of(u);
    Nest nest = walk_nest(bodies_of(group), loops);
    // A stage whose loops were all of one iteration has none.
    if (!loops.empty()) {
      for (const UOp& u : nest.before[0]) emit(u);
    }
    // What was hoisted may have taken members of the group into its own loop.
    if (std::erase_if(group, [&](const UOp& u) { return find(u); }) > 0) {
      nest = walk_nest(bodies_of(group), loops);
    }
    for (const UOp& u : group) linear_.code.push_back(results_[u.get()]);
    if (group.empty()) return;
    for (size_t i = 0; i < loops.size(); ++i) {
      for (const UOp& u : nest.before[i]) emit(u);
      open_loop(loops[i]);
    }
    for (const UOp& u : group) {
      if (u->op == Op::Stage) fill(u);
      else accumulate(u);
    }
    for (size_t i = loops.size(); i-- > 0;) close_loop(loops[i]);
    for (const UOp& u : group) remember(u, results_[u.get()]);
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
    bool known = made->op == Op::Stack &&
                 std::find(linear_.code.rbegin(), linear_.code.rend(), made) != linear_.code.rend();
    if (!known) linear_.code.push_back(made);
    return made;
  }

  const Target& target_;
  LinearCode linear_;
  NodeMap<UOp> emitted_;
  std::vector<Scope> scopes_;
  RangeSet open_ = 0;
  // The reduces and stages below each node, as the number of a set; the first is empty.
  NodeMap<size_t> below_;
  std::vector<std::vector<const Node*>> sets_ = {{}};
  std::map<std::pair<size_t, size_t>, size_t> unions_;
  std::map<std::vector<const Node*>, std::vector<UOp>> alike_;  // by their loops
  NodeMap<UOp> results_;
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
