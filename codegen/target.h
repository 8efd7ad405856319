// What a target can do. A pass asks this table, never which target it is: what is missing is
// rewritten away before rendering.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace niwaki {

enum class Language : uint8_t { Llvm, C, Cuda, Metal, OpenCl };

struct Target {
  std::string name;
  Language language = Language::C;
  /// Lanes of the widest f32 vector; 1: code is scalar.
  int64_t lanes = 1;
  /// Vector registers: how many accumulators a tile may keep.
  int64_t registers = 0;
  /// A condition on vectors is a register of bits; otherwise it is the sign of each lane.
  bool masks = false;
  /// Loops become a grid of blocks of threads.
  bool grid = false;
  /// The renderer has f16 loads, stores and conversions; otherwise halves are integers.
  bool native_f16 = false;
  /// The renderer has exp, log2 and sin of f32; otherwise they are written out for vectors.
  bool native_functions = true;
  /// Runs core's scalar meanings: nothing is decomposed and no axis is chosen.
  bool interpreted = false;
};

/// Targets that can be rendered anywhere: "interp", "llvm" (a fixed AVX2-like machine), "c",
/// "cuda", "metal", "opencl"; Error naming them for any other name.
Target target_of(const std::string& name);

/// The names target_of() knows.
std::vector<std::string> target_names();

}  // namespace niwaki
