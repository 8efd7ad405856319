// Random scalar expressions, for every fuzzer: of any dtype, over variables with known bounds, with
// constants where bugs live (zero, one, powers of two and their neighbours, the ends of the dtype).
// Everything follows from one seed, which a failing test prints.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "core/bounds.h"
#include "core/uop.h"

namespace niwaki {

inline const std::vector<DType>& integer_types() {
  static const std::vector<DType> types = {i8, u8, i16, u16, i32, u32, i64, u64};
  return types;
}

inline const std::vector<DType>& float_types() {
  static const std::vector<DType> types = {f16, bf16, f32, f64};
  return types;
}

class RandomExpressions {
 public:
  explicit RandomExpressions(uint64_t seed) : random_(seed) {}

  int64_t below(int64_t n) { return int64_t(random_() % uint64_t(n)); }
  bool chance(int percent) { return below(100) < percent; }

  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[size_t(below(int64_t(list.size())))];
  }

  /// An integer where bugs live, wrapped to `t` by whoever uses it.
  int64_t interesting(DType t) {
    Interval all = dtype_bounds(t);
    int64_t bits = is_float(t) ? 16 : bit_size(t);
    switch (below(8)) {
      case 0: return below(4);
      case 1: return -below(4);
      case 2: return int64_t(uint64_t(1) << below(bits));
      case 3: return int64_t((uint64_t(1) << below(bits)) - 1);
      case 4: return int64_t(0 - (uint64_t(1) << below(bits)));
      case 5: return chance(50) ? all.lo : all.hi;
      case 6: return below(100) - 30;
      default: return int64_t(random_());
    }
  }

  /// Two to four fresh variables: narrow ones, wide ones, and whole dtypes.
  void new_variables(bool narrow = false) {
    variables_.clear();
    int64_t n = 2 + below(3);
    for (int64_t i = 0; i < n; ++i) variables_.push_back(new_variable(i, narrow));
  }
  const std::vector<UOp>& variables() const { return variables_; }

  /// A value within a variable's bounds; often one of their ends.
  int64_t value_for(const UOp& variable) {
    const Symbol& s = variable->get<Symbol>();
    uint64_t width = uint64_t(s.max) - uint64_t(s.min);
    switch (below(6)) {
      case 0: return s.min;
      case 1: return s.max;
      default: break;
    }
    int64_t v = interesting(i64);
    if (v >= s.min && v <= s.max) return v;
    return int64_t(uint64_t(s.min) + (width == ~uint64_t(0) ? random_() : random_() % (width + 1)));
  }

  UOp constant_of(DType t) {
    if (!is_float(t)) return constant(t, Value::of(interesting(t)));
    if (chance(40)) return constant(t, double(below(9) - 4) / 2);
    return constant(t, floats()[size_t(below(int64_t(floats().size())))]);
  }

  /// A variable as a number of `t`; a float is the variable's bits every other time.
  UOp leaf(DType t) {
    const UOp& v = pick(variables_);
    if (t == i64) return v;
    if (!is_float(t) || chance(50)) return cast(v, t);
    DType bits = unsigned_of_same_width(t);
    return make(Op::Bitcast, {cast(v, bits)}, t);
  }

  /// An expression of dtype `t`, at most `depth` ops deep.
  UOp expression(DType t, int depth) {
    if (depth == 0 || chance(10)) return chance(30) ? constant_of(t) : leaf(t);
    if (chance(10))
      return where(expression(boolean, depth - 1), expression(t, depth - 1),
                   expression(t, depth - 1));
    if (t.kind == Kind::Bool) return condition(depth);
    if (is_float(t)) return real(t, depth);
    if (chance(12)) return cast(expression(any_type(), depth - 1), t);
    if (chance(3) && t != i64) {
      return make(Op::Bitcast, {expression(unsigned_of_same_width(t), depth - 1)}, t);
    }
    static const std::vector<Op> ops = {Op::Add, Op::Add, Op::Mul, Op::Mul, Op::Div, Op::Mod,
                                        Op::Max, Op::And, Op::Xor, Op::Shl, Op::Shr};
    Op op = pick(ops);
    UOp a = expression(t, depth - 1);
    bool shift = op == Op::Shl || op == Op::Shr;
    if (shift && chance(70)) return make(op, {a, constant(t, Value::of(below(bit_size(t))))});
    bool divides = op == Op::Div || op == Op::Mod;
    if (divides && chance(70)) return make(op, {a, constant(t, Value::of(1 + below(16)))});
    return make(op, {a, expression(t, depth - 1)});
  }

  DType any_type() {
    if (chance(10)) return boolean;
    return chance(12) ? pick(float_types()) : pick(integer_types());
  }

 private:
  static const std::vector<double>& floats() {
    static const std::vector<double> values = {
        0.0, -0.0, 1.0, -1.0, 0.5, 1e-7, 65504.0, 1e30, -7.5, 1e300, INFINITY, -INFINITY, NAN};
    return values;
  }

  UOp condition(int depth) {
    static const std::vector<Op> logical = {Op::And, Op::Xor, Op::Mul, Op::Add, Op::Max};
    if (chance(35)) {
      return make(pick(logical), {expression(boolean, depth - 1), expression(boolean, depth - 1)});
    }
    DType t = any_type();
    if (chance(10)) return cast(expression(t, depth - 1), boolean);
    Op op = chance(60) ? Op::Less : Op::Ne;
    return make(op, {expression(t, depth - 1), expression(t, depth - 1)});
  }

  UOp real(DType t, int depth) {
    static const std::vector<Op> ops = {Op::Add, Op::Mul, Op::Div, Op::Max};
    if (chance(20)) return cast(expression(any_type(), depth - 1), t);
    if (chance(10)) return make(Op::Sqrt, {expression(t, depth - 1)});
    return make(pick(ops), {expression(t, depth - 1), expression(t, depth - 1)});
  }

  UOp new_variable(int64_t i, bool narrow) {
    std::string name(1, char('a' + i));
    if (narrow || chance(40)) {
      int64_t min = chance(60) ? 0 : below(20) - 10;
      return variable(name, min, min + below(40));
    }
    if (chance(30)) {
      Interval all = dtype_bounds(pick(integer_types()));
      return variable(name, all.lo, all.hi);
    }
    int64_t a = interesting(i64);
    int64_t b = interesting(i64);
    return variable(name, std::min(a, b), std::max(a, b));
  }

  std::mt19937_64 random_;
  std::vector<UOp> variables_;
};

}  // namespace niwaki
