// Small kernels and what they must compute, for every language that device sources are written in.
// The expected numbers come from plain loops over the same inputs: neither the interpreter nor the
// compiler's own arithmetic has a part in them, but for the conversions of halves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ops/tensor.h"

namespace niwaki::test {

struct Sample {
  std::string name;
  Tensor tensor;
  /// The output's first elements; the rest of a symbolic output is not compared.
  std::vector<double> expected;
  /// Relative to the expected number, or to 1 where that is less.
  double tolerance = 0;
  std::map<std::string, int64_t> variables = {};
  bool uses_f64 = false;
};

std::vector<Sample> device_samples();

}  // namespace niwaki::test
