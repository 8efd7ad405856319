// Words for passes that write arithmetic out: constants, shifts and masks over a node or all lanes
// of a vector. The ops of core/uop.h take a number for scalars only.
#pragma once

#include "core/uop.h"

namespace niwaki {

/// `v` in every lane of a value like `like`.
inline UOp number(const UOp& like, double v) {
  UOp c = constant(like->dtype.scalar(), v);
  return like->dtype.lanes == 1 ? c : make(Op::Stack, {c}, int64_t(like->dtype.lanes));
}

/// The same of an integer, all of whose 64 bits count.
inline UOp bits_number(const UOp& like, int64_t v) {
  UOp c = constant(like->dtype.scalar(), Value::of(v));
  return like->dtype.lanes == 1 ? c : make(Op::Stack, {c}, int64_t(like->dtype.lanes));
}

inline UOp bitcast_to(const UOp& u, DType t) {
  return make(Op::Bitcast, {u}, t.vec(u->dtype.lanes));
}
inline UOp shift_left(const UOp& u, const UOp& n) { return make(Op::Shl, {u, n}); }
inline UOp shift_left(const UOp& u, int64_t n) { return shift_left(u, bits_number(u, n)); }
inline UOp shift_right(const UOp& u, const UOp& n) { return make(Op::Shr, {u, n}); }
inline UOp shift_right(const UOp& u, int64_t n) { return shift_right(u, bits_number(u, n)); }
inline UOp mask(const UOp& u, int64_t m) { return u & bits_number(u, m); }
inline UOp either(const UOp& a, const UOp& b) {
  return make(Op::Xor, {make(Op::Xor, {a, b}), a & b});
}
inline UOp equal(const UOp& a, const UOp& b) { return negate(make(Op::Ne, {a, b})); }

}  // namespace niwaki
