// INTERP: the oracle. It runs linear code one instruction at a time by core's scalar meanings, for
// scalars and vectors alike, and checks every address against its buffer. It is slow on purpose:
// there is nothing here to get wrong but a loop and a table of registers.
#include <unordered_map>

#include "core/error.h"
#include "core/scalar.h"
#include "runtimes/device.h"

namespace niwaki {
namespace {

// An instruction with its operands resolved to registers: `dst` and `src` are first lanes.
struct Instruction {
  Op op;
  DType dtype;
  DType operand;
  int64_t dst = 0;
  std::vector<int64_t> src;
  Axes lanes;
  int64_t buffer = -1;
  bool local = false;
  int64_t size = 0;
  int64_t gate_lanes = 0;
  /// Where a loop continues: past its End, or back behind its Range.
  size_t jump = 0;
};

class InterpProgram : public Program {
 public:
  explicit InterpProgram(const LinearCode& linear) : Program(linear.variables) {
    for (const UOp& v : linear.variables) variables_.push_back(reg(v));
    std::vector<size_t> open;
    for (const UOp& u : linear.code) {
      Instruction in;
      in.op = u->op;
      in.dtype = u->dtype;
      in.operand = u->src.empty() ? u->dtype : u->src.back()->dtype;
      if (u->op == Op::Scratch) {
        const ParamInfo& s = u->get<ParamInfo>();
        if (scratch_.size() <= size_t(s.index)) scratch_.resize(size_t(s.index) + 1);
        scratch_[size_t(s.index)].resize(size_t(s.size * byte_size(s.dtype)));
        continue;
      }
      if (u->op == Op::Prefetch) continue;
      if (u->op == Op::Load || u->op == Op::Store) {
        const ParamInfo& p = u[0]->get<ParamInfo>();
        in.buffer = p.index;
        in.local = u[0]->op == Op::Scratch;
        in.size = p.size;
        in.operand = p.dtype;
        if (u->op == Op::Load && u->src.size() > 2) in.gate_lanes = u[2]->dtype.lanes;
      }
      for (const UOp& s : u->src) {
        if (s->op != Op::Param && s->op != Op::Scratch) in.src.push_back(reg(s));
      }
      if (u->op == Op::Where) in.operand = u->dtype;
      if (u->op == Op::Lookup) in.size = u[0]->dtype.lanes;
      if (u->op == Op::Swizzle) in.lanes = u->get<Axes>();
      if (u->op == Op::Update || u->op == Op::End) in.dst = in.src[0];
      else if (u->dtype != void_type) in.dst = reg(u);
      if (u->op == Op::Update) in.dtype = u[0]->dtype;
      if (u->op == Op::Store) in.dtype = u[2]->dtype;
      if (u->op == Op::Range) open.push_back(code_.size());
      if (u->op == Op::End) {
        in.jump = open.back();
        code_[open.back()].jump = code_.size() + 1;
        open.pop_back();
      }
      code_.push_back(std::move(in));
    }
  }

  void launch(std::span<void* const> buffers, std::span<const int64_t> variables) override {
    for (size_t i = 0; i < variables_.size(); ++i) registers_[variables_[i]].i = variables[i];
    size_t at = 0;
    while (at < code_.size()) at = step(code_[at], at, buffers);
  }

 private:
  int64_t reg(const UOp& u) {
    auto [place, fresh] = names_.try_emplace(u.get(), int64_t(registers_.size()));
    if (fresh) {
      keep_.push_back(u);
      registers_.resize(registers_.size() + u->dtype.lanes);
      if (u->op == Op::Const) registers_[size_t(place->second)] = u->get<Constant>().value;
    }
    return place->second;
  }

  size_t step(const Instruction& in, size_t at, std::span<void* const> buffers) {
    Value* r = registers_.data();
    switch (in.op) {
      case Op::Range: r[in.dst].i = 0; return r[in.src[0]].i > 0 ? at + 1 : in.jump;
      case Op::End: {
        const Instruction& loop = code_[in.jump];
        return ++r[loop.dst].i < r[loop.src[0]].i ? in.jump + 1 : at + 1;
      }
      case Op::Acc:
      case Op::Update:
        for (int64_t i = 0; i < in.dtype.lanes; ++i) {
          r[in.dst + i] = r[(in.op == Op::Acc ? in.src[0] : in.src[1]) + i];
        }
        return at + 1;
      case Op::Stack:
        for (int64_t i = 0; i < in.dtype.lanes; ++i) {
          r[in.dst + i] = r[in.src[in.src.size() == 1 ? 0 : size_t(i)]];
        }
        return at + 1;
      case Op::Swizzle:
        for (size_t i = 0; i < in.lanes.size(); ++i) {
          r[in.dst + int64_t(i)] = r[in.src[0] + in.lanes[i]];
        }
        return at + 1;
      case Op::Lookup:
        for (int64_t i = 0; i < in.dtype.lanes; ++i) {
          r[in.dst + i] = r[in.src[0] + (r[in.src[1] + i].i & (in.size - 1))];
        }
        return at + 1;
      case Op::Load: load(in, buffers); return at + 1;
      case Op::Store: store(in, buffers); return at + 1;
      case Op::Bitcast: bitcast(in); return at + 1;
      default: break;
    }
    Value args[3];
    for (int64_t i = 0; i < in.dtype.lanes; ++i) {
      for (size_t s = 0; s < in.src.size(); ++s) args[s] = r[in.src[s] + i];
      r[in.dst + i] =
          evaluate(in.op, in.dtype.scalar(), in.operand.scalar(), std::span(args, in.src.size()));
    }
    return at + 1;
  }

  char* address(const Instruction& in, std::span<void* const> buffers, int64_t element) {
    expect(element >= 0 && element < in.size, "{} of element {} of {} in buffer {}",
           info(in.op).name, element, in.size, in.buffer);
    void* memory = in.local ? scratch_[size_t(in.buffer)].data() : buffers[size_t(in.buffer)];
    return static_cast<char*>(memory) + element * byte_size(in.operand);
  }

  void load(const Instruction& in, std::span<void* const> buffers) {
    // A vector's elements follow the first one; each has the gate's lane, or the one gate.
    for (int64_t i = 0; i < in.dtype.lanes; ++i) {
      int64_t gate = in.gate_lanes > 1 ? i : 0;
      bool open = in.gate_lanes == 0 || registers_[size_t(in.src[1] + gate)].i;
      Value& dst = registers_[size_t(in.dst + i)];
      int64_t element = registers_[size_t(in.src[0])].i + i;
      dst = open ? load_value(in.operand, address(in, buffers, element)) : value_of(in.operand, 0);
    }
  }

  void store(const Instruction& in, std::span<void* const> buffers) {
    for (int64_t i = 0; i < in.dtype.lanes; ++i) {
      int64_t element = registers_[size_t(in.src[0])].i + i;
      store_value(in.operand, address(in, buffers, element), registers_[size_t(in.src[1] + i)]);
    }
  }

  // Lane by lane, or all lanes' bytes as those of one wider or several narrower elements.
  void bitcast(const Instruction& in) {
    char bytes[1024];
    int64_t n = 0;
    for (int64_t i = 0; i < in.operand.lanes; ++i) {
      store_value(in.operand.scalar(), bytes + n, registers_[size_t(in.src[0] + i)]);
      n += byte_size(in.operand);
    }
    for (int64_t i = 0; i < in.dtype.lanes; ++i) {
      registers_[size_t(in.dst + i)] =
          load_value(in.dtype.scalar(), bytes + i * byte_size(in.dtype));
    }
  }

  std::vector<Instruction> code_;
  std::vector<Value> registers_;
  std::vector<std::vector<char>> scratch_;
  std::vector<int64_t> variables_;
  std::unordered_map<const Node*, int64_t> names_;
  std::vector<UOp> keep_;
};

class InterpDevice : public Device {
 public:
  InterpDevice() : Device("INTERP", target_of("interp")) {}
  std::shared_ptr<Program> compile(const LinearCode& linear) override {
    return std::make_shared<InterpProgram>(linear);
  }
};

}  // namespace

std::unique_ptr<Device> make_interp_device() { return std::make_unique<InterpDevice>(); }

}  // namespace niwaki
