// What a loop does not change leaves it: a sum of products with a common factor is that factor
// times a sum. The order of roundings changes, as wherever a sum is split.
//
// Factors that no loop of a sum changes leave it before its loops are chosen: a norm's root, a
// softmax's sum. Those that the innermost loop alone does not change leave that one when loops have
// been split. Low-bit weights share a scale in groups, and are split where groups begin, so a scale
// multiplies one sum a group instead of every weight; what is left of a 1-bit weight is a choice
// between an activation and its negative. Values that were packed keep their scale, which was paid
// for once.
#include <algorithm>

#include "codegen/arithmetic.h"
#include "codegen/lower.h"
#include "core/rewrite.h"

namespace niwaki {
namespace {

// A product is moved for this many iterations, not for fewer: it needs a register of its own.
constexpr int64_t least_iterations = 8;

const UOp& scalar_of(const UOp& u) { return u->op == Op::Stack && u->src.size() == 1 ? u[0] : u; }

bool is_negative(const UOp& u, const UOp& of) {
  const UOp& x = scalar_of(u);
  return x->op == Op::Mul && is_const(x[1], -1) && x[0] == scalar_of(of);
}

void add_factors(const UOp& u, std::vector<UOp>& factors) {
  if (u->op == Op::Mul) {
    add_factors(u[0], factors);
    add_factors(u[1], factors);
  } else if (u->op == Op::Where && is_negative(u[2], u[1])) {
    add_factors(u[1], factors);
    factors.push_back(where(u[0], number(u, 1), number(u, -1)));
  } else {
    factors.push_back(u);
  }
}

UOp product(const std::vector<UOp>& factors) {
  UOp all = factors[0];
  for (size_t i = 1; i < factors.size(); ++i) all = make(Op::Mul, {all, factors[i]});
  return all;
}

bool is_sign(const UOp& u) { return u->op == Op::Where && is_const(u[1], 1) && is_const(u[2], -1); }

// The product, with a sign that is a choice made one between a value and its negative.
UOp signed_product(std::vector<UOp> factors) {
  auto sign = std::find_if(factors.begin(), factors.end(), is_sign);
  if (sign == factors.end() || factors.size() == 1) return product(factors);
  UOp condition = (*sign)[0];
  factors.erase(sign);
  UOp value = product(factors);
  return where(condition, value, make(Op::Mul, {value, number(value, -1)}));
}

// The sum of products without the factors for which `stays` is false, over the loops that are left
// inside, times those; null where either is nothing.
template <class Stays>
UOp taken_out(const UOp& u, size_t first_inner, Stays stays) {
  std::vector<UOp> factors;
  add_factors(u[0], factors);
  auto middle = std::stable_partition(factors.begin(), factors.end(), stays);
  if (middle == factors.begin() || middle == factors.end()) return {};
  std::vector<UOp> src = {signed_product({factors.begin(), middle})};
  src.insert(src.end(), u->src.begin() + int64_t(first_inner), u->src.end());
  std::vector<UOp> all = {make(Op::Reduce, std::move(src), u->arg)};
  all.insert(all.end(), middle, factors.end());
  return product(all);
}

bool is_sum(const UOp& u) {
  return u->op == Op::Reduce && u->get<Reduction>().op == Op::Add && is_float(u->dtype);
}

UOp out_of_all(const UOp& u) {
  if (!is_sum(u)) return {};
  RangeSet loops = bound_ranges(*u);
  return taken_out(u, 1, [&](const UOp& f) { return (f->ranges & loops) != 0; });
}

UOp out_of_innermost(const UOp& u) {
  if (!is_sum(u) || u->src.size() < 3) return {};
  const UOp& loop = u->src.back();
  const int64_t* end = const_int(loop[0]);
  if (!end || *end < least_iterations) return {};
  auto varies = [&](const UOp& f) { return (f->ranges & loop->ranges) != 0; };
  UOp body = taken_out(u, u->src.size() - 1, varies);
  if (!body) return {};
  std::vector<UOp> src = {body};
  src.insert(src.end(), u->src.begin() + 1, u->src.end() - 1);
  return make(Op::Reduce, std::move(src), u->arg);
}

}  // namespace

UOp factor(const UOp& ast, const Target& target) {
  return target.interpreted ? ast : graph_rewrite(ast, out_of_all);
}

UOp factor_groups(const UOp& ast, const Target& target) {
  return target.interpreted ? ast : graph_rewrite(ast, out_of_innermost);
}

}  // namespace niwaki
