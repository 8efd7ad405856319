// Loads of one of a few neighbours, which a value chooses: what can become a lookup.
#pragma once

#include <optional>

#include "core/uop.h"

namespace niwaki {

/// Where the neighbours of a lookup begin, and the unsigned value below 16 that chooses one.
struct TableIndex {
  UOp begin;
  UOp chosen;
};

/// The index of a load that is a lookup; nothing for any other node.
std::optional<TableIndex> table_index(const UOp& u);

}  // namespace niwaki
