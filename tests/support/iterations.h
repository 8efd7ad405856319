// What a graph costs, counted and not timed: the iterations of all loops of its kernels. A gather
// that loops over its table, or an arange that adds up ones, shows here, however fast the machine.
#pragma once

#include "ops/tensor.h"
#include "schedule/schedule.h"

namespace niwaki::test {

/// Iterations of a kernel's costliest loop nest; symbolic loops at their most.
inline double iterations(const UOp& ast) {
  std::vector<UOp> nodes = toposort(ast);
  double most = 1;
  for (const UOp& u : nodes) {
    if (first_loop(*u) == u->src.size()) continue;
    RangeSet around = u->ranges | bound_ranges(*u);
    double n = 1;
    for (const UOp& r : nodes) {
      if (r->op == Op::Range && (r->ranges & around)) n *= double(r[0]->hi);
    }
    most = std::max(most, n);
  }
  return most;
}

/// Iterations of all kernels that compute a tensor.
inline double iterations(const Tensor& t) {
  double total = 0;
  for (const Kernel& kernel : schedule({t.uop()}).kernels) total += iterations(kernel.ast);
  return total;
}

}  // namespace niwaki::test
