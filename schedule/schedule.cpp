#include "schedule/schedule.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/verify.h"
#include "ops/rules.h"
#include "schedule/outline.h"

namespace niwaki {
namespace {

// The nodes that have each as a source.
using Users = NodeMap<std::vector<const Node*>>;

// Whether a value reads the buffer it is assigned to anywhere but at the element that it replaces.
// The walk is from the buffer up: who reads a buffer is mostly near, what a value is made of is all
// that came before.
bool reads_elsewhere(const Node& assign, const Users& users) {
  const Node* view = assign.src[1].get();
  const Node* value = assign.src[2].get();
  // Whether the way here was by the view, and has not moved an element since.
  std::vector<std::pair<const Node*, bool>> todo = {{assign.src[0].get(), false}};
  NodeMap<bool> seen[2];
  while (!todo.empty()) {
    auto [u, same_element] = todo.back();
    todo.pop_back();
    same_element |= u == view;
    if (u == value && !same_element) return true;
    const std::vector<const Node*>* list = users.find(u);
    if (!list || std::exchange(seen[same_element][u], true)) continue;
    for (const Node* user : *list) {
      if (user->op == Op::Assign || user->op == Op::Contiguous) continue;
      todo.emplace_back(user, same_element && is_elementwise(user->op));
    }
  }
  return false;
}

// A value that would be read while it is written over is stored first.
UOp protect_assigns(const UOp& sink) {
  std::vector<UOp> order = toposort(sink);
  Users users;
  for (const UOp& u : order) {
    for (const UOp& s : u->src) users[s.get()].push_back(u.get());
  }
  NodeMap<UOp> made;
  for (const UOp& u : order) {
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(*made.find(s.get()));
    bool unsafe = u->op == Op::Assign && reads_elsewhere(*u, users);
    if (unsafe) src[2] = make(Op::Contiguous, {src[2]});
    made[u.get()] = with_sources(u, std::move(src));
  }
  return *made.find(sink.get());
}

// An assign changes a buffer for all who have it. So no state of one is written over twice, and one
// that was asked for but is written over is copied before.
UOp keep_states(const UOp& sink) {
  NodeMap<bool> overwritten;
  for (const UOp& u : toposort(sink)) {
    if (u->op != Op::Assign) continue;
    Here user(u->site);
    check(!std::exchange(overwritten[u[0].get()], true),
          "assign: the same state of a buffer is written over twice: assign the second time to "
          "what the first assign gave");
  }
  std::vector<UOp> roots = sink->src;
  for (UOp& root : roots) {
    if (overwritten.find(root.get())) root = make(Op::Contiguous, {root});
  }
  return make(Op::Sink, std::move(roots));
}

// Kernels in an order in which every value is written before it is read, and read before an assign
// writes over it. `reads[k]` lists the stored or existing nodes kernel k reads.
std::vector<size_t> order_kernels(const std::vector<Stored>& stored,
                                  const std::vector<std::vector<const Node*>>& reads) {
  size_t n = stored.size();
  NodeMap<size_t> writer;
  NodeMap<std::vector<size_t>> readers;
  for (size_t k = 0; k < n; ++k) {
    for (const UOp& node : stored[k].nodes) writer[node.get()] = k;
    for (const Node* value : reads[k]) readers[value].push_back(k);
  }
  std::vector<std::vector<size_t>> before(n);
  for (size_t k = 0; k < n; ++k) {
    for (const Node* value : reads[k]) {
      if (const size_t* found = writer.find(value)) before[k].push_back(*found);
    }
    for (const UOp& node : stored[k].nodes) {
      if (node->op != Op::Assign) continue;
      const Node* base = node[0].get();
      if (const size_t* earlier = writer.find(base)) before[k].push_back(*earlier);
      for (size_t other : readers[base]) {
        if (other != k) before[k].push_back(other);
      }
    }
  }
  std::vector<size_t> order;
  std::vector<int> state(n, 0);  // 1: being visited, 2: done
  std::vector<std::pair<size_t, size_t>> stack;
  for (size_t root = n; root-- > 0;) {
    if (state[root] == 0) stack.emplace_back(root, 0);
    while (!stack.empty()) {
      auto& [k, next] = stack.back();
      state[k] = 1;
      if (next < before[k].size()) {
        size_t needed = before[k][next++];
        Here user(stored[needed].nodes[0]->site);
        check(state[needed] != 1 || needed == k,
              "assign: a value is needed both before and after its buffer is written; store a copy "
              "with contiguous()");
        if (state[needed] == 0) stack.emplace_back(needed, 0);
      } else {
        if (state[k] != 2) order.push_back(k);
        state[k] = 2;
        stack.pop_back();
      }
    }
  }
  return order;
}

// The stored and existing values that a kernel's value reads directly.
std::vector<const Node*> values_read(const std::vector<UOp>& roots, const Slots& slots) {
  std::vector<const Node*> found;
  std::vector<UOp> todo;
  for (const UOp& root : roots) {
    if (root->op == Op::Assign) todo.push_back(root[2]);
    else todo.insert(todo.end(), root->src.begin(), root->src.end());
  }
  NodeMap<bool> seen;
  while (!todo.empty()) {
    UOp u = todo.back();
    todo.pop_back();
    if (std::exchange(seen[u.get()], true)) continue;
    if (std::find(roots.begin(), roots.end(), u) != roots.end()) continue;
    if (slots.find(u) >= 0) found.push_back(u.get());
    else todo.insert(todo.end(), u->src.begin(), u->src.end());
  }
  return found;
}

// The kernel of an outline; its params by the outline's numbers.
KernelAst finished_kernel(const Stored& stored, const Slots& slots, const Outline& outline) {
  KernelAst built = kernel_ast(stored, slots);
  KernelAst kernel = number_params(order_loops(share_loops(collapse_sums(built.ast))));
  verify(kernel.ast, Stage::Kernel, "schedule");
  const std::vector<int64_t>& known = outline.slots();
  for (int64_t& param : kernel.params) {
    auto found = std::find(known.begin(), known.end(), built.params[size_t(param)]);
    expect(found != known.end(), "a kernel's outline lacks a buffer");
    param = found - known.begin();
  }
  return kernel;
}

}  // namespace

void Slots::add(const UOp& node) {
  if (find(node) >= 0) return;
  UOp base = node;
  while (base->op == Op::Assign) base = base[0];
  BufferRef ref;
  if (base->op == Op::Buffer) {
    ref = base->get<BufferRef>();
  } else {
    std::vector<int64_t> shape;
    for (const UOp& dim : node->shape) shape.push_back(dim_max(dim));
    ref = std::make_shared<Buffer>(Buffer{node->dtype, std::move(shape), nullptr, nullptr, false});
  }
  auto [known, fresh] = numbers_.try_emplace(ref.get(), size());
  if (fresh) buffers_.push_back(ref);
  nodes_.push_back(node);
  slots_[node.get()] = known->second;
}

int64_t Slots::find(const UOp& node) const {
  const int64_t* slot = slots_.find(node.get());
  return slot ? *slot : -1;
}

KernelAst number_params(const UOp& ast) {
  std::vector<std::pair<UOp, UOp>> replacements;
  std::vector<int64_t> before;
  std::vector<UOp> order = toposort(ast);
  auto number = [&](const UOp& p) {
    for (const auto& [known, unused] : replacements) {
      if (known == p) return;
    }
    ParamInfo renamed = p->get<ParamInfo>();
    before.push_back(renamed.index);
    renamed.index = int64_t(replacements.size());
    replacements.emplace_back(p, make(Op::Param, {}, renamed));
  };
  // The written buffer first: the signature of a kernel reads like an assignment.
  for (const UOp& u : order) {
    if (u->op == Op::Store) number(u[0]);
  }
  for (const UOp& u : order) {
    if (u->op == Op::Param) number(u);
  }
  return {substitute(ast, replacements), std::move(before)};
}

Schedule schedule(const std::vector<UOp>& outputs, const KernelTrace& trace) {
  SimplifyMemo memo;
  IndexMemo indices;
  // Tensor graph, as the user built it, made smaller.
  UOp sink = graph_rewrite(make(Op::Sink, outputs), movement_rules() + float_rules());
  sink = share_sums(sink);
  sink = protect_assigns(sink);
  sink = keep_states(sink);
  const std::vector<UOp>& roots = sink->src;
  verify(sink, Stage::Tensor, "schedule");

  // Which values are stored; every one of them, and every buffer, gets a slot.
  std::vector<Stored> stored = place(roots);
  Slots slots;
  for (const UOp& u : toposort(sink)) {
    if (u->op == Op::Buffer) slots.add(u);
  }
  for (size_t k = stored.size(); k-- > 0;) {
    for (const UOp& node : stored[k].nodes) slots.add(node);
  }

  std::vector<std::vector<const Node*>> reads;
  for (const Stored& s : stored) reads.push_back(values_read(s.nodes, slots));

  // One kernel each: ranges instead of shapes, gathers without loops, params for buffers. What
  // equal layers ask for is made once.
  struct Made {
    Outline outline;
    KernelAst kernel;  // its params are numbers of the outline's slots
  };
  Schedule result;
  std::unordered_multimap<size_t, Made> all_made;
  for (size_t k : order_kernels(stored, reads)) {
    if (is_empty(written_shape(stored[k].nodes[0]))) continue;
    Outline outline(stored[k], slots);
    auto [begin, end] = all_made.equal_range(outline.hash());
    auto made =
        std::find_if(begin, end, [&](const auto& m) { return m.second.outline == outline; });
    if (made == end) {
      KernelAst kernel = finished_kernel(stored[k], slots, outline);
      made = all_made.emplace(outline.hash(), Made{outline, std::move(kernel)});
    }
    const KernelAst& kernel = made->second.kernel;
    std::vector<BufferRef> args;
    for (int64_t n : kernel.params) args.push_back(slots.buffer(outline.slots()[size_t(n)]));
    std::vector<std::string> stages;
    for (const Staged& s : stored[k].stages) stages.push_back(s.reason);
    std::string reason = fmt::format("{}", fmt::join(stored[k].reasons, "; "));
    result.kernels.push_back({kernel.ast, std::move(args), reason, std::move(stages)});
    if (trace) trace(result.kernels.back(), stored[k]);
  }

  // Buffers that did not exist before: the outputs' own, and temporaries that share an arena.
  std::unordered_set<const Buffer*> asked_for;
  for (const UOp& root : roots) {
    result.outputs.push_back(slots.buffer(slots.find(root)));
    asked_for.insert(result.outputs.back().get());
  }
  for (int64_t slot = 0; slot < slots.size(); ++slot) {
    const BufferRef& b = slots.buffer(slot);
    if (!b->data && !asked_for.count(b.get())) result.temporaries.push_back({b, 0});
  }
  plan_memory(result);
  return result;
}

}  // namespace niwaki
