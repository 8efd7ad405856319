// An integer expression as a sum: a constant and terms with coefficients. Sums are where patterns
// fail, because what belongs together seldom stands side by side; so sums are taken apart, worked
// on as data, and put together again in one canonical order.
#pragma once

#include <vector>

#include "core/uop.h"

namespace niwaki {

struct LinearForm {
  struct Term {
    UOp node;
    int64_t factor;
  };
  std::vector<Term> terms;
  int64_t offset = 0;

  /// The sum that `u`, an integer, is: nested additions and multiplications by constants.
  static LinearForm of(const UOp& u);
  /// The expression, terms by their outermost range, then by hash; the constant last.
  UOp to_uop(DType t) const;
};

}  // namespace niwaki
