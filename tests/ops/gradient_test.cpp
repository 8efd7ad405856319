// Gradients against central finite differences in float64, computed with the naive evaluator: every
// differentiable primitive and every function of Tensor; and the values chosen where there is no
// derivative.
//
// The loss is the sum of y * (y + 1), whose weights differ from element to element, so a gradient
// that arrives at the wrong place is seen; with steps of 1e-5 the difference quotient is right to
// about 1e-9 of the loss.
#include "ops/gradient.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

#include "core/error.h"
#include "ops/rules.h"
#include "tests/support/naive.h"

using namespace niwaki;

namespace {

using Numbers = std::vector<double>;
using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(const Inputs&)>;

Numbers values(const Tensor& t, const NaiveVariables& variables = {}) {
  return evaluate(t.uop(), variables).numbers();
}

std::vector<int64_t> sizes(const Tensor& t) {
  std::vector<int64_t> found;
  for (const UOp& dim : t.shape()) found.push_back(*const_int(dim));
  return found;
}

// Numbers between 0.3 and 1.9 in magnitude: no kink, pole or tie is near.
Tensor sample(std::vector<int64_t> shape, uint64_t seed, bool positive = false) {
  std::mt19937_64 random(seed);
  size_t n = 1;
  for (int64_t dim : shape) n *= size_t(dim);
  Numbers list;
  for (size_t i = 0; i < n; ++i) {
    double v = 0.3 + double(random() % 1'600'001) / 1e6;
    list.push_back(positive || random() % 2 ? v : -v);
  }
  return Tensor::from(list, std::move(shape));
}

Tensor row(const Numbers& list) { return Tensor::from(list, {int64_t(list.size())}); }

Tensor loss_of(const Tensor& y) { return (y * (y + 1)).sum(); }

// What each input's gradient must be within `tolerance` of the loss's scale.
void check_gradient(const Function& f, const Inputs& inputs, const NaiveVariables& variables = {},
                    double tolerance = 1e-8) {
  constexpr double step = 1e-5;
  Inputs found = gradient(loss_of(f(inputs)), inputs);
  REQUIRE(found.size() == inputs.size());
  for (size_t k = 0; k < inputs.size(); ++k) {
    CAPTURE(k);
    CHECK(found[k].shape() == inputs[k].shape());
    CHECK(found[k].dtype() == f64);
    Numbers at = values(inputs[k]);
    Numbers slope = values(found[k], variables);
    REQUIRE(slope.size() == at.size());
    for (size_t i = 0; i < at.size(); ++i) {
      CAPTURE(i);
      auto loss_at = [&](double v) {
        Numbers moved = at;
        moved[i] = v;
        Inputs there = inputs;
        there[k] = Tensor::from(moved, sizes(inputs[k]));
        return values(loss_of(f(there)), variables)[0];
      };
      double expected = (loss_at(at[i] + step) - loss_at(at[i] - step)) / (2 * step);
      double scale = std::max({1.0, std::abs(expected), std::abs(loss_at(at[i]))});
      CAPTURE(slope[i]);
      CAPTURE(expected);
      CHECK(std::abs(slope[i] - expected) <= tolerance * scale);
    }
  }
}

struct Case {
  const char* name;
  Function f;
  Inputs inputs;
};

void check_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    check_gradient(c.f, c.inputs);
  }
}

// The gradient of the sum of f at the numbers of one row.
Numbers slopes(const std::function<Tensor(const Tensor&)>& f, const Numbers& at) {
  Tensor x = row(at);
  return values(gradient(f(x).sum(), {x})[0]);
}

}  // namespace

TEST_CASE("gradients of functions of one and two variables") {
  Tensor x = sample({2, 3}, 1);
  Tensor y = sample({2, 3}, 2);
  Tensor p = sample({5}, 3, true);
  Tensor c = sample({3}, 4);
  check_all({
      {"negate", [](const Inputs& in) { return -in[0]; }, {x}},
      {"abs", [](const Inputs& in) { return in[0].abs(); }, {x}},
      {"sqrt", [](const Inputs& in) { return in[0].sqrt(); }, {p}},
      {"rsqrt", [](const Inputs& in) { return in[0].rsqrt(); }, {p}},
      {"exp", [](const Inputs& in) { return in[0].exp(); }, {x}},
      {"exp2", [](const Inputs& in) { return in[0].exp2(); }, {x}},
      {"log", [](const Inputs& in) { return in[0].log(); }, {p}},
      {"log2", [](const Inputs& in) { return in[0].log2(); }, {p}},
      {"sin", [](const Inputs& in) { return in[0].sin(); }, {x}},
      {"cos", [](const Inputs& in) { return in[0].cos(); }, {x}},
      {"relu", [](const Inputs& in) { return in[0].relu(); }, {x}},
      {"sigmoid", [](const Inputs& in) { return in[0].sigmoid(); }, {x}},
      {"silu", [](const Inputs& in) { return in[0].silu(); }, {x}},
      {"tanh", [](const Inputs& in) { return in[0].tanh(); }, {x}},
      {"add", [](const Inputs& in) { return in[0] + in[1]; }, {x, y}},
      {"sub", [](const Inputs& in) { return in[0] - in[1]; }, {x, y}},
      {"mul", [](const Inputs& in) { return in[0] * in[1]; }, {x, y}},
      {"square", [](const Inputs& in) { return in[0] * in[0]; }, {x}},
      {"div", [](const Inputs& in) { return in[0] / in[1]; }, {x, y}},
      {"maximum", [](const Inputs& in) { return in[0].maximum(in[1]); }, {x, y}},
      {"minimum", [](const Inputs& in) { return in[0].minimum(in[1]); }, {x, y}},
      {"where", [](const Inputs& in) { return where(in[0] < in[1], in[0], in[1] * 3); }, {x, y}},
      {"broadcast", [](const Inputs& in) { return in[0] * in[1] + 2.0 / in[1]; }, {x, c}},
      {"scalar", [](const Inputs& in) { return in[0] * in[0].sin(); }, {sample({}, 5)}},
      {"contiguous", [](const Inputs& in) { return in[0].contiguous() * in[0]; }, {x}},
      {"shared", [](const Inputs& in) { return in[0].exp() * in[0].sin() + in[0]; }, {x}},
  });
}

TEST_CASE("gradients of reductions, also with zeros in a product") {
  Tensor x = sample({2, 3, 2}, 6);
  Tensor zeros = Tensor::from(Numbers{0.5, 0, -2, 0, 1.5, 0, 3, 0.7, -1}, {3, 3});
  check_all({
      {"sum", [](const Inputs& in) { return in[0].sum(); }, {x}},
      {"sum 0 2",
       [](const Inputs& in) {
         return in[0].sum({0, 2});
       },
       {x}},
      {"mean", [](const Inputs& in) { return in[0].mean({1}, true); }, {x}},
      {"max", [](const Inputs& in) { return in[0].max({1}); }, {x}},
      {"max of all", [](const Inputs& in) { return in[0].max(); }, {x}},
      {"min",
       [](const Inputs& in) {
         return in[0].min({0, -1});
       },
       {x}},
      {"prod",
       [](const Inputs& in) {
         return in[0].prod({1, 2});
       },
       {x}},
      {"prod of zeros", [](const Inputs& in) { return in[0].prod({1}); }, {zeros}},
      {"nothing", [](const Inputs& in) { return in[0].slice(0, 1, 1).sum({0}); }, {x}},
  });
  Tensor z = row({3, 0, 5});
  CHECK(values(gradient(z.prod(), {z})[0]) == Numbers{0, 15, 0});
  z = row({0, 0, 5});
  CHECK(values(gradient(z.prod(), {z})[0]) == Numbers{0, 0, 0});
  z = Tensor::from(Numbers{}, {0});
  CHECK(values(gradient(z.prod() + z.sum(), {z})[0]).empty());
}

TEST_CASE("gradients of movement") {
  Tensor x = sample({2, 3}, 7);
  Tensor y = sample({4, 3}, 8);
  check_all({
      {"reshape",
       [](const Inputs& in) {
         return in[0].reshape({3, 2});
       },
       {x}},
      {"permute",
       [](const Inputs& in) {
         return in[0].unsqueeze(1).permute({2, 0, 1});
       },
       {x}},
      {"expand",
       [](const Inputs& in) {
         return in[0].unsqueeze(1).expand({2, 4, 3});
       },
       {x}},
      {"expand more",
       [](const Inputs& in) {
         return in[0].expand({4, 2, 3});
       },
       {x}},
      {"pad",
       [](const Inputs& in) {
         return in[0].pad({{1, 0}, {2, 1}}) + 1;
       },
       {x}},
      {"shrink", [](const Inputs& in) { return in[0].slice(1, 1, 3); }, {x}},
      {"flip",
       [](const Inputs& in) {
         return in[0].flip({0, 1});
       },
       {x}},
      {"cat",
       [](const Inputs& in) {
         return cat({in[0], in[1], in[0]}, 0);
       },
       {x, y}},
  });
}

TEST_CASE("gradients of random chains of movement") {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    auto chain = [&](const Inputs& in) {
      std::mt19937_64 random(seed);
      auto below = [&](int64_t n) { return int64_t(random() % uint64_t(n)); };
      Tensor t = in[0];
      for (int64_t step = 0; step < 6; ++step) {
        int64_t axis = below(t.rank());
        int64_t size = sizes(t)[size_t(axis)];
        std::vector<std::pair<Dim, Dim>> widths(size_t(t.rank()), {Dim(0), Dim(0)});
        widths[size_t(axis)] = {Dim(below(2)), Dim(below(2))};
        Dims repeated;
        for (int64_t dim : sizes(t)) repeated.push_back(dim == 1 ? 2 : dim);
        switch (below(7)) {
          case 0: t = t.reshape({-1, size}); break;
          case 1: t = t.transpose(axis, 0); break;
          case 2: t = t.expand(repeated); break;
          case 3: t = t.pad(widths); break;
          case 4: t = t.narrow(axis, below(size), 1); break;
          case 5: t = t.flip({axis}); break;
          default: t = t.unsqueeze(axis); break;
        }
      }
      return t;
    };
    check_gradient(chain, {sample({2, 1, 3}, seed)});
  }
}

TEST_CASE("gradients of movement with symbolic dims, for every value of the variable") {
  UOp n = variable("n", 1, 4);
  UOp at = variable("at", 0, 2);
  Function row_of_part = [&](const Inputs& in) {
    return in[0].slice(0, 0, n).narrow(0, dim_sub(n, index(1)), 1) * in[0].narrow(0, at, 2);
  };
  Function mixed = [&](const Inputs& in) {
    Tensor rows = in[0].slice(0, 0, n);
    Tensor mean = rows.pad({{1, 0}, {at, 0}}).transpose().flip({1}).mean({1});
    return rows.reshape({-1, 3, 1}).softmax(0).sum({1}) + mean.max();
  };
  for (int64_t v = 1; v <= 4; ++v) {
    CAPTURE(v);
    NaiveVariables bound = {{"n", v}, {"at", v % 3}};
    check_gradient(row_of_part, {sample({4, 3}, 9)}, bound);
    check_gradient(mixed, {sample({4, 3}, 10)}, bound);
  }
  Tensor x = sample({4, 3}, 11);
  CHECK(gradient(x.slice(0, 0, n).sum(), {x})[0].shape() == x.shape());
}

TEST_CASE("gradients of compositions") {
  Tensor x = sample({2, 4}, 12);
  Tensor w = sample({3, 4}, 13);
  Tensor ids = Tensor::from(std::vector<int64_t>{2, 0, 2, 7}, {2, 2});
  Tensor head = sample({2, 2, 3}, 14);
  Tensor key = sample({3, 1, 3}, 15);
  check_all({
      {"matmul", [](const Inputs& in) { return in[0].matmul(in[1].transpose()); }, {x, w}},
      {"batched",
       [](const Inputs& in) { return in[0].matmul(in[1]); },
       {sample({2, 2, 3}, 16), sample({3, 2}, 17)}},
      {"linear", [](const Inputs& in) { return in[0].linear(in[1]); }, {x, w}},
      {"softmax", [](const Inputs& in) { return in[0].softmax(0); }, {x}},
      {"log_softmax", [](const Inputs& in) { return in[0].log_softmax(); }, {x}},
      {"rms_norm",
       [](const Inputs& in) { return in[0].rms_norm(in[1], 1e-3); },
       {x, sample({4}, 18)}},
      {"layer_norm", [](const Inputs& in) { return in[0].layer_norm(1e-3); }, {x}},
      {"embedding", [&](const Inputs& in) { return in[0].embedding(ids); }, {w}},
      {"rope",
       [](const Inputs& in) { return in[0].rope(in[1].cos(), in[1].sin()); },
       {x, sample({2, 2}, 19)}},
      {"attention",
       [](const Inputs& in) { return attention(in[0], in[1], in[2], 1); },
       {head, key, sample({3, 1, 3}, 20)}},
  });
}

TEST_CASE("the gradient of a gradient") {
  Tensor x = sample({4}, 21);
  Tensor p = sample({4}, 22, true);
  auto slope = [](const Function& f) -> Function {
    return [f](const Inputs& in) { return gradient(f(in).sum(), {in[0]})[0]; };
  };
  check_all({
      {"cube", slope([](const Inputs& in) { return in[0] * in[0] * in[0]; }), {x}},
      {"sin", slope([](const Inputs& in) { return in[0].sin(); }), {x}},
      {"tanh", slope([](const Inputs& in) { return in[0].tanh(); }), {x}},
      {"log", slope([](const Inputs& in) { return in[0].log() / in[0].sqrt(); }), {p}},
      {"softmax", slope([](const Inputs& in) { return in[0].softmax() * in[0]; }), {x}},
      {"prod", slope([](const Inputs& in) { return in[0].prod(); }), {x}},
      {"max", slope([](const Inputs& in) { return in[0].max() * in[0]; }), {x}},
  });
  Tensor two = row({2});
  Tensor third = two * two * two * two;
  for (int i = 0; i < 3; ++i) third = gradient(third, {two})[0];
  CHECK(values(third) == Numbers{48});
}

TEST_CASE("where there is no derivative") {
  Numbers at = {-1, 0, 2};
  CHECK(slopes([](const Tensor& x) { return x.abs(); }, at) == Numbers{-1, 0, 1});
  CHECK(slopes([](const Tensor& x) { return x.maximum(0); }, at) == Numbers{0, 0.5, 1});
  CHECK(slopes([](const Tensor& x) { return x.minimum(0); }, at) == Numbers{1, 0.5, 0});
  CHECK(slopes([](const Tensor& x) { return where(x > 0, x, 0); }, at) == Numbers{0, 0, 1});
  CHECK(slopes([](const Tensor& x) { return x.max(); }, {3, 1, 3, 3, -3, 2}) ==
        Numbers{1.0 / 3, 0, 1.0 / 3, 1.0 / 3, 0, 0});
  CHECK(slopes([](const Tensor& x) { return x.min(); }, {3, 1, 1}) == Numbers{0, 0.5, 0.5});
  CHECK(slopes([](const Tensor& x) { return x.max(); }, {1, NAN}) == Numbers{0, 0});
  CHECK(slopes([](const Tensor& x) { return x.maximum(0); }, {NAN}) == Numbers{0.5});
  CHECK(slopes([](const Tensor& x) { return x.sqrt(); }, {0}) == Numbers{INFINITY});
  CHECK(slopes([](const Tensor& x) { return x.log(); }, {0}) == Numbers{INFINITY});
}

TEST_CASE("integers, bits and comparisons let no gradient through") {
  auto nothing = [](const std::function<Tensor(const Tensor&)>& f) {
    return slopes(f, {-1.5, 0.25}) == Numbers{0, 0};
  };
  CHECK(nothing([](const Tensor& x) { return x.cast(i32).cast(f64); }));
  CHECK(nothing([](const Tensor& x) { return (x < 0).cast(f64) + (x != 0).cast(f64); }));
  CHECK(nothing([](const Tensor& x) { return x.bitcast(i64).cast(f64); }));
  CHECK(nothing([](const Tensor& x) { return x.detach() * x.detach(); }));
  CHECK(nothing([](const Tensor&) { return Tensor::full({2}, 3, f64); }));
  Tensor x = row({1, 2});
  Tensor other = sample({2, 3}, 23);
  Inputs found = gradient((x * 2).sum(), {other, x});
  CHECK(found[0].shape() == other.shape());
  CHECK(values(found[0]) == Numbers(6, 0));
  CHECK(values(found[1]) == Numbers{2, 2});
}

TEST_CASE("gradients have the dtype of the input, and pass through the widths of floats") {
  for (DType t : {f16, bf16, f32, f64}) {
    CAPTURE(name(t));
    Tensor x = row({1, 2, 3}).cast(t);
    Tensor loss = (x.cast(f32) * x.cast(f32)).mean().cast(t) * Tensor(3);
    Tensor found = gradient(loss, {x})[0];
    CHECK(found.dtype() == t);
    check_gradient([&](const Inputs& in) { return in[0].cast(f64).sin(); }, {row({1, 2})});
    Tensor ones = Tensor::from(Numbers(1), {1}).cast(t);
    CHECK(values(gradient(ones.expand({4096}).sum(), {ones})[0]) == Numbers{4096});
  }
  Tensor x = row({1, 2, 4}).cast(f16);
  CHECK(values(gradient((x * x).sum(), {x})[0]) == Numbers{2, 4, 8});
}

TEST_CASE("detach: the value and no gradient; gone before anything is scheduled") {
  for (DType t : {f16, bf16, f32, f64}) {
    Tensor x = Tensor::empty({3}, t);
    CHECK(x.detach().dtype() == t);
    CHECK(x.detach().uop() != x.uop());
    CHECK(simplify(x.detach().uop()) == x.uop());
  }
  Tensor ids = Tensor::arange(3);
  CHECK(ids.detach().uop() == ids.uop());
  CHECK(slopes([](const Tensor& x) { return x * x.detach(); }, {3, -2}) == Numbers{3, -2});
}

TEST_CASE("straight-through estimators are a sum with a detached part") {
  Tensor x = row({-1.7, -0.2, 0.4, 2.6});
  Tensor w = row({1, 2, 3, 4});
  Tensor rounded = (x + where(x < 0, Tensor(-0.5), Tensor(0.5))).cast(i64).cast(f64);
  Tensor sign = where(x < 0, Tensor(-1.0), Tensor(1.0)).cast(f64);
  for (const Tensor& q : {rounded, sign}) {
    Tensor y = x + (q - x).detach();
    CHECK(values(y) == values(q));
    CHECK(values(gradient((y * w).sum(), {x})[0]) == Numbers{1, 2, 3, 4});
    CHECK(values(gradient((q * w).sum(), {x})[0]) == Numbers(4, 0));
  }
}

TEST_CASE("assign: the written view is the value, the rest the old buffer") {
  Tensor base = Tensor::from(Numbers{1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor value = Tensor::from(Numbers{7, 8}, {2});
  Tensor w = Tensor::from(Numbers{1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor written = base.slice(1, 1, 2).reshape({2}).flip({0}).assign(value * value);
  Inputs found = gradient((written * w).sum(), {base, value});
  CHECK(values(found[0]) == Numbers{1, 0, 3, 4, 0, 6});
  CHECK(values(found[1]) == Numbers{70, 32});
  Tensor twice = Tensor(
      make(Op::Assign, {written.uop(), written.slice(0, 0, 1).uop(), base.slice(0, 1, 2).uop()}));
  found = gradient((twice * w).sum(), {base, value});
  CHECK(values(found[0]) == Numbers{0, 0, 0, 5, 2, 9});
  CHECK(values(found[1]) == Numbers{70, 0});
}

TEST_CASE("inputs in the middle of the graph, twice, and the loss itself") {
  Tensor x = row({1, 2});
  Tensor h = x * x;
  Inputs found = gradient((h * h).sum(), {h, x, h});
  CHECK(values(found[0]) == Numbers{2, 8});
  CHECK(values(found[1]) == Numbers{4, 32});
  CHECK(found[2].uop() == found[0].uop());
  CHECK(values(gradient(h.sum(), {h.sum()})[0]) == Numbers{1});
  CHECK(values(gradient(x.sum().reshape({1, 1}), {x})[0]) == Numbers{1, 1});
  CHECK(values(gradient(h, row({3, 5}), {x})[0]) == Numbers{6, 20});
}

TEST_CASE("only what lies between an input and the loss is walked") {
  Tensor x = row({1, 2});
  Tensor w = row({3, 4});
  UOp g = gradient((x.exp().sin() * w).sum(), {w})[0].uop();
  UOp expected = (Tensor::full({}, 1, f64).reshape({1}).expand({2}) * x.exp().sin()).uop();
  CHECK(g == expected);
}

TEST_CASE("a chain of 100,000 nodes") {
  Tensor x = row({1});
  Tensor y = x;
  for (int i = 0; i < 50'000; ++i) y = -y + x;
  CHECK(values(gradient(y, {x})[0]) == Numbers{1});
}

TEST_CASE("what gradient refuses") {
  Tensor x = sample({2, 3}, 24);
  Tensor ids = Tensor::from(std::vector<int32_t>{1, 2}, {2});
  auto text = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.text();
    }
    return "";
  };
  CHECK(text([&] { gradient(x, {x}); }) ==
        "gradient: the loss of shape (2, 3) is not one number, take its sum()");
  CHECK(text([&] { gradient(ids.sum(), {x}); }) ==
        "gradient: what is differentiated is of i32, not of floats");
  CHECK(text([&] { gradient(x.sum(), {x, ids}); }) == "gradient: input 1 is of i32, not of floats");
  CHECK(text([&] { gradient(x.sum(), {Tensor::ones({3}, f64)}); }) ==
        "gradient: input 0 is a constant, and equal constants are one node: realize() it first");
  CHECK(text([&] { gradient(x, x.sum({0}), {x}); }) ==
        "gradient: the upstream gradient is f64 (3), not f64 (2, 3) as the output");
}

TEST_CASE("every op of a tensor graph stands in the table of gradients") {
  int n_rules = 0;
  for (int i = 0; i < n_ops; ++i) {
    CAPTURE(info(Op(i)).name);
    bool in_tensors = info(Op(i)).stages & uint8_t(Stage::Tensor);
    CHECK(differentiable(Op(i)).has_value() == in_tensors);
    n_rules += differentiable(Op(i)).value_or(false);
  }
  CHECK(n_rules == 19);
}
