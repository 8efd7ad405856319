// The planner: one walk down the code chooses the phrases, one walk up counts the uses.
#include "codegen/phrases.h"

#include <limits>
#include <unordered_map>

#include "core/bounds.h"
#include "core/error.h"
#include "core/text.h"

namespace niwaki {
namespace {

using Form = Phrase::Form;

bool is_bool(const UOp& u) { return u->dtype.kind == Kind::Bool; }

// The negation of a constant that is better subtracted; null for any other node.
UOp positive_of(const UOp& u) {
  if (u->op != Op::Const || is_unsigned(u->dtype) || is_bool(u)) return {};
  Value v = u->get<Constant>().value;
  if (is_float(u->dtype)) return v.f < 0 ? constant(u->dtype, Value::of(-v.f)) : UOp();
  bool negative = v.i < 0 && v.i != std::numeric_limits<int64_t>::min();
  return negative ? constant(u->dtype, Value::of(-v.i)) : UOp();
}

// A constant -1, or the number that wraps like it.
bool is_minus_one(const UOp& u) {
  if (!is_unsigned(u->dtype)) return is_const(u, -1);
  int64_t most = u->dtype.kind == Kind::U64 ? -1 : dtype_bounds(u->dtype).hi;
  return u->op == Op::Const && u->get<Constant>().value.i == most;
}

bool ends_stretch(const UOp& u) {
  switch (u->op) {
    case Op::Update: return true;
    case Op::Range: return !is_grid(u);
    case Op::End: return !is_grid(u[0]);
    default: return false;
  }
}

class Planner {
 public:
  std::vector<Planned> run(const std::vector<UOp>& code) {
    planned_.resize(code.size());
    for (size_t i = 0; i < code.size(); ++i) choose(code[i], i);
    for (size_t i = code.size(); i-- > 0;) {
      if (!has_value(code[i]) || planned_[i].uses > 0) count_needs(code, i);
    }
    return std::move(planned_);
  }

 private:
  void choose(const UOp& u, size_t i) {
    Planned& p = planned_[i];
    p.stretch = stretch_;
    // The same operation twice in a stretch has the same value.
    if (has_value(u) && in_stretch(u)) return;
    bool arithmetic = has_value(u) && u->op != Op::Load;
    if (arithmetic) p.phrase = phrase(u);
    for (const UOp& s : arithmetic ? p.phrase.operands : u->src) {
      auto found = latest_.find(s.get());
      if (found != latest_.end()) p.needs.push_back(found->second);
    }
    if (has_value(u)) latest_[u.get()] = i;
    if (ends_stretch(u)) ++stretch_;
  }

  void count_needs(const std::vector<UOp>& code, size_t i) {
    bool writes = code[i]->op == Op::Store || code[i]->op == Op::Update;
    for (size_t need : planned_[i].needs) {
      Planned& p = planned_[need];
      ++p.uses;
      p.used_apart = p.used_apart || p.stretch != planned_[i].stretch;
      p.is_written = writes && code[need] == code[i]->src.back();
    }
  }

  bool in_stretch(const UOp& u) const {
    auto found = latest_.find(u.get());
    return found != latest_.end() && planned_[found->second].stretch == stretch_;
  }

  // Whether `u` is such an operation, and may be said as a part of its user.
  bool absorbs(const UOp& u, Op op) const { return u->op == op && in_stretch(u); }

  bool is_negation(const UOp& u) const { return absorbs(u, Op::Mul) && is_minus_one(u[1]); }

  Phrase phrase(const UOp& u) const {
    switch (u->op) {
      case Op::Add: return sum(u);
      case Op::Mul: return product(u);
      case Op::Div: return division(u, "/");
      case Op::Mod: return division(u, "%");
      case Op::And: return {Form::Infix, is_bool(u) ? "&&" : "&", u->src};
      case Op::Xor: return exclusive_or(u);
      case Op::Shl: return {Form::Infix, "<<", u->src};
      case Op::Shr: return {Form::Infix, ">>", u->src};
      case Op::Less: return {Form::Infix, "<", u->src};
      case Op::Ne: return {Form::Infix, "!=", u->src};
      case Op::Where: return {Form::Select, "", u->src};
      case Op::Cast: return {Form::Cast, "", u->src};
      case Op::Bitcast: {
        bool same_class = is_float(u->dtype) == is_float(u[0]->dtype);
        return {same_class ? Form::Cast : Form::Bitcast, "", u->src};
      }
      case Op::MulAdd: return {Form::Call, "fma", u->src};
      case Op::Sqrt:
      case Op::Exp:
      case Op::Log2:
      case Op::Sin: return {Form::Call, info(u->op).name, u->src};
      default:
        throw InternalError(fmt::format("internal error: no phrase for {}", info(u->op).name));
    }
  }

  Phrase sum(const UOp& u) const {
    if (UOp c = positive_of(u[1])) return {Form::Infix, "-", {u[0], c}};
    if (is_negation(u[1])) return {Form::Infix, "-", {u[0], u[1][0]}};
    if (is_negation(u[0])) return {Form::Infix, "-", {u[1], u[0][0]}};
    return {Form::Infix, "+", u->src};
  }

  Phrase product(const UOp& u) const {
    bool has_negative = is_float(u->dtype) || u[0]->lo > dtype_bounds(u->dtype).lo;
    if (is_const(u[1], -1) && has_negative) return {Form::Prefix, "-", {u[0]}};
    return {Form::Infix, "*", u->src};
  }

  Phrase exclusive_or(const UOp& u) const {
    for (size_t i : {0, 1}) {
      const UOp& differ = u[i];
      const UOp& both = u[1 - i];
      if (!absorbs(differ, Op::Xor) || !absorbs(both, Op::And)) continue;
      bool same = (differ[0] == both[0] && differ[1] == both[1]) ||
                  (differ[0] == both[1] && differ[1] == both[0]);
      if (same) return {Form::Infix, is_bool(u) ? "||" : "|", differ->src};
    }
    if (!is_bool(u)) return {Form::Infix, "^", u->src};
    if (!is_const(u[1], 1)) return {Form::Infix, "!=", u->src};
    if (absorbs(u[0], Op::Ne)) return {Form::Infix, "==", u[0]->src};
    // Of floats one may be NaN, and then neither a < b nor a >= b.
    bool ordered = absorbs(u[0], Op::Less) && !is_float(u[0][0]->dtype);
    if (ordered) return {Form::Infix, ">=", u[0]->src};
    return {Form::Prefix, "!", {u[0]}};
  }

  // C's division rounds towards zero, which is the floor only of what is not negative.
  static Phrase division(const UOp& u, std::string_view word) {
    bool floors = !is_signed(u->dtype) || (u[0]->lo >= 0 && u[1]->lo > 0);
    expect(floors, "render: a division that may round down:\n{}", print(u));
    return {Form::Infix, word, u->src};
  }

  std::vector<Planned> planned_;
  std::unordered_map<const Node*, size_t> latest_;
  int64_t stretch_ = 0;
};

}  // namespace

std::vector<Planned> plan_phrases(const std::vector<UOp>& code) { return Planner().run(code); }

bool has_value(const UOp& u) {
  return u->op == Op::Load || u->op == Op::Bitcast || is_elementwise(u->op);
}

bool is_grid(const UOp& range) {
  AxisKind kind = range->get<RangeInfo>().kind;
  return kind == AxisKind::Global || kind == AxisKind::Local;
}

}  // namespace niwaki
