// Sums over a loop that need no loop.
//
// An embedding is a one-hot product: sum over r of (r == i ? table[r] : 0). Nobody should run that
// loop: where i is an integer that does not depend on r, the sum has one term that can differ from
// zero, f(i), if i lies in the range at all. The loads of f get that condition as a gate, so that
// an index from outside reads nothing.
//
// And where nothing but comparisons depends on r, as in sum over r of (r <= i ? c : 0), the sum is
// c as often as the comparisons hold: the length of an interval. So a running sum of ones, and all
// that is made of one, costs its elements.
//
// Both start from a body that is `cond ? value : 0`, the condition a conjunction. Whatever is
// exactly that is brought into this form: nested choices, a choice converted, or multiplied. A
// float multiplied by zero need not be zero, so there it must be known to be finite. Conditions
// are solved for r as linear inequalities in i64, each side known not to have wrapped.
//
// Rejected: closed forms of sums of polynomials (nothing asks for them), and splitting loops at
// the ends of the interval (a sum of data costs its loop anyhow).
#include <cmath>
#include <unordered_map>

#include "core/bounds.h"
#include "core/rewrite.h"
#include "ops/linear_form.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// What indices and what they are compared with are kept within, so that sums of a few never wrap.
constexpr int64_t far = int64_t(1) << 40;

UOp all_of(const UOp& a, const UOp& b) { return !a ? b : !b ? a : a & b; }
UOp least(const UOp& a, const UOp& b) { return where(a < b, a, b); }
UOp greatest(const UOp& a, const UOp& b) { return make(Op::Max, {a, b}); }

bool is_not(const UOp& u) { return u->op == Op::Xor && u->dtype == boolean && is_const(u[1], 1); }
bool is_zero(const UOp& u) { return u->op == Op::Const && u->get<Constant>().value.bits == 0; }

// `cond ? value : 0`; without a condition, the value.
struct Choice {
  UOp cond;
  UOp value;
};

bool is_finite(const UOp& u) {
  if (u->op == Op::Const) return std::isfinite(u->get<Constant>().value.f);
  bool wide = u->dtype == f32 || u->dtype == f64;
  return u->op == Op::Cast && wide && !is_float(u[0]->dtype);
}

// Looks a few nodes deep, because what is shared below would be looked at again and again.
Choice choice_of(const UOp& u, int depth = 8) {
  if (depth == 0) return {{}, u};
  if (u->op == Op::Where && (is_zero(u[1]) || is_zero(u[2]))) {
    bool negated = !is_zero(u[2]);
    Choice inner = choice_of(u[negated ? 2 : 1], depth - 1);
    return {all_of(negated ? negate(u[0]) : u[0], inner.cond), inner.value};
  }
  if (u->op == Op::Cast && u[0]->dtype == boolean) return {u[0], constant(u->dtype, 1)};
  if (u->op == Op::Cast) {
    Choice inner = choice_of(u[0], depth - 1);
    if (inner.cond) return {inner.cond, cast(inner.value, u->dtype)};
  }
  if (u->op == Op::Mul && u->dtype != boolean) {
    Choice a = choice_of(u[0], depth - 1);
    Choice b = choice_of(u[1], depth - 1);
    bool exact =
        !is_float(u->dtype) || ((!a.cond || is_finite(u[1])) && (!b.cond || is_finite(u[0])));
    if ((a.cond || b.cond) && exact) return {all_of(a.cond, b.cond), a.value * b.value};
  }
  return {{}, u};
}

void split_conjunction(const UOp& u, std::vector<UOp>& parts) {
  bool both = u->op == Op::And || u->op == Op::Mul;
  if (!both) {
    parts.push_back(u);
    return;
  }
  split_conjunction(u[0], parts);
  split_conjunction(u[1], parts);
}

// The same number as an i64, with conversions on the way left out where they change nothing; null
// where that may be none.
UOp as_index(const UOp& u) {
  if (!is_integer(u->dtype) || u->dtype == u64) return {};
  Interval bounds = dtype_bounds(u->dtype);
  auto fits = [&](const UOp& x) { return x->lo >= bounds.lo && x->hi <= bounds.hi; };
  bool converts = u->op == Op::Cast && is_integer(u[0]->dtype) && u[0]->dtype != u64;
  if (converts && fits(u[0])) return as_index(u[0]);
  if (u->dtype == i64) return u;
  if (const int64_t* c = const_int(u)) return index(*c);
  if (u->op == Op::Add || u->op == Op::Mul) {
    UOp wide = make(u->op, {as_index(u[0]), as_index(u[1])});
    if (fits(wide)) return wide;
  }
  return cast(u, i64);
}

// What is compared with an index: itself where it is near, else brought so near that every
// comparison stays what it is; null where it depends on r and may have wrapped.
UOp comparable(const UOp& side, const UOp& r) {
  if (side->lo > -far && side->hi < far) return side;
  if (side->ranges & r->ranges) return {};
  return least(greatest(side, index(-far)), index(far));
}

// What one condition says of r: it is `position`, and `also` holds; or it is in [lo, hi), null
// where open. Nothing at all where the condition is not understood.
struct Solution {
  UOp position;
  UOp also;
  UOp lo;
  UOp hi;
  bool understood() const { return position || lo || hi; }
};

// The sum without its term in r, times -1; and the factor of r, 0 where r cannot be told apart.
std::pair<UOp, int64_t> solve_for(const UOp& r, LinearForm form) {
  int64_t factor = 0;
  for (const LinearForm::Term& term : form.terms) {
    if (term.node == r) factor = term.factor;
    else if (term.node->ranges & r->ranges) return {{}, 0};
  }
  bool near = factor != 0 && factor > -far && factor < far && r->hi <= far / std::abs(factor);
  if (!near) return {{}, 0};
  std::erase_if(form.terms, [&](const LinearForm::Term& term) { return term.node == r; });
  return {simplify(form.to_uop(i64) * -1.0), factor};
}

Solution solve(const UOp& cond, const UOp& r) {
  bool negated = is_not(cond);
  const UOp& compares = negated ? cond[0] : cond;
  bool equal = compares->op == Op::Ne && negated;
  if (!equal && compares->op != Op::Less) return {};
  UOp a = as_index(compares[0]);
  UOp b = as_index(compares[1]);
  if (!a || !b) return {};
  if (equal) {
    // k r == rest: exact however the rest wraps, because k r is near zero.
    auto [rest, k] = solve_for(r, LinearForm::of(a - b));
    if (k == 0) return {};
    if (k < 0) rest = simplify(rest * -1.0);
    UOp step = index(std::abs(k));
    if (is_const(step, 1)) return {rest, {}, {}, {}};
    return {rest / step, negate(make(Op::Ne, {rest % step, index(0)})), {}, {}};
  }
  a = comparable(a, r);
  b = comparable(b, r);
  if (!a || !b) return {};
  // a < b is a - b < 0, and its contrary b - a - 1 < 0: k r < rest.
  auto [rest, k] = solve_for(r, LinearForm::of(negated ? b - a + -1.0 : a - b));
  if (k == 0) return {};
  if (k > 0) return {{}, {}, {}, (rest + index(k - 1)) / index(k)};
  return {{}, {}, (rest * -1.0) / index(-k) + 1.0, {}};
}

// f with r replaced by i, every load that r reached guarded where a guard is given. What does not
// depend on r is left alone: a reduce in it, as one in i, may have a loop of r's number itself.
UOp at_position(const UOp& f, const UOp& r, const UOp& position, const UOp& valid = {}) {
  std::unordered_map<const Node*, UOp> placed = {{r.get(), position}};
  auto at = [&](const UOp& u) { return u->ranges & r->ranges ? placed.at(u.get()) : u; };
  for (const UOp& u : toposort(f)) {
    if (u == r || !(u->ranges & r->ranges)) continue;
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(at(s));
    if (valid && u->op == Op::Load) {
      if (src.size() == 3) src[2] = src[2] & valid;
      else src.push_back(valid);
    }
    placed[u.get()] = with_sources(u, std::move(src));
  }
  return at(f);
}

// Whether a loop inside of f has the number of one that the position depends on.
bool captures(const UOp& f, const UOp& r, const UOp& position) {
  for (const UOp& u : toposort(f)) {
    if ((u->ranges & r->ranges) && (bound_ranges(*u) & position->ranges)) return true;
  }
  return false;
}

// The one term of a sum, or of a disjunction, that r == position leaves.
UOp one_term(const UOp& body, const UOp& r, const UOp& position) {
  UOp zero = index(0);
  UOp valid = simplify(negate(position < zero) & (position < r[0]));
  if (is_const(valid, 1)) return at_position(body, r, position);
  return where(valid, at_position(body, r, position, valid), constant(body->dtype, 0));
}

// `value` added up `count` times; of bools, whether there is any.
UOp repeated(const UOp& value, const UOp& count) {
  UOp some = index(0) < count;
  if (value->dtype == boolean) return value & some;
  UOp product = value * cast(count, value->dtype);
  bool exact = !is_float(value->dtype) || is_finite(value);
  return exact ? product : where(some, product, constant(value->dtype, 0));
}

// The body summed over r without a loop; null where that needs one.
UOp without_loop(const UOp& body, const UOp& r) {
  bool any = body->dtype == boolean;
  Choice choice = any ? Choice{body, constant(boolean, 1)} : choice_of(body);
  std::vector<UOp> parts;
  if (choice.cond) split_conjunction(choice.cond, parts);
  UOp rest;
  UOp lo = index(0);
  UOp hi = r[0];
  bool counts = !(choice.value->ranges & r->ranges);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!(parts[i]->ranges & r->ranges)) {
      rest = all_of(rest, parts[i]);
      continue;
    }
    Solution s = solve(parts[i], r);
    if (s.position) {
      UOp others = s.also;
      for (size_t j = 0; j < parts.size(); ++j) {
        if (j != i) others = all_of(others, parts[j]);
      }
      UOp zero = constant(body->dtype, 0);
      UOp term = others ? where(others, choice.value, zero) : choice.value;
      if (captures(term, r, s.position)) return {};
      return one_term(term, r, s.position);
    }
    counts &= s.understood();
    if (s.lo) lo = greatest(lo, s.lo);
    if (s.hi) hi = least(hi, s.hi);
  }
  if (!counts || (!any && !is_integer(body->dtype) && byte_size(body->dtype) < 4)) return {};
  UOp count = simplify(greatest(hi - lo, index(0)));
  UOp sum = repeated(choice.value, count);
  return rest ? where(rest, sum, constant(body->dtype, 0)) : sum;
}

UOp collapse(const UOp& u) {
  if (u->op != Op::Reduce) return {};
  // Sums; and of bools the greatest, which is whether there is any.
  Op wanted = u->dtype == boolean ? Op::Max : Op::Add;
  if (u->get<Reduction>().op != wanted) return {};
  for (size_t i = 1; i < u->src.size(); ++i) {
    UOp value = without_loop(u[0], u[i]);
    if (!value) continue;
    std::vector<UOp> src = u->src;
    src[0] = value;
    src.erase(src.begin() + int64_t(i));
    return src.size() == 1 ? value : make(Op::Reduce, std::move(src), u->arg);
  }
  return {};
}

}  // namespace

UOp collapse_sums(const UOp& ast) { return simplify(graph_rewrite(ast, collapse)); }

}  // namespace niwaki
