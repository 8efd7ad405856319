// Inference: what follows from an op and its sources. The one place that rejects a graph.
#pragma once

#include "core/uop.h"

namespace niwaki {

/// Fills dtype, shape, bounds and ranges of a node whose op, src and arg are set; Error with both
/// shapes or dtypes where the node may not exist.
void infer(Node& node);

}  // namespace niwaki
