// How C says linear code, before a character is printed: what each operation is called, which of
// them are said inside of another, and which are not said at all.
//
// The language is smaller than C. It adds a product with -1, where C subtracts; it negates with an
// exclusive or, where C has !, ==, >=; what C calls `or` is (a ^ b) ^ (a & b). A phrase is C's own
// way of saying such an idiom. It takes the operands of the operations it absorbs, so who needs
// what is counted on phrases, and an absorbed operation that nobody else needs is not printed.
//
// Code is cut into stretches: one ends where a loop opens or closes and where a register is
// written. Within a stretch no expression can be moved past a write that it would see, so that is
// as far as a value may stand inside of its user's expression.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/uop.h"

namespace niwaki {

/// An operator, function or conversion, and what it is applied to.
struct Phrase {
  enum class Form : uint8_t { Infix, Prefix, Call, Cast, Bitcast, Select } form = Form::Infix;
  std::string_view word;
  std::vector<UOp> operands;
};

/// What is to be done with one instruction.
struct Planned {
  /// Of an arithmetic operation.
  Phrase phrase;
  /// The instructions whose values it needs.
  std::vector<size_t> needs;
  int64_t stretch = 0;
  int64_t uses = 0;
  /// Some user stands in another stretch.
  bool used_apart = false;
  /// It is all that a store or update writes.
  bool is_written = false;
};

/// A plan for each instruction; a value without uses is not to be printed.
std::vector<Planned> plan_phrases(const std::vector<UOp>& code);

/// Loads and arithmetic: what has a value that others use.
bool has_value(const UOp& u);

/// A loop that is a dimension of the launch.
bool is_grid(const UOp& range);

}  // namespace niwaki
