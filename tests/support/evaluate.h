// A slow evaluator of scalar expressions: what a graph of constants, variables, ranges and
// elementwise ops is worth once its variables have values. The fuzzers compare graphs by it, before
// and after a rewrite. It walks the graph in order and calls core/scalar.h for each node, so it
// shares nothing with the rewriter, the bounds or the generators that it judges.
#pragma once

#include <cmath>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/uop.h"

namespace niwaki {

/// An expression laid out once, to be run for many values of its inputs.
class ScalarEvaluator {
 public:
  explicit ScalarEvaluator(const UOp& root) : nodes_(toposort(root)), values_(nodes_.size()) {
    std::unordered_map<const Node*, size_t> place;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const UOp& u = nodes_[i];
      place[u.get()] = i;
      std::vector<size_t> sources;
      for (const UOp& s : u->src) sources.push_back(place.at(s.get()));
      sources_.push_back(std::move(sources));
      if (is_input(u)) inputs_.push_back(u);
    }
  }

  /// Variables and ranges, sources before users.
  const std::vector<UOp>& inputs() const { return inputs_; }
  const std::vector<UOp>& nodes() const { return nodes_; }
  /// The value of each node in the last run.
  const std::vector<Value>& values() const { return values_; }

  /// The root's value; `inputs` in the order of inputs().
  Value run(std::span<const int64_t> inputs) {
    size_t next = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const UOp& u = nodes_[i];
      if (u->op == Op::Const) values_[i] = u->get<Constant>().value;
      else if (is_input(u)) values_[i] = Value::of(inputs[next++]);
      else values_[i] = compute(u, sources_[i]);
    }
    return values_.back();
  }

  /// The same with the values looked up by node.
  Value run(const std::unordered_map<const Node*, int64_t>& binding) {
    std::vector<int64_t> inputs;
    for (const UOp& u : inputs_) inputs.push_back(binding.at(u.get()));
    return run(inputs);
  }

 private:
  static bool is_input(const UOp& u) { return u->op == Op::Variable || u->op == Op::Range; }

  Value compute(const UOp& u, const std::vector<size_t>& sources) const {
    expect(is_elementwise(u->op) || u->op == Op::Bitcast, "no scalar: {}", info(u->op).name);
    Value args[3];
    for (size_t i = 0; i < sources.size(); ++i) args[i] = values_[sources[i]];
    return evaluate(u->op, u->dtype, u->src.back()->dtype, std::span(args, sources.size()));
  }

  std::vector<UOp> nodes_;
  std::vector<std::vector<size_t>> sources_;
  std::vector<UOp> inputs_;
  std::vector<Value> values_;
};

/// Bit for bit the same, except that one NaN is as good as another.
inline bool same_value(DType t, Value a, Value b) {
  if (is_float(t) && std::isnan(a.f) && std::isnan(b.f)) return true;
  return a.bits == b.bits;
}

/// Whether the value lies within the bounds that make() derived for the node.
inline bool within_bounds(const UOp& u, Value v) {
  return is_float(u->dtype) || (v.i >= u->lo && v.i <= u->hi);
}

}  // namespace niwaki
