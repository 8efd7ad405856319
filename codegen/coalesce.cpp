// Loads that stand side by side are one wide load.
//
// Vectorising a loop finds the loads whose lanes are neighbours. What is left are neighbours that
// the graph itself asks for together: the two bytes of a half in a block of packed weights, say. A
// vector whose lanes are loaded from consecutive elements, under the same gate, is loaded at once.
#include "codegen/lower.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

UOp wide_load(const UOp& u) {
  if (u->op != Op::Stack || u->src.size() < 2 || u[0]->op != Op::Load) return {};
  const UOp& first = u[0];
  for (size_t i = 1; i < u->src.size(); ++i) {
    const UOp& load = u[i];
    bool alike = load->op == Op::Load && load[0] == first[0] &&
                 load->src.size() == first->src.size() &&
                 (load->src.size() < 3 || load[2] == first[2]);
    if (!alike || !is_const(simplify(load[1] - first[1]), double(i))) return {};
  }
  return make(Op::Load, first->src, int64_t(u->src.size()));
}

}  // namespace

UOp coalesce(const UOp& ast, const Target& target) {
  return target.lanes > 1 ? graph_rewrite(ast, wide_load) : ast;
}

}  // namespace niwaki
