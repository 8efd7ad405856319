#include "schedule/outline.h"

#include <algorithm>

namespace niwaki {
namespace {

bool are_alike(const Buffer& a, const Buffer& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.constant == b.constant;
}

}  // namespace

Outline::Outline(const Stored& stored, const Slots& slots)
    : all_slots_(&slots), roots_(stored.nodes) {
  for (const UOp& root : roots_) {
    int64_t number = visit(root);
    edges_.insert(edges_.end(), {number, number_of_slot(root)});
  }
  for (const Staged& staged : stored.stages) {
    edges_.push_back(visit(staged.node));
    blocks_.insert(blocks_.end(), staged.blocks.begin(), staged.blocks.end());
  }
  for (int64_t edge : edges_) hash_ = hash_ * 31 + size_t(edge);
  for (const UOp& u : nodes_) hash_ = hash_ * 31 + size_t(u->op);
}

bool Outline::is_own(const UOp& u) const {
  return std::find(roots_.begin(), roots_.end(), u) != roots_.end();
}

int64_t Outline::number_of_slot(const UOp& u) {
  int64_t slot = all_slots_->find(u);
  auto found = std::find(slots_.begin(), slots_.end(), slot);
  int64_t number = found - slots_.begin();
  if (found == slots_.end()) slots_.push_back(slot);
  return number;
}

// The number of a node, counted from 1 on.
int64_t Outline::visit(const UOp& u) {
  if (const int64_t* known = numbers_.find(u.get())) return *known;
  std::vector<int64_t> sources;
  bool elsewhere = !is_own(u) && all_slots_->find(u) >= 0;
  if (elsewhere) {
    sources.push_back(-1 - number_of_slot(u));
  } else {
    for (const UOp& s : u->src) sources.push_back(visit(s));
  }
  nodes_.push_back(u);
  edges_.insert(edges_.end(), sources.begin(), sources.end());
  return numbers_[u.get()] = int64_t(nodes_.size());
}

bool operator==(const Outline& a, const Outline& b) {
  bool same = a.edges_ == b.edges_ && a.blocks_ == b.blocks_ &&
              a.nodes_.size() == b.nodes_.size() && a.slots_.size() == b.slots_.size();
  for (size_t i = 0; same && i < a.slots_.size(); ++i) {
    same = are_alike(*a.all_slots_->buffer(a.slots_[i]), *b.all_slots_->buffer(b.slots_[i]));
  }
  for (size_t i = 0; same && i < a.nodes_.size(); ++i) {
    const UOp& x = a.nodes_[i];
    const UOp& y = b.nodes_[i];
    if (x == y) continue;
    // Of what is stored elsewhere the buffer says all, and of a buffer nothing else is asked.
    bool elsewhere = !a.is_own(x) && a.all_slots_->find(x) >= 0;
    same = x->dtype == y->dtype && x->shape == y->shape &&
           (elsewhere || (x->op == y->op && x->arg == y->arg));
  }
  return same;
}

}  // namespace niwaki
