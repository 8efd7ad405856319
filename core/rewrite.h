// Rewriting: tables of rules, and the one driver that applies them.
//
// A rule is {pattern, replacement, condition}: data, so that one test can fuzz every rule of every
// table and a trace can name the rule that fired. The replacement is a pattern over the same
// letters or, where it must be computed, a function; a null result means that the rule does not
// apply.
//
// A table's author promises: the dtype and shape stay, constants move to the right, the right side
// is never worse, and no sequence of rules is endless. The driver works bottom up, memoised and
// without recursion, until nothing changes; it counts, and stops with an InternalError when a bound
// shows that a table does not terminate.
#pragma once

#include <source_location>
#include <string>
#include <vector>

#include "core/node_map.h"
#include "core/pattern.h"

namespace niwaki {

using Replacement = std::function<UOp(const Match&)>;

/// Which operands the identities of a table hold for: all; integers and bools; i64 alone, where the
/// bounds prove that nothing wraps.
enum class Domain : uint8_t { Any, Integers, Index };

struct Rule {
  Rule(Pat before, Pat after, std::optional<Pat> condition = {},
       std::source_location where = std::source_location::current());
  Rule(Pat before, Replacement after, std::source_location where = std::source_location::current());

  Pat before;
  std::optional<Pat> after;
  Replacement computed;
  std::optional<Pat> condition;
  std::source_location where;
  Domain domain = Domain::Any;

  /// The rewritten node, or null.
  UOp apply(const UOp& u) const;
  /// The same with an empty match to work in, which is left empty where the rule does not apply.
  UOp apply(const UOp& u, Match& m) const;
  /// "index_rules.cpp:41", the place in the source; g++ gives all rules of a table the table's.
  std::string place() const;
  /// The place and the rule: "index_rules.cpp:41: div(x, 1) -> x".
  std::string text() const;
};

class Rules {
 public:
  Rules(std::initializer_list<Rule> rules) : Rules(std::vector<Rule>(rules)) {}
  /// Rules that hold only for operands of the domain.
  Rules(Domain domain, std::vector<Rule> rules);
  explicit Rules(std::vector<Rule> rules);

  const std::vector<Rule>& all() const { return rules_; }
  /// The first applicable rule's result, or null.
  UOp apply(const UOp& u) const;

 private:
  std::vector<Rule> rules_;
  std::vector<std::vector<uint32_t>> by_op_;
};

Rules operator+(const Rules& a, const Rules& b);

/// One application of a rule, as a trace keeps it.
struct RewriteStep {
  /// The rule's text().
  std::string rule;
  std::string before;
  std::string after;
  double seconds;
};

/// While one lives, every rule that fires anywhere is recorded.
class RewriteTrace {
 public:
  RewriteTrace();
  ~RewriteTrace();
  RewriteTrace(const RewriteTrace&) = delete;
  std::vector<RewriteStep> steps;

 private:
  RewriteTrace* outer_;
};

/// Rules applied since the program began: work that tests can bound.
int64_t rewrites_done();

/// What nodes were rewritten to. It holds both.
class RewriteMemo {
 public:
  /// What `u` became; null where that is not known.
  const UOp* find(const UOp& u) const;
  void add(const UOp& u, const UOp& result);

 private:
  struct Entry {
    UOp from;
    UOp to;
  };
  NodeMap<Entry> entries_;
};

/// Applies the table bottom up until nothing changes.
UOp graph_rewrite(const UOp& root, const Rules& rules);
/// The same with a memo that earlier rewritings by this table have filled, and this one adds to.
UOp graph_rewrite(const UOp& root, const Rules& rules, RewriteMemo& memo);

/// The same for one function in place of a table; null means no change.
UOp graph_rewrite(const UOp& root, const std::function<UOp(const UOp&)>& rule);

/// Replaces nodes by others wherever they stand, without rewriting the replacements; loops only
/// where they are free.
UOp substitute(const UOp& root, const std::vector<std::pair<UOp, UOp>>& replacements);

}  // namespace niwaki
