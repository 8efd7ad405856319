// Exp, Log2 and Sin of f32 in ops that have vectors, for targets whose own functions have none.
#pragma once

#include "core/uop.h"

namespace niwaki {

/// What replaces an Exp, Log2 or Sin of f32, within 1 ulp of it for every number; null for any
/// other node.
UOp expand_transcendental(const UOp& u);

}  // namespace niwaki
