// Proof that a kernel stays inside of its buffers: the bounds of every index, under its gate where it
// has one, lie in [0, size). A gate is a conjunction of comparisons; an index is checked on the side of
// the comparison that it lies on, by bounding the expression that is compared.
#include "codegen/lower.h"
#include "core/bounds.h"
#include "core/error.h"
#include "core/rewrite.h"
#include "core/text.h"
#include "ops/linear_form.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

void conjuncts(const UOp& gate, std::vector<UOp>& found) {
  if (gate->op == Op::And) {
    conjuncts(gate[0], found);
    conjuncts(gate[1], found);
  } else {
    found.push_back(gate);
  }
}

// Replaces what a comparison bounds by a variable with those bounds: x < c gives x <= c - 1, its
// negation x >= c.
UOp assume(const UOp& at, const UOp& condition) {
  bool negated = condition->op == Op::Xor && is_const(condition[1], 1);
  const UOp& less = negated ? condition[0] : condition;
  if (less->op != Op::Less || less[0]->dtype != i64) return at;
  const UOp& x = less[0];
  const UOp& y = less[1];
  if (x->op == Op::Const) return at;
  int64_t lo = negated ? std::max(x->lo, y->lo) : x->lo;
  int64_t hi = negated ? x->hi : std::min(x->hi, y->hi - 1);
  if (lo > hi) return at;
  // The compared expression may stand in the index as a part of a sum: then the one term it has in
  // common is bounded by what the comparison leaves for it.
  LinearForm form = LinearForm::of(x);
  if (form.terms.size() == 1 && form.terms[0].factor == 1) {
    UOp bounded = variable(fmt::format("({})", form.terms[0].node->hash), lo - form.offset,
                           hi - form.offset);
    return substitute(at, {{form.terms[0].node, bounded}});
  }
  return substitute(at, {{x, variable(fmt::format("({})", x->hash), lo, hi)}});
}

}  // namespace

void check_bounds(const UOp& ast) {
  for (const UOp& u : toposort(ast)) {
    if (u->op != Op::Load && u->op != Op::Store) continue;
    UOp at = u[1];
    if (u->op == Op::Load && u->src.size() > 2) {
      std::vector<UOp> conditions;
      conjuncts(u[2], conditions);
      for (const UOp& c : conditions) at = simplify(assume(at, c));
    }
    int64_t size = u[0]->get<ParamInfo>().size;
    expect(at->lo >= 0 && at->hi < size, "a {} at {} may leave [0, {}):\n{}", info(u->op).name,
           expression(at), size, print(u));
  }
}

}  // namespace niwaki
