// The C family: one row of strings a language. A dialect says how a thing is spelled, never what is
// computed, so the renderer asks no row which language it is, and a new one is a new row.
//
// Texts with {names} are formats; the names that a field may use stand beside it. What a language
// lacks has no spelling: the renderer turns an empty type into an Error.
//
// Rejected: a class a language with virtual functions, which hides that the languages are one; and
// macros in the printed source, which would make every kernel look the same and none readable.
#pragma once

#include <array>
#include <string_view>

#include "codegen/target.h"
#include "core/dtype.h"

namespace niwaki {

struct Dialect {
  std::string_view name;

  // --- declarations, each printed once, and only where a kernel uses what it declares ---

  /// Printed always.
  std::string_view prelude;
  std::string_view math_prelude;
  std::string_view bool_prelude;
  std::string_view f64_prelude;
  std::string_view bitcast_prelude;
  /// {to}, {from}: types; {to_name}, {from_name}: names of the dtypes.
  std::string_view bitcast_helper;

  // --- the function ---

  /// {name}.
  std::string_view head;
  /// {type}, {index}: the param's number; {slot}: its place among the arguments.
  std::string_view buffer;
  /// The same for memory that the kernel only reads.
  std::string_view constant_buffer;
  /// {type}, {name}, {index}: its number among the variables; {slot}.
  std::string_view variable;
  /// Between buffers and variables, and after the last of them.
  std::string_view separator;
  std::string_view tail;
  /// Arguments are passed by position: a variable is declared though only the launch needs it.
  bool positional;

  // --- the grid: the place of a block, and of a thread in its block, in each dimension ---

  std::array<std::string_view, 3> block;
  std::array<std::string_view, 3> thread;

  // --- expressions ---

  /// The name of each Kind, in its order.
  std::array<std::string_view, 15> types;
  /// After the name of a function of f32.
  std::string_view float_suffix;
  /// After a literal of i64 and u64.
  std::string_view i64_suffix;
  std::string_view u64_suffix;
  std::string_view infinity;
  std::string_view nan;
  /// {to}, {from}, {to_name}, {from_name} as above, and {x}, an expression.
  std::string_view bitcast;

  std::string_view type(DType t) const { return types[size_t(t.kind)]; }
};

/// The row of a language of the C family.
const Dialect& dialect_of(Language language);

}  // namespace niwaki
