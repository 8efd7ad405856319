#include "runtimes/realize.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "core/env.h"
#include "core/error.h"
#include "ops/rules.h"
#include "runtimes/debug.h"

namespace niwaki {
namespace {

void give_memory(Buffer& b) {
  std::shared_ptr<void> memory = allocate(b.bytes());
  b.data = memory.get();
  b.owner = memory;
}

// Programs by device and kernel. An AST is interned, so its node is its key for as long as it
// lives.
struct Compiled {
  UOp ast;
  std::shared_ptr<Program> program;
  std::vector<UOp> variables;
};

std::unordered_map<const Node*, Compiled>& programs(const Device& device) {
  static std::unordered_map<const Device*, std::unordered_map<const Node*, Compiled>> all;
  return all[&device];
}

const Compiled& compile(const Kernel& kernel, Device& device) {
  Compiled& entry = programs(device)[kernel.ast.get()];
  if (!entry.program) {
    report_kernel(kernel, device);
    Linear linear = lower(kernel.ast, device.target());
    entry = {kernel.ast, device.compile(linear), linear.variables};
  }
  return entry;
}

}  // namespace

Replay::Replay(const std::vector<Tensor>& outputs, Device& device,
               const std::function<void(int64_t, int64_t)>& progress) {
  std::vector<UOp> roots;
  for (const Tensor& t : outputs) roots.push_back(t.dtype().packed ? t.cast(f32).uop() : t.uop());
  schedule_ = niwaki::schedule(roots);
  note_rests(roots);
  for (const BufferRef& b : schedule_.outputs) {
    if (!b->data) give_memory(*b);
  }
  arena_ = allocate(schedule_.arena_bytes);
  for (const Temporary& t : schedule_.temporaries) {
    t.buffer->data = static_cast<char*>(arena_.get()) + t.offset;
    t.buffer->owner = arena_;
  }
  report_device(device, schedule_.kernels.size());
  for (const Kernel& kernel : schedule_.kernels) {
    const Compiled& compiled = compile(kernel, device);
    Launch launch{compiled.program, {}, {}};
    for (const BufferRef& b : kernel.args) launch.buffers.push_back(b->data);
    for (const UOp& v : compiled.variables) launch.variables.push_back(number_of(v));
    launches_.push_back(std::move(launch));
    if (progress) progress(n_kernels(), int64_t(schedule_.kernels.size()));
  }
}

size_t Replay::number_of(const UOp& variable) {
  auto found = std::find(symbols_.begin(), symbols_.end(), variable);
  size_t number = size_t(found - symbols_.begin());
  if (found == symbols_.end()) symbols_.push_back(variable);
  return number;
}

void Replay::note_rests(const std::vector<UOp>& roots) {
  for (const UOp& u : toposort(make(Op::Sink, roots))) {
    if (u->op != Op::Shrink) continue;
    for (size_t i = 0; i < u->shape.size(); ++i) {
      UOp rest = simplify(dim_sub(dim_sub(u[0]->shape[i], u[1 + 2 * i]), u->shape[i]));
      if (rest->lo >= 0) continue;
      rests_.push_back({rest, u, i});
      for (const UOp& v : toposort(rest)) {
        if (v->op == Op::Variable) number_of(v);
      }
    }
  }
}

void Replay::check_rests(const std::vector<int64_t>& values) const {
  for (const Rest& rest : rests_) {
    if (evaluate_dim(rest.elements, symbols_, values) >= 0) continue;
    std::string where;
    for (size_t i = 0; i < symbols_.size(); ++i) {
      where += fmt::format("{}{} = {}", i ? ", " : "", symbols_[i]->get<Symbol>().name, values[i]);
    }
    const UOp& u = rest.shrink;
    std::string start = expression(u[1 + 2 * rest.axis]);
    fail("shrink: [{}, {} + {}) leaves dim {} of {} where {}", start, start,
         expression(u->shape[rest.axis]), rest.axis, to_string(u[0]->shape), where);
  }
}

void Replay::run(const Bindings& bindings) {
  std::vector<int64_t> values(symbols_.size());
  for (size_t i = 0; i < symbols_.size(); ++i) {
    const Symbol& s = symbols_[i]->get<Symbol>();
    auto found = std::find_if(bindings.begin(), bindings.end(),
                              [&](const auto& b) { return b.first == s.name; });
    check(found != bindings.end(), "replay: the variable {} in [{}, {}] was given no value", s.name,
          s.min, s.max);
    check(found->second >= s.min && found->second <= s.max, "replay: {} = {} is not in [{}, {}]",
          s.name, found->second, s.min, s.max);
    values[i] = found->second;
  }
  check_rests(values);
  std::vector<int64_t> chosen;
  bool debug = env_int("NIWAKI_DEBUG") >= 2;
  for (const Launch& launch : launches_) {
    chosen.clear();
    for (size_t v : launch.variables) chosen.push_back(values[v]);
    if (!debug) {
      launch.program->launch(launch.buffers, chosen);
      continue;
    }
    auto start = std::chrono::steady_clock::now();
    launch.program->launch(launch.buffers, chosen);
    std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    size_t at = size_t(&launch - launches_.data());
    report_launch(at, schedule_.kernels[at], spent.count());
  }
}

std::set<const Program*> Replay::programs() const {
  std::set<const Program*> distinct;
  for (const Launch& launch : launches_) distinct.insert(launch.program.get());
  return distinct;
}

Tensor Replay::tensor(size_t i) const { return Tensor(buffer(schedule_.outputs[i])); }

std::vector<Tensor> realize(const std::vector<Tensor>& tensors, const Bindings& bindings,
                            Device& device) {
  Replay replay(tensors, device);
  replay.run(bindings);
  std::vector<Tensor> results;
  for (size_t i = 0; i < tensors.size(); ++i) results.push_back(replay.tensor(i));
  return results;
}

Tensor realize(const Tensor& tensor, const Bindings& bindings, Device& device) {
  return realize(std::vector<Tensor>{tensor}, bindings, device)[0];
}

template <class T>
DType dtype_of();

template <class T>
std::vector<T> to_vector(const Tensor& tensor, Device& device) {
  for (const UOp& dim : tensor.shape()) {
    check(dim->op == Op::Const, "to_vector: the shape {} is symbolic", to_string(tensor.shape()));
  }
  Tensor stored = realize(tensor.cast(dtype_of<T>()), {}, device);
  const Buffer& b = *stored.uop()->get<BufferRef>();
  const T* data = static_cast<const T*>(b.data);
  return std::vector<T>(data, data + b.size());
}

template <class T>
T item(const Tensor& tensor, Device& device) {
  std::vector<T> values = to_vector<T>(tensor, device);
  check(values.size() == 1, "item: {} has not one element", to_string(tensor.shape()));
  return values[0];
}

template std::vector<bool> to_vector(const Tensor&, Device&);
template std::vector<int8_t> to_vector(const Tensor&, Device&);
template std::vector<uint8_t> to_vector(const Tensor&, Device&);
template std::vector<int16_t> to_vector(const Tensor&, Device&);
template std::vector<uint16_t> to_vector(const Tensor&, Device&);
template std::vector<int32_t> to_vector(const Tensor&, Device&);
template std::vector<uint32_t> to_vector(const Tensor&, Device&);
template std::vector<int64_t> to_vector(const Tensor&, Device&);
template std::vector<uint64_t> to_vector(const Tensor&, Device&);
template std::vector<float> to_vector(const Tensor&, Device&);
template std::vector<double> to_vector(const Tensor&, Device&);
template bool item(const Tensor&, Device&);
template int32_t item(const Tensor&, Device&);
template int64_t item(const Tensor&, Device&);
template float item(const Tensor&, Device&);
template double item(const Tensor&, Device&);

}  // namespace niwaki
