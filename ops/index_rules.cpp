// Integer identities, for index arithmetic above all. `/` and `%` are floor division and modulus.
//
// The movement ops of a tensor graph turn into flattening and re-splitting of indices, so a
// kernel's first index expressions are sums of quotients and remainders of sums; these rules take
// them back to the few multiplications that an expert would have written. What concerns sums of
// several terms works on a LinearForm; all else is pattern, replacement, condition.
#include <algorithm>
#include <numeric>

#include "core/bounds.h"
#include "ops/linear_form.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// Arithmetic on factors wraps, as that of the sum does.
int64_t wrapping_add(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }
int64_t wrapping_mul(int64_t a, int64_t b) { return int64_t(uint64_t(a) * uint64_t(b)); }

void collect(const UOp& u, int64_t factor, LinearForm& form) {
  if (u->op == Op::Add) {
    collect(u[0], factor, form);
    collect(u[1], factor, form);
    return;
  }
  if (u->op == Op::Mul) {
    if (const int64_t* c = const_int(u[1])) return collect(u[0], wrapping_mul(factor, *c), form);
    if (const int64_t* c = const_int(u[0])) return collect(u[1], wrapping_mul(factor, *c), form);
  }
  if (const int64_t* c = const_int(u)) {
    form.offset = wrapping_add(form.offset, wrapping_mul(factor, *c));
    return;
  }
  for (LinearForm::Term& term : form.terms) {
    if (term.node == u) {
      term.factor = wrapping_add(term.factor, factor);
      return;
    }
  }
  form.terms.push_back({u, factor});
}

// f * c * (x / c) + f * (x % c) is f * x.
void join_quotients(LinearForm& form) {
  for (size_t i = 0; i < form.terms.size(); ++i) {
    const UOp quotient = form.terms[i].node;
    if (quotient->op != Op::Div) continue;
    const int64_t* c = const_int(quotient[1]);
    if (!c || *c <= 0) continue;
    UOp remainder = quotient[0] % quotient[1];
    for (size_t j = 0; j < form.terms.size(); ++j) {
      int64_t factor = form.terms[j].factor;
      bool fits = wrapping_mul(factor, *c) == form.terms[i].factor;
      if (form.terms[j].node != remainder || !fits) continue;
      form.terms.erase(form.terms.begin() + std::max(i, j));
      form.terms.erase(form.terms.begin() + std::min(i, j));
      collect(quotient[0], factor, form);
      return join_quotients(form);
    }
  }
}

UOp normalise_sum(const Match& m) {
  bool scalar = m.root->shape.empty() && m.root->dtype.lanes == 1;
  if (!scalar || !is_integer(m.root->dtype)) return {};
  LinearForm form = LinearForm::of(m.root);
  // Of data, sums share their parts, and taken apart they would be added up again for each.
  if (m.root->dtype != i64 && form.terms.size() > 2) return {};
  join_quotients(form);
  return form.to_uop(m.root->dtype);
}

// Bounds narrower than i64 prove that no sum or product below wrapped: it is what it says.
bool never_wraps(const UOp& u) { return Interval{u->lo, u->hi} != dtype_bounds(i64); }

// floor(sum / c): what divides leaves; the rest stays, divided by what it has in common with c, or
// vanishes where it is too small to carry. With `remainder`, the same for sum % c.
UOp split_divisible(const UOp& u, bool remainder) {
  const int64_t* divisor = const_int(u[1]);
  DType t = u->dtype;
  if (t != i64 || !divisor || *divisor <= 0 || !never_wraps(u[0])) return {};
  int64_t c = *divisor;
  LinearForm whole;
  LinearForm rest = LinearForm::of(u[0]);
  std::erase_if(rest.terms, [&](const LinearForm::Term& term) {
    if (term.factor % c != 0) return false;
    whole.terms.push_back({term.node, term.factor / c});
    return true;
  });
  whole.offset = rest.offset / c - (rest.offset % c < 0);
  rest.offset = rest.offset % c + (rest.offset % c < 0 ? c : 0);
  // Factors that are nearly multiples of c, as in a row and a column of rows that overlap: the
  // multiples leave where what stays cannot carry then.
  LinearForm multiples = whole;
  LinearForm residues = rest;
  for (LinearForm::Term& term : residues.terms) {
    int64_t left = term.factor % c;
    int64_t nearest = term.factor / c + (left > c / 2) - (left < -(c / 2));
    multiples.terms.push_back({term.node, nearest});
    term.factor = left - ((left > c / 2) - (left < -(c / 2))) * c;
  }
  UOp small = residues.to_uop(t);
  UOp multiple = multiples.to_uop(t);
  if (small->lo >= 0 && small->hi < c && never_wraps(small) && never_wraps(multiple)) {
    return remainder ? small : multiple;
  }

  bool changed = !whole.terms.empty() || whole.offset != 0;
  UOp quotient = whole.to_uop(t);
  UOp left = rest.to_uop(t);
  if (!never_wraps(quotient) || !never_wraps(left)) return {};

  // Modulo c a factor is also what it lacks of the nearest multiple of c: where that makes the rest
  // small, (10 x + y) / 9 is x, and (8 x + y) % 9 is y - x or 9 more.
  LinearForm near_whole = whole;
  LinearForm near_rest = rest;
  for (LinearForm::Term& term : near_rest.terms) {
    int64_t times = term.factor / c + (term.factor % c > c / 2) - (term.factor % c < -(c / 2));
    if (times != 0) near_whole.terms.push_back({term.node, times});
    term.factor = wrapping_add(term.factor, wrapping_mul(0 - times, c));
  }
  UOp close = near_rest.to_uop(t);
  bool nearer = near_whole.terms.size() > whole.terms.size() && never_wraps(close);
  if (nearer && close->lo > -c && close->hi < c) {
    UOp times = near_whole.to_uop(t);
    if (remainder) return close->lo >= 0 ? close : close % u[1];
    if (never_wraps(times)) return close->lo >= 0 ? times : times + close / u[1];
  }

  // Some factor g of c divides all terms but a remainder in [0, g), which cannot carry.
  std::vector<int64_t> candidates;
  for (const LinearForm::Term& term : rest.terms) {
    int64_t g = std::gcd(term.factor % c, c);
    if (g > 1 && g < c) candidates.push_back(g);
  }
  std::sort(candidates.rbegin(), candidates.rend());
  for (int64_t g : candidates) {
    LinearForm high;
    LinearForm low;
    low.offset = rest.offset % g;
    high.offset = rest.offset / g;
    for (const LinearForm::Term& term : rest.terms) {
      if (term.factor % g == 0) high.terms.push_back({term.node, term.factor / g});
      else low.terms.push_back(term);
    }
    UOp small = low.to_uop(t);
    if (small->lo < 0 || small->hi >= g) continue;
    UOp h = high.to_uop(t);
    if (remainder) return (h % index(c / g)) * index(g) + small;
    return quotient + h / index(c / g);
  }
  if (!changed) return {};
  return remainder ? left % u[1] : quotient + left / u[1];
}

// Whatever cannot vary is a constant.
UOp constant_by_bounds(const Match& m) {
  const UOp& u = m.root;
  bool scalar = u->dtype.lanes == 1 && u->shape.empty();
  if (!scalar || !is_elementwise(u->op) || u->lo != u->hi) return {};
  if (is_float(u->dtype) || u->dtype.kind == Kind::U64) return {};
  return constant(u->dtype, Value::of(u->lo));
}

// A remainder below d, where x is below the divisor and what wraps around is not below d: then x
// lies in [0, d) itself.
UOp less_without_wrapping(const Match& m) {
  const UOp& x = m['x'];
  int64_t c = *const_int(m['c']);
  int64_t d = *const_int(m['d']);
  if (c <= 0 || x->lo <= -c || x->lo >= 0 || x->hi >= c || x->lo + c < d) return {};
  UOp inside = negate(x < 0);
  return x->hi < d ? inside : inside & (x < m['d']);
}

UOp zero(const Match& m) {
  bool scalar = m.root->shape.empty() && m.root->dtype.lanes == 1;
  return scalar ? constant(m.root->dtype, 0) : UOp();
}

}  // namespace

LinearForm LinearForm::of(const UOp& u) {
  LinearForm form;
  collect(u, 1, form);
  return form;
}

UOp LinearForm::to_uop(DType t) const {
  std::vector<Term> sorted = terms;
  std::erase_if(sorted, [](const Term& term) { return term.factor == 0; });
  std::sort(sorted.begin(), sorted.end(), [](const Term& a, const Term& b) {
    RangeSet x = a.node->ranges ? a.node->ranges & (0 - a.node->ranges) : ~RangeSet(0);
    RangeSet y = b.node->ranges ? b.node->ranges & (0 - b.node->ranges) : ~RangeSet(0);
    return x != y ? x < y : a.node->hash < b.node->hash;
  });
  UOp sum;
  for (const Term& term : sorted) {
    UOp product = term.factor == 1 ? term.node : term.node * constant(t, Value::of(term.factor));
    sum = sum ? sum + product : product;
  }
  if (!sum) return constant(t, Value::of(offset));
  return offset ? sum + constant(t, Value::of(offset)) : sum;
}

const Rules& index_rules() {
  using namespace letters;
  static const Rules integers(Domain::Integers, {
    {x * 0, zero},
    {x * 1, x},
    {x / 1, x},
    {x % 1, zero},
    {(x * c) * d, x * (c * d)},
    {(x + c) * d, x * d + c * d},
    {x % c, x, lo(x) >= 0 && hi(x) < c},
    {x & x, x},
    {x & 0, zero},
    {x ^ 0, x},
    {x ^ x, zero},
    {(x ^ c) ^ d, x ^ (c ^ d)},
    {(x & c) & d, x & (c & d)},
    {x >> 0, x},
    {x << 0, x},
    {x != x, zero},
    {max(x, y), x, lo(x) >= hi(y)},
    {x + y, normalise_sum},
    {x, constant_by_bounds},
  });
  // Far from where i64 wraps, on both sides of a comparison or quotient.
  static const Pat far = -(1 << 30);
  static const Pat near = 1 << 30;
  static const Pat small_x = lo(x) > far && hi(x) < near;
  static const Pat small_c = c > far && c < near;
  static const Pat small_d = d > far && d < near;
  static const Rules indices(Domain::Index, {
    {(x / c) / d, x / (c * d), c > 0 && d > 0 && small_c && small_d},
    {(x % c) % d, x % d, c > 0 && d > 0 && c % d == 0},
    {(x % c) / d, (x / d) % (c / d), c > 0 && d > 0 && c % d == 0},
    {x + c < d, x < d - c, small_x && small_c && small_d},
    {x * c < d, x < (d + c - 1) / c, c > 0 && small_x && small_c && small_d},
    {x % c < d, less_without_wrapping},
    {x / c, [](const Match& m) { return split_divisible(m.root, false); }},
    {x % c, [](const Match& m) { return split_divisible(m.root, true); }},
  });
  static const Rules both = integers + indices;
  return both;
}

namespace {

RewriteMemo* current_memo = nullptr;

}  // namespace

SimplifyMemo::SimplifyMemo() {
  if (!current_memo) current_memo = &memo_;
}

SimplifyMemo::~SimplifyMemo() {
  if (current_memo == &memo_) current_memo = nullptr;
}

UOp simplify(const UOp& root) {
  static const Rules both = index_rules() + float_rules();
  return current_memo ? graph_rewrite(root, both, *current_memo) : graph_rewrite(root, both);
}

}  // namespace niwaki
