// What a kernel costs, estimated from its graph: what it has to compute, and what it has to move
// between memory and the processor. It is what a launch needs, not what a program for it happens to
// do: loops that re-read a value, caches and spilled registers are not in it. Divided by the time
// of a launch it says how fast the kernel was; beside the limits of a machine, how fast it could
// be.
//
// Counted is how often a value must be computed: as often as what it depends on changes. In the
// scale of a block of 128 weights that is a division of a loop, so it counts once a block.
#pragma once

#include <span>
#include <vector>

#include "core/uop.h"

namespace niwaki {

/// A launch of a kernel.
struct KernelCost {
  /// Arithmetic on floats: 1 for an add, a mul, a max or a term of a reduce; more for what takes
  /// several of them. Indices, choices and conversions are free.
  double operations = 0;
  /// Each element of a buffer once.
  double bytes_read = 0;
  double bytes_written = 0;

  double bytes() const { return bytes_read + bytes_written; }
};

/// The cost at the greatest value of every variable.
KernelCost kernel_cost(const UOp& ast);

/// A kernel where its variables have these values.
UOp with_values(const UOp& ast, std::span<const UOp> variables, std::span<const int64_t> values);

/// What an op costs beside an add; 0 for what is no operation.
double op_cost(Op op);

/// All operations of a kernel, on integers and memory too, at the greatest value of every variable:
/// what decides whether threads pay.
double kernel_work(const UOp& ast);

}  // namespace niwaki
