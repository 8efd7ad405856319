// Dims that are variables: each graph is built twice, with variables and with numbers. The first is
// compiled once and launched for many values; every time it must have the shape and the values that
// the naive evaluator gives the second.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "cases/cases.h"
#include "core/error.h"
#include "ops/gradient.h"
#include "runtimes/bindings.h"
#include "runtimes/realize.h"
#include "support/naive.h"

namespace niwaki::test {
namespace {

// The leading part of a buffer, row-major.
std::vector<double> leading(const Buffer& b, const std::vector<int64_t>& shape) {
  std::vector<double> found;
  naive::each_position(shape, [&](const std::vector<int64_t>& at) {
    const char* bytes = static_cast<const char*>(b.data);
    Value v = load_value(b.dtype, bytes + naive::offset_of(at, b.shape) * byte_size(b.dtype));
    found.push_back(is_float(b.dtype) ? v.f : double(v.i));
  });
  return found;
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double scale = 1;
  for (double v : expected) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < found.size(); ++i) {
    if (!(std::abs(found[i] - expected[i]) <= 3e-6 * scale)) {
      FAIL_CHECK("element ", i, ": ", found[i], " and not ", expected[i]);
    }
  }
}

// A graph of i in [i_lo, i_hi] and j in [0, 5].
struct Symbolic {
  std::function<Tensor(Dim, Dim)> make;
  int64_t lo = 1;
  int64_t hi = 7;
  /// Writes its inputs, so that every launch needs new ones.
  bool in_place = false;

  void check() const {
    auto build = [&] { return make(Dim(variable("i", lo, hi)), Dim(variable("j", 0, 5))); };
    Tensor symbolic = build();
    bool has_j = !needed({symbolic}, {{"j", 0}}).empty();
    for (std::string name : {"INTERP", "CPU"}) {
      CAPTURE(name);
      Replay replay({symbolic}, device(name));
      for (int64_t i : {hi, lo, (lo + hi) / 2, hi - 1, hi}) {
        for (int64_t j : {3, 0, 5}) {
          if (!has_j && j != 3) continue;
          CAPTURE(i);
          CAPTURE(j);
          Bindings bindings = needed({symbolic}, {{"i", i}, {"j", j}});
          NaiveTensor expected = evaluate(make(Dim(i), Dim(j)).uop());
          if (in_place) replay = Replay({build()}, device(name));
          replay.run(bindings);
          check_close(leading(replay.output(0), expected.shape), expected.numbers());
          if (in_place || i != lo || name != "INTERP") continue;
          // realize() gives the sizes of its bindings, not the greatest.
          Tensor once = realize(symbolic, bindings, device(name));
          CHECK(once.shape() == shape_of(expected.shape));
        }
      }
    }
  }
};

void agrees(std::function<Tensor(Dim, Dim)> make, int64_t lo = 1, int64_t hi = 7,
            bool in_place = false) {
  Symbolic{std::move(make), lo, hi, in_place}.check();
}

// softmax(q k^T / sqrt(d)) v of [b, h, t, d].
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v) {
  double scale = 1 / std::sqrt(double(*const_int(q.dim(-1))));
  return (q.matmul(k.transpose()) * scale).softmax().matmul(v);
}

// The step of a language model: t tokens at pos, keys and values in caches.
Tensor cached(Dim pos, Dim t) {
  UOp seen = dim_add(pos.uop, t.uop);
  Tensor q = input({5, 4, 8}, 1).narrow(0, 0, t);
  Tensor k = input({5, 2, 8}, 2).narrow(0, 0, t);
  Tensor v = input({5, 2, 8}, 3).narrow(0, 0, t);
  Tensor keys = input({12, 2, 8}, 4).narrow(0, pos, t).assign(k).narrow(0, 0, seen);
  Tensor values = input({12, 2, 8}, 5).narrow(0, pos, t).assign(v).narrow(0, 0, seen);
  return attention(q, keys, values, pos);
}

void cached_with(int64_t tokens) {
  agrees([&](Dim pos, Dim) { return cached(pos, Dim(tokens)); }, 0, 7, true);
}

Tensor variance(const Tensor& x, Axes axes) {
  Tensor centred = x - x.mean(axes, true);
  return (centred * centred).mean(axes);
}

}  // namespace

TEST_CASE("negative_slice") {
  agrees([](Dim i, Dim) {
    Tensor x = input({10, 3}, 1).narrow(0, 0, dim_add(i.uop, index(3))) * 2.0;
    return x.slice(0, i, dim_add(i.uop, index(2)));  // x[-3:-1]
  });
  agrees([](Dim i, Dim) { return input({9}, 1).slice(0, dim_sub(index(9), i.uop), 9); });
  agrees([](Dim i, Dim) { return input({9}, 1).slice(0, 0, dim_sub(index(9), i.uop)) + 1; });
}

TEST_CASE("plus1") {
  agrees([](Dim i, Dim) { return input({3, 10}, 1).narrow(1, 0, i) + 1; });
}

TEST_CASE("plus1_pad") {
  agrees([](Dim i, Dim) {
    Tensor x = input({3, 10}, 1).narrow(1, 0, i) + 1;
    return x.pad({{0, 1}, {2, dim_sub(index(10), i.uop)}});
  });
  agrees([](Dim i, Dim j) { return (input({7}, 1).narrow(0, 0, i) + 1).pad({{j, 2}}); });
}

TEST_CASE("add") {
  agrees([](Dim i, Dim) {
    return input({3, 10}, 1).narrow(1, 0, i) + input({3, 10}, 2).narrow(1, 0, i);
  });
}

TEST_CASE("matmul") {
  agrees([](Dim i, Dim) {
    return input({3, 10}, 1).narrow(1, 0, i).matmul(input({10, 5}, 2).narrow(0, 0, i));
  });
  agrees([](Dim i, Dim j) {
    return input({7, 9}, 1).narrow(0, 0, i).matmul(input({9, 5}, 2).narrow(1, 0, j));
  });
}

TEST_CASE("attention") {
  agrees([](Dim i, Dim) {
    Tensor k = input({2, 10, 4, 8}, 2).narrow(1, 0, i).transpose(1, 2);
    Tensor v = input({2, 10, 4, 8}, 3).narrow(1, 0, i).transpose(1, 2);
    return attend(input({2, 1, 4, 8}, 1).transpose(1, 2), k, v);
  });
}

TEST_CASE("attention_cmp_symbolic") {
  // The programs of a symbolic length serve all lengths; those of numbers one each.
  auto make = [](Dim s) {
    Tensor k = input({10, 4, 8}, 2).narrow(0, 0, s);
    return attention(input({1, 4, 8}, 1), k, k, Dim(dim_sub(s.uop, index(1))));
  };
  UOp s = variable("s", 1, 10);
  std::set<const Program*> programs = Replay({make(s)}, device("CPU")).programs();
  for (int64_t n : {1, 4, 10}) {
    Replay again({make(s)}, device("CPU"));
    CHECK(again.programs() == programs);
    again.run({{"s", n}});
    NaiveTensor expected = evaluate(make(n).uop());
    check_close(leading(again.output(0), expected.shape), expected.numbers());
  }
}

TEST_CASE("attention_training") {
  for (int input_number : {0, 1, 2}) {
    agrees([&](Dim i, Dim) {
      std::vector<Tensor> x = {input({7, 2, 4}, 1), input({7, 2, 4}, 2), input({7, 2, 4}, 3)};
      auto some = [&](int n) { return x[size_t(n)].narrow(0, 0, i).transpose(0, 1); };
      Tensor weights = input({2, 7, 4}, 4).narrow(1, 0, i);
      Tensor loss = (attend(some(0), some(1), some(2)) * weights).sum();
      return gradient(loss, {x[size_t(input_number)]})[0];
    });
  }
}

TEST_CASE("sdpa_symbolic_seq_len") {
  agrees([](Dim i, Dim) {
    auto x = [&](uint64_t seed) { return input({2, 4, 10, 8}, seed).narrow(2, 0, i); };
    return attend(x(1), x(2), x(3));
  });
}

TEST_CASE("sdpa_symbolic_seq_len_query_only") {
  agrees([](Dim i, Dim) {
    return attend(input({2, 4, 10, 8}, 1).narrow(2, 0, i), input({2, 4, 6, 8}, 2),
                  input({2, 4, 6, 8}, 3));
  });
}

TEST_CASE("sdpa_symbolic_batch") {
  agrees([](Dim i, Dim) {
    auto x = [&](uint64_t seed) { return input({7, 2, 5, 8}, seed).narrow(0, 0, i); };
    return attend(x(1), x(2), x(3));
  });
}

TEST_CASE("sdpa_symbolic_heads") {
  agrees([](Dim i, Dim) {
    auto x = [&](uint64_t seed) { return input({2, 7, 5, 8}, seed).narrow(1, 0, i); };
    return attend(x(1), x(2), x(3));
  });
}

TEST_CASE("attention_pos_0_sz_0") { cached_with(0); }
TEST_CASE("attention_pos_0_sz_1") { cached_with(1); }
TEST_CASE("attention_pos_0_sz_2") {
  cached_with(2);
  // Any number of tokens, none among them.
  agrees(cached, 0, 7, true);
}

TEST_CASE("cat_dim0") {
  agrees([](Dim i, Dim) { return cat({input({10, 3}, 1).narrow(0, 0, i), input({2, 3}, 2)}, 0); });
  agrees([](Dim i, Dim) {
    return cat({input({2, 3}, 2), input({10, 3}, 1).narrow(0, 0, i)}, 0).sum({0});
  });
}

TEST_CASE("cat_dim1") {
  agrees([](Dim i, Dim) {
    return cat({input({3, 10}, 1).narrow(1, 0, i), input({3, 2}, 2)}, 1) * 2.0;
  });
}

TEST_CASE("cat_dim0_two_vars") {
  agrees([](Dim i, Dim j) {
    return cat({input({7, 3}, 1).narrow(0, 0, i), input({5, 3}, 2).narrow(0, 0, j)}, 0);
  });
}

TEST_CASE("cat_dim1_two_vars") {
  agrees([](Dim i, Dim j) {
    Tensor a = input({3, 7}, 1).narrow(1, 0, i);
    Tensor b = input({3, 5}, 2).narrow(1, 0, j);
    return cat({b, a, b}, 1);
  });
}

TEST_CASE("two_vars_plus1_ij") {
  agrees([](Dim i, Dim j) { return input({7, 5}, 1).narrow(0, 0, i).narrow(1, 0, j) + 1; });
}

TEST_CASE("two_vars_plus1_ji") {
  agrees([](Dim i, Dim j) {
    return (input({7, 5}, 1).narrow(1, 0, j).narrow(0, 0, i).transpose() + 1).reshape({-1});
  });
}

TEST_CASE("reshape_of_two_vars") {
  agrees([](Dim i, Dim j) {
    Tensor x = input({7, 5, 4}, 1).narrow(0, 0, i).narrow(1, 0, j);
    return x.permute({2, 1, 0}).reshape({-1}) * 2.0;
  });
  agrees([](Dim i, Dim j) {
    Tensor x = input({7, 5, 4}, 1).narrow(0, 0, i).narrow(1, 0, j);
    return x.permute({1, 2, 0}).reshape({-1}).sum();
  });
}

TEST_CASE("invalid_symbolic_reshape") {
  Tensor x = input({30, 3}, 1).narrow(0, 0, variable("i", 1, 30));
  Tensor two = x.narrow(1, 0, variable("j", 1, 3));
  CHECK_THROWS_WITH(x.reshape({30, 3}), "reshape: sizes differ: (i, 3) to (30, 3)");
  CHECK_THROWS_WITH(x.reshape({90}), "reshape: sizes differ: (i, 3) to (90)");
  CHECK_THROWS_WITH(two.reshape({variable("j", 1, 3), 3}),
                    "reshape: sizes differ: (i, j) to (j, 3)");
  CHECK_THROWS_WITH(x.reshape({2, -1}), "reshape: (i * 3) elements of (i, 3) do not divide by 2");
  CHECK_THROWS_WITH(x.reshape({variable("k", 1, 3), -1}),
                    "reshape: the dim -1 of (i, 3) cannot be told");
  CHECK_THROWS_WITH(x + input({30, 3}, 1), "broadcast: (i, 3) with (30, 3) at dim 0");
  // An equal name with other bounds is another variable.
  CHECK_THROWS_WITH(x.reshape({variable("i", 1, 29), 3}), doctest::Contains("sizes differ"));
  CHECK(to_string(two.reshape({-1}).shape()) == "((i * j))");
}

TEST_CASE("shrink") {
  agrees([](Dim i, Dim) { return input({7, 11}, 1).narrow(0, i, 0).narrow(1, 2, 3); });
  agrees([](Dim i, Dim) { return input({7, 11}, 1).narrow(1, i, 4) + 0.5; });
  agrees([](Dim i, Dim j) { return input({12, 3}, 1).narrow(0, i, j).sum({0}); });
}

TEST_CASE("slice") {
  agrees([](Dim i, Dim) { return input({10}, 1).slice(0, i, dim_add(i.uop, index(1))); });
  agrees([](Dim i, Dim j) {
    return input({7, 5}, 1).slice(0, dim_sub(i.uop, index(1)), i).slice(1, 0, j);
  });
}

TEST_CASE("slice_no_start") {
  agrees([](Dim i, Dim j) { return input({7, 5}, 1).slice(0, 0, i).slice(1, 0, j); });
}

TEST_CASE("slice_var_shape") {
  // What was i long, cut at both ends.
  agrees(
      [](Dim i, Dim) {
        Tensor x = Tensor::ones({i, 4}) * Tensor::arange(i).unsqueeze(-1);
        return x.slice(0, 1, dim_sub(i.uop, index(1)));
      },
      2, 9);
}

TEST_CASE("expand_padded") {
  agrees([](Dim i, Dim) {
    Tensor x = input({1, 7}, 1).narrow(1, 0, i).pad({{0, 0}, {1, 1}});
    return x.expand({3, dim_add(i.uop, index(2))});
  });
  agrees([](Dim i, Dim) { return input({1}, 1).pad({{1, 1}}).unsqueeze(0).expand({i, 3}) + 1; });
}

TEST_CASE("ones_sum") {
  agrees([](Dim i, Dim) { return Tensor::ones({i}).sum(); });
  agrees([](Dim i, Dim j) { return Tensor::ones({i, 3, j}).sum({0, 2}); });
  agrees([](Dim i, Dim) { return (Tensor::arange(i) < 3).sum(); });
}

TEST_CASE("mean") {
  agrees([](Dim i, Dim) { return input({7}, 1).narrow(0, 0, i).mean(); });
}

TEST_CASE("mean_2d") {
  for (Axes axes : {Axes{}, Axes{0}, Axes{1}}) {
    agrees([&](Dim i, Dim) { return input({7, 4}, 1).narrow(0, 0, i).mean(axes); });
  }
  agrees([](Dim i, Dim j) {
    Tensor x = input({7, 5}, 1).narrow(0, 0, i);
    return x.narrow(1, 0, j).sum({1}).mean();
  });
}

TEST_CASE("var") {
  agrees([](Dim i, Dim) { return variance(input({7}, 1).narrow(0, 0, i), {0}); });
}

TEST_CASE("var_2d") {
  for (Axes axes : {Axes{0, 1}, Axes{0}, Axes{1}}) {
    agrees([&](Dim i, Dim) { return variance(input({7, 4}, 1).narrow(0, 0, i), axes); });
  }
}

TEST_CASE("bitcast_down") {
  agrees([](Dim i, Dim) { return input({10, 3}, 1).narrow(0, 0, i).bitcast(u8); });
  agrees([](Dim i, Dim) { return input({3, 10}, 1).narrow(1, 0, i).bitcast(u16); });
}

TEST_CASE("bitcast_up") {
  agrees([](Dim i, Dim) { return input({10, 4}, 1).narrow(0, 0, i).bitcast(i64); });
  agrees([](Dim i, Dim) {
    Tensor bytes = input({3, 8}, 1).bitcast(u8).narrow(1, 0, dim_mul(i.uop, index(4)));
    return bytes.bitcast(i32);
  });
  Tensor some = input({3, 8}, 1).narrow(1, 0, variable("i", 1, 8));
  CHECK_THROWS_WITH(some.bitcast(i64), "bitcast: i of f32 do not divide into i64");
}

TEST_CASE("conv2d_ceildiv_edge_case") {
  // A convolution of stride 6 over v elements padded by 3: (v - 6) / 6 + 1 windows of 12, rounded
  // down, as reads of rows of which those outside are zero.
  agrees(
      [](Dim v, Dim) {
        UOp windows = dim_add(dim_add(v.uop, index(-6)) / index(6), index(1));
        Tensor at = Tensor::arange(windows).unsqueeze(-1) * 6 + Tensor::arange(12) - 3;
        Tensor x = input({2, 401}, 1).narrow(1, 0, v);
        Tensor taken = x.transpose().embedding(at);  // windows 12 2
        Tensor weight = input({4, 1, 12, 2}, 2);
        return (taken * weight).sum({-1, -2});
      },
      11, 401);
}

}  // namespace niwaki::test
