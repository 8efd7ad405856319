#include "schedule/schedule.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/verify.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// Whether a value reads the buffer it is assigned to anywhere but at the element that it replaces.
bool reads_elsewhere(const UOp& assign) {
  std::vector<std::pair<UOp, bool>> todo = {{assign[2], false}};
  std::set<std::pair<const Node*, bool>> seen;
  while (!todo.empty()) {
    auto [u, moved] = todo.back();
    todo.pop_back();
    bool same_element = u == assign[1] && !moved;
    if (same_element || u->op == Op::Contiguous || !seen.insert({u.get(), moved}).second) continue;
    if (u == assign[0]) return true;
    if (u->op == Op::Assign) continue;
    bool moves = moved || !is_elementwise(u->op);
    for (const UOp& s : u->src) todo.emplace_back(s, moves);
  }
  return false;
}

// A value that would be read while it is written over is stored first.
UOp protect_assign(const UOp& u) {
  if (u->op != Op::Assign || !reads_elsewhere(u)) return {};
  return make(Op::Assign, {u[0], u[1], make(Op::Contiguous, {u[2]})});
}

// An assign changes a buffer for all who have it. So no state of one is written over twice, and one
// that was asked for but is written over is copied before.
UOp keep_states(const UOp& sink) {
  std::set<const Node*> overwritten;
  for (const UOp& u : toposort(sink)) {
    if (u->op != Op::Assign) continue;
    Here user(u->site);
    check(overwritten.insert(u[0].get()).second,
          "assign: the same state of a buffer is written over twice: assign the second time to "
          "what the first assign gave");
  }
  std::vector<UOp> roots = sink->src;
  for (UOp& root : roots) {
    if (overwritten.count(root.get())) root = make(Op::Contiguous, {root});
  }
  return make(Op::Sink, std::move(roots));
}

// Kernels in an order in which every value is written before it is read, and read before an assign
// writes over it. `reads[k]` lists the stored or existing nodes kernel k reads.
std::vector<size_t> order_kernels(const std::vector<Stored>& stored,
                                  const std::vector<std::vector<const Node*>>& reads) {
  size_t n = stored.size();
  std::unordered_map<const Node*, size_t> writer;
  for (size_t k = 0; k < n; ++k) {
    for (const UOp& node : stored[k].nodes) writer[node.get()] = k;
  }
  std::vector<std::vector<size_t>> before(n);
  for (size_t k = 0; k < n; ++k) {
    for (const Node* value : reads[k]) {
      auto found = writer.find(value);
      if (found != writer.end()) before[k].push_back(found->second);
    }
    for (const UOp& node : stored[k].nodes) {
      if (node->op != Op::Assign) continue;
      const Node* base = node[0].get();
      auto earlier = writer.find(base);
      if (earlier != writer.end()) before[k].push_back(earlier->second);
      for (size_t other = 0; other < n; ++other) {
        bool reads_base =
            std::find(reads[other].begin(), reads[other].end(), base) != reads[other].end();
        if (other != k && reads_base) before[k].push_back(other);
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
  std::unordered_map<const Node*, bool> seen;
  while (!todo.empty()) {
    UOp u = todo.back();
    todo.pop_back();
    if (seen[u.get()]) continue;
    seen[u.get()] = true;
    bool own = std::find(roots.begin(), roots.end(), u) != roots.end();
    if (own) continue;
    if (slots.find(u) >= 0) found.push_back(u.get());
    else todo.insert(todo.end(), u->src.begin(), u->src.end());
  }
  return found;
}

}  // namespace

int64_t Slots::slot_of(const BufferRef& buffer) {
  auto found = std::find(buffers_.begin(), buffers_.end(), buffer);
  if (found == buffers_.end()) {
    buffers_.push_back(buffer);
    return int64_t(buffers_.size()) - 1;
  }
  return found - buffers_.begin();
}

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
  int64_t slot = slot_of(ref);
  nodes_.emplace_back(node, slot);
  auto place = std::lower_bound(index_.begin(), index_.end(), std::pair(node.get(), int64_t(-1)));
  index_.insert(place, {node.get(), slot});
}

int64_t Slots::find(const UOp& node) const {
  auto place = std::lower_bound(index_.begin(), index_.end(), std::pair(node.get(), int64_t(-1)));
  return place != index_.end() && place->first == node.get() ? place->second : -1;
}

UOp number_params(const UOp& ast, const Slots& slots, std::vector<BufferRef>& args) {
  std::vector<std::pair<UOp, UOp>> replacements;
  std::vector<UOp> order = toposort(ast);
  auto number = [&](const UOp& p) {
    for (const auto& [known, unused] : replacements) {
      if (known == p) return;
    }
    ParamInfo renamed = p->get<ParamInfo>();
    args.push_back(slots.buffer(renamed.index));
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
  return substitute(ast, replacements);
}

Schedule schedule(const std::vector<UOp>& outputs) {
  // Tensor graph, as the user built it, made smaller.
  UOp sink = graph_rewrite(make(Op::Sink, outputs), movement_rules() + float_rules());
  sink = graph_rewrite(sink, protect_assign);
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

  // One kernel each: ranges instead of shapes, gathers without loops, params for buffers.
  Schedule result;
  for (size_t k : order_kernels(stored, reads)) {
    const UOp& node = stored[k].nodes[0];
    if (is_empty(node->op == Op::Assign ? node[2]->shape : node->shape)) continue;
    Kernel kernel;
    for (const std::string& reason : stored[k].reasons) {
      kernel.reason += (kernel.reason.empty() ? "" : "; ") + reason;
    }
    kernel.ast = kernel_ast(stored[k], slots);
    for (const Staged& s : stored[k].stages) kernel.stages.push_back(s.reason);
    kernel.ast = order_loops(share_loops(collapse_sums(kernel.ast)));
    kernel.ast = number_params(kernel.ast, slots, kernel.args);
    verify(kernel.ast, Stage::Kernel, "schedule");
    result.kernels.push_back(std::move(kernel));
  }

  // Buffers that did not exist before: the outputs' own, and temporaries that share an arena.
  for (const UOp& root : roots) result.outputs.push_back(slots.buffer(slots.find(root)));
  for (int64_t slot = 0; slot < slots.size(); ++slot) {
    const BufferRef& b = slots.buffer(slot);
    bool output =
        std::find(result.outputs.begin(), result.outputs.end(), b) != result.outputs.end();
    if (!b->data && !output) result.temporaries.push_back({b, 0});
  }
  plan_memory(result);
  return result;
}

}  // namespace niwaki
