// Whether one kernel may store several values although buffers are overwritten.
//
// An assign changes a buffer for all who read it. In a kernel of its own it is ordered after those
// that need the old state and before those that need the new one; a kernel that stores more can be
// in one place only. So each buffer is overwritten there as a whole and once, is read by the other
// values at the same element only, and by nothing that also needs what the kernel makes; and no
// value is made of what an assign left while another is made of what was there before.
#include <algorithm>
#include <set>
#include <unordered_set>

#include "schedule/schedule.h"

namespace niwaki {
namespace {

// Whether an assign changes what a value reads elsewhere than at its own element.
bool overwrites_early(const UOp& assign, const UOp& value) {
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
bool needs_two_states(const std::vector<UOp>& nodes) {
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

}  // namespace

bool may_store_together(const std::vector<UOp>& nodes, const std::vector<UOp>& order,
                        const std::vector<UOp>& outputs) {
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
  for (const UOp& u : order) {
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
  for (const UOp& u : outputs) outside.insert(u.get());
  for (size_t i = order.size(); i-- > 0;) {
    const UOp& u = order[i];
    bool stored = u->op == Op::Assign || u->op == Op::Contiguous;
    if (inside.count(u.get()) || !(stored || outside.count(u.get()))) continue;
    outside.insert(u.get());
    for (const UOp& s : u->src) outside.insert(s.get());
  }
  return std::none_of(torn.begin(), torn.end(),
                      [&](const UOp& u) { return outside.count(u.get()) > 0; });
}

}  // namespace niwaki
