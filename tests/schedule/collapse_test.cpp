// What a gather costs, and a running sum of ones: the elements they read and write, no loop. And
// that a collapsed sum is the sum, for every value of what it depends on.
#include <doctest/doctest.h>

#include <set>

#include "cases/cases.h"
#include "core/text.h"
#include "ops/rules.h"
#include "schedule/schedule.h"
#include "support/evaluate.h"
#include "support/iterations.h"

namespace niwaki::test {
namespace {

Tensor indices(std::vector<int64_t> shape, int64_t below) {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  std::vector<int64_t> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(i * 7 % below);
  return Tensor::from(values, shape);
}

Tensor numbers(std::vector<int64_t> shape, DType t) { return Tensor::empty(std::move(shape), t); }

// Elements of the positions of a dim beside those of another tensor's last, new dim.
Tensor one_hot(const Tensor& ids, int64_t n) { return Tensor::arange(n) == ids.unsqueeze(-1); }

// Row i of a lower triangle of n rows.
Tensor seen(int64_t n) { return Tensor::arange(n) <= Tensor::arange(n).unsqueeze(-1); }

// out[i, j] = x[ids[i, j], j], or along the other axis, written as torch.gather is.
Tensor gather(const Tensor& x, int64_t axis, const Tensor& ids) {
  Tensor rows = axis == 0 ? x.transpose() : x.unsqueeze(0);  // .. j r
  if (axis == 1) rows = x.unsqueeze(1);                      // i 1 r
  Tensor n(x.dim(axis));
  Tensor from_start = where(ids < 0, ids + n, ids);
  return where(one_hot(from_start, *const_int(x.dim(axis))), rows, 0).sum({-1});
}

// All windows of k neighbours, [k, n - k + 1]: rows that are one element longer than x.
Tensor windows(const Tensor& x, int64_t k) {
  int64_t n = *const_int(x.dim(0));
  Tensor rows = x.unsqueeze(0).expand({k + 1, n}).reshape({-1}).narrow(0, 0, k * (n + 1));
  return rows.reshape({k, n + 1}).narrow(1, 0, n - k + 1);
}

}  // namespace

TEST_CASE("what has no loop costs its elements") {
  struct Row {
    const char* name;
    Tensor result;
    double elements;
  };
  constexpr int64_t n = 64;
  Tensor ids = indices({n}, n);
  Tensor plane = indices({n, 16}, n);
  Tensor table = numbers({n, n}, f32);
  Tensor cube = numbers({n, n, n}, f32);
  Tensor ones = Tensor::ones({n});
  UOp some = variable("some", 1, n);
  const Row rows[] = {
      {"arange", Tensor::arange(n) * 3 + 1, n},
      {"arange as a running sum", where(seen(n), Tensor(1), 0).sum({-1}) - 1, n},
      {"running sum of ones", where(seen(n), ones, 0).sum({-1}), n},
      {"running sum of ones, bools as numbers", seen(n).cast(i32).sum({-1}), n},
      {"running sum of ones, multiplied", (seen(n).cast(f32) * ones).sum({-1}), n},
      {"running sum of ones, as windows", windows(ones.pad({{n - 1, 0}}), n).sum({0}), n},
      {"running sum from behind", where(!seen(n), ones, 0).sum({-1}), n},
      {"running sum of a row of constants", where(seen(n), Tensor::full({n}, 2.5), 0).sum({-1}), n},
      {"count of a band",
       (seen(n) & (Tensor::arange(n) + 3 > Tensor::arange(n).unsqueeze(-1))).sum({-1}), n},
      {"sum of what does not vary", table.unsqueeze(-1).expand({n, n, n}).sum({-1}), n * n},
      {"any", (one_hot(ids, n) & (ids < 7).unsqueeze(-1)).max({-1}), n},
      {"eye", (Tensor::arange(n) == Tensor::arange(n).unsqueeze(-1)).cast(f32), n * n},
      {"eye summed", (Tensor::arange(n) == Tensor::arange(n).unsqueeze(-1)).sum({-1}), n},
      {"tri", seen(n).cast(f32), n * n},
      {"tri summed twice", seen(n).sum(), n},
      {"one_hot", one_hot(ids, n).cast(i64), n * n},
      {"one_hot counted", one_hot(ids, n).sum({-1}), n},
      {"embedding", table.embedding(ids), n * n},
      {"embedding, i32", table.embedding(ids.cast(i32)), n * n},
      {"embedding, positions in i32",
       where(Tensor::arange(n).cast(i32).unsqueeze(-1) == ids.cast(i32).reshape({n, 1, 1}), table,
             0)
           .sum({-2}),
       n * n},
      {"embedding, else branch",
       where(Tensor::arange(n).unsqueeze(-1) != ids.reshape({n, 1, 1}), 0, table).sum({-2}), n * n},
      {"embedding of computed ids", table.embedding(ids * 3 % n), n * n},
      {"embedding of some", table.embedding(ids.narrow(0, 0, some)), n * n},
      {"embedding in half", table.cast(f16).embedding(ids), n * n},
      {"trace", where(one_hot(Tensor::arange(n), n), table, 0).sum(), n},
      {"diagonal", where(one_hot(Tensor::arange(n), n), table, 0).sum({-1}), n},
      {"gather along axis 0", gather(table.narrow(1, 0, 16), 0, plane), n * 16},
      {"gather along axis 1", gather(table, 1, plane), n * 16},
      {"one-hot times a matrix of integers",
       one_hot(ids, n).cast(i64).matmul(numbers({n, 16}, i64)), n * 16},
      {"one-hot of another dtype times a matrix of integers",
       one_hot(ids, n).cast(i8).matmul(numbers({n, 16}, i32)), n * 16},
      {"one-hot times a matrix of finite floats",
       one_hot(ids, n).cast(f32).matmul(numbers({n, 16}, i8).cast(f32)), n * 16},
      {"two index tensors",
       where(one_hot(ids, n).reshape({n, n, 1}) & one_hot(ids + 1, n).reshape({n, 1, n}), table, 0)
           .sum({-2, -1}),
       n},
      {"two index tensors, a choice of a choice",
       where(one_hot(ids, n).reshape({n, n, 1}),
             where(one_hot(ids + 1, n).reshape({n, 1, n}), table, 0), 0)
           .sum({-2, -1}),
       n},
      {"two index tensors, one after the other",
       where(one_hot(ids, n), where(one_hot(ids, n).reshape({n, n, 1}), table, 0).sum({-2}), 0)
           .sum({-1}),
       n},
      {"two index tensors and a slice",
       where(
           (one_hot(ids, n).reshape({n, n, 1}) & one_hot(ids, n).reshape({n, 1, n})).unsqueeze(-1),
           cube, 0)
           .sum({1, 2}),
       n * n},
      {"scaled positions",
       where(Tensor::arange(n) * 4 + 3 == ids.unsqueeze(-1), table, 0).sum({-1}), n},
      {"every second",
       where(Tensor::arange(n) == Tensor::arange(n / 2).unsqueeze(-1) * 2,
             table.narrow(0, 0, n / 2), 0)
           .sum({-1}),
       n},
      {"flipped", where(n - 1 - Tensor::arange(n) == ids.unsqueeze(-1), table, 0).sum({-1}), n},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    double found = iterations(row.result);
    if (found > 2 * row.elements) {
      FAIL_CHECK(found, " iterations for ", row.elements, " elements:\n",
                 print(schedule({row.result.uop()}).kernels[0].ast));
    }
  }
}

// The loop over the classes of a one-hot product is gone; those of the softmax, which have its
// number, are not.
TEST_CASE("a class is looked up without a loop") {
  Tensor x = Tensor::empty({32, 10});
  Tensor y = Tensor::empty({32}, i32);
  auto loops = [](Tensor loss) {
    int64_t n = 0;
    for (const Kernel& kernel : schedule({loss.uop()}).kernels) {
      for (const UOp& u : toposort(kernel.ast)) n += u->op == Op::Reduce;
    }
    return n;
  };
  CHECK(loops(x.nll_loss(y, {}, {}, LossReduction::None)) == 0);
  CHECK(loops(x.nll_loss(y, Tensor::empty({10}), 3, LossReduction::None)) == 0);
  CHECK(loops(x.cross_entropy(y, LossReduction::None)) == 2);
}

TEST_CASE("sums over one range, one within the other's position or value") {
  // All loops are of 5 and at one depth, so they are the same node.
  Tensor x = numbers({5}, f32);
  Tensor ids = Tensor::arange(5);
  Tensor last = (x.unsqueeze(0) < x.unsqueeze(-1)).sum({-1}) - 1;
  CHECK(iterations(x.unsqueeze(-1).embedding(last)) <= 2 * 5 * 5);
  Tensor shifted = (x + x.sum()).unsqueeze(-1).embedding(indices({5}, 5));
  CHECK(iterations(shifted) <= 2 * 5 * 5);
}

TEST_CASE("what needs its loop keeps it") {
  Tensor ids = indices({8}, 8);
  Tensor table = numbers({8, 8}, f32);
  // 0 * inf is NaN, and belongs to the result.
  CHECK(iterations(one_hot(ids, 8).cast(f32).matmul(table)) == 8 * 8 * 8);
  CHECK(iterations(where(seen(8), table, 0).sum({-1})) == 8 * 8);
  CHECK(iterations((Tensor::arange(8) == ids).sum()) == 8);
}

namespace {

// Random sums of choices, over loops and variables that stand for data.
class RandomSum {
 public:
  explicit RandomSum(uint64_t seed) : state_(seed) {
    UOp n = pick(3) == 0 ? variable("n", 0, 5) : index(5);
    loops_ = {range(n, 3, AxisKind::Reduce), range(index(3), 4, AxisKind::Reduce)};
    outer_ = range(index(4), 0, AxisKind::Loop);
  }

  UOp make_sum() {
    DType t = std::vector<DType>{i64, i32, u8, f32, boolean}[size_t(pick(5))];
    UOp body = choice(t, 2);
    std::vector<UOp> src = {body, loops_[0]};
    if (pick(2)) src.push_back(loops_[1]);
    else src[0] = substitute(body, {{loops_[1], outer_}});
    return make(Op::Reduce, src, Reduction{t == boolean ? Op::Max : Op::Add, {}});
  }

 private:
  int64_t pick(int64_t n) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return int64_t((state_ >> 33) % uint64_t(n));
  }

  UOp data() {
    bool wide = pick(2);
    return wide ? variable("wide", INT64_MIN, INT64_MAX) : variable("near", -3, 7);
  }

  UOp position() {
    UOp u = loops_[size_t(pick(4) == 0)];
    if (pick(2)) u = u * std::vector<double>{2, 3, -1, -2, 4}[size_t(pick(5))];
    if (pick(2)) u = u + double(pick(7) - 3);
    if (pick(4) == 0) u = u + variable("near", -3, 7);
    return u;
  }

  UOp other() {
    switch (pick(6)) {
      case 0: return index(pick(9) - 2);
      case 1: return outer_ * double(pick(4) - 1) + double(pick(3));
      case 2: return loops_[1];
      case 3: return data() + double(pick(5) - 2);
      default: return data();
    }
  }

  UOp condition() {
    UOp a = position();
    UOp b = other();
    DType t = std::vector<DType>{i64, i64, i32, i8, u8}[size_t(pick(5))];
    a = cast(a, t);
    b = cast(b, t);
    if (pick(2)) std::swap(a, b);
    UOp c = make(pick(3) ? Op::Less : Op::Ne, {a, b});
    if (pick(5) == 0) c = data() < outer_;
    c = pick(2) || c->op == Op::Ne ? negate(c) : c;
    return pick(2) ? c & condition() : c;
  }

  UOp number(DType t) {
    switch (pick(5)) {
      case 0: return constant(t, double(pick(9) - 4));
      case 1: return t == f32 ? constant(f32, pick(2) ? INFINITY : 1.5) : constant(t, 1);
      case 2: return cast(variable("near", -3, 7), t);
      case 3: return cast(position(), t);
      default: return constant(t, 1);
    }
  }

  UOp choice(DType t, int depth) {
    if (t == boolean) return condition();
    if (depth == 0) return number(t);
    UOp zero = constant(t, 0);
    switch (pick(5)) {
      case 0: return where(condition(), choice(t, depth - 1), zero);
      case 1: return where(condition(), zero, choice(t, depth - 1));
      case 2: return cast(condition(), t) * choice(t, depth - 1);
      case 3: return where(condition(), number(t), zero) * number(t);
      default: return cast(where(condition(), number(i8), constant(i8, 0)), t);
    }
  }

  uint64_t state_;
  std::vector<UOp> loops_;
  UOp outer_;
};

using Binding = std::unordered_map<const Node*, int64_t>;

// The value of an expression, its reduces run as loops.
Value run(const UOp& u, Binding& binding) {
  if (u->op == Op::Const) return u->get<Constant>().value;
  if (u->op == Op::Variable || u->op == Op::Range) return Value::of(binding.at(u.get()));
  if (u->op != Op::Reduce) {
    std::vector<Value> args;
    for (const UOp& s : u->src) args.push_back(run(s, binding));
    return evaluate(u->op, u->dtype, u->src.back()->dtype, args);
  }
  Op op = u->get<Reduction>().op;
  Value total = value_of(u->dtype, 0);
  std::vector<int64_t> ends;
  int64_t n = 1;
  for (size_t i = 1; i < u->src.size(); ++i) {
    ends.push_back(run(u[i][0], binding).i);
    n *= ends.back();
  }
  for (int64_t flat = 0; flat < n; ++flat) {
    int64_t left = flat;
    for (size_t i = 0; i < ends.size(); ++i) {
      binding[u[i + 1].get()] = left % ends[i];
      left /= ends[i];
    }
    Value pair[] = {total, run(u[0], binding)};
    total = evaluate(op, u->dtype, u->dtype, pair);
  }
  return total;
}

}  // namespace

TEST_CASE("random sums: collapsed, they are what their loops add up to") {
  const std::vector<int64_t> wide = {
      INT64_MIN, INT64_MIN + 1,          -257,          -3,       -1, 0, 1, 2, 4, 6, 8,
      300,       (int64_t(1) << 32) + 2, INT64_MAX - 1, INT64_MAX};
  int64_t collapsed = 0;
  constexpr int64_t sums = 1500;
  for (int64_t seed = 1; seed <= sums; ++seed) {
    CAPTURE(seed);
    UOp sum = RandomSum(uint64_t(seed)).make_sum();
    UOp found = collapse_sums(sum);
    collapsed += iterations(found) < iterations(sum);
    std::vector<UOp> inputs;
    for (const UOp& u : toposort(sum)) {
      if (u->op == Op::Variable || (u->op == Op::Range && (u->ranges & sum->ranges))) {
        inputs.push_back(u);
      }
    }
    for (int64_t trial = 0; trial < 40; ++trial) {
      Binding binding;
      for (size_t i = 0; i < inputs.size(); ++i) {
        int64_t at = trial * int64_t(2 * i + 7) + int64_t(i);
        bool any = inputs[i]->lo == INT64_MIN;
        int64_t span = any ? int64_t(wide.size()) : inputs[i]->hi - inputs[i]->lo + 1;
        binding[inputs[i].get()] = any ? wide[size_t(at % span)] : inputs[i]->lo + at % span;
      }
      Value expected = run(sum, binding);
      Value value = run(found, binding);
      // A sum of -0 is 0, and one -0 stays what it is.
      bool same = is_float(sum->dtype) && expected.f == value.f;
      if (same || same_value(sum->dtype, expected, value)) continue;
      FAIL_CHECK("trial ", trial, " of\n", print(sum), "\ncollapsed to\n", print(found));
      break;
    }
  }
  MESSAGE(collapsed, " of ", sums, " lost a loop");
  CHECK(collapsed > sums / 2);
}

}  // namespace niwaki::test
