// The model that the program carries, so that `niwaki run` answers before anything was downloaded
// and every test has a whole model at hand: models/default.gguf, placed in the binary by the
// assembler. A byte array in generated source was rejected: it costs minutes of compilation for the
// same bytes.
#pragma once

#include <cstddef>
#include <span>

namespace niwaki {

/// The bytes of a GGUF file, aligned to 64; they live as long as the program.
std::span<const std::byte> default_model();

}  // namespace niwaki
