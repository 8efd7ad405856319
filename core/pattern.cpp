#include "core/pattern.h"

#include <algorithm>

#include "core/error.h"

namespace niwaki {

int64_t Match::value(char letter) const {
  const int64_t* v = const_int((*this)[letter]);
  expect(v != nullptr, "letter {} is no integer constant", letter);
  return *v;
}

namespace {

constexpr size_t max_parts = 16;

std::shared_ptr<const PatNode> with_steps(PatNode parts) {
  std::shared_ptr<PatNode> node = std::make_shared<PatNode>(std::move(parts));
  node->steps.push_back({node.get(), 0, 0});
  for (size_t i = node->src.size(); i-- > 0;) {
    size_t base = node->steps.size();
    for (const PatStep& step : node->src[i]->steps) {
      bool first = node->steps.size() == base;
      uint8_t parent = first ? 0 : uint8_t(base + step.parent);
      node->steps.push_back({step.part, parent, first ? uint8_t(i) : step.operand});
    }
  }
  return node;
}

}  // namespace

Pat::Pat(double number) : node_(with_steps({Form::Number, 0, number, Op::Const, {}, {}, {}})) {}

Pat::Pat(Form form, char letter) : node_(with_steps({form, letter, 0, Op::Const, {}, {}, {}})) {}

Pat::Pat(Op op, std::vector<Pat> src, std::optional<Arg> arg)
    : node_(with_steps({Form::Node, 0, 0, op, std::move(src), std::move(arg), {}})) {}

std::optional<Op> Pat::root_op() const {
  if (node_->form == Form::Node) return node_->op;
  return std::nullopt;
}

// Whether a part fits a node; `fresh` where that gave a letter its meaning.
bool Match::bind(const PatNode& p, const UOp& u, bool& fresh) {
  switch (p.form) {
    case Pat::Form::Number: return u->op == Op::Const && is_const(u, p.number);
    case Pat::Form::Const:
      if (u->op != Op::Const) return false;
      [[fallthrough]];
    case Pat::Form::Any: {
      const Node*& bound = bound_[size_t(p.letter - 'a')];
      fresh = bound == nullptr;
      if (fresh) bound = u.get();
      return bound == u.get();
    }
    case Pat::Form::Node:
      return u->op == p.op && u->src.size() == p.src.size() && (!p.arg || *p.arg == u->arg);
    default: return false;
  }
}

// Part by part, each after its parent. Where one does not fit, back to the last commutative op
// whose operands were not tried the other way round, forgetting what was bound since.
bool Pat::match(const UOp& u, Match& m) const {
  const std::vector<PatStep>& steps = node_->steps;
  expect(steps.size() <= max_parts, "a pattern of {} parts", steps.size());
  std::array<const UOp*, max_parts> at;
  std::array<bool, max_parts> swapped;
  std::array<bool, max_parts> fresh;
  size_t i = 0;
  while (i < steps.size()) {
    const PatStep& step = steps[i];
    at[i] = i == 0 ? &u : &(**at[step.parent]).src[step.operand ^ swapped[step.parent]];
    swapped[i] = false;
    fresh[i] = false;
    bool fits = m.bind(*step.part, *at[i], fresh[i]);
    if (fits) {
      ++i;
      continue;
    }
    for (bool found = false; !found;) {
      if (i-- == 0) return false;
      const PatNode& part = *steps[i].part;
      if (fresh[i]) m.bound_[size_t(part.letter - 'a')] = nullptr;
      found = part.form == Form::Node && info(part.op).commutative && !swapped[i];
    }
    swapped[i++] = true;
  }
  m.root = u;
  return true;
}

namespace {

bool is_number(const Pat& p) { return p->form == Pat::Form::Number; }

}  // namespace

UOp Pat::build(const Match& m, const UOp& like) const {
  switch (node_->form) {
    case Form::Any:
    case Form::Const: return m[node_->letter];
    case Form::Number: {
      UOp number = constant(like->dtype.scalar(), node_->number);
      return like->dtype.lanes == 1 ? number
                                    : make(Op::Stack, {number}, int64_t(like->dtype.lanes));
    }
    default: break;
  }
  // A number takes the dtype of the operand beside it; of the root where it stands alone.
  const std::vector<Pat>& parts = node_->src;
  std::vector<UOp> src(parts.size());
  UOp sibling = like;
  for (size_t i = parts.size(); i-- > 0;) {
    if (is_number(parts[i])) continue;
    src[i] = parts[i].build(m, like);
    if (!(node_->op == Op::Where && i == 0)) sibling = src[i];
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (is_number(parts[i])) src[i] = parts[i].build(m, sibling);
  }
  UOp built = make(node_->op, std::move(src), node_->arg.value_or(Arg{}));
  UOp folded = fold(built);
  return folded ? folded : built;
}

int64_t Pat::evaluate(const Match& m) const {
  switch (node_->form) {
    case Form::Number: return int64_t(node_->number);
    case Form::Const: return m.value(node_->letter);
    case Form::Lower: return m[node_->letter]->lo;
    case Form::Upper: return m[node_->letter]->hi;
    case Form::Any: {
      const UOp& u = m[node_->letter];
      expect(u->lo == u->hi, "condition on {}, which is not constant", node_->letter);
      return u->lo;
    }
    case Form::Node: break;
  }
  std::array<Value, 3> args;
  size_t n = node_->src.size();
  for (size_t i = 0; i < n; ++i) args[i] = Value::of(node_->src[i].evaluate(m));
  return niwaki::evaluate(node_->op, i64, i64, std::span(args).first(n)).i;
}

std::string Pat::text() const {
  switch (node_->form) {
    case Form::Any:
    case Form::Const: return std::string(1, node_->letter);
    case Form::Number: return fmt::format("{}", node_->number);
    case Form::Lower: return fmt::format("lo({})", node_->letter);
    case Form::Upper: return fmt::format("hi({})", node_->letter);
    case Form::Node: break;
  }
  std::string parts;
  for (const Pat& p : node_->src) parts += (parts.empty() ? "" : ", ") + p.text();
  return fmt::format("{}({})", info(node_->op).name, parts);
}

Pat operator+(const Pat& a, const Pat& b) { return Pat(Op::Add, {a, b}); }
Pat operator-(const Pat& a, const Pat& b) {
  return a + (b->form == Pat::Form::Number ? Pat(-b->number) : b * -1);
}
Pat operator*(const Pat& a, const Pat& b) { return Pat(Op::Mul, {a, b}); }
Pat operator/(const Pat& a, const Pat& b) { return Pat(Op::Div, {a, b}); }
Pat operator%(const Pat& a, const Pat& b) { return Pat(Op::Mod, {a, b}); }
Pat operator&(const Pat& a, const Pat& b) { return Pat(Op::And, {a, b}); }
Pat operator^(const Pat& a, const Pat& b) { return Pat(Op::Xor, {a, b}); }
Pat operator<<(const Pat& a, const Pat& b) { return Pat(Op::Shl, {a, b}); }
Pat operator>>(const Pat& a, const Pat& b) { return Pat(Op::Shr, {a, b}); }
Pat operator<(const Pat& a, const Pat& b) { return Pat(Op::Less, {a, b}); }
Pat operator>(const Pat& a, const Pat& b) { return b < a; }
Pat operator<=(const Pat& a, const Pat& b) { return a < b + 1; }
Pat operator>=(const Pat& a, const Pat& b) { return b < a + 1; }
Pat operator!=(const Pat& a, const Pat& b) { return Pat(Op::Ne, {a, b}); }
Pat operator&&(const Pat& a, const Pat& b) { return Pat(Op::And, {a, b}); }
Pat operator==(const Pat& a, const Pat& b) { return (a != b) ^ 1; }
Pat max(const Pat& a, const Pat& b) { return Pat(Op::Max, {a, b}); }
Pat where(const Pat& c, const Pat& a, const Pat& b) { return Pat(Op::Where, {c, a, b}); }
Pat lo(const Pat& letter) { return Pat(Pat::Form::Lower, letter->letter); }
Pat hi(const Pat& letter) { return Pat(Pat::Form::Upper, letter->letter); }

UOp fold(const UOp& u) {
  bool scalar = is_elementwise(u->op) && u->op != Op::MulAdd;
  if (!scalar && u->op != Op::Bitcast) return {};
  for (const UOp& s : u->src) {
    if (s->op != Op::Const) return {};
  }
  if (u->dtype.packed || u->src[0]->dtype.packed || !u->shape.empty()) return {};
  std::array<Value, 3> args;
  size_t n = u->src.size();
  for (size_t i = 0; i < n; ++i) args[i] = u[i]->get<Constant>().value;
  return constant(u->dtype,
                  evaluate(u->op, u->dtype, u->src.back()->dtype, std::span(args).first(n)));
}

}  // namespace niwaki
