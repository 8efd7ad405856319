// As much of CUDA C++ as generated kernels use, as C++ for the CPU.
#pragma once

#include "grid.h"

#define __global__
#define __device__

#define blockIdx current_block
#define threadIdx current_thread

inline float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
