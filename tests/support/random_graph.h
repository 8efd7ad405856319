// Random tensor graphs, for comparing one device with another.
//
// Every op, dtype and movement can occur, on awkward shapes, with symbolic dims. Elementwise
// arithmetic is the same on every device to the last bit, so results are compared exactly; only
// what may differ is kept at bay: a sum of floats is made where its terms are multiples of a power
// of two that add up without rounding, and functions that are approximated stand last, where the
// comparison allows for them.
#pragma once

#include <cstdint>

#include "ops/tensor.h"

namespace niwaki::test {

struct RandomGraph {
  Tensor result;
  /// Relative error that the approximated functions in it may cause; 0: none may.
  double tolerance;
  /// The value of the variable "n", which bounds symbolic dims.
  int64_t n;
};

/// The graph of a seed; the same inputs and graph whenever it is called.
RandomGraph random_graph(uint64_t seed);

}  // namespace niwaki::test
