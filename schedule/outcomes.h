// What the sums of a graph are placed as.
//
// A sum is seldom what should be stored: a bias or a residual is added to it, a scale multiplied.
// So it is placed as its outcome, the last of the elementwise values of its size that all of it
// goes through before anything else reads it; what is on the way is computed where that is.
//
// The order in which floats are added up depends on the loops around, so that one sum computed in
// two places may be two values, and x == max(x) would not hold. Such outcomes are computed once.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/uop.h"

namespace niwaki {

/// How many terms of a tensor's reduce are left: of a sum over a one-hot product, one.
double terms(const UOp& reduce);

/// Where a sum over r is of a one-hot product, an index that depends on what the one position does;
/// else null.
UOp selected_at(const UOp& u, const std::vector<UOp>& at, const UOp& r, int depth = 12);

/// What a value is but for its place and type.
UOp essence(UOp u);

class Outcomes {
 public:
  Outcomes() = default;
  /// Of all reduces in `order`, sources first.
  explicit Outcomes(const std::vector<UOp>& order);

  /// Whether a reduce is placed as this value, itself perhaps.
  bool has(const UOp& u) const { return outcomes_.count(u.get()) > 0; }
  /// Whether it is one that floats were added up for.
  bool is_sum(const UOp& u) const {
    auto found = outcomes_.find(u.get());
    return found != outcomes_.end() && found->second;
  }
  /// Whether it is on the way from a reduce to its outcome.
  bool is_passed(const UOp& u) const { return passed_.count(u.get()) > 0; }
  /// Whether a reduce is computed for this value that is not placed as one below it.
  bool computes_reduce(const UOp& u) const { return computes_reduce_.count(u.get()) > 0; }

 private:
  void find(const std::vector<UOp>& order, const std::vector<std::vector<size_t>>& readers,
            size_t reduce);

  std::unordered_map<const Node*, bool> outcomes_;
  std::unordered_set<const Node*> passed_;
  std::unordered_set<const Node*> computes_reduce_;
};

}  // namespace niwaki
