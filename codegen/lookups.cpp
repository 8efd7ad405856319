#include "codegen/lookups.h"

#include "ops/linear_form.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

bool is_made_of_loads(const UOp& u) {
  for (const UOp& x : toposort(u)) {
    if (x->op == Op::Load) return true;
  }
  return false;
}

}  // namespace

std::optional<TableIndex> table_index(const UOp& u) {
  constexpr int64_t most_entries = 16;
  if (u->op != Op::Load || u->src.size() > 2 || u->dtype.lanes > 1) return std::nullopt;
  TableIndex index_of = {index(0), {}};
  LinearForm sum = LinearForm::of(u[1]);
  for (const LinearForm::Term& term : sum.terms) {
    const UOp& x = term.node;
    bool chooses = term.factor == 1 && x->op == Op::Cast && is_unsigned(x[0]->dtype) &&
                   x[0]->lo >= 0 && x[0]->hi > 0 && x[0]->hi < most_entries &&
                   is_made_of_loads(x);
    if (!chooses) index_of.begin = index_of.begin + x * index(term.factor);
    else if (std::exchange(index_of.chosen, x[0])) return std::nullopt;
  }
  index_of.begin = simplify(index_of.begin + index(sum.offset));
  return index_of.chosen ? std::optional(index_of) : std::nullopt;
}

}  // namespace niwaki
