#include "models/default_model.h"

// In the syntax of GNU as for ELF. The build defines NIWAKI_DEFAULT_MODEL, the path, and compiles
// this file again when the model changes.
// clang-format off
asm(".pushsection .rodata\n"
    ".global niwaki_default_model, niwaki_default_model_end\n"
    ".balign 64\n"
    "niwaki_default_model:\n"
    ".incbin \"" NIWAKI_DEFAULT_MODEL "\"\n"
    "niwaki_default_model_end:\n"
    ".popsection\n");
// clang-format on

extern "C" {
[[gnu::visibility("hidden")]] extern const std::byte niwaki_default_model[];
[[gnu::visibility("hidden")]] extern const std::byte niwaki_default_model_end[];
}

namespace niwaki {

std::span<const std::byte> default_model() {
  return {niwaki_default_model, niwaki_default_model_end};
}

}  // namespace niwaki
