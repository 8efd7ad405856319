#include "core/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_map>

#include "core/error.h"

namespace niwaki {
namespace {

constexpr std::string_view axis_names[] = {"loop", "parallel", "reduce", "global", "local"};

std::string print_arg(const UOp& u, const std::vector<BufferRef>& buffers) {
  struct Printer {
    const std::vector<BufferRef>& buffers;
    std::string operator()(std::monostate) const { return ""; }
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(const DType& t) const { return name(t); }
    std::string operator()(const Constant&) const { return ""; }
    std::string operator()(const Symbol& s) const {
      return fmt::format("{} {} {}", s.name, s.min, s.max);
    }
    std::string operator()(const Axes& axes) const {
      return fmt::format("{}", fmt::join(axes, " "));
    }
    std::string operator()(const Reduction& r) const {
      if (r.axes.empty()) return std::string(info(r.op).name);
      return fmt::format("{} {}", info(r.op).name, fmt::join(r.axes, " "));
    }
    std::string operator()(const BufferRef& b) const {
      int64_t at = std::find(buffers.begin(), buffers.end(), b) - buffers.begin();
      std::string text = fmt::format("#{} {}", at, name(b->dtype));
      for (int64_t dim : b->shape) text += fmt::format(" {}", dim);
      return text;
    }
    std::string operator()(const ParamInfo& p) const {
      return fmt::format("{} {} {}{}", p.index, name(p.dtype), p.size, p.constant ? " const" : "");
    }
    std::string operator()(const RangeInfo& r) const {
      return fmt::format("{} {}", r.id, axis_names[size_t(r.kind)]);
    }
    std::string operator()(const StageInfo& s) const {
      return fmt::format("{} {}", s.size, s.stores);
    }
  };
  return std::visit(Printer{buffers}, static_cast<const decltype(u->arg)::variant&>(u->arg));
}

// --- parsing ---

struct Parser {
  std::string_view rest;
  const std::vector<BufferRef>& buffers;
  std::unordered_map<std::string, UOp> nodes = {};
  int line = 0;

  template <class... Args>
  void need(bool ok, fmt::format_string<Args...> what, Args&&... args) const {
    check(ok, what, std::forward<Args>(args)...);
  }

  std::string_view word(std::string_view& text) const {
    size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) return text = {};
    text.remove_prefix(start);
    std::string_view found = text.substr(0, text.find(' '));
    text.remove_prefix(found.size());
    return found;
  }

  int64_t integer(std::string_view text) const {
    int64_t v = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    need(error == std::errc() && end == text.data() + text.size(), "'{}' is no integer", text);
    return v;
  }

  UOp operand(std::string_view text) const {
    if (text.starts_with('%')) {
      auto found = nodes.find(std::string(text));
      need(found != nodes.end(), "{} is not defined above", text);
      return found->second;
    }
    if (text == "true" || text == "false") return constant(boolean, text == "true");
    // The dtype is what follows the number: letters that no number ends in.
    size_t at = text.find_last_of("iufb");
    if (at == std::string_view::npos) return index(integer(text));
    if (at > 0 && text[at] == 'f' && text[at - 1] == 'b') --at;
    DType t = dtype_from_name(text.substr(at));
    std::string number(text.substr(0, at));
    if (is_float(t)) {
      char* end = nullptr;
      double v = std::strtod(number.c_str(), &end);
      need(!number.empty() && *end == 0, "'{}' is no number", number);
      return constant(t, Value::of(v));
    }
    return constant(t, Value::of(integer(number)));
  }

  Op reduction(std::string_view text) const {
    std::optional<Op> op = op_from_name(text);
    need(op.has_value(), "unknown op '{}'", text);
    return *op;
  }

  Axes integers(std::string_view text) const {
    Axes axes;
    for (std::string_view w = word(text); !w.empty(); w = word(text)) axes.push_back(integer(w));
    return axes;
  }

  Arg arg(Op op, std::string_view text) const {
    switch (op) {
      case Op::Variable: {
        std::string symbol(word(text));
        int64_t min = integer(word(text));
        return Symbol{symbol, min, integer(word(text))};
      }
      case Op::Buffer: {
        std::string_view place = word(text);
        need(place.starts_with('#'), "a buffer is '#n'");
        int64_t at = integer(place.substr(1));
        need(at >= 0 && at < int64_t(buffers.size()), "buffer #{} was not given", at);
        return buffers[at];
      }
      case Op::Param:
      case Op::Scratch: {
        int64_t at = integer(word(text));
        DType t = dtype_from_name(word(text));
        int64_t size = integer(word(text));
        return ParamInfo{at, t, size, word(text) == "const"};
      }
      case Op::Range: {
        int64_t id = integer(word(text));
        std::string_view kind = word(text);
        const std::string_view* found = std::find(axis_names, axis_names + 5, kind);
        need(found != axis_names + 5, "unknown axis '{}'", kind);
        return RangeInfo{id, AxisKind(found - axis_names)};
      }
      case Op::Stage: {
        int64_t size = integer(word(text));
        return StageInfo{size, integer(word(text))};
      }
      case Op::Reduce: {
        Op combine = reduction(word(text));
        return Reduction{combine, integers(text)};
      }
      case Op::Cast:
      case Op::Bitcast: return dtype_from_name(word(text));
      case Op::Permute:
      case Op::Flip:
      case Op::Swizzle: return integers(text);
      default:
        if (text.empty()) return {};
        return integer(word(text));
    }
  }

  UOp node(std::string_view text) {
    std::string_view type = text;
    size_t colon = text.rfind(" : ");
    if (colon != std::string_view::npos) text = text.substr(0, colon);
    type = colon == std::string_view::npos ? std::string_view() : type.substr(colon + 3);
    std::string id(word(text));
    need(id.starts_with('%') && word(text) == "=", "expected '%n = op ...'");
    std::string_view op_name = word(text);
    std::optional<Op> op = op_from_name(op_name);
    need(op.has_value(), "unknown op '{}'", op_name);
    size_t open = text.find('{');
    std::string_view arg_text;
    if (open != std::string_view::npos) {
      size_t close = text.find('}', open);
      need(close != std::string_view::npos, "'{{' is not closed");
      arg_text = text.substr(open + 1, close - open - 1);
      text = text.substr(0, open);
    }
    std::vector<UOp> src;
    for (std::string_view w = word(text); !w.empty(); w = word(text)) src.push_back(operand(w));
    int wanted = *op == Op::Const ? 1 : info(*op).sources;
    need(wanted < 0 || size_t(wanted) == src.size(), "{} takes {} sources", op_name, wanted);
    need(wanted >= 0 || *op == Op::Sink || !src.empty(), "{} takes a source", op_name);
    need(*op != Op::Const || src[0]->op == Op::Const, "const of a node");
    UOp made = *op == Op::Const ? src[0] : make(*op, std::move(src), arg(*op, arg_text));
    need(type.empty() || type == print_type(made), "is {}, not {}", print_type(made), type);
    nodes[id] = made;
    return made;
  }

  UOp graph() {
    UOp last;
    while (!rest.empty()) {
      std::string_view text = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), text.size() + 1));
      ++line;
      if (text.find_first_not_of(' ') == std::string_view::npos) continue;
      try {
        last = node(text);
      } catch (const Error& e) {
        fail("text: line {}: {}", line, e.text());
      }
    }
    check(bool(last), "text: no node");
    return last;
  }
};

}  // namespace

std::string print_constant(const UOp& u) {
  const Constant& c = u->get<Constant>();
  if (c.dtype.kind == Kind::Bool) return c.value.i ? "true" : "false";
  if (is_float(c.dtype)) {
    std::string number = c.dtype.kind == Kind::F64 ? fmt::format("{}", c.value.f)
                                                   : fmt::format("{}", float(c.value.f));
    return number + name(c.dtype);
  }
  std::string number = std::to_string(c.value.i);
  return c.dtype == i64 ? number : number + name(c.dtype);
}

std::string print_type(const UOp& u) {
  std::string text = name(u->dtype);
  if (u->shape.empty()) return text;
  for (size_t i = 0; i < u->shape.size(); ++i) {
    text += (i ? ", " : "[") + expression(u->shape[i]);
  }
  return text + "]";
}

std::string print_node(const UOp& u, const std::vector<std::string>& source_names,
                       const std::vector<BufferRef>& buffers) {
  std::string text(info(u->op).name);
  for (const std::string& source : source_names) text += " " + source;
  std::string arg = print_arg(u, buffers);
  if (!arg.empty()) text += " {" + arg + "}";
  if (u->dtype != void_type) text += " : " + print_type(u);
  return text;
}

std::vector<BufferRef> buffers_of(const UOp& root) {
  std::vector<BufferRef> found;
  for (const UOp& u : toposort(root)) {
    if (u->op == Op::Buffer) found.push_back(u->get<BufferRef>());
  }
  return found;
}

std::string print(const UOp& root) {
  std::vector<BufferRef> buffers = buffers_of(root);
  std::unordered_map<const Node*, std::string> names;
  std::string text;
  int64_t n_lines = 0;
  for (const UOp& u : toposort(root)) {
    if (u->op == Op::Const && u != root) {
      names[u.get()] = print_constant(u);
      continue;
    }
    std::vector<std::string> sources;
    if (u->op == Op::Const) sources.push_back(print_constant(u));
    for (const UOp& s : u->src) sources.push_back(names.at(s.get()));
    std::string id = fmt::format("%{}", n_lines++);
    text += fmt::format("{} = {}\n", id, print_node(u, sources, buffers));
    names[u.get()] = id;
  }
  return text;
}

UOp parse(std::string_view text, const std::vector<BufferRef>& buffers) {
  return Parser{text, buffers}.graph();
}

}  // namespace niwaki
