// The verifier: what is legal at each stage. Inference rejects what can never exist; this rejects
// what may not exist yet, or no longer.
#pragma once

#include <string_view>

#include "core/uop.h"

namespace niwaki {

/// InternalError naming `pass` and the first node that has no place in `stage`.
void verify(const UOp& root, Stage stage, std::string_view pass);

}  // namespace niwaki
