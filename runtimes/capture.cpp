#include "runtimes/capture.h"

#include <cstring>
#include <unordered_map>

#include "core/env.h"
#include "core/error.h"
#include "core/text.h"
#include "runtimes/recording.h"

namespace niwaki {
namespace {

BufferRef buffer_of(const Tensor& t) {
  return t.uop()->op == Op::Buffer ? t.uop()->get<BufferRef>() : nullptr;
}

std::vector<UOp> nodes_of(const std::vector<Tensor>& tensors) {
  std::vector<UOp> roots;
  for (const Tensor& t : tensors) roots.push_back(t.uop());
  return toposort(make(Op::Sink, roots));
}

bool same_contents(const Buffer& a, const Buffer& b) {
  if (a.dtype != b.dtype || a.shape != b.shape || !a.data || !b.data) return false;
  return std::memcmp(a.data, b.data, size_t(a.bytes())) == 0;
}

bool same_arg(const UOp& a, const UOp& b) {
  if (a->op != Op::Buffer || b->op != Op::Buffer) return a->arg == b->arg;
  return same_contents(*a->get<BufferRef>(), *b->get<BufferRef>());
}

std::string description(const UOp& u) {
  if (u->op == Op::Const) return print_constant(u);
  if (u->op == Op::Sink) return fmt::format("{} tensors", u->src.size());
  std::string text(info(u->op).name);
  return u->op == Op::Buffer ? text + " of " + print_type(u) : text;
}

// Error naming the first node at which the graph of a call is not that of another. They may be
// other buffers, made by the function, if they hold the same.
void check_same(const std::vector<Tensor>& first, const std::vector<Tensor>& second) {
  std::vector<UOp> a = nodes_of(first);
  std::vector<UOp> b = nodes_of(second);
  std::unordered_map<const Node*, const Node*> other;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    other[a[i].get()] = b[i].get();
    if (a[i] == b[i]) continue;
    bool same =
        a[i]->op == b[i]->op && a[i]->src.size() == b[i]->src.size() && same_arg(a[i], b[i]);
    for (size_t s = 0; same && s < a[i]->src.size(); ++s) {
      same = other[a[i][s].get()] == b[i][s].get();
    }
    Here user(b[i]->site);
    check(same,
          "capture: the function gives another graph when it is called again: {} became {}: what "
          "changes must be an argument, a variable or what a buffer holds",
          description(a[i]), description(b[i]));
    check(a[i]->op != Op::Assign || a[i][0]->op != Op::Buffer || a[i][0] == b[i][0],
          "capture: the function assigns to a buffer that it makes, which would be one for all "
          "calls: make it outside of the function");
  }
}

thread_local int recordings = 0;

// While it lives, the stand-ins have the arguments' memory.
class Lent {
 public:
  Lent(const std::vector<BufferRef>& stand_ins, const std::vector<Tensor>& arguments)
      : stand_ins_(stand_ins) {
    for (size_t i = 0; i < stand_ins.size(); ++i)
      stand_ins[i]->data = buffer_of(arguments[i])->data;
  }
  ~Lent() {
    for (const BufferRef& b : stand_ins_) b->data = nullptr;
  }

 private:
  const std::vector<BufferRef>& stand_ins_;
};

std::vector<Tensor> realized(const std::vector<Tensor>& arguments, Device& device) {
  std::vector<Tensor> lazy;
  for (size_t i = 0; i < arguments.size(); ++i) {
    for (const UOp& dim : arguments[i].shape()) {
      check(dim->op == Op::Const,
            "capture: argument {} has the symbolic shape {}: pass the whole, and narrow it inside",
            i, to_string(arguments[i].shape()));
    }
    bool number = arguments[i].uop()->op == Op::Const &&
                  (arguments[i].dtype() == f64 || arguments[i].dtype() == i64);
    check(
        !number,
        "capture: argument {} is a number, which has no dtype of its own: cast() and realize() it",
        i);
    if (!buffer_of(arguments[i])) lazy.push_back(arguments[i]);
  }
  if (lazy.empty()) return arguments;
  lazy = realize(lazy, {}, device);
  std::vector<Tensor> result;
  size_t n_lazy = 0;
  for (const Tensor& t : arguments) result.push_back(buffer_of(t) ? t : lazy[n_lazy++]);
  return result;
}

}  // namespace

Recording::Recording() { ++recordings; }
Recording::~Recording() { --recordings; }
bool Recording::on() { return recordings > 0; }

Captured::Captured(TensorFunction function, Device& device)
    : function_(std::move(function)), device_(&device), verifies_(env_int("NIWAKI_VERIFY") > 0) {}

Captured capture(TensorFunction function, Device& device) {
  return Captured(std::move(function), device);
}

const Replay& Captured::replay() const {
  check(replay_.has_value(), "capture: nothing is recorded before the first call");
  return *replay_;
}

std::vector<Tensor> Captured::operator()(const std::vector<Tensor>& arguments,
                                         const Bindings& bindings) {
  if (Recording::on()) {
    check(bindings.empty(),
          "capture: values of variables inside of a function that is being recorded: give them "
          "where that is called");
    return function_(arguments);
  }
  if (replay_) check_signature(arguments);
  std::vector<Tensor> given = realized(arguments, *device_);
  if (!replay_) record(given);
  else if (verifies_) check_same(recorded_, call());
  check_written(arguments);
  replay_->renew_outputs();
  Lent lent(stand_ins_, given);
  replay_->run(bindings);
  return results(given, bindings);
}

void Captured::record(const std::vector<Tensor>& given) {
  stand_ins_.clear();
  for (const Tensor& t : given) {
    BufferRef b = buffer_of(t);
    stand_ins_.push_back(
        std::make_shared<Buffer>(Buffer{b->dtype, b->shape, nullptr, nullptr, false}));
  }
  recorded_ = call();
  check_same(recorded_, call());
  Lent lent(stand_ins_, given);
  replay_.emplace(recorded_, *device_);
  replay_->arguments_ = stand_ins_;
}

std::vector<Tensor> Captured::call() const {
  Recording recording;
  std::vector<Tensor> arguments;
  for (const BufferRef& b : stand_ins_) arguments.emplace_back(buffer(b));
  return function_(arguments);
}

void Captured::check_signature(const std::vector<Tensor>& arguments) const {
  check(arguments.size() == stand_ins_.size(), "capture: {} arguments, and it was recorded with {}",
        arguments.size(), stand_ins_.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    Shape shape = shape_of(stand_ins_[i]->shape);
    check(arguments[i].shape() == shape, "capture: argument {} is {}, and was recorded as {}", i,
          to_string(arguments[i].shape()), to_string(shape));
    check(arguments[i].dtype() == stand_ins_[i]->dtype,
          "capture: argument {} is of {}, and was recorded of {}", i, name(arguments[i].dtype()),
          name(stand_ins_[i]->dtype));
  }
}

void Captured::check_written(const std::vector<Tensor>& arguments) const {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!replay_->written_.count(stand_ins_[i])) continue;
    BufferRef b = buffer_of(arguments[i]);
    check(b != nullptr, "capture: argument {} is written and is no buffer: realize() it first", i);
    check(!b->constant, "capture: argument {} is written and is constant", i);
  }
}

std::vector<Tensor> Captured::results(const std::vector<Tensor>& given,
                                      const Bindings& bindings) const {
  // A stand-in that comes out is the argument; what the Replay made is handed over.
  std::unordered_map<const Buffer*, BufferRef> others;
  for (size_t i = 0; i < given.size(); ++i) others[stand_ins_[i].get()] = buffer_of(given[i]);
  std::vector<Tensor> results;
  for (size_t i = 0; i < recorded_.size(); ++i) {
    const BufferRef& b = replay_->schedule_.outputs[i];
    auto [other, fresh] = others.try_emplace(b.get(), b);
    if (fresh && replay_->own_.count(b)) other->second = std::make_shared<Buffer>(*b);
    results.push_back(replay_->tensor_of(i, bindings, other->second));
  }
  return results;
}

}  // namespace niwaki
