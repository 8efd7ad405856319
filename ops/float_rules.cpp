// Identities that hold bit for bit for every dtype, so floats as well. What is missing is missing
// on purpose: x + 0 changes -0, x * 0 hides NaN and infinity, and no sum is re-associated here.
#include "ops/rules.h"

namespace niwaki {
namespace {

UOp choose(const Match& m) {
  const int64_t* c = const_int(m['c']);
  return *c ? m['x'] : m['y'];
}

// A cast to the dtype that a lossless cast came from undoes it.
UOp undo_cast(const Match& m) {
  const UOp& u = m.root;
  DType from = m['x']->dtype;
  DType middle = u[0]->dtype;
  if (u->dtype != from) return {};
  bool wider = byte_size(middle) > byte_size(from) || middle == from;
  bool keeps = is_float(middle) == is_float(from) && (is_float(from) || is_signed(middle));
  return wider && keeps ? m['x'] : UOp();
}

UOp same_cast(const Match& m) { return m.root->dtype == m['x']->dtype ? m['x'] : UOp(); }

UOp same_bitcast(const Match& m) {
  if (m.root->dtype == m['x']->dtype) return m['x'];
  return {};
}

// Bits travel through two bitcasts as through one, where no dim changes on the way.
UOp merge_bitcast(const Match& m) {
  if (m.root->shape != m['x']->shape || m.root[0]->shape != m['x']->shape) {
    return m.root->dtype == m['x']->dtype && m.root->shape == m['x']->shape ? m['x'] : UOp();
  }
  return make(Op::Bitcast, {m['x']}, m.root->dtype);
}

}  // namespace

const Rules& float_rules() {
  using namespace letters;
  static const Pat cast_x(Op::Cast, {x});
  static const Pat bitcast_x(Op::Bitcast, {x});
  static const Rules rules = {
    {x * 1, x},
    {x / 1, x},
    {max(x, x), x},
    {x < x, Replacement([](const Match& m) {
       return m['x']->dtype.lanes == 1 && m['x']->shape.empty() ? constant(boolean, 0) : UOp();
     })},
    {where(c, x, y), choose},
    {where(x, y, y), y},
    {where(x, w, where(x, y, z)), where(x, w, z)},
    {where(x, where(x, y, z), w), where(x, y, w)},
    {x & (x & y), x & y},
    {cast_x, same_cast},
    {Pat(Op::Cast, {cast_x}), undo_cast},
    {bitcast_x, same_bitcast},
    {Pat(Op::Bitcast, {bitcast_x}), merge_bitcast},
  };
  return rules;
}

std::vector<std::pair<std::string, const Rules*>> all_rules() {
  return {{"index_rules", &index_rules()},
          {"float_rules", &float_rules()},
          {"movement_rules", &movement_rules()},
          {"select_rules", &select_rules()}};
}

}  // namespace niwaki
