// Bytes are added up in lanes of sixteen bits without being brought there.
//
// To widen a vector of bytes takes three shuffles, more than the lookups that they come from. Read
// as a vector of half as many words of sixteen bits, each word is two neighbours: the one plus 256
// times the other. So the words are added as they are, and once more shifted down by a byte: what
// the second sum counts is in the first 256 times, and taking it away leaves the other neighbour's.
// All of it is modulo 2^16, below which the true sums are known to be. At the end the two are put
// side by side again.
#include <algorithm>

#include "codegen/arithmetic.h"
#include "codegen/lower.h"
#include "core/rewrite.h"

namespace niwaki {
namespace {

void add_terms(const UOp& u, std::vector<UOp>& terms) {
  if (u->op != Op::Add) return terms.push_back(u);
  add_terms(u[0], terms);
  add_terms(u[1], terms);
}

UOp sum_over(const UOp& reduce, const UOp& body) {
  std::vector<UOp> src = reduce->src;
  src[0] = body;
  return make(Op::Reduce, std::move(src), reduce->arg);
}

UOp added_as_words(const UOp& u) {
  bool is_sum = u->op == Op::Reduce && u->get<Reduction>().op == Op::Add;
  int64_t lanes = u->dtype.lanes;
  if (!is_sum || u->dtype.scalar() != u16 || lanes % 2 != 0) return {};
  std::vector<UOp> terms;
  add_terms(u[0], terms);
  bool bytes = std::all_of(terms.begin(), terms.end(), [](const UOp& t) {
    return t->op == Op::Cast && t[0]->dtype.scalar() == u8;
  });
  if (!bytes) return {};
  UOp words;
  UOp high;
  for (const UOp& t : terms) {
    UOp pairs = make(Op::Bitcast, {t[0]}, u16.vec(lanes / 2));
    UOp upper = shift_right(pairs, 8);
    words = words ? words + pairs : pairs;
    high = high ? high + upper : upper;
  }
  UOp odd = sum_over(u, high);
  UOp even = sum_over(u, words) + shift_left(odd, 8) * bits_number(odd, 65535);
  UOp both = cast(even, u32.vec(lanes / 2)) + shift_left(cast(odd, u32.vec(lanes / 2)), 16);
  return make(Op::Bitcast, {both}, u16.vec(lanes));
}

}  // namespace

UOp add_as_words(const UOp& ast, const Target& target) {
  return target.interpreted ? ast : graph_rewrite(ast, added_as_words);
}

}  // namespace niwaki
