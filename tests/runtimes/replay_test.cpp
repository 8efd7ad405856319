// Replays: captured once, run with other variables and inputs; what they refuse; and state written
// in place.
#include <doctest/doctest.h>

#include <thread>

#include "cases/cases.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

float* data(const Tensor& t) { return static_cast<float*>(t.uop()->get<BufferRef>()->data); }

}  // namespace

TEST_CASE("a replay sees new inputs and variables") {
  Tensor x = input({8}, 1);
  UOp n = variable("n", 1, 8);
  Replay replay({x.narrow(0, 0, n).sum()}, device("CPU"));
  for (int64_t count : {3, 8, 1}) {
    float sum = 0;
    for (int64_t i = 0; i < 8; ++i) data(x)[i] = float(i * count);
    for (int64_t i = 0; i < count; ++i) sum += float(i * count);
    replay.run({{"n", count}});
    CHECK(*static_cast<float*>(replay.output(0).data) == sum);
  }
}

TEST_CASE("what a replay refuses") {
  Replay replay({input({8}, 1).narrow(0, 0, variable("n", 1, 8)).sum()}, device("CPU"));
  CHECK_THROWS_WITH(replay.run(), "replay: the variable n in [1, 8] was given no value");
  CHECK_THROWS_WITH(replay.run({{"n", 9}}), "replay: n = 9 is not in [1, 8]");
  CHECK_THROWS_WITH(replay.run({{"n", 0}}), "replay: n = 0 is not in [1, 8]");
}

TEST_CASE("a slice of symbolic dims that leaves them is refused when they are known") {
  UOp n = variable("n", 1, 8);
  UOp m = variable("m", 0, 6);
  Tensor some = input({8}, 1).narrow(0, 0, n) * 2.0;
  // What no value of n could satisfy is refused at once.
  CHECK_THROWS_WITH(some.narrow(0, 7, 2), "shrink: [7, 7 + 2) leaves dim 0 of (n)");
  CHECK_THROWS_WITH(some.narrow(0, 1, n), "shrink: [1, 1 + n) leaves dim 0 of (n)");
  Replay behind({some.slice(0, dim_add(n, index(-1)), n)}, device("CPU"));
  Replay fixed({some.narrow(0, 4, 2)}, device("CPU"));
  Replay moving({some.narrow(0, m, 2)}, device("CPU"));
  Tensor whole = input({8}, 1);
  const float* x = data(whole);
  for (int64_t count = 1; count <= 8; ++count) {
    behind.run({{"n", count}});
    CHECK(*static_cast<float*>(behind.output(0).data) == 2 * x[count - 1]);
    if (count >= 6) {
      fixed.run({{"n", count}});
    } else {
      std::string why = "shrink: [4, 4 + 2) leaves dim 0 of (n) where n = ";
      CHECK_THROWS_WITH(fixed.run({{"n", count}}), (why + std::to_string(count)).c_str());
    }
    for (int64_t start : {0, 3, 6}) {
      Bindings bindings = {{"n", count}, {"m", start}};
      if (start + 2 > count) {
        CHECK_THROWS_WITH(moving.run(bindings),
                          doctest::Contains("shrink: [m, m + 2) leaves dim 0 of (n) where "));
      } else {
        moving.run(bindings);
        CHECK(*static_cast<float*>(moving.output(0).data) == 2 * x[start]);
      }
    }
  }
}

TEST_CASE("parts of several symbolic lengths, one after another") {
  UOp n = variable("n", 0, 4);
  UOp m = variable("m", 1, 3);
  Tensor a = input({4, 2}, 1);
  Tensor b = input({3, 2}, 2);
  Tensor c = input({2, 2}, 3);
  Tensor first = a.narrow(0, 0, n);
  Tensor second = b.narrow(0, 0, m);
  Tensor joined = cat({first, c, second, first, c}, 0);
  CHECK(to_string(joined.shape()) == "((((n * 2) + m) + 4), 2)");
  for (Device* d : {&device("INTERP"), &device("CPU")}) {
    Replay replay({joined, cat({second, first}, 0) + cat({second, first}, 0)}, *d);
    for (int64_t i = 0; i <= 4; ++i) {
      for (int64_t j = 1; j <= 3; ++j) {
        replay.run({{"n", i}, {"m", j}});
        std::vector<float> expected;
        auto append = [&](const Tensor& x, int64_t rows) {
          expected.insert(expected.end(), data(x), data(x) + rows * 2);
        };
        append(a, i);
        append(c, 2);
        append(b, j);
        append(a, i);
        append(c, 2);
        const float* found = static_cast<float*>(replay.output(0).data);
        CHECK(std::equal(expected.begin(), expected.end(), found));
        expected.clear();
        append(b, j);
        append(a, i);
        found = static_cast<float*>(replay.output(1).data);
        for (size_t k = 0; k < expected.size(); ++k) CHECK(found[k] == 2 * expected[k]);
      }
    }
  }
}

TEST_CASE("a replay is one series for the threads, whatever their number") {
  // Kernels that are shared, that are not, of symbolic length, and of no length at all.
  Device& cpu = device("CPU");
  int64_t before = cpu.threads();
  Tensor x = Tensor::from(std::vector<float>(1 << 17, 1.0f), {1 << 17});
  UOp n = variable("n", 0, 1 << 17);
  Tensor all = (x * 2).contiguous();
  Tensor some = (all.narrow(0, 0, n).flip({0}) + 1).contiguous();
  Tensor few = (some.sum() * 0.5).contiguous();
  Tensor back = (all.flip({0}) + few).contiguous();
  Replay replay({back, some.sum()}, cpu);
  CHECK(replay.n_kernels() >= 4);
  for (int64_t threads : {1, 2, 5}) {
    cpu.set_threads(threads);
    for (int64_t count : {0, 1, 1000, 1 << 17}) {
      data(x)[0] = float(threads);
      replay.run({{"n", count}});
      float sum = float(3 * count) + (count > 0 ? float(2 * threads - 2) : 0);
      const float* found = static_cast<float*>(replay.output(0).data);
      CHECK(*static_cast<float*>(replay.output(1).data) == sum);
      CHECK(found[0] == 2 + sum / 2);
      CHECK(found[(1 << 17) - 1] == float(2 * threads) + sum / 2);
    }
  }
  cpu.set_threads(before);
}

TEST_CASE("replays that two threads run at once take turns") {
  for (const char* name : {"INTERP", "CPU"}) {
    Device& d = device(name);
    int64_t n = name == std::string("CPU") ? 1 << 16 : 64;
    std::vector<Tensor> inputs = {input({n}, 1), input({n}, 2)};
    std::vector<Replay> replays;
    for (const Tensor& x : inputs) {
      replays.push_back(Replay({(x * 2).contiguous().flip({0}) + 1}, d));
    }
    auto run = [&](size_t which) {
      for (int i = 0; i < 50; ++i) replays[which].run();
    };
    std::thread other(run, 1);
    run(0);
    other.join();
    for (size_t r = 0; r < 2; ++r) {
      const float* found = static_cast<float*>(replays[r].output(0).data);
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i) wrong += found[i] != data(inputs[r])[n - 1 - i] * 2 + 1;
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("equal kernels are compiled once") {
  Tensor x = input({4, 64}, 1);
  std::vector<Tensor> layers = {x};
  for (int i = 0; i < 12; ++i) {
    layers.push_back(layers.back().rms_norm(input({64}, 3), 1e-6).contiguous());
  }
  Replay replay({layers.back()}, device("CPU"));
  CHECK(replay.n_kernels() == 12);
  CHECK(replay.programs().size() <= 2);  // the last writes an output, the others temporaries
}

TEST_CASE("state is written in place") {
  Tensor cache = Tensor::empty({6, 4});
  UOp pos = variable("pos", 0, 5);
  Tensor row = input({1, 4}, 1);
  Tensor after = cache.narrow(0, pos, 1).assign(row);
  Replay replay({after.narrow(0, 0, dim_add(pos, index(1))).sum()}, device("CPU"));
  float expected = 0;
  for (int64_t p = 0; p < 6; ++p) {
    for (int64_t i = 0; i < 4; ++i) {
      data(row)[i] = float(p * 4 + i);
      expected += data(row)[i];
    }
    replay.run({{"pos", p}});
    CHECK(*static_cast<float*>(replay.output(0).data) == expected);
  }
  for (int64_t i = 0; i < 24; ++i) CHECK(data(cache)[i] == float(i));
}

TEST_CASE("a value is read before its buffer is written over") {
  Tensor x = Tensor::from<float>({1, 2, 3, 4}, {4});
  Tensor before = (x * 10.0).contiguous();
  Tensor after = x.assign(x + 1.0);
  std::vector<Tensor> results = realize({before + after, after}, {}, device("CPU"));
  CHECK(to_vector<float>(results[0]) == std::vector<float>{12, 23, 34, 45});
  CHECK(to_vector<float>(x) == std::vector<float>{2, 3, 4, 5});
}

TEST_CASE("in whichever order they are asked for, reads come before the write") {
  for (bool write_first : {false, true}) {
    Tensor x = Tensor::from<float>({1, 2, 3, 4}, {4});
    Tensor sum = x.sum();
    Tensor after = x.assign(Tensor::from<float>({5, 6, 7, 8}, {4}));
    std::vector<Tensor> outputs = {sum, after};
    if (write_first) std::swap(outputs[0], outputs[1]);
    std::vector<Tensor> results = realize(outputs, {}, device("CPU"));
    CHECK(item<float>(results[write_first ? 1 : 0]) == 10);
    CHECK(to_vector<float>(x) == std::vector<float>{5, 6, 7, 8});
  }
}

TEST_CASE("an assign may read what it writes over") {
  Tensor x = Tensor::from<float>({1, 2, 3, 4}, {4});
  realize(x.assign(x.flip({0})), {}, device("CPU"));
  CHECK(to_vector<float>(x) == std::vector<float>{4, 3, 2, 1});
  realize(x.narrow(0, 1, 3).assign(x.narrow(0, 0, 3) + x.max()), {}, device("CPU"));
  CHECK(to_vector<float>(x) == std::vector<float>{4, 8, 7, 6});
}

TEST_CASE("values come out in the type that was asked for") {
  Tensor x = Tensor::from<float>({1.5f, -2.5f}, {2});
  CHECK(to_vector<double>(x) == std::vector<double>{1.5, -2.5});
  CHECK(to_vector<int32_t>(x) == std::vector<int32_t>{1, -2});
  CHECK(item<float>(x.sum()) == -1.0f);
  CHECK_THROWS_WITH(item<float>(x), "item: (2) has not one element");
  CHECK_THROWS_WITH(to_vector<float>(x.narrow(0, 0, variable("n", 1, 2))),
                    "to_vector: the shape (n) is symbolic");
}

}  // namespace niwaki::test
