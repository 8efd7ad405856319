// What takes one of two values is a choice between them, and arithmetic on a choice is a choice
// between results: constants fold into its branches, and what was a shift, a mask, a conversion and
// two operations for every bit of a word is a test of that bit and a blend.
//
// Exact on floats: a branch is computed as the operation would have been.
#include "ops/rules.h"

namespace niwaki {
namespace {

// A bit as a number: (x >> y) & 1 is 1 where x has the bit 1 << y. For unsigned x alone: a signed
// shift out of range leaves the sign, of which 1 << y knows nothing.
UOp bit_as_choice(const Match& m) {
  const UOp& x = m['x'];
  DType t = m.root->dtype;
  if (!is_unsigned(x->dtype) || t.kind == Kind::Bool || t.lanes > 1 || !m.root->shape.empty()) {
    return {};
  }
  UOp bit = make(Op::Shl, {constant(x->dtype, 1), m['y']});
  UOp is_set = make(Op::Ne, {x & bit, constant(x->dtype, 0)});
  return where(is_set, constant(t, 1), constant(t, 0));
}

}  // namespace

const Rules& select_rules() {
  using namespace letters;
  static const Rules rules = {
    {Pat(Op::Cast, {(x >> y) & 1}), bit_as_choice},
    {where(x, c, d) * e, where(x, c * e, d * e)},
    {where(x, c, d) + e, where(x, c + e, d + e)},
    {where(x, 1, -1) * y, where(x, y, y * -1)},
  };
  return rules;
}

}  // namespace niwaki
