// Shapes at the edge: nothing at all, a single number, and what is made of them. Every case is
// computed from the definitions (naive.h), by INTERP and by CPU, and rendered for all targets.
#include <doctest/doctest.h>

#include <functional>

#include "cases/cases.h"
#include "codegen/render.h"
#include "core/error.h"
#include "runtimes/borrowed_code.h"
#include "runtimes/realize.h"
#include "support/naive.h"

namespace niwaki::test {
namespace {

struct Row {
  const char* name;
  const char* shape;
  std::function<Tensor()> make;
};

Tensor none(std::vector<int64_t> shape) { return Tensor::from(std::vector<float>{}, shape); }
Tensor scalar(float v) { return Tensor::from(std::vector<float>{v}, {}); }
Tensor row(std::vector<int64_t> values) {
  int64_t n = int64_t(values.size());
  return Tensor::from(values, {n});
}

const std::vector<Row>& rows() {
  static const std::vector<Row> list = {
      // creation
      {"from", "(0, 3)",
       [] {
         return none({0, 3});
       }},
      {"full", "(0)", [] { return Tensor::full({0}, 7); }},
      {"zeros", "(2, 0, 3)",
       [] {
         return Tensor::zeros({2, 0, 3}, i32);
       }},
      {"empty", "(0)", [] { return Tensor::empty({0}, boolean); }},
      {"arange", "(0)", [] { return Tensor::arange(0); }},
      {"arange of one", "(1)", [] { return Tensor::arange(1); }},
      {"a stored constant", "(0)", [] { return Tensor::full({0}, 7).contiguous() + 1; }},
      // movement
      {"reshape", "(3, 0, 5)",
       [] {
         return none({0, 3}).reshape({3, 0, 5});
       }},
      {"reshape to one dim", "(0)",
       [] {
         return none({2, 0, 3}).reshape({-1}) * 2;
       }},
      {"reshape with -1", "(0, 3)",
       [] {
         return none({3, 0}).reshape({-1, 3}) + 1;
       }},
      {"permute", "(0, 4, 3)",
       [] {
         return none({3, 4, 0}).permute({2, 1, 0}) + 1;
       }},
      {"expand", "(0, 5)",
       [] {
         return none({0, 1}).expand({0, 5}) + 1;
       }},
      {"expand of something", "(3, 0)",
       [] {
         return input({3, 1}, 1).expand({3, 0}) + 1;
       }},
      {"flip", "(0, 3)",
       [] {
         return none({0, 3}).flip({0, 1}) + 1;
       }},
      {"shrink", "(4, 0)",
       [] {
         return input({4, 8}, 1).narrow(1, 3, 0) + 1;
       }},
      {"shrink at the end", "(0)", [] { return input({4}, 1).slice(0, 4, 4) + 1; }},
      {"pad", "(5)",
       [] {
         return none({0}).pad({{2, 3}}) + 1;
       }},
      {"pad of one dim of two", "(4, 3)",
       [] {
         return none({0, 3}).pad({{4, 0}, {0, 0}});
       }},
      {"pad that stays empty", "(0, 5)",
       [] {
         return none({0, 3}).pad({{0, 0}, {1, 1}});
       }},
      {"pad of a computed nothing", "(2, 3)",
       [] {
         return (none({0, 3}) * 2.0).exp().pad({{1, 1}, {0, 0}}) + input({2, 3}, 1);
       }},
      {"cat with nothing", "(6)",
       [] {
         return cat({none({0}), input({2}, 1), none({0}), input({4}, 2), none({0})}, 0);
       }},
      {"cat of nothings", "(0, 2)",
       [] {
         return cat({none({0, 2}), none({0, 2})}, 0) + 1;
       }},
      {"cat along another axis", "(0, 5)",
       [] {
         return cat({none({0, 2}), none({0, 3})}, 1);
       }},
      {"bitcast", "(0, 8)",
       [] {
         return none({0, 2}).bitcast(u8) + 1;
       }},
      {"bitcast to wider", "(3, 0)",
       [] {
         return Tensor::zeros({3, 0}, u8).bitcast(f32) + 1;
       }},
      // elementwise
      {"add", "(0, 3)",
       [] {
         return none({0, 3}) + none({0, 3});
       }},
      {"broadcast with one row", "(0, 3)",
       [] {
         return none({0, 3}) * input({1, 3}, 1);
       }},
      {"broadcast with a scalar", "(0)", [] { return none({0}).exp() + scalar(1); }},
      {"where", "(0)", [] { return where(none({0}) < 1, none({0}), 3); }},
      {"cast", "(0)", [] { return none({0}).cast(i8).cast(f64); }},
      // reductions
      {"sum", "()", [] { return none({0}).sum(); }},
      {"sum along the empty axis", "(3)",
       [] {
         return none({0, 3}).sum({0});
       }},
      {"sum along the other axis", "(0)",
       [] {
         return none({0, 3}).sum({1});
       }},
      {"sum over both", "()",
       [] {
         return none({0, 3}).sum() + 2;
       }},
      {"sum that keeps its axis", "(2, 1, 3)",
       [] {
         return none({2, 0, 3}).sum({1}, true);
       }},
      {"prod", "(4)",
       [] {
         return none({4, 0}).prod({1}) * 3;
       }},
      {"prod of bools", "()", [] { return Tensor::empty({0}, boolean).prod(); }},
      {"max into nothing", "(0)",
       [] {
         return none({0, 3}).max({1});
       }},
      {"max along an empty axis into nothing", "(0)",
       [] {
         return none({0, 0}).max({1});
       }},
      {"min into nothing", "(0)",
       [] {
         return Tensor::zeros({0, 3}, u8).min({1});
       }},
      {"mean", "(3)",
       [] {
         return none({0, 3}).mean({0});
       }},
      {"argmax into nothing", "(0)",
       [] {
         return none({0, 3}).argmax(1);
       }},
      {"sum of a computed nothing", "(3)",
       [] {
         return (none({0, 3}).exp() * 2.0).contiguous().sum({0}) + input({3}, 1);
       }},
      // compositions
      {"matmul over nothing", "(8, 8)",
       [] {
         return none({8, 0}).matmul(none({0, 8}));
       }},
      {"matmul of no rows", "(0, 4)",
       [] {
         return none({0, 5}).matmul(input({5, 4}, 1));
       }},
      {"matmul of no columns", "(3, 0)",
       [] {
         return input({3, 5}, 1).matmul(none({5, 0}));
       }},
      {"matmul of no batches", "(0, 2, 4)",
       [] {
         return none({0, 2, 3}).matmul(input({3, 4}, 1));
       }},
      {"linear", "(2, 3)",
       [] {
         return none({2, 0}).linear(none({3, 0}));
       }},
      {"softmax", "(0, 4)",
       [] {
         return none({0, 4}).softmax();
       }},
      {"softmax along another axis", "(4, 0)",
       [] {
         return none({4, 0}).softmax(0);
       }},
      {"rms_norm", "(0, 4)",
       [] {
         return none({0, 4}).rms_norm(input({4}, 1), 1e-6);
       }},
      {"layer_norm", "(0, 4)",
       [] {
         return none({0, 4}).layer_norm(1e-6);
       }},
      {"embedding of no ids", "(0, 4)",
       [] {
         return input({5, 4}, 1).embedding(row({}));
       }},
      {"embedding in no table", "(3, 4)",
       [] {
         return none({0, 4}).embedding(row({0, 1, -1}));
       }},
      {"embedding of no width", "(3, 0)",
       [] {
         return none({5, 0}).embedding(row({0, 1, 9}));
       }},
      // memory
      {"contiguous", "(0)", [] { return none({0}).contiguous() + 1; }},
      {"assign nothing", "(4)",
       [] { return input({4}, 1).assign(input({4}, 1)).narrow(0, 0, 4) + 1; }},
      {"assign to an empty view", "(4)",
       [] {
         Tensor x = input({4}, 1);
         return x.narrow(0, 2, 0).assign(none({0})) + 1;
       }},
      {"assign to nothing", "(0)", [] { return none({0}).assign(none({0})); }},
      // scalars
      {"a scalar", "()", [] { return scalar(3); }},
      {"arithmetic", "()", [] { return scalar(3) * 2 + scalar(4); }},
      {"reshape to a scalar", "()",
       [] {
         return input({1, 1}, 1).reshape({}) + 1;
       }},
      {"reshape of a scalar", "(1, 1)",
       [] {
         return scalar(3).reshape({1, -1});
       }},
      {"expand of a scalar", "(2, 3)",
       [] {
         return scalar(3).expand({2, 3}) + 1;
       }},
      {"permute of a scalar", "()", [] { return scalar(3).permute({}) + 1; }},
      {"pad of a scalar", "()", [] { return scalar(3).pad({}) + 1; }},
      {"sum of a scalar", "()", [] { return scalar(3).sum() + scalar(3).max(); }},
      {"mean of a scalar", "()", [] { return scalar(3).mean(); }},
      {"where of scalars", "()", [] { return where(scalar(3) < 4, scalar(1), scalar(2)); }},
      {"bitcast of a scalar", "()", [] { return scalar(3).bitcast(i32); }},
      {"cast of a scalar", "()", [] { return scalar(300).cast(u8); }},
      {"contiguous scalar", "()", [] { return (scalar(3) + 1).contiguous() * 2; }},
      {"assign to a scalar", "()", [] { return scalar(3).assign(scalar(5)) + 1; }},
      {"unsqueeze of a scalar", "(1)", [] { return scalar(3).unsqueeze(0) + 1; }},
      {"embedding of one id", "(4)",
       [] {
         return input({5, 4}, 1).embedding(Tensor::from(std::vector<int64_t>{2}, {}));
       }},
  };
  return list;
}

std::vector<Value> values_of(const Buffer& b) {
  std::vector<Value> found;
  for (int64_t i = 0; i < b.size(); ++i) {
    found.push_back(load_value(b.dtype, static_cast<char*>(b.data) + i * byte_size(b.dtype)));
  }
  return found;
}

}  // namespace

TEST_CASE("shapes of size 0 and of rank 0, op by op") {
  BorrowedCode vectors("llvm");
  BorrowedCode grid("cuda");
  BorrowedCode scalars("c");
  for (const Row& row : rows()) {
    CAPTURE(row.name);
    Tensor expected = row.make();
    CHECK(to_string(expected.shape()) == row.shape);
    NaiveTensor naive = evaluate(expected.uop());
    for (Device* d : {&device("INTERP"), &device("CPU"), static_cast<Device*>(&vectors),
                      static_cast<Device*>(&grid), static_cast<Device*>(&scalars)}) {
      // Made anew: an assign writes its buffer.
      Tensor x = row.make();
      Tensor stored = realize(x, {}, *d);
      const Buffer& b = *stored.uop()->get<BufferRef>();
      CHECK(b.data != nullptr);
      CHECK(b.dtype == naive.dtype);
      CHECK(stored.shape() == expected.shape());
      std::vector<Value> found = values_of(b);
      REQUIRE(found.size() == naive.values.size());
      for (size_t i = 0; i < found.size(); ++i) {
        bool close = is_float(b.dtype)
                         ? found[i].f == doctest::Approx(naive.values[i].f).epsilon(2e-6) ||
                               (std::isnan(found[i].f) && std::isnan(naive.values[i].f))
                         : found[i].i == naive.values[i].i;
        if (!close) FAIL_CHECK("element ", i, " on ", d->target().name);
      }
    }
    for (const std::string& name : target_names()) {
      if (name == "interp") continue;
      for (const Kernel& kernel : schedule({row.make().uop()}).kernels) {
        CHECK(!render(lower(kernel.ast, target_of(name)), target_of(name), "kernel").empty());
      }
    }
  }
}

TEST_CASE("where there is nothing to write, nothing is launched") {
  CHECK(schedule({(none({0, 3}) + 1).uop()}).kernels.empty());
  CHECK(schedule({none({0, 3}).exp().contiguous().sum({1}).uop()}).kernels.empty());
  CHECK(schedule({none({0, 3}).exp().contiguous().sum({0}).uop()}).kernels.size() == 1);
}

TEST_CASE("the greatest of nothing is an error, unless nobody asks for it") {
  CHECK_THROWS_WITH_AS(none({4, 0}).max({1}), "max: no elements along axis 1: (4, 0)", Error);
  CHECK_THROWS_WITH_AS(none({4, 0}).min({-1}), "max: no elements along axis 1: (4, 0)", Error);
  CHECK_THROWS_WITH_AS(none({0}).max(), "max: no elements along axis 0: (0)", Error);
}

}  // namespace niwaki::test
