// What a graph costs, counted and not timed: the iterations of all loops of its kernels. A gather
// that loops over its table, or an arange that adds up ones, shows here, however fast the machine.
#pragma once

#include "ops/tensor.h"
#include "schedule/schedule.h"

namespace niwaki::test {

/// Iterations of all loops of a kernel, taken as nested in each other; symbolic ones at their most.
inline double iterations(const UOp& ast) {
  double n = 1;
  for (const UOp& u : toposort(ast)) {
    if (u->op == Op::Range) n *= double(u[0]->hi);
  }
  return n;
}

/// Iterations of all kernels that compute a tensor.
inline double iterations(const Tensor& t) {
  double total = 0;
  for (const Kernel& kernel : schedule({t.uop()}).kernels) total += iterations(kernel.ast);
  return total;
}

}  // namespace niwaki::test
