#include "core/rewrite.h"

#include <chrono>

#include "core/error.h"
#include "core/text.h"

namespace niwaki {
namespace {

RewriteTrace* current_trace = nullptr;
int64_t done = 0;

using Function = std::function<UOp(const UOp&)>;

// The node over its rewritten sources, or null while one of them is still to be done.
UOp rebuilt(const UOp& u, const RewriteMemo& memo, std::vector<UOp>& todo) {
  size_t before = todo.size();
  std::vector<UOp> src;
  size_t n = u->src.size();
  for (size_t i = 0; i < n; ++i) {
    const UOp& s = u->src[i];
    const UOp* found = memo.find(s);
    if (!found) {
      todo.push_back(s);
      continue;
    }
    // Mostly they are what they were.
    if (src.empty() && *found == s) continue;
    if (src.empty()) src.assign(u->src.begin(), u->src.begin() + int64_t(n));
    src[i] = *found;
  }
  if (todo.size() > before) return {};
  return src.empty() ? u : make(u->op, std::move(src), u->arg);
}

UOp rewrite(const UOp& root, const Function& rule, RewriteMemo& memo) {
  constexpr int64_t limit = 10'000'000;
  // Where a rule gave a node that is itself still to be rewritten: its result is this one's.
  RewriteMemo became;
  std::vector<UOp> todo = {root};
  int64_t steps = 0;
  while (!todo.empty()) {
    UOp u = todo.back();
    expect(++steps < limit, "rewriting does not end at {}", info(u->op).name);
    if (memo.find(u)) {
      todo.pop_back();
      continue;
    }
    UOp next;
    if (const UOp* known = became.find(u)) {
      next = *known;
    } else {
      // What a node becomes is still of the line that asked for the node.
      Here user(u->site);
      UOp built = rebuilt(u, memo, todo);
      if (!built) continue;
      next = rule(built);
      if (!next || next == built) {
        memo.add(built, built);
        if (u != built) memo.add(u, built);
        todo.pop_back();
        continue;
      }
      became.add(u, next);
    }
    if (const UOp* found = memo.find(next)) {
      memo.add(u, UOp(*found));
      todo.pop_back();
    } else {
      todo.push_back(next);
    }
  }
  return *memo.find(root);
}

}  // namespace

const UOp* RewriteMemo::find(const UOp& u) const {
  const Entry* entry = entries_.find(u.get());
  return entry ? &entry->to : nullptr;
}

void RewriteMemo::add(const UOp& u, const UOp& result) { entries_[u.get()] = {u, result}; }

Rule::Rule(Pat before, Pat after, std::optional<Pat> condition, std::source_location where)
    : before(std::move(before)),
      after(std::move(after)),
      condition(std::move(condition)),
      where(where) {}

Rule::Rule(Pat before, Replacement after, std::source_location where)
    : before(std::move(before)), computed(std::move(after)), where(where) {}

std::string Rule::place() const {
  std::string_view file = where.file_name();
  return fmt::format("{}:{}", file.substr(file.find_last_of('/') + 1), where.line());
}

std::string Rule::text() const {
  std::string text =
      fmt::format("{}: {} -> {}", place(), before.text(), after ? after->text() : "computed");
  return condition ? text + " if " + condition->text() : text;
}

UOp Rule::apply(const UOp& u) const {
  Match m;
  return apply(u, m);
}

UOp Rule::apply(const UOp& u, Match& m) const {
  DType operand = u->src.empty() ? u->dtype : u->src.back()->dtype;
  if (domain == Domain::Index && operand != i64) return {};
  if (domain == Domain::Integers && !is_integer(operand) && operand.kind != Kind::Bool) return {};
  if (!before.match(u, m)) return {};
  UOp result;
  if (!condition || condition->evaluate(m)) result = after ? after->build(m, u) : computed(m);
  if (!result) m = Match();
  return result;
}

Rules::Rules(Domain domain, std::vector<Rule> rules)
    : Rules([&] {
        for (Rule& rule : rules) rule.domain = domain;
        return std::move(rules);
      }()) {}

Rules::Rules(std::vector<Rule> rules) : rules_(std::move(rules)), by_op_(n_ops) {
  for (uint32_t i = 0; i < rules_.size(); ++i) {
    std::optional<Op> op = rules_[i].before.root_op();
    for (int o = 0; o < n_ops; ++o) {
      if (!op || *op == Op(o)) by_op_[o].push_back(i);
    }
  }
}

UOp Rules::apply(const UOp& u) const {
  using Clock = std::chrono::steady_clock;
  Match m;
  for (uint32_t i : by_op_[size_t(u->op)]) {
    Clock::time_point start = current_trace ? Clock::now() : Clock::time_point();
    UOp result = rules_[i].apply(u, m);
    if (!result) continue;
    if (result == u) {
      m = Match();
      continue;
    }
    ++done;
    if (current_trace) {
      std::chrono::duration<double> spent = Clock::now() - start;
      current_trace->steps.push_back({rules_[i].text(), print(u), print(result), spent.count()});
    }
    return result;
  }
  return {};
}

Rules operator+(const Rules& a, const Rules& b) {
  std::vector<Rule> both = a.all();
  both.insert(both.end(), b.all().begin(), b.all().end());
  return Rules(std::move(both));
}

RewriteTrace::RewriteTrace() : outer_(current_trace) { current_trace = this; }
RewriteTrace::~RewriteTrace() { current_trace = outer_; }

int64_t rewrites_done() { return done; }

UOp graph_rewrite(const UOp& root, const Function& rule) {
  RewriteMemo memo;
  return rewrite(root, rule, memo);
}

UOp graph_rewrite(const UOp& root, const Rules& rules, RewriteMemo& memo) {
  auto rule = [&](const UOp& u) {
    UOp folded = fold(u);
    return folded ? folded : rules.apply(u);
  };
  return rewrite(root, rule, memo);
}

UOp graph_rewrite(const UOp& root, const Rules& rules) {
  RewriteMemo memo;
  return graph_rewrite(root, rules, memo);
}

UOp substitute(const UOp& root, const std::vector<std::pair<UOp, UOp>>& replacements) {
  RewriteMemo memo;
  // Where only loops are replaced, what does not depend on them stays: a reduce or stage that has
  // closed one of them means its own.
  RangeSet loops = 0;
  bool only_loops = true;
  for (const auto& [from, to] : replacements) {
    memo.add(from, to);
    loops |= from->ranges;
    only_loops = only_loops && from->op == Op::Range;
  }
  if (only_loops && !(root->ranges & loops)) return root;
  std::vector<UOp> todo = {root};
  while (!todo.empty()) {
    UOp u = todo.back();
    if (only_loops && !(u->ranges & loops)) memo.add(u, u);
    UOp built = memo.find(u) ? UOp() : rebuilt(u, memo, todo);
    if (built) memo.add(u, built);
    if (built || memo.find(u)) todo.pop_back();
  }
  return *memo.find(root);
}

}  // namespace niwaki
