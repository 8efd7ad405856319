// How values are read while it is decided where they are kept: at which index, in which loops, and
// how often that makes them be computed.
#pragma once

#include <vector>

#include "core/uop.h"

namespace niwaki {

/// A loop, and whose it is: the same range in two reduces is two loops.
struct Loop {
  UOp range;
  /// The reduce or stage; null: a loop of the kernel's output.
  const Node* owner;
};

/// How a value is read: at `index`, inside `loops`, outermost first.
struct Use {
  int64_t kernel;
  std::vector<UOp> index;
  std::vector<Loop> loops;
  /// How often all of it is done: by every thread, where it is done outside of the loops.
  double times = 1;
};

/// Elements of a value at the greatest size of its dims, no dim less than 1.
double size_of(const Shape& shape);

/// All ranges of an index.
RangeSet ranges_of(const std::vector<UOp>& index);

/// The loops that are left around a value when it is hoisted as far as its index allows.
std::vector<Loop> hoisted_loops(const Use& use);

/// How often it is computed then.
double evaluations(const Use& use);

/// In how many tiles the loops of an output run that some use stands in and does not depend on:
/// what is filled in the others is filled again for each.
double tiles(const std::vector<Use>& uses);

/// Adds a use unless it is known: the same index of the same loops.
void add_use(std::vector<Use>& uses, Use use);

/// The uses of each kernel.
std::vector<std::vector<Use>> by_kernel(const std::vector<Use>& uses);

}  // namespace niwaki
