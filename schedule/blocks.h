// What part of a value is kept inside of a kernel.
//
// All readers of a stage stand in some loops that they share. What these loops say of an index is
// the block that is kept: of a dim that they give the index of, one element; of one that they cut
// into stretches, a stretch; of any other the whole. Loops of reduces that stand inside of a loop
// which a reader does not depend on cannot be outside of the stage, or it would be filled as often
// as it is read.
//
// A product shares what it reads among all that a loop makes of it only where the loop is its own:
// the weights among the tokens. Such loops, and those inside of them, are taken in where the block
// stays small.
#pragma once

#include <optional>
#include <vector>

#include "schedule/outcomes.h"
#include "schedule/uses.h"

namespace niwaki {

/// Bytes of a stage, at most: it stays in the cache.
inline constexpr double max_stage_bytes = 256 * 1024;

/// The same outside of all loops, where it is filled once and read like other memory.
inline constexpr double max_outer_stage_bytes = 1024 * 1024;

/// The reduces that are computed for a value at an index, and what they read: found out when it is
/// asked for.
class Products {
 public:
  Products(const UOp& value, const std::vector<UOp>& at, const Outcomes& outcomes)
      : value_(value), at_(at), outcomes_(&outcomes) {}

  /// Whether one reads something all along its loops that is the same for all of a dim, and for
  /// nothing that is in a block: it would be read for that one element.
  bool share(RangeSet dim, const std::vector<RangeSet>& in_block);

 private:
  UOp value_;
  std::vector<UOp> at_;
  const Outcomes* outcomes_;
  std::optional<std::vector<std::vector<RangeSet>>> reads_;
};

/// Of which size, in each dim, the block is that the uses of one kernel ask for; `products` are
/// those of the first.
std::vector<UOp> choose_blocks(const UOp& u, const std::vector<Use>& uses, Products& products);

/// Which block an index falls into.
UOp block_of(const UOp& at, const UOp& dim, const UOp& block);

/// The loops around a stage, and the block that they ask for, as a use of it. What is computed
/// outside of all loops is computed by each of the `threads`.
Use around(const UOp& u, const std::vector<Use>& uses, const std::vector<UOp>& blocks,
           double threads);

/// Whether a product would read the whole of an operand anew in each of the loops around.
bool reads_anew(const Use& use, const std::vector<UOp>& blocks, const Use& outside,
                Products& products);

}  // namespace niwaki
