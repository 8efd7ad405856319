// LLVM IR as text. The code is in order and its loops are closed, so this is one line or two an
// instruction; vectors are LLVM's own. The text is parsed by LLVM's C API elsewhere: nothing here
// needs LLVM, and the IR can be rendered, read and kept as a golden anywhere.
//
// Accumulators are stack slots, which LLVM's sroa turns into registers: the one pass that is worth
// its time. A constant vector is written where it is used.
#include <bit>
#include <set>
#include <unordered_map>

#include "codegen/render.h"
#include "core/error.h"

namespace niwaki {
namespace {

std::string element_type(DType t) {
  switch (t.kind) {
    case Kind::Bool: return "i1";
    case Kind::F16: return "half";
    case Kind::F32: return "float";
    case Kind::F64: return "double";
    default: return fmt::format("i{}", bit_size(t));
  }
}

std::string type(DType t) {
  if (t.lanes == 1) return element_type(t);
  return fmt::format("<{} x {}>", t.lanes, element_type(t));
}

std::string literal(DType t, Value v) {
  if (t.kind == Kind::Bool) return v.i ? "true" : "false";
  if (!is_float(t)) return std::to_string(v.i);
  // LLVM writes half and float constants as the bits of the double.
  if (t.kind == Kind::F16) return fmt::format("0xH{:04X}", f16_bits(v.f));
  return fmt::format("0x{:016X}", std::bit_cast<uint64_t>(v.f));
}

class Renderer {
 public:
  explicit Renderer(const Target& target) : target_(target) {}

  std::string run(const LinearCode& linear, const std::string& name) {
    for (const UOp& p : linear.params) {
      int64_t i = p->get<ParamInfo>().index;
      line("%at{} = getelementptr ptr, ptr %buffers, i64 {}", i, i);
      line("%p{} = load ptr, ptr %at{}", i, i);
      names_[p.get()] = fmt::format("%p{}", i);
    }
    for (size_t i = 0; i < linear.variables.size(); ++i) {
      line("%vat{} = getelementptr i64, ptr %variables, i64 {}", i, i);
      line("%var{} = load i64, ptr %vat{}", i, i);
      names_[linear.variables[i].get()] = fmt::format("%var{}", i);
    }
    std::string slots;
    for (const UOp& u : linear.code) {
      if (u->op == Op::Acc) {
        slots += fmt::format("  %acc{} = alloca {}\n", u->get<int64_t>(), type(u->dtype));
      } else if (u->op == Op::Scratch) {
        const ParamInfo& s = u->get<ParamInfo>();
        slots += fmt::format("  %scratch{} = alloca [{} x {}], align 64\n", s.index, s.size,
                             element_type(s.dtype));
        names_[u.get()] = fmt::format("%scratch{}", s.index);
      }
    }
    for (const UOp& u : linear.code) instruction(u);
    line("ret void");
    std::string text;
    for (const std::string& declaration : declarations_) text += "declare " + declaration + "\n";
    return fmt::format(
        "{}\ndefine void @{}(ptr %buffers, ptr %variables, i64 %begin, i64 %end) {{\n"
        "entry:\n{}{}}}\n{}",
        text, name, slots, body_, streams_ ? "!0 = !{i32 1}\n" : "");
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) {
    body_ += "  " + fmt::format(text, std::forward<Args>(args)...) + "\n";
  }

  std::string fresh() { return fmt::format("%v{}", next_++); }

  // The operand as LLVM writes it, without its type.
  std::string value(const UOp& u) {
    if (u->op == Op::Const) return literal(u->dtype, u->get<Constant>().value);
    if (u->op == Op::Acc) {
      std::string loaded = fresh();
      line("{} = load {}, ptr %acc{}", loaded, type(u->dtype), u->get<int64_t>());
      return loaded;
    }
    return names_.at(u.get());
  }

  std::string typed(const UOp& u) { return type(u->dtype) + " " + value(u); }

  // Defines the node's name as the given right-hand side.
  template <class... Args>
  void define(const UOp& u, fmt::format_string<Args...> text, Args&&... args) {
    std::string right = fmt::format(text, std::forward<Args>(args)...);
    std::string left = fresh();
    line("{} = {}", left, right);
    names_[u.get()] = left;
  }

  void instruction(const UOp& u) {
    switch (u->op) {
      case Op::Range: return open_loop(u);
      case Op::End: return close_loop(u);
      case Op::Acc:
      case Op::Update: {
        const UOp& acc = u->op == Op::Acc ? u : u[0];
        std::string stored = typed(u->op == Op::Acc ? u[0] : u[1]);
        return line("store {}, ptr %acc{}", stored, acc->get<int64_t>());
      }
      case Op::Scratch: return;
      case Op::Stack: return stack(u);
      case Op::Swizzle: return swizzle(u);
      case Op::Lookup: return lookup(u);
      case Op::Load: return load(u);
      case Op::Store: return store(u);
      case Op::Prefetch: return prefetch(u);
      default: return alu(u);
    }
  }

  void open_loop(const UOp& r) {
    bool parallel = r->get<RangeInfo>().kind == AxisKind::Parallel;
    std::string id = fmt::format("{}", loops_++);
    std::string before = block_;
    std::string start = parallel ? "%begin" : "0";
    std::string end = parallel ? "%end" : value(r[0]);
    line("br label %check{}", id);
    block_ = "check" + id;
    body_ += block_ + ":\n";
    line("%i{} = phi i64 [ {}, %{} ], [ %next{}, %latch{} ]", id, start, before, id, id);
    line("%more{} = icmp slt i64 %i{}, {}", id, id, end);
    line("br i1 %more{}, label %body{}, label %done{}", id, id, id);
    block_ = "body" + id;
    body_ += block_ + ":\n";
    names_[r.get()] = "%i" + id;
    open_.push_back(id);
  }

  void close_loop(const UOp&) {
    std::string id = open_.back();
    open_.pop_back();
    line("br label %latch{}", id);
    body_ += "latch" + id + ":\n";
    line("%next{} = add nsw i64 %i{}, 1", id, id);
    line("br label %check{}", id);
    block_ = "done" + id;
    body_ += block_ + ":\n";
  }

  std::string address(const UOp& access, const std::string& at) {
    std::string pointer = fresh();
    line("{} = getelementptr {}, ptr {}, i64 {}", pointer,
         element_type(access[0]->dtype), value(access[0]), at);
    return pointer;
  }

  void load(const UOp& u) {
    int64_t align = byte_size(u->dtype);
    if (u->src.size() == 2) {
      std::string at = address(u, value(u[1]));
      return define(u, "load {}, ptr {}, align {}", type(u->dtype), at, align);
    }
    if (u->dtype.lanes > 1) return masked_load(u, align);
    // A closed gate reads the first element instead, which exists, and forgets it.
    std::string gate = value(u[2]);
    std::string safe = fresh();
    line("{} = select i1 {}, i64 {}, i64 0", safe, gate, value(u[1]));
    std::string loaded = fresh();
    line("{} = load {}, ptr {}, align {}", loaded, type(u->dtype), address(u, safe), align);
    define(u, "select i1 {}, {} {}, {} zeroinitializer", gate, type(u->dtype), loaded,
           type(u->dtype));
  }

  // Buffers begin at multiples of the widest vector.
  void store(const UOp& u) {
    std::string at = address(u, value(u[1]));
    bool streams = std::holds_alternative<int64_t>(u->arg);
    int64_t align = byte_size(u[2]->dtype);
    if (streams) align *= u[2]->dtype.lanes;
    streams_ |= streams;
    line("store {}, ptr {}, align {}{}", typed(u[2]), at, align,
         streams ? ", !nontemporal !0" : "");
  }

  void prefetch(const UOp& u) {
    declarations_.insert("void @llvm.prefetch.p0(ptr, i32, i32, i32)");
    // To be read, into the second cache, as data.
    line("call void @llvm.prefetch.p0(ptr {}, i32 0, i32 2, i32 1)", address(u, value(u[1])));
  }

  void masked_load(const UOp& u, int64_t align) {
    int64_t lanes = u->dtype.lanes;
    std::string mask = value(u[2]);
    if (u[2]->dtype.lanes == 1) mask = splat(u[2], lanes);
    std::string suffix =
        fmt::format("v{}{}{}", lanes, is_float(u->dtype) ? "f" : "i", bit_size(u->dtype));
    declarations_.insert(fmt::format("{} @llvm.masked.load.{}.p0(ptr, i32, <{} x i1>, {})",
                                     type(u->dtype), suffix, lanes, type(u->dtype)));
    std::string at = address(u, value(u[1]));
    define(u, "call {} @llvm.masked.load.{}.p0(ptr {}, i32 {}, <{} x i1> {}, {} zeroinitializer)",
           type(u->dtype), suffix, at, align, lanes, mask, type(u->dtype));
  }

  // A scalar in all lanes.
  std::string splat(const UOp& scalar, int64_t lanes) {
    DType t = scalar->dtype.vec(lanes);
    if (scalar->op == Op::Const) {
      std::string one = typed(scalar);
      std::string all = "<" + one;
      for (int64_t i = 1; i < lanes; ++i) all += ", " + one;
      return all + ">";
    }
    std::string first = fresh();
    line("{} = insertelement {} poison, {}, i64 0", first, type(t), typed(scalar));
    std::string all = fresh();
    line("{} = shufflevector {} {}, {} poison, <{} x i32> zeroinitializer", all, type(t), first,
         type(t), lanes);
    return all;
  }

  void stack(const UOp& u) {
    if (u->src.size() == 1) {
      names_[u.get()] = splat(u[0], u->dtype.lanes);
      return;
    }
    // Constant lanes first, as one literal; the others are inserted.
    std::string literal_lanes;
    bool all_constant = true;
    for (const UOp& s : u->src) {
      bool known = s->op == Op::Const;
      all_constant = all_constant && known;
      literal_lanes += literal_lanes.empty() ? "<" : ", ";
      literal_lanes += type(s->dtype) + " " + (known ? value(s) : "poison");
    }
    std::string vector = literal_lanes + ">";
    for (size_t i = 0; i < u->src.size() && !all_constant; ++i) {
      if (u[i]->op == Op::Const) continue;
      std::string next = fresh();
      line("{} = insertelement {} {}, {}, i64 {}", next, type(u->dtype), vector, typed(u[i]), i);
      vector = next;
    }
    names_[u.get()] = vector;
  }

  void swizzle(const UOp& u) {
    const Axes& lanes = u->get<Axes>();
    if (lanes.size() == 1) return define(u, "extractelement {}, i64 {}", typed(u[0]), lanes[0]);
    std::string mask;
    for (int64_t i : lanes) mask += fmt::format("{}i32 {}", mask.empty() ? "" : ", ", i);
    define(u, "shufflevector {}, {} poison, <{} x i32> <{}>", typed(u[0]), type(u[0]->dtype),
           lanes.size(), mask);
  }

  // Lanes of a vector, whose names need not be in order.
  std::string shuffled(DType t, const std::string& vector, const std::string& lanes, int64_t n) {
    std::string made = fresh();
    line("{} = shufflevector {} {}, {} poison, <{} x i32> <{}>", made, type(t), vector, type(t), n,
         lanes);
    return made;
  }

  // The instruction's table fills its register, however few entries that are.
  void lookup(const UOp& u) {
    const LaneLookup& l = *target_.lookup(byte_size(u->dtype.scalar()));
    DType t = u->dtype;
    int64_t entries = u[0]->dtype.lanes;
    std::string table = value(u[0]);
    if (entries != l.lanes) {
      std::string lanes;
      for (int64_t i = 0; i < l.lanes; ++i) {
        lanes += fmt::format("{}i32 {}", i ? ", " : "", i % entries);
      }
      table = shuffled(u[0]->dtype, table, lanes, l.lanes);
    }
    std::string of = type(t);
    std::string by = type(u[1]->dtype);
    declarations_.insert(fmt::format("{} @{}({}, {})", of, l.function, of, by));
    define(u, "call {} @{}({} {}, {} {})", of, l.function, of, table, by, value(u[1]));
  }

  void call(const UOp& u, const std::string& function) {
    DType t = u->dtype;
    std::string suffix =
        fmt::format("{}f{}", t.lanes > 1 ? fmt::format("v{}", t.lanes) : "", bit_size(t));
    std::string types;
    std::string args;
    for (const UOp& s : u->src) {
      types += (types.empty() ? "" : ", ") + type(t);
      args += (args.empty() ? "" : ", ") + typed(s);
    }
    declarations_.insert(fmt::format("{} @llvm.{}.{}({})", type(t), function, suffix, types));
    define(u, "call {} @llvm.{}.{}({})", type(t), function, suffix, args);
  }

  void binary(const UOp& u, const std::string& instruction) {
    std::string left = typed(u[0]);
    define(u, "{} {}, {}", instruction, left, value(u[1]));
  }

  void cast(const UOp& u) {
    DType from = u[0]->dtype.scalar();
    DType to = u->dtype.scalar();
    bool from_unsigned = is_unsigned(from) || from.kind == Kind::Bool;
    const char* name = nullptr;
    if (is_float(from) && is_float(to))
      name = byte_size(to) > byte_size(from) ? "fpext" : "fptrunc";
    else if (is_float(from)) name = is_unsigned(to) ? "fptoui" : "fptosi";
    else if (is_float(to)) name = from_unsigned ? "uitofp" : "sitofp";
    else if (bit_size(to) > bit_size(from)) name = from_unsigned ? "zext" : "sext";
    else if (bit_size(to) < bit_size(from)) name = "trunc";
    if (!name) {
      names_[u.get()] = value(u[0]);  // signedness is in the ops, not in LLVM's types
      return;
    }
    define(u, "{} {} to {}", name, typed(u[0]), type(u->dtype));
  }

  void alu(const UOp& u) {
    DType operand = u->src.back()->dtype;
    bool floats = is_float(operand);
    bool is_un = is_unsigned(operand) || operand.kind == Kind::Bool;
    switch (u->op) {
      case Op::Add: return binary(u, floats ? "fadd" : "add");
      case Op::Mul: return binary(u, floats ? "fmul" : "mul");
      case Op::Div: return binary(u, floats ? "fdiv" : "udiv");
      case Op::Mod: return binary(u, "urem");
      case Op::And: return binary(u, "and");
      case Op::Xor: return binary(u, "xor");
      case Op::Shl: return binary(u, "shl");
      case Op::Shr: return binary(u, is_un ? "lshr" : "ashr");
      case Op::Less: return binary(u, floats ? "fcmp olt" : is_un ? "icmp ult" : "icmp slt");
      case Op::Ne: return binary(u, floats ? "fcmp une" : "icmp ne");
      case Op::Where: {
        std::string c = typed(u[0]);
        std::string a = typed(u[1]);
        return define(u, "select {}, {}, {}", c, a, typed(u[2]));
      }
      case Op::Sqrt: return call(u, "sqrt");
      case Op::Exp: return call(u, "exp");
      case Op::Log2: return call(u, "log2");
      case Op::Sin: return call(u, "sin");
      case Op::MulAdd: return call(u, "fma");
      case Op::Cast: return cast(u);
      case Op::Bitcast:
        if (type(u->dtype) == type(u[0]->dtype)) {
          names_[u.get()] = value(u[0]);
          return;
        }
        return define(u, "bitcast {} to {}", typed(u[0]), type(u->dtype));
      default: throw InternalError(fmt::format("llvm: no rendering of {}", info(u->op).name));
    }
  }

  const Target& target_;
  std::string body_;
  bool streams_ = false;
  std::string block_ = "entry";
  std::set<std::string> declarations_;
  std::unordered_map<const Node*, std::string> names_;
  std::vector<std::string> open_;
  int64_t next_ = 0;
  int64_t loops_ = 0;
};

}  // namespace

std::string render_llvm(const LinearCode& linear, const Target& target, const std::string& name) {
  return Renderer(target).run(linear, name);
}

}  // namespace niwaki
