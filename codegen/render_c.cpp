// The C family: C, CUDA, Metal and OpenCL from one renderer over the rows of dialects.cpp.
//
// A kernel should read as if written by hand. What is said, and how, was planned (phrases.h); here
// it is printed. A value with one user in the same stretch of code stands inside of its user's
// expression, unless it is long; any other is a constant with a name.
//
// Integers wrap, but C leaves the overflow of signed ones undefined. Where the bounds of the
// operands prove that there is none, as for nearly all indices, an operation is printed as it is;
// elsewhere it is done in unsigned and converted back.
//
// Rejected: a value a line, as in SSA form, which is simpler here and unreadable there; and a
// printer a language, of which three would always lag behind the fourth.
#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "codegen/dialects.h"
#include "codegen/phrases.h"
#include "codegen/render.h"
#include "core/bounds.h"
#include "core/error.h"

namespace niwaki {
namespace {

// --- expressions of C: a text, and how tightly its outermost operator binds ---

enum class Binds : uint8_t {
  Select, Or, And, BitOr, BitXor, BitAnd, Equality, Relation, Shift, Sum, Product, Unary, Primary
};

struct Text {
  std::string text;
  Binds binds = Binds::Primary;
  // Of an integer that was computed in unsigned: the same before it was converted back, or empty.
  std::string modular = {};
  Binds modular_binds = Binds::Primary;

  // In parentheses unless it binds at least as tightly as that.
  std::string within(Binds least) const { return binds >= least ? text : "(" + text + ")"; }
};

// `least` is what an operand may be without parentheses: what compilers do not warn of, rather than
// what the grammar allows. A chain takes its own operator on the left.
struct Infix {
  std::string_view word;
  Binds binds;
  Binds least;
  bool chains;
};

constexpr Infix infixes[] = {
    {"*", Binds::Product, Binds::Unary, true},  {"/", Binds::Product, Binds::Unary, true},
    {"%", Binds::Product, Binds::Unary, true},  {"+", Binds::Sum, Binds::Product, true},
    {"-", Binds::Sum, Binds::Product, true},    {"<<", Binds::Shift, Binds::Unary, false},
    {">>", Binds::Shift, Binds::Unary, false},  {"<", Binds::Relation, Binds::Sum, false},
    {">=", Binds::Relation, Binds::Sum, false}, {"==", Binds::Equality, Binds::Sum, false},
    {"!=", Binds::Equality, Binds::Sum, false}, {"&", Binds::BitAnd, Binds::Unary, true},
    {"^", Binds::BitXor, Binds::Unary, true},   {"|", Binds::BitOr, Binds::Unary, true},
    {"&&", Binds::And, Binds::Equality, true},  {"||", Binds::Or, Binds::Equality, true},
};

const Infix& infix(std::string_view word) {
  const Infix* end = std::end(infixes);
  const Infix* row = std::find_if(infixes, end, [&](const Infix& i) { return i.word == word; });
  expect(row != end, "render: no operator {}", word);
  return *row;
}

// --- integers ---

// Whether a + b, a - b or a * b is within the dtype for all values in the operands' bounds.
bool fits(std::string_view word, const UOp& a, const UOp& b) {
  Interval limits = dtype_bounds(a->dtype);
  for (int64_t x : {a->lo, a->hi}) {
    for (int64_t y : {b->lo, b->hi}) {
      int64_t result = 0;
      bool overflows = word == "+"   ? __builtin_add_overflow(x, y, &result)
                       : word == "-" ? __builtin_sub_overflow(x, y, &result)
                                     : __builtin_mul_overflow(x, y, &result);
      if (overflows || result < limits.lo || result > limits.hi) return false;
    }
  }
  return true;
}

// Whether C's own operator, in the type that C computes in, gives the value that is asked for.
bool computes_exactly(std::string_view word, const UOp& a, const UOp& b) {
  bool overflows = word == "+" || word == "-" || word == "*" || word == "<<";
  bool wraps = a->dtype.kind == Kind::U32 || a->dtype.kind == Kind::U64;
  if (!is_integer(a->dtype) || !overflows || wraps) return true;
  if (word != "<<") return fits(word, a, b);
  bool in_range = a->lo >= 0 && b->lo >= 0 && b->hi < bit_size(a->dtype);
  return in_range && a->hi <= (dtype_bounds(a->dtype).hi >> b->hi);
}

bool is_identifier(const std::string& name) {
  constexpr std::string_view letters =
      "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return name.find_first_not_of(letters) == std::string::npos;
}

class Renderer {
 public:
  explicit Renderer(const Dialect& dialect) : dialect_(dialect) {}

  std::string run(const LinearCode& linear, const std::string& name) {
    std::vector<Planned> planned = plan_phrases(linear.code);
    need(dialect_.prelude);
    for (const UOp& v : linear.variables) name_variable(v);
    for (size_t i = 0; i < linear.code.size(); ++i) statement(linear.code[i], planned[i]);
    std::string head = function_head(linear, name);
    std::string text;
    for (const std::string& prelude : preludes_) text += prelude;
    if (!preludes_.empty()) text += "\n";
    for (const std::string& helper : helpers_) text += helper + "\n";
    return text + head + body_ + "}\n";
  }

 private:
  // --- types and literals ---

  std::string type(DType t) {
    expect(t.lanes == 1, "render: {} takes no vectors: {}", dialect_.name, name(t));
    check(!dialect_.type(t).empty(), "render: {} has no {}", dialect_.name, name(t));
    if (t.kind == Kind::Bool) need(dialect_.bool_prelude);
    if (t.kind == Kind::F64) need(dialect_.f64_prelude);
    return std::string(dialect_.type(t));
  }

  void need(std::string_view prelude) {
    if (!prelude.empty()) preludes_.insert(std::string(prelude));
  }

  Text float_literal(DType t, double v) {
    if (!std::isfinite(v)) {
      need(dialect_.math_prelude);
      bool negative = v < 0;
      std::string_view word = v != v ? dialect_.nan : dialect_.infinity;
      return {fmt::format("{}{}", negative ? "-" : "", word),
              negative ? Binds::Unary : Binds::Primary};
    }
    bool single = t.kind == Kind::F32;
    std::string text = single ? fmt::format("{}", float(v)) : fmt::format("{}", v);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    if (single) text += "f";
    return {text, std::signbit(v) ? Binds::Unary : Binds::Primary};
  }

  // A small i64 is an int where another operand says the type, unless `typed`.
  Text literal(const UOp& u, bool typed) {
    DType t = u->dtype;
    type(t);
    int64_t v = u->get<Constant>().value.i;
    if (is_float(t)) return float_literal(t, u->get<Constant>().value.f);
    if (t.kind == Kind::Bool) return {v ? "true" : "false"};
    if (t.kind == Kind::U64) return {fmt::format("{}{}", uint64_t(v), dialect_.u64_suffix)};
    if (t.kind == Kind::U32) return {fmt::format("{}u", v)};
    bool plain = !typed && v >= -2147483647 && v <= 2147483647;
    std::string_view suffix = t.kind == Kind::I64 && !plain ? dialect_.i64_suffix : "";
    // The least number cannot be written: its digits are those of a number too large.
    bool least = v == dtype_bounds(t).lo && byte_size(t) >= 4;
    if (least) return {fmt::format("{}{} - 1", v + 1, suffix), Binds::Sum};
    return {fmt::format("{}{}", v, suffix), v < 0 ? Binds::Unary : Binds::Primary};
  }

  // --- expressions ---

  Text value(const UOp& u, bool typed = false) {
    if (u->op == Op::Variable) mentioned_.insert(u.get());
    return u->op == Op::Const ? literal(u, typed) : texts_.at(u.get());
  }

  Text convert(DType t, const Text& x) {
    return {fmt::format("({}){}", type(t), x.within(Binds::Unary)), Binds::Unary};
  }

  Text expression(const Phrase& p, DType t) {
    const UOp& a = p.operands[0];
    switch (p.form) {
      case Phrase::Form::Infix: return operation(p, t);
      case Phrase::Form::Prefix: {
        // A negated bool is kept out of comparisons, where it is easily misread.
        Binds binds = p.word == "!" ? Binds::Equality : Binds::Unary;
        return {std::string(p.word) + value(a).within(Binds::Primary), binds};
      }
      case Phrase::Form::Call: {
        need(dialect_.math_prelude);
        std::string text(p.word);
        if (t.kind == Kind::F32) text += dialect_.float_suffix;
        std::string_view before = "(";
        for (const UOp& s : p.operands) {
          text += std::string(before) + value(s).text;
          before = ", ";
        }
        return {text + ")"};
      }
      case Phrase::Form::Cast: return convert(t, value(a));
      case Phrase::Form::Bitcast: return bitcast(a, t);
      default: break;
    }
    bool typed = p.operands[1]->op == Op::Const && p.operands[2]->op == Op::Const;
    return {value(a).within(Binds::Or) + " ? " + value(p.operands[1], typed).within(Binds::Or) +
                " : " + value(p.operands[2], typed).within(Binds::Select),
            Binds::Select};
  }

  Text operation(const Phrase& p, DType t) {
    const UOp& a = p.operands[0];
    const UOp& b = p.operands[1];
    const Infix& row = infix(p.word);
    bool exact = computes_exactly(p.word, a, b);
    bool shift = row.binds == Binds::Shift;
    Text left = value(a, shift);
    Text right = value(b);
    if (!exact) {
      left = in_unsigned(t, left);
      if (!shift && !right.modular.empty()) right = {right.modular, right.modular_binds};
    }
    bool chained = row.chains && left.binds == row.binds;
    std::string text = fmt::format("{} {} {}", chained ? left.text : left.within(row.least), p.word,
                                   right.within(row.least));
    if (exact) return {text, row.binds};
    Text converted = convert(t, {text, row.binds});
    return {converted.text, converted.binds, text, row.binds};
  }

  // Shorter types are computed in int, where a product of two may overflow too. What was computed
  // in unsigned needs no way back: lower bits of a result depend on lower bits alone.
  Text in_unsigned(DType t, const Text& x) {
    if (!x.modular.empty()) return {x.modular, x.modular_binds};
    return convert(byte_size(t) < 4 ? u32 : unsigned_of_same_width(t), x);
  }

  Text bitcast(const UOp& a, DType t) {
    std::string to = type(t);
    std::string from = type(a->dtype);
    std::string to_name = name(t);
    std::string from_name = name(a->dtype);
    auto filled = [&](std::string_view format) {
      return fmt::format(fmt::runtime(format), fmt::arg("to", to), fmt::arg("from", from),
                         fmt::arg("to_name", to_name), fmt::arg("from_name", from_name),
                         fmt::arg("x", value(a).text));
    };
    need(dialect_.bitcast_prelude);
    std::string helper = filled(dialect_.bitcast_helper);
    if (!helper.empty()) helpers_.insert(helper);
    return {filled(dialect_.bitcast)};
  }

  // --- statements ---

  template <class... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) {
    body_ += indent_ + fmt::format(text, std::forward<Args>(args)...) + "\n";
  }

  void define(const UOp& u, const std::string& right) {
    std::string left = fmt::format("v{}", next_++);
    line("const {} {} = {};", type(u->dtype), left, right);
    texts_[u.get()] = {left};
  }

  std::string element(const UOp& access) {
    const char* memory = access[0]->op == Op::Scratch ? "s" : "p";
    return fmt::format("{}{}[{}]", memory, access[0]->get<ParamInfo>().index,
                       value(access[1]).text);
  }

  void statement(const UOp& u, const Planned& planned) {
    switch (u->op) {
      case Op::Range: return open_loop(u);
      case Op::End: return close_loop(u[0]);
      case Op::Acc:
        texts_[u.get()] = {fmt::format("a{}", u->get<int64_t>())};
        return line("{} a{} = {};", type(u->dtype), u->get<int64_t>(), value(u[0]).text);
      case Op::Scratch: {
        const ParamInfo& s = u->get<ParamInfo>();
        return line("{} s{}[{}];", type(s.dtype), s.index, s.size);
      }
      case Op::Update: return line("{} = {};", value(u[0]).text, value(u[1]).text);
      case Op::Store: return line("{} = {};", element(u), value(u[2]).text);
      default: break;
    }
    if (planned.uses == 0) return;
    if (u->op == Op::Load) {
      if (u->src.size() == 2) return define(u, element(u));
      Text zero = literal(constant(u->dtype, 0.0), false);
      return define(
          u, fmt::format("{} ? {} : {}", value(u[2]).within(Binds::Or), element(u), zero.text));
    }
    Text text = expression(planned.phrase, u->dtype);
    size_t widest = planned.is_written ? 80 : 40;
    bool inlined = planned.uses == 1 && !planned.used_apart && text.text.size() <= widest;
    if (!inlined) return define(u, text.text);
    texts_[u.get()] = text;
  }

  void open_loop(const UOp& r) {
    const RangeInfo& range = r->get<RangeInfo>();
    std::string i = fmt::format("r{}", range.id);
    std::string integer = type(r->dtype);
    texts_[r.get()] = {i};
    if (is_grid(r)) {
      bool global = range.kind == AxisKind::Global;
      size_t dimension = global ? n_blocks_++ : n_threads_++;
      expect(dimension < 3, "render: a grid has three dimensions, no room for r{}", range.id);
      const auto& place = global ? dialect_.block : dialect_.thread;
      return line("const {} {} = {};", integer, i, place[dimension]);
    }
    bool parallel = range.kind == AxisKind::Parallel;
    line("for ({} {} = {}; {} < {}; ++{}) {{", integer, i, parallel ? "begin" : "0", i,
         parallel ? "end" : value(r[0]).within(Binds::Sum), i);
    indent_ += "  ";
  }

  void close_loop(const UOp& r) {
    if (is_grid(r)) return;
    indent_.resize(indent_.size() - 2);
    line("}}");
  }

  void name_variable(const UOp& v) {
    const std::string& called = v->get<Symbol>().name;
    check(is_identifier(called), "render: the variable '{}' is no identifier", called);
    texts_[v.get()] = {"n_" + called};
  }

  std::string function_head(const LinearCode& linear, const std::string& name) {
    std::set<const Node*> written;
    for (const UOp& u : linear.code) {
      if (u->op == Op::Store) written.insert(u[0].get());
    }
    std::string text = fmt::format(fmt::runtime(dialect_.head), fmt::arg("name", name));
    size_t slot = 0;
    auto parameter = [&](std::string_view format, const UOp& u, const std::string& called,
                         int64_t index) {
      if (slot > 0) text += dialect_.separator;
      text +=
          fmt::format(fmt::runtime(format), fmt::arg("type", type(u->dtype)),
                      fmt::arg("name", called), fmt::arg("index", index), fmt::arg("slot", slot));
      ++slot;
    };
    for (const UOp& p : linear.params) {
      bool constant = !written.count(p.get());
      parameter(constant ? dialect_.constant_buffer : dialect_.buffer, p, "",
                p->get<ParamInfo>().index);
    }
    for (size_t i = 0; i < linear.variables.size(); ++i) {
      const UOp& v = linear.variables[i];
      if (!dialect_.positional && !mentioned_.count(v.get())) continue;
      parameter(dialect_.variable, v, texts_[v.get()].text, int64_t(i));
    }
    return text + std::string(dialect_.tail);
  }

  const Dialect& dialect_;
  std::unordered_map<const Node*, Text> texts_;
  std::set<const Node*> mentioned_;
  std::set<std::string> preludes_;
  std::set<std::string> helpers_;
  std::string body_;
  std::string indent_ = "  ";
  int64_t next_ = 0;
  size_t n_blocks_ = 0;
  size_t n_threads_ = 0;
};

}  // namespace

std::string render_c(const LinearCode& linear, Language language, const std::string& name) {
  return Renderer(dialect_of(language)).run(linear, name);
}

}  // namespace niwaki
