// What kernels that differ in their buffers alone have in common.
//
// The blocks of a model ask for the same few kernels again and again. Which of them are equal shows
// in the tensor graph already: two are, if walking down from what they store, to what is stored
// elsewhere, meets alike nodes in the same order. So indices are worked out for one of them.
//
// Rejected: replacing buffers by numbered stand-ins, so that interning finds equal graphs. It makes
// every node of every block once more, which costs a third of what it saves.
#pragma once

#include <vector>

#include "schedule/schedule.h"

namespace niwaki {

class Outline {
 public:
  /// Of the values that a kernel stores; `slots` has to outlive it.
  Outline(const Stored& stored, const Slots& slots);

  /// The same for all equal outlines.
  size_t hash() const { return hash_; }
  /// The slots that the kernel writes and reads, each once, in the order in which they are met.
  const std::vector<int64_t>& slots() const { return slots_; }

  /// Whether kernel_ast() makes the same of both, but for the slots.
  friend bool operator==(const Outline& a, const Outline& b);

 private:
  int64_t visit(const UOp& u);
  int64_t number_of_slot(const UOp& u);
  bool is_own(const UOp& u) const;

  const Slots* all_slots_;
  std::vector<UOp> roots_;
  std::vector<UOp> nodes_;
  NodeMap<int64_t> numbers_;
  /// Of each node the numbers of its sources, or below zero, that of a slot; then of the values
  /// that are stored or kept.
  std::vector<int64_t> edges_;
  std::vector<UOp> blocks_;
  std::vector<int64_t> slots_;
  size_t hash_ = 0;
};

}  // namespace niwaki
