// Proof that a kernel stays inside of its buffers: the bounds of every index, under its gate where
// it has one, lie in [0, size). A gate is a conjunction of comparisons, each of which bounds the
// expression it compares; the index is bounded anew with what they say.
//
// An access without a gate that cannot be proved is a bug, and is not compiled. A gated load that
// cannot, because what its gate implies is beyond intervals, has its index clamped: the same
// element where the gate is true, and a harmless one where it is not.
#include "codegen/lower.h"

#include <algorithm>
#include <limits>

#include "core/bounds.h"
#include "core/error.h"
#include "core/rewrite.h"
#include "core/text.h"
#include "ops/linear_form.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// The index where the loops with symbolic ends are at whichever end makes it least, or greatest: n
// - 1 - r is at least 0 because r is at most n - 1, which intervals alone cannot see.
UOp extreme(const UOp& at, bool greatest) {
  std::vector<std::pair<UOp, UOp>> ends;
  for (const LinearForm::Term& term : LinearForm::of(at).terms) {
    if (term.node->op != Op::Range || term.node[0]->op == Op::Const) continue;
    bool last = (term.factor > 0) == greatest;
    ends.emplace_back(term.node, last ? term.node[0] + index(-1) : index(0));
  }
  return simplify(substitute(at, ends));
}

// The index with what it divides replaced by variables, where the ends of loops bound it better
// than its interval: (n - r) / 2 is not below 0.
UOp with_dividends_bounded(const UOp& at) {
  std::vector<std::pair<UOp, UOp>> replacements;
  for (const UOp& u : toposort(at)) {
    if ((u->op != Op::Div && u->op != Op::Mod) || u->dtype != i64) continue;
    const UOp& x = u[0];
    Interval bounds = {extreme(x, false)->lo, extreme(x, true)->hi};
    bool better = bounds.lo > x->lo || bounds.hi < x->hi;
    if (!better || bounds.lo > bounds.hi) continue;
    std::string name = fmt::format("(dividend {})", replacements.size());
    replacements.emplace_back(x, variable(name, bounds.lo, bounds.hi));
  }
  return replacements.empty() ? at : simplify(substitute(at, replacements));
}

// What a gate says of one expression: it lies in `bounds`.
struct Fact {
  UOp node;
  Interval bounds;
};

void learn(std::vector<Fact>& facts, const UOp& node, Interval bounds) {
  for (Fact& fact : facts) {
    if (fact.node != node) continue;
    fact.bounds.lo = std::max(fact.bounds.lo, bounds.lo);
    fact.bounds.hi = std::min(fact.bounds.hi, bounds.hi);
    return;
  }
  facts.push_back({node, bounds});
}

// a - b, or the end of the range on that side, which as a bound says nothing.
int64_t minus(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

// x < y gives x <= hi(y) - 1, its negation x >= lo(y). Where x is one term and an offset, it is the
// term that is bounded, because it may stand in the index with another offset.
void learn_all(std::vector<Fact>& facts, const UOp& gate) {
  if (gate->op == Op::And) {
    learn_all(facts, gate[0]);
    learn_all(facts, gate[1]);
    return;
  }
  bool negated = gate->op == Op::Xor && is_const(gate[1], 1);
  const UOp& less = negated ? gate[0] : gate;
  if (less->op != Op::Less || less[0]->dtype != i64 || less[0]->op == Op::Const) return;
  const UOp& x = less[0];
  Interval bounds = {extreme(x, false)->lo, extreme(x, true)->hi};
  if (negated) bounds.lo = std::max(bounds.lo, less[1]->lo);
  else bounds.hi = std::min(bounds.hi, minus(less[1]->hi, 1));
  LinearForm form = LinearForm::of(x);
  Interval term = {minus(bounds.lo, form.offset), minus(bounds.hi, form.offset)};
  if (form.terms.size() == 1 && form.terms[0].factor == 1) {
    learn(facts, form.terms[0].node, term);
  } else if (form.terms.size() == 1 && form.terms[0].factor == -1) {
    learn(facts, form.terms[0].node, {minus(0, term.hi), minus(0, term.lo)});
  } else {
    learn(facts, x, bounds);
  }
}

// A sum that contains a multiple of `part`'s terms, with that multiple of `whole` in their stead;
// the sum itself where it does not.
LinearForm with_part_replaced(LinearForm sum, const LinearForm& part, const UOp& whole) {
  auto factor_in = [](const LinearForm& form, const UOp& node) {
    for (const LinearForm::Term& term : form.terms) {
      if (term.node == node) return term.factor;
    }
    return int64_t(0);
  };
  int64_t multiple = factor_in(sum, part.terms[0].node) / part.terms[0].factor;
  for (const LinearForm::Term& term : part.terms) {
    if (multiple == 0 || factor_in(sum, term.node) != multiple * term.factor) return sum;
  }
  std::erase_if(sum.terms, [&](const LinearForm::Term& t) { return factor_in(part, t.node) != 0; });
  sum.terms.push_back({whole, multiple});
  sum.offset -= multiple * part.offset;
  return sum;
}

// The index with every expression that the gate bounds replaced by a variable with those bounds;
// null where the gate can never be true.
UOp under_gate(const UOp& at, const UOp& gate) {
  if (is_const(gate, 0)) return {};
  std::vector<Fact> facts;
  learn_all(facts, gate);
  std::vector<std::pair<UOp, UOp>> replacements;
  LinearForm form = LinearForm::of(at);
  for (const Fact& fact : facts) {
    if (fact.bounds.lo > fact.bounds.hi) return {};
    std::string name = fmt::format("({})", replacements.size());
    replacements.emplace_back(fact.node, variable(name, fact.bounds.lo, fact.bounds.hi));
    LinearForm part = LinearForm::of(fact.node);
    if (part.terms.size() > 1) form = with_part_replaced(form, part, replacements.back().second);
  }
  return simplify(substitute(form.to_uop(i64), replacements));
}

// Whether an index that is used where the gate is true, always if it is null, lies in [0, size).
// Of a choice within it each side is looked at, under what choosing it says.
bool lies_in(const UOp& index_used, const UOp& gate, int64_t size, int depth = 4) {
  UOp at = gate ? under_gate(index_used, gate) : index_used;
  auto inside = [&](const UOp& u) {
    return extreme(u, false)->lo >= 0 && extreme(u, true)->hi < size;
  };
  if (!at || inside(at) || inside(with_dividends_bounded(at))) return true;
  for (const UOp& u : toposort(index_used)) {
    if (u->op != Op::Where || u->dtype != i64 || depth == 0) continue;
    auto side_lies_in = [&](size_t side, const UOp& chosen) {
      UOp both = gate ? gate & chosen : chosen;
      return lies_in(substitute(index_used, {{u, u[side]}}), both, size, depth - 1);
    };
    return side_lies_in(1, u[0]) && side_lies_in(2, negate(u[0]));
  }
  return false;
}

bool is_inside(const UOp& at, const UOp& gate, int64_t size) {
  return (at->lo >= 0 && at->hi < size) || lies_in(at, gate, size);
}

// Whether every element that a load, store or stage names exists; so of any other node.
bool is_inside(const UOp& u) {
  if (u->op == Op::Load) {
    return is_inside(u[1], u->src.size() > 2 ? u[2] : UOp(), memory_size(u[0]));
  }
  if (u->op == Op::Store) return is_inside(u[1], {}, memory_size(u[0]));
  if (u->op != Op::Stage) return true;
  for (size_t i = 0; i < first_loop(*u); i += 2) {
    if (!is_inside(u[i], {}, memory_size(u))) return false;
  }
  return true;
}

UOp kept_inside(const UOp& load) {
  UOp zero = index(0);
  UOp last = index(std::max<int64_t>(memory_size(load[0]) - 1, 0));
  UOp at = where(load[1] < zero, zero, load[1]);
  at = where(last < at, last, at);
  return make(Op::Load, {load[0], at, load[2]}, load->arg);
}

[[noreturn]] void refuse(const UOp& access, const char* pass) {
  bool stage = access->op == Op::Stage;
  bug("{}: a {} at {} may leave [0, {}):\n{}", pass, info(access->op).name,
      expression(access[stage ? 0 : 1]), memory_size(stage ? access : access[0]), print(access));
}

}  // namespace

UOp prove_bounds(const UOp& ast, const Target&) {
  return graph_rewrite(ast, [](const UOp& u) -> UOp {
    if (is_inside(u)) return {};
    if (u->op == Op::Load && u->src.size() > 2) return kept_inside(u);
    refuse(u, "bounds");
  });
}

void verify_bounds(const UOp& ast, const char* pass) {
  for (const UOp& u : toposort(ast)) {
    if (!is_inside(u)) refuse(u, pass);
  }
}

}  // namespace niwaki
