// Movement ops that do nothing, or two that are one. Not needed for good code, since ranges see
// through any chain; they keep graphs small and the same graph written two ways the same node.
#include "ops/rules.h"

namespace niwaki {
namespace {

UOp drop_identity_permute(const Match& m) {
  const Axes& order = m.root->get<Axes>();
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != int64_t(i)) return {};
  }
  return m['x'];
}

UOp merge_permutes(const Match& m) {
  const Axes& outer = m.root->get<Axes>();
  const Axes& inner = m.root[0]->get<Axes>();
  Axes both;
  for (int64_t axis : outer) both.push_back(inner[axis]);
  return make(Op::Permute, {m['x']}, both);
}

}  // namespace

// Movement nodes carry their dims as sources, so their patterns are by op, not by arity.
const Rules& movement_rules() {
  using namespace letters;
  static const Rules rules = {
    {Pat(Op::Permute, {Pat(Op::Permute, {x})}), merge_permutes},
    {Pat(Op::Permute, {x}), drop_identity_permute},
    {x, [](const Match& m) -> UOp {
       const UOp& u = m.root;
       if (u->op == Op::Reshape && u[0]->op == Op::Reshape) {
         std::vector<UOp> src = u->src;
         src[0] = u[0][0];
         return make(Op::Reshape, std::move(src));
       }
       bool may_be_identity = u->op == Op::Reshape || u->op == Op::Expand || u->op == Op::Pad ||
                              u->op == Op::Shrink;
       // A result of the shape of its source has the same elements.
       return may_be_identity && u->shape == u[0]->shape ? u[0] : UOp();
     }},
  };
  return rules;
}

}  // namespace niwaki
