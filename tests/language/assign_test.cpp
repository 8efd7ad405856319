// Writing in place. Each program of reads and writes gives what plain loops give that run its lines
// in order, or an Error: never something else. A tensor is the memory it was made from until an
// assign() of it; what assign() returns is that memory from then on.
#include <doctest/doctest.h>

#include <functional>
#include <limits>

#include "core/error.h"
#include "runtimes/realize.h"

using namespace niwaki;

namespace {

constexpr int64_t n = 4;
using M = std::vector<float>;  // n x n
using Ms = std::vector<M>;
using Tensors = std::vector<Tensor>;

float& at(M& m, int64_t i, int64_t j) { return m[size_t(i * n + j)]; }

template <class F>
M made(F f) {
  M m(n * n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) at(m, i, j) = float(f(i, j));
  }
  return m;
}

float total(const M& m) {
  float sum = 0;
  for (float v : m) sum += v;
  return sum;
}

// Three buffers; the tensors a program realizes, and what plain loops make of the buffers and give
// for each of these tensors.
struct Script {
  const char* name;
  std::function<Tensors(Tensor a, Tensor b, Tensor c)> run;
  std::function<Ms(M& a, M& b, M& c)> plain;
};

M after(M& target, const M& value) { return target = value; }

const std::vector<Script>& scripts() {
  static const Index all;
  static const Index back(open, open, -1);
  static const Index even(0, open, 2);
  static const Index odd(1, open, 2);
  static const std::vector<Script> rows = {
      {"simple", [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign(b)}; },
       [](M& a, M& b, M&) { return Ms{after(a, b)}; }},
      {"a number", [](Tensor a, Tensor, Tensor) { return Tensors{a.assign(3)}; },
       [](M& a, M&, M&) { return Ms{after(a, M(n * n, 3))}; }},
      {"onto itself", [](Tensor a, Tensor, Tensor) { return Tensors{a.assign(a)}; },
       [](M& a, M&, M&) { return Ms{a}; }},
      {"in place", [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign(a * 2 + b)}; },
       [](M& a, M& b, M&) {
         return Ms{after(a, made([&](auto i, auto j) { return at(a, i, j) * 2 + at(b, i, j); }))};
       }},
      {"double", [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign(b).assign(7)}; },
       [](M& a, M&, M&) { return Ms{after(a, M(n * n, 7))}; }},
      {"double, the first one read",
       [](Tensor a, Tensor b, Tensor) {
         Tensor first = a.assign(b + 1);
         return Tensors{first.assign(first * first)};
       },
       [](M& a, M& b, M&) {
         return Ms{
             after(a, made([&](auto i, auto j) { return (at(b, i, j) + 1) * (at(b, i, j) + 1); }))};
       }},
      {"a broadcast row",
       [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign(b.slice({1}))}; },
       [](M& a, M& b, M&) {
         return Ms{after(a, made([&](auto, auto j) { return at(b, 1, j); }))};
       }},
      {"the transpose of itself",
       [](Tensor a, Tensor, Tensor) { return Tensors{a.assign(a.transpose())}; },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, j, i); }))};
       }},
      {"through a transpose",
       [](Tensor a, Tensor b, Tensor) { return Tensors{a.transpose().assign(b)}; },
       [](M& a, M& b, M&) {
         return Ms{after(a, made([&](auto i, auto j) { return at(b, j, i); }))};
       }},
      {"through a transpose, itself",
       [](Tensor a, Tensor, Tensor) { return Tensors{a.transpose().assign(a)}; },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, j, i); }))};
       }},
      {"the flip of itself",
       [](Tensor a, Tensor, Tensor) { return Tensors{a.slice({back}).assign(a)}; },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, 3 - i, j); }))};
       }},
      {"through a permuted slice",
       [](Tensor a, Tensor b, Tensor) {
         return Tensors{a.slice({{1, 3}}).transpose().assign(b.slice({all, {0, 2}}))};
       },
       [](M& a, M& b, M&) {
         for (int64_t i = 0; i < n; ++i) {
           for (int64_t j = 0; j < 2; ++j) at(a, 1 + j, i) = at(b, i, j);
         }
         return Ms{a};
       }},
      {"a position",
       [](Tensor a, Tensor, Tensor) {
         return Tensors{a.slice({2, -1}).assign(9)};
       },
       [](M& a, M&, M&) {
         at(a, 2, 3) = 9;
         return Ms{a};
       }},
      {"even rows, odd columns",
       [](Tensor a, Tensor b, Tensor) {
         return Tensors{a.slice({even, odd}).assign(b.slice({odd, even}))};
       },
       [](M& a, M& b, M&) {
         for (int64_t i : {0, 2}) {
           for (int64_t j : {1, 3}) at(a, i, j) = at(b, i + 1, j - 1);
         }
         return Ms{a};
       }},
      {"the diagonal", [](Tensor a, Tensor, Tensor) { return Tensors{a.diagonal().assign(-1)}; },
       [](M& a, M&, M&) {
         for (int64_t i = 0; i < n; ++i) at(a, i, i) = -1;
         return Ms{a};
       }},
      {"nothing",
       [](Tensor a, Tensor, Tensor) {
         return Tensors{a.slice({{2, 2}}).assign(9)};
       },
       [](M& a, M&, M&) { return Ms{a}; }},
      {"many slices",
       [](Tensor a, Tensor b, Tensor) {
         for (int64_t i = 0; i < n; ++i) a = a.slice({i}).assign(b.slice({3 - i}) * i);
         return Tensors{a};
       },
       [](M& a, M& b, M&) {
         for (int64_t i = 0; i < n; ++i) {
           for (int64_t j = 0; j < n; ++j) at(a, i, j) = at(b, 3 - i, j) * float(i);
         }
         return Ms{a};
       }},
      {"slices that overlap, forward",
       [](Tensor a, Tensor, Tensor) {
         return Tensors{a.slice({{0, 3}}).assign(a.slice({{1, 4}}))};
       },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, i < 3 ? i + 1 : i, j); }))};
       }},
      {"slices that overlap, reverse",
       [](Tensor a, Tensor, Tensor) {
         return Tensors{a.slice({{1, 4}}).assign(a.slice({{0, 3}}))};
       },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, i > 0 ? i - 1 : i, j); }))};
       }},
      {"a running write: each row from the one before",
       [](Tensor a, Tensor, Tensor) {
         for (int64_t i = 1; i < n; ++i) a = a.slice({i}).assign(a.slice({i - 1}) + 1);
         return Tensors{a};
       },
       [](M& a, M&, M&) {
         for (int64_t i = 1; i < n; ++i) {
           for (int64_t j = 0; j < n; ++j) at(a, i, j) = at(a, i - 1, j) + 1;
         }
         return Ms{a};
       }},
      {"diamond",
       [](Tensor a, Tensor b, Tensor) {
         Tensor written = a.assign(a + b);
         return Tensors{(written + 1) * (written + 2)};
       },
       [](M& a, M& b, M&) {
         after(a, made([&](auto i, auto j) { return at(a, i, j) + at(b, i, j); }));
         return Ms{made([&](auto i, auto j) { return (at(a, i, j) + 1) * (at(a, i, j) + 2); })};
       }},
      {"a diamond of writes",
       [](Tensor a, Tensor b, Tensor c) {
         Tensor root = a.assign(a + 1);
         return Tensors{b.assign(root * 2) + c.assign(root * 3)};
       },
       [](M& a, M& b, M& c) {
         for (float& v : a) v += 1;
         for (size_t i = 0; i < a.size(); ++i) {
           b[i] = a[i] * 2;
           c[i] = a[i] * 3;
         }
         return Ms{made([&](auto i, auto j) { return at(b, i, j) + at(c, i, j); })};
       }},
      {"read, then written",
       [](Tensor a, Tensor, Tensor) {
         return Tensors{a.sum(), a.assign(0)};
       },
       [](M& a, M&, M&) {
         float sum = total(a);
         return Ms{M{sum}, after(a, M(n * n, 0))};
       }},
      {"read twice, then written",
       [](Tensor a, Tensor b, Tensor) {
         return Tensors{(a * b).sum(), a.assign(b), a.transpose() + b};
       },
       [](M& a, M& b, M&) {
         float sum = 0;
         for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
         M moved = made([&](auto i, auto j) { return at(a, j, i) + at(b, i, j); });
         return Ms{M{sum}, after(a, b), moved};
       }},
      {"written, then read",
       [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign(b + 1).sum()}; },
       [](M& a, M& b, M&) {
         after(a, made([&](auto i, auto j) { return at(b, i, j) + 1; }));
         return Ms{M{total(a)}};
       }},
      {"before and after",
       [](Tensor a, Tensor b, Tensor) {
         Tensor before = a.sum();
         Tensor written = a.slice({0}).assign(b.slice({0}));
         return Tensors{before, written.sum(), written.sum() - before};
       },
       [](M& a, M& b, M&) {
         float before = total(a);
         for (int64_t j = 0; j < n; ++j) at(a, 0, j) = at(b, 0, j);
         return Ms{M{before}, M{total(a)}, M{total(a) - before}};
       }},
      {"reads and writes in turn",
       [](Tensor a, Tensor, Tensor) {
         Tensor first = a.assign(a + 1);
         Tensor second = first.assign(first * 2);
         return Tensors{a.sum(), first.sum(), second.sum()};
       },
       [](M& a, M&, M&) {
         float zeroth = total(a);
         for (float& v : a) v += 1;
         float first = total(a);
         for (float& v : a) v *= 2;
         return Ms{M{zeroth}, M{first}, M{total(a)}};
       }},
      {"crossunder: each from the other, in order",
       [](Tensor a, Tensor b, Tensor) {
         Tensor first = a.assign(b + 1);
         return Tensors{first * 1, b.assign(first * 2)};
       },
       [](M& a, M& b, M&) {
         for (size_t i = 0; i < a.size(); ++i) a[i] = b[i] + 1;
         for (size_t i = 0; i < a.size(); ++i) b[i] = a[i] * 2;
         return Ms{a, b};
       }},
      {"crossover, with a copy",
       [](Tensor a, Tensor b, Tensor) {
         return Tensors{b.assign(a.contiguous()), a.assign(b.contiguous())};
       },
       [](M& a, M& b, M&) {
         std::swap(a, b);
         return Ms{b, a};
       }},
      {"rows swapped, with copies",
       [](Tensor a, Tensor, Tensor) {
         Tensor first = a.slice({{0, 2}}).contiguous();
         Tensor second = a.slice({{2, 4}}).contiguous();
         return Tensors{a.slice({{0, 2}}).assign(second).slice({{2, 4}}).assign(first)};
       },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, (i + 2) % 4, j); }))};
       }},
      {"rows swapped in one write",
       [](Tensor a, Tensor, Tensor) { return Tensors{a.assign(a.roll({2}, {0}))}; },
       [](M& a, M&, M&) {
         M old = a;
         return Ms{after(a, made([&](auto i, auto j) { return at(old, (i + 2) % 4, j); }))};
       }},
      {"a chain of three buffers",
       [](Tensor a, Tensor b, Tensor c) {
         return Tensors{a.assign(c.assign(b.assign(a + 1) * 2) - 3)};
       },
       [](M& a, M& b, M& c) {
         for (size_t i = 0; i < a.size(); ++i) {
           b[i] = a[i] + 1;
           c[i] = b[i] * 2;
           a[i] = c[i] - 3;
         }
         return Ms{a};
       }},
      {"a product of itself",
       [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign(a.matmul(b) + a)}; },
       [](M& a, M& b, M&) {
         M old = a;
         for (int64_t i = 0; i < n; ++i) {
           for (int64_t j = 0; j < n; ++j) {
             for (int64_t k = 0; k < n; ++k) at(a, i, j) += at(old, i, k) * at(b, k, j);
           }
         }
         return Ms{a};
       }},
      {"less its mean",
       [](Tensor a, Tensor, Tensor) { return Tensors{a.assign(a - a.mean({1}, true))}; },
       [](M& a, M&, M&) {
         for (int64_t i = 0; i < n; ++i) {
           float sum = 0;
           for (int64_t j = 0; j < n; ++j) sum += at(a, i, j);
           for (int64_t j = 0; j < n; ++j) at(a, i, j) -= sum / n;
         }
         return Ms{a};
       }},
      {"a bitcast value",
       [](Tensor a, Tensor b, Tensor) {
         return Tensors{
             a.assign((b.bitcast(i32) ^ std::numeric_limits<int32_t>::min()).bitcast(f32))};
       },
       [](M& a, M& b, M&) {
         return Ms{after(a, made([&](auto i, auto j) { return -at(b, i, j); }))};
       }},
      {"another dtype is converted",
       [](Tensor a, Tensor b, Tensor) { return Tensors{a.assign((b * 1.5).cast(u8))}; },
       [](M& a, M& b, M&) {
         return Ms{after(a, made([&](auto i, auto j) { return uint8_t(at(b, i, j) * 1.5f); }))};
       }},
      {"where positions are data",
       [](Tensor a, Tensor b, Tensor) {
         Tensor rows = Tensor::from<int32_t>({3, 1}, {2});
         return Tensors{a.assign(a.set({rows}, b.slice({{0, 2}})))};
       },
       [](M& a, M& b, M&) {
         for (int64_t j = 0; j < n; ++j) {
           at(a, 3, j) = at(b, 0, j);
           at(a, 1, j) = at(b, 1, j);
         }
         return Ms{a};
       }},
  };
  return rows;
}

}  // namespace

TEST_CASE("assign: programs of reads and writes") {
  for (const Script& script : scripts()) {
    for (const char* name : {"INTERP", "CPU"}) {
      INFO(std::string(script.name), " on ", std::string(name));
      M a = made([](auto i, auto j) { return i * n + j; });
      M b = made([](auto i, auto j) { return 100 - 3 * i * n - j; });
      M c = made([](auto, auto) { return -5; });
      Tensor x = Tensor::from(a, {n, n});
      Tensor y = Tensor::from(b, {n, n});
      Tensor z = Tensor::from(c, {n, n});
      Tensors found = realize(script.run(x, y, z), {}, device(name));
      Ms wanted = script.plain(a, b, c);
      REQUIRE(found.size() == wanted.size());
      for (size_t i = 0; i < found.size(); ++i) CHECK(to_vector<float>(found[i]) == wanted[i]);
      CHECK(to_vector<float>(x) == a);
      CHECK(to_vector<float>(y) == b);
      CHECK(to_vector<float>(z) == c);
    }
  }
}

TEST_CASE("assign: refusals") {
  Tensor a = Tensor::empty({4, 4});
  Tensor b = Tensor::empty({4, 4});
  const std::string both =
      "assign: a value is needed both before and after its buffer is written; store a copy with "
      "contiguous()";
  const std::string twice =
      "assign: the same state of a buffer is written over twice: assign the second time to what "
      "the first assign gave";
  struct Refusal {
    std::string text;
    std::function<void()> run;
  };
  const Refusal rows[] = {
      {both,
       [&] {
         realize({a.assign(b), b.assign(a)});
       }},
      {both,
       [&] {
         realize(
             a.slice({{0, 2}}).assign(a.slice({{2, 4}})).slice({{2, 4}}).assign(a.slice({{0, 2}})));
       }},
      {twice,
       [&] {
         realize({a.slice({0}).assign(1), a.slice({1}).assign(2)});
       }},
      {twice,
       [&] {
         realize({a.assign(1), a.assign(2)});
       }},
      {"assign: the target is no buffer", [&] { return (a + b).assign(1); }},
      {"assign: the target is no buffer", [&] { return a.bitcast(i32).assign(1); }},
      {"assign: the target is no buffer", [&] { return a.slice({Tensor::arange(2)}).assign(1); }},
      {"assign: the target is an expand of its buffer: one place for several values",
       [&] {
         realize(a.slice({{0, 1}}).expand({4, 4}).assign(b));
       }},
      {"assign: the target is a pad of its buffer, which has no place to write",
       [&] {
         realize(a.pad({{1, 0}, {0, 0}}).assign(1));
       }},
      {"expand: (3, 4) to (4, 4): only dims of size 1 expand",
       [&] {
         return a.assign(b.slice({{0, 3}}));
       }},
      {"expand: 2 dims for the shape (1, 4, 4)", [&] { return a.assign(b.unsqueeze(0)); }},
      {"assign: the target is constant",
       [&] { return Tensor::view(&a, f32, {1}, nullptr).assign(1); }},
  };
  for (const Refusal& row : rows) {
    INFO(row.text);
    CHECK_THROWS_WITH_AS(row.run(), row.text.c_str(), Error);
  }
}

TEST_CASE("assign: a state that is asked for and written over is copied before") {
  for (const char* name : {"INTERP", "CPU"}) {
    INFO("on ", std::string(name));
    Tensor a = Tensor::from<float>({5, 6}, {2});
    Tensor first = a.assign(a + 1);
    std::vector<Tensor> found = realize({a, first, first.assign(2)}, {}, device(name));
    CHECK(to_vector<float>(found[0]) == std::vector<float>{5, 6});
    CHECK(to_vector<float>(found[1]) == std::vector<float>{6, 7});
    CHECK(to_vector<float>(found[2]) == std::vector<float>{2, 2});
  }
}

TEST_CASE("assign: a cache written at a variable position, read in one step") {
  UOp pos = variable("pos", 0, 3);
  UOp length = dim_add(pos, index(1));
  for (const char* name : {"INTERP", "CPU"}) {
    INFO("on ", std::string(name));
    Tensor cache = Tensor::empty({4, 2});
    Tensor row = Tensor::empty({2});
    Tensor written = cache.slice({pos}).assign(row);
    Replay step({written.slice({{open, length}}).sum({0}), written}, device(name));
    float sums[2] = {};
    for (int64_t at = 0; at < 4; ++at) {
      float* memory = static_cast<float*>(row.uop()->get<BufferRef>()->data);
      for (int64_t j = 0; j < 2; ++j) {
        memory[j] = float(at * 10 + j);
        sums[j] += memory[j];
      }
      step.run({{"pos", at}});
      CHECK(to_vector<float>(step.tensor(0)) == std::vector<float>{sums[0], sums[1]});
    }
    CHECK(to_vector<float>(cache) == std::vector<float>{0, 1, 10, 11, 20, 21, 30, 31});
  }
}

TEST_CASE("assign: a replay writes again at every run") {
  for (const char* name : {"INTERP", "CPU"}) {
    Tensor x = Tensor::from<float>({1, 2}, {2});
    Replay step({x.slice({{open, open, -1}}).assign(x * 2)}, device(name));
    for (int i = 0; i < 3; ++i) step.run();
    CHECK(to_vector<float>(x) == std::vector<float>{16, 8});
  }
}
