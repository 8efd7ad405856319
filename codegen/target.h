// What a target can do. A pass asks this table, never which target it is: what is missing is
// rewritten away before rendering.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace niwaki {

enum class Language : uint8_t { Llvm, C, Cuda, Metal, OpenCl };

/// An instruction that looks lanes up in a register.
struct LaneLookup {
  /// Of an element.
  int64_t bytes;
  /// Lanes of the table, from which the lanes of the index choose.
  int64_t entries;
  /// Lanes of the index and of the result.
  int64_t lanes;
  /// LLVM's name of it: table and index, both of `lanes`, the table repeated to fill them.
  std::string function;
};

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
  /// None: a lookup is a load for each lane.
  std::vector<LaneLookup> lookups = {};
  /// Runs core's scalar meanings: nothing is decomposed and no axis is chosen.
  bool interpreted = false;

  /// The instruction for elements of so many bytes, the one with most lanes; null: there is none.
  const LaneLookup* lookup(int64_t bytes) const;
  /// Entries of a table of such elements that lookups may be made in.
  int64_t table_entries(int64_t bytes) const;
};

/// Targets that can be rendered anywhere: "interp", "llvm" (a fixed AVX2-like machine), "c",
/// "cuda", "metal", "opencl"; Error naming them for any other name.
Target target_of(const std::string& name);

/// The lookups of a vector extension, "avx2" or "avx512"; none of any other.
std::vector<LaneLookup> lookups_of(const std::string& extension);

/// The names target_of() knows.
std::vector<std::string> target_names();

}  // namespace niwaki
