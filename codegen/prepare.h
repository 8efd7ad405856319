// What is done to a kernel before it is lowered, because it changes what the kernel takes: parts of
// sums become tables, and constants get the layout that their reader wants.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codegen/lower.h"
#include "codegen/target.h"
#include "core/uop.h"

namespace niwaki {

/// A constant in another layout: a kernel that stores it in its param 0, computed once from the
/// other kernel's param `source`, which is its param 1.
struct LaidOut {
  UOp ast;
  int64_t source;
  DType dtype;
  int64_t size;
};

/// What is computed before a kernel, for all that ask for the same: a kernel that stores it in its
/// param 0, computed from those params of the other kernel.
struct Shared {
  UOp ast;
  std::vector<int64_t> sources;
  DType dtype;
  int64_t size;
};

/// A kernel to be lowered, and what its params are: a param of the kernel that it was made of, or,
/// behind those, one of `shared`, or, behind these, one of `constants`.
struct Prepared {
  UOp ast;
  std::vector<int64_t> params;
  std::vector<Shared> shared;
  std::vector<LaidOut> constants;
};

Prepared prepare(const UOp& ast, const Target& target, const PassTrace& trace = {});

// --- the passes, in order ---

/// Parts of sums that depend on few bits of what a row has, looked up in tables (tabulate.cpp).
UOp tabulate(const UOp& ast, const Target& target);

/// Sums of integers that are looked up, digit by digit (limbs.cpp).
UOp split_limbs(const UOp& ast, const Target& target);

/// Tables that depend on no loop, as kernels of their own; params numbered from `next_param` on
/// (share.cpp).
UOp share_tables(const UOp& ast, int64_t next_param, std::vector<Shared>& shared);

/// Constants side by side for the loop along which a kernel writes neighbours; their kernels are
/// appended, and their params numbered from `next_param` on (pack_constants.cpp).
UOp pack_constants(const UOp& ast, const Target& target, int64_t next_param,
            std::vector<LaidOut>& constants);

}  // namespace niwaki
