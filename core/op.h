// The language: one enum of ops for every stage, from the tensor graph to the last instruction.
// What is said of an op is said in its row of op.def; a new elementwise op is a row there and its
// arithmetic in scalar.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace niwaki {

enum class Op : uint8_t {
#define OP(name, text, sources, stages, algebra, meaning) name,
#include "core/op.def"
#undef OP
};

/// Where an op is legal; a mask.
enum class Stage : uint8_t { Tensor = 1, Kernel = 2, Linear = 4 };

/// A row of op.def. `sources` is -1 for any number.
struct OpInfo {
  std::string_view name;
  int sources;
  uint8_t stages;
  bool commutative;
  std::string_view meaning;
};

inline constexpr int n_ops = 0
#define OP(name, text, sources, stages, algebra, meaning) +1
#include "core/op.def"
#undef OP
    ;

/// The row of `op`.
const OpInfo& info(Op op);

/// The op of that name in the text form, if there is one.
std::optional<Op> op_from_name(std::string_view name);

/// Reshape, Permute, Expand, Pad, Shrink, Flip.
constexpr bool is_movement(Op op) { return op >= Op::Reshape && op <= Op::Flip; }

/// Computes one element from one element of each source: Add to Sin, Cast, and MulAdd.
constexpr bool is_elementwise(Op op) {
  return (op >= Op::Add && op <= Op::Sin) || op == Op::Cast || op == Op::MulAdd;
}

/// What the language is measured by: ops that make a tensor from tensors. At most 25.
constexpr bool is_tensor_primitive(Op op) {
  return is_movement(op) || (op >= Op::Add && op <= Op::Reduce);
}

}  // namespace niwaki
