// A gather costs the rows it reads.
//
// An embedding is a one-hot product: sum over r of (r == i ? table[r] : 0). Nobody should run that
// loop: where i is an integer that does not depend on r, the sum has one term that can differ from
// zero, f(i), if i lies in the range at all. The loads of f get that condition as a gate, so that
// an index from outside reads nothing.
#include "core/rewrite.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// The i of a condition r == i, with what it is and-ed with; null where `c` says nothing of the
// kind.
struct OneHot {
  UOp position;
  UOp rest;
};

OneHot find_position(const UOp& c, const UOp& r) {
  if (c->op == Op::And) {
    for (int side : {0, 1}) {
      OneHot found = find_position(c[size_t(side)], r);
      if (!found.position) continue;
      const UOp& other = c[size_t(1 - side)];
      found.rest = found.rest ? found.rest & other : other;
      return found;
    }
    return {};
  }
  bool equals = c->op == Op::Xor && is_const(c[1], 1) && c[0]->op == Op::Ne;
  if (!equals) return {};
  for (int side : {0, 1}) {
    const UOp& mine = c[0][size_t(side)];
    const UOp& other = c[0][size_t(1 - side)];
    if (mine == r && !(other->ranges & r->ranges)) return {other, {}};
  }
  return {};
}

// f with r replaced by i, every load that r reached guarded.
UOp at_position(const UOp& f, const UOp& r, const UOp& position, const UOp& valid) {
  UOp guarded = graph_rewrite(f, [&](const UOp& u) -> UOp {
    if (u->op != Op::Load || !(u->ranges & r->ranges)) return {};
    std::vector<UOp> src = u->src;
    if (src.size() == 3) {
      if (src[2] == valid || (src[2]->op == Op::And && src[2][1] == valid)) return {};
      src[2] = src[2] & valid;
    } else {
      src.push_back(valid);
    }
    return make(Op::Load, std::move(src));
  });
  return substitute(guarded, {{r, position}});
}

UOp collapse(const UOp& u) {
  if (u->op != Op::Reduce || u->get<Reduction>().op != Op::Add) return {};
  const UOp& body = u[0];
  if (body->op != Op::Where || !is_const(body[2], 0)) return {};
  for (size_t i = 1; i < u->src.size(); ++i) {
    const UOp& r = u[i];
    OneHot found = find_position(body[0], r);
    if (!found.position) continue;
    UOp zero = index(0);
    UOp valid = simplify(negate(found.position < zero) & (found.position < r[0]));
    UOp value = found.rest ? where(found.rest, body[1], body[2]) : body[1];
    if (!is_const(valid, 1)) {
      value = where(valid, at_position(value, r, found.position, valid), body[2]);
    } else {
      value = substitute(value, {{r, found.position}});
    }
    std::vector<UOp> src = u->src;
    src[0] = value;
    src.erase(src.begin() + int64_t(i));
    return src.size() == 1 ? value : make(Op::Reduce, std::move(src), u->arg);
  }
  return {};
}

}  // namespace

UOp collapse_one_hot(const UOp& ast) { return simplify(graph_rewrite(ast, collapse)); }

}  // namespace niwaki
