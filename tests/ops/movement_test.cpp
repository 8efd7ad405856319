// Movement: chains of reshape, permute, expand, pad, shrink and flip, checked element by element
// against an index computed by hand, and against themselves after the movement rules.
#include <doctest/doctest.h>

#include <numeric>
#include <set>

#include "core/text.h"
#include "ops/rules.h"
#include "ops/tensor.h"
#include "tests/support/naive.h"
#include "tests/support/random_expression.h"

using namespace niwaki;

namespace {

std::vector<int64_t> dims_of(const Tensor& t) {
  std::vector<int64_t> dims;
  for (const UOp& dim : t.shape()) dims.push_back(*const_int(dim));
  return dims;
}

int64_t product(const std::vector<int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t(1), std::multiplies<>());
}

Dims as_dims(const std::vector<int64_t>& dims) { return Dims(dims.begin(), dims.end()); }

// A tensor beside what it must be: its elements, found by plain loops as it was moved.
struct Pair {
  Tensor tensor;
  std::vector<double> values;
};

// Each element of `to` is the element of the old values at `from(position)`, or 0 where that is -1.
template <class From>
std::vector<double> moved(const std::vector<double>& values, const std::vector<int64_t>& to,
                          From from) {
  std::vector<double> found;
  for (int64_t flat = 0; flat < product(to); ++flat) {
    std::vector<int64_t> at(to.size());
    int64_t rest = flat;
    for (size_t d = to.size(); d-- > 0;) {
      at[d] = rest % to[d];
      rest /= to[d];
    }
    int64_t source = from(at);
    found.push_back(source < 0 ? 0 : values[size_t(source)]);
  }
  return found;
}

int64_t flat_index(const std::vector<int64_t>& at, const std::vector<int64_t>& dims) {
  int64_t flat = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (at[d] < 0 || at[d] >= dims[d]) return -1;
    flat = flat * dims[d] + at[d];
  }
  return flat;
}

Pair random_step(RandomExpressions& random, const Pair& x) {
  std::vector<int64_t> dims = dims_of(x.tensor);
  auto some = [&](int64_t n) { return random.below(n); };
  switch (some(7)) {
    case 0: {
      int64_t n = product(dims);
      std::vector<int64_t> to;
      for (int64_t d : {2, 3, 2, 1}) {
        if (random.chance(60) && n % d == 0) {
          to.push_back(d);
          n /= d;
        }
      }
      to.insert(to.begin() + some(int64_t(to.size()) + 1), n);
      return {x.tensor.reshape(as_dims(to)), x.values};
    }
    case 1: {
      Axes order(dims.size());
      std::iota(order.begin(), order.end(), 0);
      for (size_t d = 1; d < order.size(); ++d) {
        std::swap(order[d], order[size_t(some(int64_t(d) + 1))]);
      }
      if (random.chance(20)) std::iota(order.begin(), order.end(), 0);
      Tensor t = x.tensor.permute(order);
      return {t, moved(x.values, dims_of(t), [&](const std::vector<int64_t>& at) {
                std::vector<int64_t> from(dims.size());
                for (size_t d = 0; d < dims.size(); ++d) from[size_t(order[d])] = at[d];
                return flat_index(from, dims);
              })};
    }
    case 2: {
      std::vector<int64_t> to = dims;
      for (int64_t& d : to) {
        if (d == 1) d = 1 + some(3);
      }
      return {x.tensor.expand(as_dims(to)), moved(x.values, to, [&](std::vector<int64_t> at) {
                for (size_t d = 0; d < dims.size(); ++d) at[d] = dims[d] == 1 ? 0 : at[d];
                return flat_index(at, dims);
              })};
    }
    case 3: {
      std::vector<std::pair<Dim, Dim>> widths;
      std::vector<int64_t> before;
      for (size_t d = 0; d < dims.size(); ++d) {
        before.push_back(random.chance(70) ? 0 : some(3));
        widths.push_back({Dim(before[d]), Dim(random.chance(70) ? 0 : some(3))});
      }
      Tensor t = x.tensor.pad(widths);
      return {t, moved(x.values, dims_of(t), [&](std::vector<int64_t> at) {
                for (size_t d = 0; d < dims.size(); ++d) at[d] -= before[d];
                return flat_index(at, dims);
              })};
    }
    case 4: {
      if (dims.empty()) return x;
      int64_t axis = some(int64_t(dims.size()));
      int64_t start = some(dims[size_t(axis)]);
      int64_t size = 1 + some(dims[size_t(axis)] - start);
      Tensor t = x.tensor.narrow(axis, start, size);
      return {t, moved(x.values, dims_of(t), [&](std::vector<int64_t> at) {
                at[size_t(axis)] += start;
                return flat_index(at, dims);
              })};
    }
    case 5: {
      if (dims.empty()) return x;
      int64_t axis = some(int64_t(dims.size()));
      return {x.tensor.flip({axis}), moved(x.values, dims, [&](std::vector<int64_t> at) {
                at[size_t(axis)] = dims[size_t(axis)] - 1 - at[size_t(axis)];
                return flat_index(at, dims);
              })};
    }
    default: {
      int64_t axis = some(int64_t(dims.size()) + 1);
      return {x.tensor.unsqueeze(axis), x.values};
    }
  }
}

Pair start(RandomExpressions& random) {
  std::vector<int64_t> dims;
  for (int64_t d = random.below(3) + 1; d > 0; --d) dims.push_back(1 + random.below(4));
  std::vector<float> values(size_t(product(dims)));
  std::iota(values.begin(), values.end(), 1.0f);
  return {Tensor::from(values, dims), std::vector<double>(values.begin(), values.end())};
}

}  // namespace

TEST_CASE("random movement chains: element by element, and the same after the rules") {
  std::set<std::string> fired;
  for (int64_t seed = 0; seed < 1'500; ++seed) {
    RandomExpressions random{uint64_t(seed)};
    Pair x = start(random);
    for (int64_t step = 1 + random.below(6); step > 0 && x.values.size() < 500; --step) {
      x = random_step(random, x);
    }
    UOp u = x.tensor.uop();
    RewriteTrace trace;
    UOp simpler = graph_rewrite(u, movement_rules());
    for (const RewriteStep& step : trace.steps) fired.insert(step.rule);
    bool moved_right = evaluate(u).numbers() == x.values;
    bool same = simpler->shape == u->shape && evaluate(simpler).numbers() == x.values;
    bool settled = graph_rewrite(simpler, movement_rules()) == simpler;
    bool smaller = toposort(simpler).size() <= toposort(u).size();
    if (moved_right && same && settled && smaller) continue;
    FAIL("seed ", seed, ": ", moved_right, same, settled, smaller, "\n", print(u), "became\n",
         print(simpler));
  }
  CHECK(fired.size() == movement_rules().all().size());
}

TEST_CASE("what the movement rules remove") {
  Tensor x = Tensor::empty({4, 8});
  auto simpler = [](const Tensor& t) { return graph_rewrite(t.uop(), movement_rules()); };
  CHECK(simpler(x.reshape({4, 8})) == x.uop());
  CHECK(simpler(x.reshape({32}).reshape({2, 16})) == x.reshape({2, 16}).uop());
  CHECK(simpler(x.reshape({32}).reshape({4, 8})) == x.uop());
  CHECK(simpler(x.permute({1, 0}).permute({1, 0})) == x.uop());
  CHECK(simpler(x.reshape({2, 2, 8}).permute({2, 0, 1}).permute({2, 0, 1})) ==
        x.reshape({2, 2, 8}).permute({1, 2, 0}).uop());
  CHECK(simpler(x.permute({0, 1})) == x.uop());
  CHECK(simpler(x.pad({{0, 0}, {0, 0}})) == x.uop());
  CHECK(simpler(x.narrow(0, 0, 4)) == x.uop());
  CHECK(simpler(Tensor(make(Op::Expand, {x.uop(), index(4), index(8)}))) == x.uop());
  Tensor kept = x.flip({0}).pad({{1, 0}, {0, 0}}).narrow(0, 1, 2);
  CHECK(simpler(kept) == kept.uop());
}

TEST_CASE("movement with symbolic dims, for every value of the variable") {
  UOp n = variable("n", 1, 4);
  Tensor x = Tensor::arange(24).reshape({4, 6});
  Tensor rows = x.slice(0, 0, n);
  Tensor last = rows.narrow(0, dim_sub(n, index(1)), 1).reshape({6});
  Tensor padded = rows.pad({{1, 0}, {0, 0}}).reshape({-1, 2, 3});
  Tensor turned = rows.transpose().flip({1});
  for (int64_t v = 1; v <= 4; ++v) {
    NaiveVariables at = {{"n", v}};
    NaiveTensor found = evaluate(rows.uop(), at);
    CHECK(found.shape == std::vector<int64_t>{v, 6});
    CHECK(found.numbers().size() == size_t(v * 6));
    CHECK(evaluate(last.uop(), at).numbers()[0] == double(6 * (v - 1)));
    CHECK(evaluate(padded.uop(), at).shape == std::vector<int64_t>{v + 1, 2, 3});
    CHECK(evaluate(padded.uop(), at).numbers()[6] == 0);
    CHECK(evaluate(turned.uop(), at).numbers()[0] == double(6 * (v - 1)));
    CHECK(evaluate(graph_rewrite(turned.uop(), movement_rules()), at).numbers() ==
          evaluate(turned.uop(), at).numbers());
  }
}
