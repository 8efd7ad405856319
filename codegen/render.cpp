// Which renderer speaks a target's language.
#include "codegen/render.h"

#include "core/error.h"

namespace niwaki {

std::string render(const LinearCode& linear, const Target& target, const std::string& name) {
  check(!target.interpreted, "render: {} runs a kernel's graph: it has no source", target.name);
  if (target.language == Language::Llvm) return render_llvm(linear, target, name);
  return render_c(linear, target.language, name);
}

}  // namespace niwaki
