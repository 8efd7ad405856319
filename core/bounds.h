// Integer bounds: what make() knows of every integer node.
#pragma once

#include "core/uop.h"

namespace niwaki {

/// All integers from lo to hi.
struct Interval {
  int64_t lo;
  int64_t hi;
  friend bool operator==(const Interval&, const Interval&) = default;
};

/// The values a dtype can hold; all of int64 for 64-bit integers and floats.
Interval dtype_bounds(DType t);

/// Bounds of the node's value from those of its sources.
Interval bounds(const Node& node);

}  // namespace niwaki
