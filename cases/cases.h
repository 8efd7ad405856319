// The shared cases: one list of named graphs that every stage is tested on and that `niwaki
// explain` takes apart. Each is small enough that its golden files can be read, and each is here
// for something that no other shows.
//
// No layer: it uses core and ops alone, so that the tests of any stage can use it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ops/tensor.h"

namespace niwaki {

struct Case {
  std::string name;
  std::function<std::vector<Tensor>()> make;
};

/// All cases. Their inputs hold reproducible numbers; variables are "pos" in [0, 16] and "t" in [1,
/// 8].
const std::vector<Case>& cases();

/// The case of that name; Error where there is none.
const Case& find_case(const std::string& name);

/// Q1_0 as the tests know it: 128 weights in 18 bytes, an f16 scale and a bit each.
DType one_bit_type();

/// A float tensor of multiples of 1/8 in [-4, 4): sums of them are exact.
Tensor input(std::vector<int64_t> shape, uint64_t seed);

/// Random bytes whose f16 scales are 1.
Tensor one_bit_weights(int64_t rows, int64_t columns, uint64_t seed);

}  // namespace niwaki
