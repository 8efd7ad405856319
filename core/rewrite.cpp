#include "core/rewrite.h"

#include <chrono>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"

namespace niwaki {
namespace {

RewriteTrace* current_trace = nullptr;
int64_t done = 0;

using Memo = std::unordered_map<const Node*, UOp>;
using Function = std::function<UOp(const UOp&)>;

// The node over its rewritten sources, or null while one of them is still to be done.
UOp rebuilt(const UOp& u, const Memo& memo, std::vector<UOp>& todo) {
  std::vector<UOp> src;
  bool ready = true;
  for (const UOp& s : u->src) {
    auto found = memo.find(s.get());
    if (found == memo.end()) {
      todo.push_back(s);
      ready = false;
    } else if (ready) {
      src.push_back(found->second);
    }
  }
  return ready ? with_sources(u, std::move(src)) : UOp();
}

}  // namespace

Rule::Rule(Pat before, Pat after, std::optional<Pat> condition, std::source_location where)
    : before(std::move(before)), after(std::move(after)), condition(std::move(condition)),
      where(where) {}

Rule::Rule(Pat before, Replacement after, std::source_location where)
    : before(std::move(before)), computed(std::move(after)), where(where) {}

std::string Rule::place() const {
  std::string_view file = where.file_name();
  return fmt::format("{}:{}", file.substr(file.find_last_of('/') + 1), where.line());
}

std::string Rule::text() const {
  std::string text = fmt::format("{}: {} -> {}", place(), before.text(),
                                 after ? after->text() : "computed");
  return condition ? text + " if " + condition->text() : text;
}

UOp Rule::apply(const UOp& u) const {
  DType operand = u->src.empty() ? u->dtype : u->src.back()->dtype;
  if (domain == Domain::Index && operand != i64) return {};
  if (domain == Domain::Integers && !is_integer(operand) && operand.kind != Kind::Bool) return {};
  Match m;
  if (!before.match(u, m)) return {};
  if (condition && !condition->evaluate(m)) return {};
  return after ? after->build(m, u) : computed(m);
}

Rules::Rules(Domain domain, std::vector<Rule> rules) : Rules([&] {
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
  for (uint32_t i : by_op_[size_t(u->op)]) {
    auto start = std::chrono::steady_clock::now();
    UOp result = rules_[i].apply(u);
    if (!result || result == u) continue;
    ++done;
    if (current_trace) {
      std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      current_trace->steps.push_back(
          {rules_[i].text(), print(u), print(result), spent.count()});
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
  constexpr int64_t limit = 10'000'000;
  Memo memo;
  // Where a rule gave a node that is itself still to be rewritten: its result is this one's.
  Memo became;
  std::vector<UOp> keep;
  std::vector<UOp> todo = {root};
  int64_t steps = 0;
  while (!todo.empty()) {
    UOp u = todo.back();
    expect(++steps < limit, "rewriting does not end at {}", info(u->op).name);
    if (memo.count(u.get())) {
      todo.pop_back();
      continue;
    }
    auto next = became.find(u.get());
    if (next == became.end()) {
      UOp built = rebuilt(u, memo, todo);
      if (!built) continue;
      UOp result = rule(built);
      keep.push_back(u);
      if (!result || result == built) {
        memo[built.get()] = built;
        keep.push_back(built);
        memo[u.get()] = built;
        todo.pop_back();
        continue;
      }
      next = became.emplace(u.get(), result).first;
    }
    auto found = memo.find(next->second.get());
    if (found == memo.end()) {
      todo.push_back(next->second);
    } else {
      UOp final_result = found->second;
      memo[u.get()] = final_result;
      todo.pop_back();
    }
  }
  return memo.at(root.get());
}

UOp graph_rewrite(const UOp& root, const Rules& rules) {
  return graph_rewrite(root, [&](const UOp& u) {
    if (UOp folded = fold(u)) return folded;
    return rules.apply(u);
  });
}

UOp substitute(const UOp& root, const std::vector<std::pair<UOp, UOp>>& replacements) {
  Memo memo;
  // Where only loops are replaced, what does not depend on them stays: a reduce or stage that has
  // closed one of them means its own.
  RangeSet loops = 0;
  bool only_loops = true;
  for (const auto& [from, to] : replacements) {
    memo[from.get()] = to;
    loops |= from->ranges;
    only_loops = only_loops && from->op == Op::Range;
  }
  std::vector<UOp> todo = {root};
  while (!todo.empty()) {
    UOp u = todo.back();
    if (memo.count(u.get())) {
      todo.pop_back();
      continue;
    }
    if (only_loops && !(u->ranges & loops)) {
      memo[u.get()] = u;
      todo.pop_back();
      continue;
    }
    UOp built = rebuilt(u, memo, todo);
    if (!built) continue;
    memo[u.get()] = built;
    todo.pop_back();
  }
  return memo.at(root.get());
}

}  // namespace niwaki
