#include "core/pattern.h"

#include <algorithm>

#include "core/error.h"

namespace niwaki {

int64_t Match::value(char letter) const {
  const int64_t* v = const_int((*this)[letter]);
  expect(v != nullptr, "letter {} is no integer constant", letter);
  return *v;
}

Pat::Pat(double number)
    : node_(std::make_shared<PatNode>(PatNode{Form::Number, 0, number, Op::Const, {}, {}})) {}

Pat::Pat(Form form, char letter)
    : node_(std::make_shared<PatNode>(PatNode{form, letter, 0, Op::Const, {}, {}})) {}

Pat::Pat(Op op, std::vector<Pat> src, std::optional<Arg> arg)
    : node_(std::make_shared<PatNode>(
          PatNode{Form::Node, 0, 0, op, std::move(src), std::move(arg)})) {}

std::optional<Op> Pat::root_op() const {
  if (node_->form == Form::Node) return node_->op;
  return std::nullopt;
}

namespace {

using Pending = std::vector<std::pair<const Pat*, const UOp*>>;

// Matches all pending pairs, the last first; tries both orders of commutative operands and comes
// back to the other when what follows does not fit.
bool match_all(Pending pending, Match& m) {
  while (!pending.empty()) {
    auto [pattern, node] = pending.back();
    pending.pop_back();
    const PatNode& p = **pattern;
    const UOp& u = *node;
    switch (p.form) {
      case Pat::Form::Number:
        if (u->op != Op::Const || !is_const(u, p.number)) return false;
        break;
      case Pat::Form::Any:
      case Pat::Form::Const: {
        if (p.form == Pat::Form::Const && u->op != Op::Const) return false;
        UOp& bound = m[p.letter];
        if (bound && bound != u) return false;
        bound = u;
        break;
      }
      case Pat::Form::Node: {
        if (u->op != p.op || u->src.size() != p.src.size()) return false;
        if (p.arg && *p.arg != u->arg) return false;
        if (info(p.op).commutative) {
          Pending swapped = pending;
          swapped.emplace_back(&p.src[0], &u->src[1]);
          swapped.emplace_back(&p.src[1], &u->src[0]);
          Match saved = m;
          Pending direct = std::move(pending);
          direct.emplace_back(&p.src[0], &u->src[0]);
          direct.emplace_back(&p.src[1], &u->src[1]);
          if (match_all(std::move(direct), m)) return true;
          m = std::move(saved);
          return match_all(std::move(swapped), m);
        }
        for (size_t i = 0; i < p.src.size(); ++i) pending.emplace_back(&p.src[i], &u->src[i]);
        break;
      }
      default: return false;
    }
  }
  return true;
}

bool is_number(const Pat& p) { return p->form == Pat::Form::Number; }

}  // namespace

bool Pat::match(const UOp& u, Match& m) const {
  m.root = u;
  return match_all({{this, &u}}, m);
}

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
  std::vector<Value> args;
  for (const Pat& p : node_->src) args.push_back(Value::of(p.evaluate(m)));
  return niwaki::evaluate(node_->op, i64, i64, args).i;
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
  if (u->dtype.packed || u->src[0]->dtype.packed || !u->shape.empty()) return {};
  std::vector<Value> args;
  for (const UOp& s : u->src) {
    if (s->op != Op::Const) return {};
    args.push_back(s->get<Constant>().value);
  }
  return constant(u->dtype, evaluate(u->op, u->dtype, u->src.back()->dtype, args));
}

}  // namespace niwaki
