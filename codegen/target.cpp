#include "codegen/target.h"

#include <fmt/ranges.h>

#include <algorithm>

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
       .native_functions = false,
       .lookups = lookups_of("avx2")},
      {.name = "c", .language = Language::C},
      {.name = "cuda", .language = Language::Cuda, .grid = true},
      {.name = "metal", .language = Language::Metal, .grid = true},
      {.name = "opencl", .language = Language::OpenCl, .grid = true},
  };
  return table;
}

}  // namespace

const LaneLookup* Target::lookup(int64_t bytes) const {
  const LaneLookup* best = nullptr;
  for (const LaneLookup& l : lookups) {
    if (l.bytes == bytes && (!best || l.lanes > best->lanes)) best = &l;
  }
  return best;
}

// Two registers make a table of twice the entries: a choice between two lookups.
int64_t Target::table_entries(int64_t bytes) const {
  constexpr int64_t most = 16;
  const LaneLookup* l = lookup(bytes);
  return l ? std::min(2 * l->entries, most) : 0;
}

std::vector<LaneLookup> lookups_of(const std::string& extension) {
  if (extension == "avx2") {
    return {
        {4, 4, 8, "llvm.x86.avx.vpermilvar.ps.256"},
        {1, 16, 32, "llvm.x86.avx2.pshuf.b"},
    };
  }
  if (extension == "avx512") {
    return {
        {4, 16, 16, "llvm.x86.avx512.permvar.sf.512"},
        {1, 16, 64, "llvm.x86.avx512.pshuf.b.512"},
    };
  }
  return {};
}

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
