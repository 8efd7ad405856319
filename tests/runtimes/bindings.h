// One list of bindings for many graphs: a Replay takes no variable that its graph has not.
#pragma once

#include <algorithm>

#include "runtimes/realize.h"

namespace niwaki::test {

/// Those of `all` that are of variables of the tensors.
inline Bindings needed(const std::vector<Tensor>& tensors, const Bindings& all) {
  std::vector<UOp> roots;
  for (const Tensor& t : tensors) roots.push_back(t.uop());
  std::vector<UOp> nodes = toposort(make(Op::Sink, roots));
  Bindings found;
  for (const auto& [name, value] : all) {
    bool used = std::any_of(nodes.begin(), nodes.end(), [&](const UOp& u) {
      return u->op == Op::Variable && u->get<Symbol>().name == name;
    });
    if (used) found.emplace_back(name, value);
  }
  return found;
}

}  // namespace niwaki::test
