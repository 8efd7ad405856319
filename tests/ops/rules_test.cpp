// The rule fuzzer. A rule is data, so one test can walk every rule of every table: it puts random
// leaves for the letters of the pattern, applies the rule, and checks on many values that what came
// out is worth what went in (integers and floats bit for bit, any NaN for a NaN), that dtype, shape
// and bounds are kept, that every rule really fired, and that no condition stands there for
// nothing.
#include "ops/rules.h"

#include <doctest/doctest.h>

#include <array>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "tests/support/evaluate.h"
#include "tests/support/naive.h"
#include "tests/support/random_expression.h"

using namespace niwaki;

namespace {

// Leaves alone, four equal lanes of each, or a tensor of two elements of each.
enum class Form { Scalar, Vector, Tensor };

// Instances of patterns: letters become random leaves of a dtype that fits where they stand.
class Instances {
 public:
  explicit Instances(uint64_t seed) : random(seed) { random.new_variables(seed % 4 == 0); }

  // Null where the pattern cannot be had with these dtypes.
  UOp of(const Rule& rule) {
    bound_ = {};
    const Pat& before = rule.before;
    try {
      return node(before, root_type(rule));
    } catch (const Error&) {
      return {};
    }
  }

  RandomExpressions random;
  Form form = Form::Scalar;

 private:
  // The type of the root; of a comparison, bool, with operands of the domain's.
  DType root_type(const Rule& rule) {
    operand_ = random.chance(50) ? i64 : random.pick(integer_types());
    if (rule.domain == Domain::Index) operand_ = i64;
    if (rule.domain == Domain::Integers && random.chance(10)) operand_ = boolean;
    if (rule.domain == Domain::Any && random.chance(60)) {
      operand_ = random.chance(15) ? boolean : random.pick(float_types());
    }
    std::optional<Op> op = rule.before.root_op();
    return op == Op::Less || op == Op::Ne ? boolean : operand_;
  }

  UOp node(const Pat& p, DType t) {
    switch (p->form) {
      case Pat::Form::Number: return shaped(constant(t, p->number));
      case Pat::Form::Any: return letter(p->letter, t, false);
      case Pat::Form::Const: return letter(p->letter, t, true);
      default: break;
    }
    std::vector<UOp> src;
    for (size_t i = 0; i < p->src.size(); ++i) {
      src.push_back(node(p->src[i], source_type(p->op, i, t)));
      if (!src.back()) return {};
    }
    // Both orders of a commutative op are the same instance to a matcher.
    if (info(p->op).commutative && random.chance(30)) std::swap(src[0], src[1]);
    Arg arg = p->arg.value_or(Arg{});
    if (p->op == Op::Cast || p->op == Op::Bitcast) arg = t.vec(src[0]->dtype.lanes);
    return make(p->op, std::move(src), std::move(arg));
  }

  DType source_type(Op op, size_t i, DType t) {
    if (op == Op::Where && i == 0) return boolean;
    if (op == Op::Less || op == Op::Ne) return operand_;
    if (op == Op::Cast) return random.chance(30) ? operand_ : random.any_type();
    if (op == Op::Bitcast) {
      DType real = byte_size(t) == 8 ? f64 : byte_size(t) == 4 ? f32 : f16;
      return random.chance(50) || byte_size(t) == 1 ? unsigned_of_same_width(t) : real;
    }
    return t;
  }

  UOp letter(char name, DType t, bool must_be_constant) {
    UOp& u = bound_[size_t(name - 'a')];
    if (u) return u->dtype.scalar() == t ? u : UOp();
    bool is_constant = must_be_constant || random.chance(20);
    u = shaped(is_constant ? number(t) : operand(t));
    return u;
  }

  // Constants that divide each other, or those where bugs live.
  UOp number(DType t) {
    static const std::vector<int64_t> usual = {1, 2, 3, 4, 6, 8, 12, 16, 24, 64, -1, -2, -4, 0};
    if (is_float(t) || random.chance(40)) return random.constant_of(t);
    return constant(t, Value::of(random.pick(usual)));
  }

  UOp operand(DType t) {
    if (random.chance(40)) return random.leaf(t);
    if (!is_integer(t) || random.chance(40)) return random.expression(t, 2);
    // A sum as an index is one: terms with factors, and a constant.
    UOp sum = random.leaf(t) * number(t);
    if (random.chance(60)) sum = sum + random.leaf(t) * number(t);
    return random.chance(60) ? sum + number(t) : sum;
  }

  UOp shaped(const UOp& u) {
    if (form == Form::Vector) return make(Op::Stack, {u}, int64_t(4));
    if (form == Form::Scalar) return u;
    return make(Op::Expand, {make(Op::Reshape, {u, index(1)}), index(2)});
  }

  DType operand_;
  std::array<UOp, 26> bound_;
};

// The graph of one lane: all lanes are equal, so a vector is what it repeats.
UOp one_lane(const UOp& root) {
  std::unordered_map<const Node*, UOp> lane;
  for (const UOp& u : toposort(root)) {
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(lane.at(s.get()));
    Arg arg = u->arg;
    if (const DType* t = std::get_if<DType>(&arg)) arg = t->scalar();
    lane[u.get()] = u->op == Op::Stack ? src[0] : make(u->op, std::move(src), std::move(arg));
  }
  return lane.at(root.get());
}

// Whether two graphs are worth the same on random values of the variables; else `why` says where.
bool agree(const UOp& before, const UOp& after, Instances& instances, std::string& why) {
  bool tensor = instances.form == Form::Tensor;
  ScalarEvaluator a(tensor ? index(0) : one_lane(before));
  ScalarEvaluator b(tensor ? index(0) : one_lane(after));
  for (int sample = 0; sample < (tensor ? 2 : 10); ++sample) {
    std::unordered_map<const Node*, int64_t> binding;
    NaiveVariables by_name;
    for (const UOp& v : instances.random.variables()) {
      binding[v.get()] = by_name[v->get<Symbol>().name] = instances.random.value_for(v);
    }
    NaiveTensor x;
    NaiveTensor y;
    if (tensor) {
      x = evaluate(before, by_name);
      y = evaluate(after, by_name);
    } else {
      x.values = {a.run(binding)};
      y.values = {b.run(binding)};
    }
    bool same = x.values.size() == y.values.size();
    for (size_t i = 0; same && i < x.values.size(); ++i) {
      same = same_value(before->dtype.scalar(), x.values[i], y.values[i]);
    }
    bool inside = tensor;
    if (!tensor) {
      inside = true;
      for (size_t i = 0; i < b.nodes().size(); ++i) {
        inside &= within_bounds(b.nodes()[i], b.values()[i]);
      }
    }
    if (same && inside) continue;
    why = fmt::format("{}\nbefore\n{}after\n{}with", inside ? "values differ" : "bounds are wrong",
                      print(before), print(after));
    for (const auto& [name, value] : by_name) why += fmt::format(" {}={}", name, value);
    return false;
  }
  return true;
}

constexpr int attempts = 1'500;

}  // namespace

TEST_CASE("every rule keeps value, dtype, shape and bounds, and every rule fires") {
  for (const auto& [table, rules] : all_rules()) {
    if (table == "movement_rules") continue;
    for (const Rule& rule : rules->all()) {
      int64_t fired = 0;
      for (int64_t seed = 0; seed < attempts; ++seed) {
        Instances instances{uint64_t(seed)};
        if (seed % 10 == 8) instances.form = Form::Vector;
        if (seed % 10 == 9) instances.form = Form::Tensor;
        UOp before = instances.of(rule);
        if (!before) continue;
        UOp after = rule.apply(before);
        if (!after || after == before) continue;
        ++fired;
        std::string why;
        bool typed = after->dtype == before->dtype && after->shape == before->shape;
        if (!typed) why = fmt::format("{}became\n{}", print(before), print(after));
        if (typed && agree(before, after, instances, why)) continue;
        FAIL_CHECK(table, " ", rule.place(), " ", rule.before.text(), ", seed ", seed, ": ", why);
        break;
      }
      CAPTURE(rule.place());
      CAPTURE(rule.before.text());
      CHECK(fired >= 20);
    }
  }
}

TEST_CASE("every condition is needed: without it the rule would be wrong somewhere") {
  int conditions = 0;
  for (const auto& [table, rules] : all_rules()) {
    for (const Rule& rule : rules->all()) {
      if (!rule.condition) continue;
      ++conditions;
      Rule unguarded = rule;
      unguarded.condition.reset();
      bool needed = false;
      for (int64_t seed = 0; seed < 20 * attempts && !needed; ++seed) {
        Instances instances{uint64_t(seed)};
        UOp before = instances.of(rule);
        if (!before || rule.apply(before)) continue;
        UOp after = unguarded.apply(before);
        std::string why;
        needed = after && after->dtype == before->dtype && !agree(before, after, instances, why);
      }
      CAPTURE(table);
      CAPTURE(rule.place());
      CHECK(needed);
    }
  }
  CHECK(conditions >= 5);
}

TEST_CASE("the tables: each rule in the file of its table, and no rule twice") {
  std::map<std::string, int> texts;
  for (const auto& [table, rules] : all_rules()) {
    CHECK_FALSE(rules->all().empty());
    for (const Rule& rule : rules->all()) {
      CHECK(rule.place().starts_with(table + ".cpp:"));
      if (rule.after) CHECK(++texts[rule.text() + std::to_string(int(rule.domain))] == 1);
      CHECK(bool(rule.after) != bool(rule.computed));
    }
  }
}
