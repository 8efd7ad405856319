// The rule tables. Each stands in its own file with its contract; all of them keep dtype and shape,
// put constants to the right, and end.
#pragma once

#include "core/rewrite.h"

namespace niwaki {

/// Identities of integer and bool arithmetic, for index expressions above all (index_rules.cpp).
const Rules& index_rules();

/// Identities that hold for every dtype, bit for bit, floats included (float_rules.cpp).
const Rules& float_rules();

/// Movement ops that do nothing or merge (movement_rules.cpp).
const Rules& movement_rules();

/// Choices between constants take the arithmetic on them in (select_rules.cpp).
const Rules& select_rules();

/// The tables, each under its name: what the tests walk.
std::vector<std::pair<std::string, const Rules*>> all_rules();

/// index_rules and float_rules until nothing changes: what every stage after ranges calls.
UOp simplify(const UOp& root);

/// While one lives, simplify() remembers what it made of every node: the same indices are asked for
/// again and again, by a kernel's passes and by the kernels of equal layers. The outermost counts.
class SimplifyMemo {
 public:
  SimplifyMemo();
  ~SimplifyMemo();
  SimplifyMemo(const SimplifyMemo&) = delete;

 private:
  RewriteMemo memo_;
};

}  // namespace niwaki
