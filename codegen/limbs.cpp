// Limbs: a table of integers wider than the lanes of a lookup is several tables of its digits.
//
// Sixteen bytes are what an instruction looks lanes up in, thirty-two lanes at once, so a sum of
// integers that are looked up is split into the sums of their digits: T = T0 + 2^w T1 + ..., each
// digit looked up alone, and the sums put together once at the end. Digits are kept so narrow that
// a few of them still are a byte when they are added, and are added in sixteen bits from there on,
// as far as their bounds prove that nothing overflows: the bounds of a stage are those of what it
// was filled with, and the number of terms is that of the loops. What cannot be proved is added in
// 32 bits. How many bits a digit has is what makes the instructions fewest.
#include <bit>

#include "codegen/arithmetic.h"
#include "codegen/lookups.h"
#include "codegen/prepare.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

void add_terms(const UOp& u, std::vector<UOp>& terms) {
  if (u->op != Op::Add) return terms.push_back(u);
  add_terms(u[0], terms);
  add_terms(u[1], terms);
}

// Digits of `bits` each, `n` of them, of which `together` are added as bytes.
struct Digits {
  int64_t n;
  int64_t bits;
  int64_t together;
};

// Instructions for one value: lookups, additions of bytes, and what it takes to widen their sums.
Digits digits_of(int64_t greatest, int64_t terms) {
  constexpr double widening = 5;
  int64_t bits = std::bit_width(uint64_t(greatest));
  Digits best = {};
  double least = 0;
  for (int64_t most = 8; most >= 4; --most) {
    int64_t n = (bits + most - 1) / most;
    int64_t each = (bits + n - 1) / n;
    int64_t together = std::min<int64_t>(terms, 255 / ((int64_t(1) << each) - 1));
    double cost = double(n) * (2 + (widening - 1) / double(together));
    if (best.n && cost >= least) continue;
    least = cost;
    best = {n, each, together};
  }
  return best;
}

// Where digit `l` of an entry stands: those of all entries that are filled together, side by side.
UOp place_of(const UOp& at, int64_t l, const Digits& digits, const UOp& together) {
  return simplify((at / together * index(digits.n) + index(l)) * together + at % together);
}

UOp stage_of_digits(const UOp& table, const Digits& digits, const UOp& together) {
  std::vector<UOp> src;
  for (int64_t l = 0; l < digits.n; ++l) {
    UOp place = place_of(table[0], l, digits, together);
    UOp digit = mask(shift_right(table[1], digits.bits * l), (int64_t(1) << digits.bits) - 1);
    src.insert(src.end(), {place, simplify(cast(digit, u8))});
  }
  src.insert(src.end(), table->src.begin() + 2, table->src.end());
  return make(Op::Stage, std::move(src),
              StageInfo{table->get<StageInfo>().size * digits.n, digits.n});
}

// The sum of the terms' digits of one place: as bytes, then in as many bits as it needs.
UOp sum_of_digits(const UOp& sum, const std::vector<UOp>& found, const Digits& digits) {
  double terms = double(found.size());
  for (const UOp& r : loops_of(sum)) terms *= double(r[0]->hi);
  double greatest = terms * double((int64_t(1) << digits.bits) - 1);
  DType wide = greatest < 65536 ? u16 : u32;
  UOp total;
  for (size_t i = 0; i < found.size(); i += size_t(digits.together)) {
    UOp bytes = found[i];
    size_t end = std::min(found.size(), i + size_t(digits.together));
    for (size_t j = i + 1; j < end; ++j) bytes = bytes + found[j];
    UOp one = cast(bytes, wide);
    total = total ? total + one : one;
  }
  std::vector<UOp> src = {total};
  src.insert(src.end(), sum->src.begin() + 1, sum->src.end());
  return cast(make(Op::Reduce, std::move(src), sum->arg), i32);
}

UOp in_digits(const UOp& u, const Target& target) {
  bool is_sum = u->op == Op::Reduce && u->get<Reduction>().op == Op::Add && u->dtype == i32;
  if (!is_sum || !target.lookup(1)) return {};
  std::vector<UOp> terms;
  add_terms(u[0], terms);
  for (UOp& t : terms) {
    if (t->op == Op::Cast && is_integer(t[0]->dtype)) t = t[0];
  }
  const UOp& table = terms[0]->op == Op::Load ? terms[0][0] : terms[0];
  bool fits = table->op == Op::Stage && table->get<StageInfo>().stores == 1;
  for (const UOp& t : terms) fits = fits && table_index(t) && t[0] == table && t->lo >= 0;
  if (!fits) return {};
  const UOp& together = table->src.back()[0];
  Digits digits = digits_of(terms[0]->hi, int64_t(terms.size()));
  UOp memory = stage_of_digits(table, digits, together);
  UOp all;
  for (int64_t l = 0; l < digits.n; ++l) {
    std::vector<UOp> found;
    for (const UOp& t : terms) {
      found.push_back(make(Op::Load, {memory, place_of(t[1], l, digits, together)}));
    }
    UOp sum = sum_of_digits(u, found, digits);
    sum = sum * number(sum, double(int64_t(1) << (digits.bits * l)));
    all = all ? all + sum : sum;
  }
  return all;
}

}  // namespace

UOp split_limbs(const UOp& ast, const Target& target) {
  UOp result = graph_rewrite(ast, [&](const UOp& u) { return in_digits(u, target); });
  return result == ast ? ast : simplify(result);
}

}  // namespace niwaki
