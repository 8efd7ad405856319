#include "ops/state.h"

#include <cstring>

#include "core/error.h"

namespace niwaki {
namespace {

std::string described(const Tensor& t) {
  return fmt::format("{} {}", name(t.dtype()), to_string(t.shape()));
}

const Buffer* buffer_of(const Tensor& t) {
  if (t.uop()->op != Op::Buffer) return nullptr;
  const BufferRef& b = t.uop()->get<BufferRef>();
  return b->data ? b.get() : nullptr;
}

}  // namespace

Visitor within(const std::string& prefix, const Visitor& visitor) {
  return [prefix, visitor](const std::string& name, const Tensor& tensor, Part part) {
    visitor(prefix + "." + name, tensor, part);
  };
}

void add_part(State& state, const std::string& name, const Tensor& part) {
  bool fresh = state.emplace(name, part).second;
  check(fresh, "state: two parts are called {}", name);
}

void copy_state(const State& parts, const State& from) {
  for (const auto& [name, value] : from) {
    check(parts.count(name) == 1, "state: {} is no part of the model, which has {}", name,
          parts.empty() ? std::string("none") : parts.begin()->first + ", ...");
  }
  for (const auto& [name, part] : parts) {
    auto found = from.find(name);
    check(found != from.end(), "state: {} is missing", name);
    const Tensor& value = found->second;
    check(part.dtype() == value.dtype() && part.shape() == value.shape(),
          "state: {} is {}, in the model {}", name, described(value), described(part));
    const Buffer* to = buffer_of(part);
    check(buffer_of(value) && to && !to->constant, "state: {} has no memory: realize() it first",
          name);
  }
  for (const auto& [name, part] : parts) {
    const Buffer* to = buffer_of(part);
    std::memcpy(to->data, buffer_of(from.at(name))->data, size_t(to->bytes()));
  }
}

}  // namespace niwaki
