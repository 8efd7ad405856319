#include "codegen/target.h"

#include <fmt/ranges.h>

#include "core/error.h"

namespace niwaki {
namespace {

const std::vector<Target>& targets() {
  static const std::vector<Target> table = {
      {.name = "interp", .native_f16 = true, .interpreted = true},
      {.name = "llvm",
       .language = Language::Llvm,
       .lanes = 8,
       .registers = 16,
       .native_f16 = true,
       .native_functions = false},
      {.name = "c", .language = Language::C},
      {.name = "cuda", .language = Language::Cuda, .grid = true},
      {.name = "metal", .language = Language::Metal, .grid = true},
      {.name = "opencl", .language = Language::OpenCl, .grid = true},
  };
  return table;
}

}  // namespace

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const Target& t : targets()) names.push_back(t.name);
  return names;
}

Target target_of(const std::string& name) {
  for (const Target& t : targets()) {
    if (t.name == name) return t;
  }
  fail("target: unknown name '{}': known are {}", name, fmt::join(target_names(), ", "));
}

}  // namespace niwaki
