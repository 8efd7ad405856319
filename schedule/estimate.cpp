// A value is computed as often as what it depends on changes. Its *parts* are the least that says
// so: loops, and in place of a loop that only a quotient or a remainder of it matters, that one.
// The two bytes of a scale lie at 36 r + 18 (k / 128): parts r and k / 128, though k itself runs
// 128 times as often. Parts multiply; where they overlap that is too much, so the iterations of the
// loops and, of an index, its bounds are limits too.
//
// Rejected: enumerating the indices, which is exact and takes as long as running the kernel; and
// counting the instructions of the compiled program, which calls wasted work an achievement.
#include "schedule/estimate.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

using Parts = std::vector<const Node*>;  // sorted, each once

void add(Parts& parts, const Node* part) {
  auto place = std::lower_bound(parts.begin(), parts.end(), part);
  if (place == parts.end() || *place != part) parts.insert(place, part);
}

double trips(const Node& range) { return double(std::max<int64_t>(range.src[0]->hi, 1)); }

double values_between(const Node& u) { return double(u.hi) - double(u.lo) + 1; }

// Arithmetic that a vector unit does on floats.
bool is_float_arithmetic(const UOp& u) {
  if (!is_float(u->dtype)) return false;
  return u->op == Op::Reduce || (is_elementwise(u->op) && u->op != Op::Where && u->op != Op::Cast);
}

// An index computation: cheap, and mostly hoisted or folded into addresses.
bool is_address(const UOp& u) { return u->dtype == i64 || u->op == Op::Range; }

class Counter {
 public:
  explicit Counter(const UOp& ast) : order_(toposort(ast)) {
    for (const UOp& u : order_) {
      if (u->op == Op::Range) loops_[u->get<RangeInfo>().id] = u.get();
    }
    for (const UOp& u : order_) parts_[u.get()] = parts_of(u);
  }

  const std::vector<UOp>& order() const { return order_; }

  // How often a value changes.
  double evaluations(const UOp& u) const {
    double n = std::min(product(parts_.at(u.get())), iterations(u->ranges));
    return is_integer(u->dtype) ? std::min(n, values_between(*u)) : n;
  }

  // How many values a reduce combines, for all of its results.
  double terms(const UOp& reduce) const {
    Parts all = parts_.at(reduce[0].get());
    for (const UOp& r : loops_of(reduce)) add(all, r.get());
    return std::min(product(all), iterations(inside(reduce)));
  }

  // The iterations of loops, nested in each other.
  double iterations(RangeSet ranges) const {
    double n = 1;
    for (const auto& [id, loop] : loops_) {
      if (ranges & range_bit(id)) n *= trips(*loop);
    }
    return n;
  }

  // The loops of what a reduce combines.
  static RangeSet inside(const UOp& reduce) { return reduce[0]->ranges | bound_ranges(*reduce); }

 private:
  Parts parts_of(const UOp& u) const {
    Parts parts;
    if (!u->ranges) return parts;
    bool divides = u->dtype == i64 && (u->op == Op::Div || u->op == Op::Mod) && const_int(u[1]);
    if (u->op == Op::Range || divides) return {u.get()};
    for (const UOp& s : u->src) {
      for (const Node* part : parts_.at(s.get())) {
        RangeSet free = part->ranges & u->ranges;
        if (free == part->ranges) add(parts, part);
        if (free == part->ranges) continue;
        // Outside of a reduce nothing is left of its loop but what it was mixed with.
        for (const auto& [id, loop] : loops_) {
          if (free & range_bit(id)) add(parts, loop);
        }
      }
    }
    return parts;
  }

  double product(const Parts& parts) const {
    double n = 1;
    for (const Node* part : parts) {
      n *= part->op == Op::Range ? trips(*part)
                                 : std::min(values_between(*part), iterations(part->ranges));
    }
    return n;
  }

  std::vector<UOp> order_;
  std::map<int64_t, const Node*> loops_;
  std::unordered_map<const Node*, Parts> parts_;
};

double bytes_of(const UOp& param) { return double(byte_size(param->get<ParamInfo>().dtype)); }

}  // namespace

double op_cost(Op op) {
  switch (op) {
    case Op::Exp:
    case Op::Log2:
    case Op::Sin: return 15;
    case Op::Div:
    case Op::Sqrt: return 5;
    case Op::MulAdd: return 2;
    case Op::Const:
    case Op::Param:
    case Op::Range:
    case Op::Stage:
    case Op::Sink: return 0;
    default: return 1;
  }
}

KernelCost kernel_cost(const UOp& ast) {
  // Arithmetic on one of two values is none.
  static const Rules rules = select_rules() + index_rules() + float_rules();
  const Counter counter(graph_rewrite(ast, rules));
  KernelCost cost;
  std::unordered_map<const Node*, double> elements;  // of each param that is read
  for (const UOp& u : counter.order()) {
    if (u->op == Op::Load && u[0]->op == Op::Param) {
      double& n = elements[u[0].get()];
      n = std::min(n + counter.evaluations(u[1]), double(u[0]->get<ParamInfo>().size));
    } else if (u->op == Op::Store) {
      cost.bytes_written += counter.evaluations(u[1]) * bytes_of(u[0]);
    } else if (is_float_arithmetic(u)) {
      double n = u->op == Op::Reduce ? counter.terms(u) : counter.evaluations(u);
      cost.operations += n * op_cost(u->op);
    }
  }
  for (const UOp& u : counter.order()) {
    if (u->op == Op::Param) cost.bytes_read += elements[u.get()] * bytes_of(u);
  }
  return cost;
}

UOp with_values(const UOp& ast, std::span<const UOp> variables, std::span<const int64_t> values) {
  std::vector<std::pair<UOp, UOp>> replacements;
  for (size_t i = 0; i < variables.size(); ++i) {
    replacements.emplace_back(variables[i], index(values[i]));
  }
  return substitute(ast, replacements);
}

double kernel_work(const UOp& ast) {
  const Counter counter(ast);
  double total = 0;
  for (const UOp& u : counter.order()) {
    if (is_address(u)) continue;
    RangeSet loops = u->ranges;
    if (u->op == Op::Reduce) loops = u[0]->ranges;
    if (u->op == Op::Store) loops = u[2]->ranges;
    total += counter.iterations(loops) * op_cost(u->op);
  }
  return total;
}

}  // namespace niwaki
