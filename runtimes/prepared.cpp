// A copy belongs to the buffer that it was made of and to the kernel that makes it, so that all
// that read a weight in one layout share one copy: the launches of a decode step and of a prefill.
// It is known as long as somebody uses it and its source lives.
#include "runtimes/prepared.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "codegen/prepare.h"
#include "core/env.h"

namespace niwaki {
namespace {

struct Copy {
  UOp maker;
  std::weak_ptr<Buffer> source;
  std::weak_ptr<Buffer> made;
};

BufferRef copy_of(const BufferRef& source, const LaidOut& constant, Device& device) {
  static std::map<std::pair<const Buffer*, const Node*>, Copy> copies;
  Copy& copy = copies[{source.get(), constant.ast.get()}];
  BufferRef made = copy.made.lock();
  if (made && copy.source.lock() == source) return made;
  std::shared_ptr<void> memory = allocate(constant.size * byte_size(constant.dtype));
  made = std::make_shared<Buffer>(
      Buffer{constant.dtype, {constant.size}, memory.get(), memory, true});
  std::shared_ptr<Program> program = device.recall(constant.ast);
  if (!program) {
    LinearCode linear = lower(constant.ast, device.target());
    program = device.compile(linear);
    device.remember(constant.ast, linear);
  }
  void* buffers[] = {memory.get(), source->data};
  Launch launch = {program.get(), buffers, {}};
  device.run({&launch, 1});
  copy = {constant.ast, source, made};
  return made;
}

// What is prepared is asked for by every layer of a model.
const Prepared& prepared_once(const UOp& ast, const Device& device) {
  struct Known {
    UOp ast;
    Prepared prepared;
  };
  static std::map<std::tuple<const Device*, const Node*, std::string>, Known> all;
  auto [known, fresh] = all.try_emplace({&device, ast.get(), env("NIWAKI_OFF")});
  if (fresh) known->second = {ast, prepare(ast, device.target())};
  return known->second.prepared;
}

// Tables that were stored, by the kernel that stores them and what it read, until that is written
// over.
class Tables {
 public:
  /// The buffer that holds a table; null: none does.
  BufferRef find(const Kernel& kernel) const {
    for (const Kernel& known : known_) {
      bool same = known.ast == kernel.ast &&
                  std::equal(known.args.begin() + 1, known.args.end(), kernel.args.begin() + 1,
                             kernel.args.end());
      if (same) return known.args[0];
    }
    return nullptr;
  }
  void add(const Kernel& kernel) { known_.push_back(kernel); }
  void forget_readers(const Kernel& writer) {
    for (const UOp& store : writer.ast->src) {
      const BufferRef& written = writer.args[size_t(store[0]->get<ParamInfo>().index)];
      std::erase_if(known_, [&](const Kernel& known) {
        return std::find(known.args.begin(), known.args.end(), written) != known.args.end();
      });
    }
  }

 private:
  std::vector<Kernel> known_;
};

}  // namespace

void prepare(Schedule& schedule, Device& device) {
  std::vector<Kernel> kernels;
  Tables tables;
  bool changed = false;
  for (Kernel& kernel : schedule.kernels) {
    const Prepared& p = prepared_once(kernel.ast, device);
    std::vector<BufferRef> args = kernel.args;
    for (const Shared& shared : p.shared) {
      Kernel table = {shared.ast, {nullptr}, "a table", {}};
      for (int64_t source : shared.sources) table.args.push_back(kernel.args[size_t(source)]);
      BufferRef known = tables.find(table);
      if (!known) {
        known = std::make_shared<Buffer>(
            Buffer{shared.dtype, {shared.size}, nullptr, nullptr, false});
        table.args[0] = known;
        schedule.temporaries.push_back({known, 0});
        tables.add(table);
        kernels.push_back(std::move(table));
        changed = true;
      }
      args.push_back(known);
    }
    for (const LaidOut& constant : p.constants) {
      args.push_back(copy_of(kernel.args[size_t(constant.source)], constant, device));
    }
    kernel.ast = p.ast;
    kernel.args.clear();
    for (int64_t param : p.params) kernel.args.push_back(args[size_t(param)]);
    tables.forget_readers(kernel);
    kernels.push_back(std::move(kernel));
  }
  schedule.kernels = std::move(kernels);
  if (changed) plan_memory(schedule);
}

}  // namespace niwaki
