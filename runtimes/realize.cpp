#include "runtimes/realize.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "core/env.h"
#include "core/error.h"
#include "ops/rules.h"
#include "runtimes/prepared.h"
#include "runtimes/debug.h"
#include "runtimes/recording.h"
#include "runtimes/search.h"

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
};

std::unordered_map<const Node*, Compiled>& programs(const Device& device) {
  static std::unordered_map<const Device*, std::unordered_map<const Node*, Compiled>> all;
  return all[&device];
}

// A kernel of an earlier process is as it was then, where neither a search chooses nor every pass
// is to be verified, nor one left out.
std::shared_ptr<Program> compile(const Kernel& kernel, Device& device) {
  Compiled& entry = programs(device)[kernel.ast.get()];
  if (entry.program) return entry.program;
  bool lowers_anew = env_int("NIWAKI_SEARCH") > 0 || env_int("NIWAKI_VERIFY") > 0 ||
                     !env("NIWAKI_OFF").empty();
  MoveChoice choose = choice_for(kernel, device);
  report_kernel(kernel, device, choose);
  entry.ast = kernel.ast;
  if (!lowers_anew) entry.program = device.recall(kernel.ast);
  if (entry.program) return entry.program;
  LinearCode linear = lower(kernel.ast, device.target(), {}, choose);
  entry.program = device.compile(linear);
  if (!lowers_anew) device.remember(kernel.ast, linear);
  return entry.program;
}

std::string names_of(const std::vector<UOp>& symbols) {
  std::string names;
  for (const UOp& v : symbols) names += (names.empty() ? "" : ", ") + v->get<Symbol>().name;
  return names.empty() ? "none" : names;
}

int64_t bound_value(const UOp& variable, const Bindings& bindings) {
  const Symbol& s = variable->get<Symbol>();
  auto found = std::find_if(bindings.begin(), bindings.end(),
                            [&](const auto& b) { return b.first == s.name; });
  check(found != bindings.end(), "replay: the variable {} in [{}, {}] was given no value", s.name,
        s.min, s.max);
  check(found->second >= s.min && found->second <= s.max, "replay: {} = {} is not in [{}, {}]",
        s.name, found->second, s.min, s.max);
  return found->second;
}

// A dim where the variables have these values.
UOp dim_at(const UOp& dim, const Bindings& bindings) {
  std::vector<UOp> variables;
  std::vector<int64_t> values;
  for (const UOp& u : toposort(dim)) {
    if (u->op != Op::Variable) continue;
    variables.push_back(u);
    values.push_back(bound_value(u, bindings));
  }
  return index(evaluate_dim(dim, variables, values));
}

// The part of a buffer that a value fills whose symbolic dims are less than the greatest.
Tensor part_of(const BufferRef& b, const Shape& shape) {
  Tensor part(buffer(b));
  for (size_t i = 0; i < shape.size(); ++i) {
    if (part.shape()[i] != shape[i]) part = part.narrow(int64_t(i), 0, Dim(shape[i]));
  }
  return part;
}

bool overlap(const Buffer& a, const Buffer& b) {
  auto begin = [](const Buffer& x) { return static_cast<const char*>(x.data); };
  return begin(a) < begin(b) + b.bytes() && begin(b) < begin(a) + a.bytes();
}

void check_not_recording() {
  check(!Recording::on(),
        "replay: values are asked for inside of a function that is being recorded: they would be "
        "constants of every launch");
}

}  // namespace

Replay::Replay(const std::vector<Tensor>& outputs, Device& device,
               const std::function<void(int64_t, int64_t)>& progress)
    : device_(&device) {
  check_not_recording();
  SimplifyMemo memo;
  std::vector<UOp> roots;
  for (const Tensor& t : outputs) roots.push_back(t.dtype().packed ? t.cast(f32).uop() : t.uop());
  for (const UOp& u : toposort(make(Op::Sink, roots))) {
    if (u->op == Op::Variable) number_of(u);
    if (u->op == Op::Shrink) note_rests(u);
    if (u->op == Op::Buffer) check_memory(*u->get<BufferRef>());
    if (u->op == Op::Assign && u[0]->op == Op::Buffer) written_.insert(u[0]->get<BufferRef>());
  }
  ScheduleReport report;
  schedule_ = niwaki::schedule(roots);
  report.show(roots, schedule_, device);
  prepare(schedule_, device);
  for (const UOp& root : roots) shapes_.push_back(root->shape);
  for (const BufferRef& b : schedule_.outputs) {
    if (b->data) continue;
    give_memory(*b);
    own_.insert(b);
    written_.insert(b);
  }
  arena_ = allocate(schedule_.arena_bytes);
  for (const Temporary& t : schedule_.temporaries) {
    t.buffer->data = static_cast<char*>(arena_.get()) + t.offset;
    t.buffer->owner = arena_;
  }
  for (const Kernel& kernel : schedule_.kernels)
    used_.insert(kernel.args.begin(), kernel.args.end());
  for (const Temporary& t : schedule_.temporaries) used_.erase(t.buffer);
  std::vector<size_t> n_variables;
  for (const Kernel& kernel : schedule_.kernels) {
    programs_.push_back(compile(kernel, device));
    const std::vector<UOp>& variables = programs_.back()->variables();
    for (const BufferRef& b : kernel.args) buffers_.push_back(b.get());
    for (const UOp& v : variables) places_.push_back(number_of(v));
    n_variables.push_back(variables.size());
    if (progress) progress(std::ssize(programs_), std::ssize(schedule_.kernels));
  }
  memory_ = std::make_unique<void*[]>(buffers_.size());
  values_ = std::make_unique<int64_t[]>(places_.size());
  void** memory = memory_.get();
  int64_t* values = values_.get();
  for (size_t i = 0; i < programs_.size(); ++i) {
    size_t n_buffers = schedule_.kernels[i].args.size();
    launches_.push_back({programs_[i].get(), {memory, n_buffers}, {values, n_variables[i]}});
    memory += n_buffers;
    values += n_variables[i];
  }
}

size_t Replay::number_of(const UOp& variable) {
  auto found = std::find(symbols_.begin(), symbols_.end(), variable);
  size_t number = size_t(found - symbols_.begin());
  if (found == symbols_.end()) symbols_.push_back(variable);
  return number;
}

void Replay::note_rests(const UOp& shrink) {
  for (size_t i = 0; i < shrink->shape.size(); ++i) {
    UOp rest = dim_sub(dim_sub(shrink[0]->shape[i], shrink[1 + 2 * i]), shrink->shape[i]);
    rest = simplify(rest);
    if (rest->lo < 0) rests_.push_back({rest, shrink, i});
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

std::vector<int64_t> Replay::values_of(const Bindings& bindings) const {
  std::vector<int64_t> values;
  for (const UOp& v : symbols_) values.push_back(bound_value(v, bindings));
  for (size_t i = 0; i < bindings.size(); ++i) {
    const std::string& name = bindings[i].first;
    bool known = std::any_of(symbols_.begin(), symbols_.end(),
                             [&](const UOp& v) { return v->get<Symbol>().name == name; });
    if (!known) fail("replay: no variable {}: the graph has {}", name, names_of(symbols_));
    for (size_t j = 0; j < i; ++j) {
      check(bindings[j].first != name, "replay: the variable {} was given two values", name);
    }
  }
  return values;
}

std::string Replay::name_of(const Buffer& buffer) const {
  auto found = std::find_if(arguments_.begin(), arguments_.end(),
                            [&](const BufferRef& b) { return b.get() == &buffer; });
  if (found != arguments_.end()) return fmt::format("argument {}", found - arguments_.begin());
  return fmt::format("a buffer of {} {}", name(buffer.dtype), to_string(shape_of(buffer.shape)));
}

void Replay::check_memory(const Buffer& buffer) const {
  if (!buffer.data && buffer.bytes() > 0) fail("replay: {} has no memory", name_of(buffer));
}

void Replay::find_memory() {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    check_memory(*buffers_[i]);
    if (memory_[i] != buffers_[i]->data) apart_ = false;
    memory_[i] = buffers_[i]->data;
  }
  if (!apart_) check_overlaps();
  apart_ = true;
}

// Kernels are ordered by the buffers that they read and write, and know nothing of memory that two
// of them have in common.
void Replay::check_overlaps() const {
  for (const BufferRef& w : written_) {
    for (const BufferRef& u : used_) {
      if (u == w || !overlap(*u, *w)) continue;
      fail("replay: {} is written and shares memory with {}", name_of(*w), name_of(*u));
    }
  }
}

void Replay::renew_outputs() {
  for (const BufferRef& b : own_) {
    if (b->owner.use_count() > 1) give_memory(*b);
  }
}

void Replay::run(const Bindings& bindings) {
  check_not_recording();
  std::vector<int64_t> values = values_of(bindings);
  check_rests(values);
  find_memory();
  for (size_t i = 0; i < places_.size(); ++i) values_[i] = values[places_[i]];
  LaunchReport report(*device_);
  if (!report.on()) return device_->run(launches_);
  for (size_t i = 0; i < launches_.size(); ++i) {
    auto start = std::chrono::steady_clock::now();
    device_->run({&launches_[i], 1});
    std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    report.add(i, schedule_.kernels[i], symbols_, values, spent.count());
  }
  report.total();
}

std::set<const Program*> Replay::programs() const {
  std::set<const Program*> distinct;
  for (const std::shared_ptr<Program>& p : programs_) distinct.insert(p.get());
  return distinct;
}

Tensor Replay::tensor(size_t i) const { return part_of(schedule_.outputs[i], shapes_[i]); }

Tensor Replay::tensor_of(size_t i, const Bindings& bindings, const BufferRef& buffer) const {
  Shape known;
  for (const UOp& dim : shapes_[i]) known.push_back(dim_at(dim, bindings));
  return part_of(buffer, known);
}

std::vector<Tensor> realize(const std::vector<Tensor>& tensors, const Bindings& bindings,
                            Device& device) {
  Replay replay(tensors, device);
  replay.run(bindings);
  std::vector<Tensor> results;
  for (size_t i = 0; i < tensors.size(); ++i) {
    results.push_back(replay.tensor_of(i, bindings, replay.schedule_.outputs[i]));
  }
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
