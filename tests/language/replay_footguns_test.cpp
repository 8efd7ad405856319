// What goes wrong in silence where a computation is captured once and launched often. tinygrad
// keeps a list of such traps of its JIT, which traces a function's second call; here stands for
// each what a Replay does. It captures a graph and no function: what the graph says holds at every
// launch, and what C++ knew when it was built is a constant of it. For functions see
// capture_test.cpp.
#include <doctest/doctest.h>

#include <cstring>

#include "cases/cases.h"
#include "core/error.h"
#include "ops/gradient.h"
#include "ops/random.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

using Floats = std::vector<float>;

Tensor row(const Floats& values) { return Tensor::from(values, {int64_t(values.size())}); }

template <class T = float>
T* data(const Tensor& t) {
  return static_cast<T*>(t.uop()->get<BufferRef>()->data);
}

void write(const Tensor& t, const Floats& values) {
  std::copy(values.begin(), values.end(), data(t));
}

Floats read(const Tensor& t) { return to_vector<float>(t); }

template <class F>
void on_devices(F body) {
  for (std::string name : {"INTERP", "CPU"}) {
    CAPTURE(name);
    body(device(name));
  }
}

}  // namespace

TEST_CASE("output_buffer_reuse") {
  // There: a result kept from the last call changes under the next. Here too, as Replay's comment
  // says: its outputs are its own buffers. They outlive it.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Tensor kept(0);
    {
      Replay replay({x * 2}, d);
      replay.run();
      kept = replay.tensor(0);
      CHECK(read(kept) == Floats{2, 4});
      write(x, {5, 6});
      replay.run();
      CHECK(read(kept) == Floats{10, 12});
    }
    CHECK(read(kept) == Floats{10, 12});
    // realize() gives fresh memory every time.
    Tensor first = realize(x * 2, {}, d);
    write(x, {7, 8});
    Tensor second = realize(x * 2, {}, d);
    CHECK(read(first) == Floats{10, 12});
    CHECK(read(second) == Floats{14, 16});
  });
}

TEST_CASE("output_buffer_workaround") {
  // There and here: a copy keeps what a launch gave.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Replay replay({x + 1}, d);
    replay.run();
    Tensor copy = realize(replay.tensor(0).contiguous(), {}, d);
    write(x, {10, 20});
    replay.run();
    CHECK(read(copy) == Floats{2, 3});
    CHECK(read(replay.tensor(0)) == Floats{11, 21});
  });
}

TEST_CASE("graph_input_output_aliasing") {
  // There: a result fed back as an input is overwritten while it is read. Here an output has memory
  // of its own, unless it is an assign; and that is ordered after what reads the state before.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3});
    Tensor next = x.assign(x.flip({0}) * 2);
    Replay replay({next, x.sum()}, d);
    for (const Floats& expected : {Floats{6, 4, 2}, Floats{4, 8, 12}}) {
      float before = data(x)[0] + data(x)[1] + data(x)[2];
      replay.run();
      CHECK(read(x) == expected);
      CHECK(read(replay.tensor(0)) == expected);
      CHECK(read(replay.tensor(1)) == Floats{before});
    }
    // A state that is asked for and then written over is what it was.
    Tensor y = row({1, 2});
    Tensor one = y.assign(y + 1);
    Tensor two = one.assign(one * 10);
    std::vector<Tensor> states = realize({y, one, two}, {}, d);
    CHECK(read(states[0]) == Floats{1, 2});
    CHECK(read(states[1]) == Floats{2, 3});
    CHECK(read(states[2]) == Floats{20, 30});
    CHECK(read(y) == Floats{20, 30});
  });
}

TEST_CASE("multiple_outputs_same_intermediate") {
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Tensor shared = (x + 1).contiguous();
    Replay replay({shared * 2, shared * 3, shared, shared}, d);
    for (float start : {1.0f, 5.0f}) {
      write(x, {start, start + 1});
      replay.run();
      CHECK(read(replay.tensor(0)) == Floats{2 * start + 2, 2 * start + 4});
      CHECK(read(replay.tensor(1)) == Floats{3 * start + 3, 3 * start + 6});
      CHECK(read(replay.tensor(2)) == Floats{start + 1, start + 2});
      CHECK(read(replay.tensor(3)) == Floats{start + 1, start + 2});
    }
  });
}

TEST_CASE("intra_kernel_output_input_aliasing") {
  // There: a kernel writes what it still reads. Here a value that reads its target elsewhere than
  // where it writes is stored first, also where only the variables tell.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3, 4, 5, 6});
    UOp i = variable("i", 0, 3);
    UOp j = variable("j", 0, 3);
    Replay replay({x.narrow(0, i, 3).assign(x.narrow(0, j, 3))}, d);
    Floats expected = {1, 2, 3, 4, 5, 6};
    for (auto [to, from] : {std::pair(1, 0), std::pair(0, 2), std::pair(3, 1), std::pair(2, 2)}) {
      replay.run({{"i", to}, {"j", from}});
      std::memmove(&expected[size_t(to)], &expected[size_t(from)], 3 * sizeof(float));
      CHECK(read(x) == expected);
    }
    Tensor square = input({4, 4}, 1);
    Floats turned = read(square.transpose());
    realize(square.assign(square.transpose()), {}, d);
    CHECK(read(square) == turned);
  });
}

TEST_CASE("slice_assign_works_without_realize") {
  // There: writing a slice inside of a captured function does not stick unless realized. Here it is
  // part of the graph of whoever reads the assigned buffer, and the compiler warns of an assign
  // that nobody asks for; two writes of one state are an error, since one of them would be lost.
  on_devices([](Device& d) {
    Tensor x = row({0, 0, 0, 0});
    Tensor value = row({1, 2});
    Tensor first = x.narrow(0, 0, 2).assign(value);
    Tensor both = first.narrow(0, 2, 2).assign(value * 10);
    Replay replay({both.sum()}, d);
    replay.run();
    CHECK(read(x) == Floats{1, 2, 10, 20});
    write(value, {3, 4});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{77});
    Tensor other = x.narrow(0, 2, 2).assign(value * 10);
    const char* twice =
        "assign: the same state of a buffer is written over twice: assign the second time to what "
        "the first assign gave";
    CHECK_THROWS_WITH_AS(realize({first, other}, {}, d), doctest::Contains(twice), Error);
    CHECK_THROWS_WITH_AS(realize(first + other, {}, d), doctest::Contains(twice), Error);
  });
}

TEST_CASE("symbolic_pad_view_frozen") {
  // There: the padding of a symbolic view keeps the width of the capture.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3, 4});
    UOp i = variable("i", 1, 4);
    Tensor some = x.narrow(0, 0, i);
    Replay replay({some.pad({{0, dim_sub(index(4), i)}}), some.pad({{1, 1}}).sum()}, d);
    for (int64_t count : {2, 4, 1, 3}) {
      replay.run({{"i", count}});
      Floats expected(4, 0.0f);
      float sum = 0;
      for (int64_t k = 0; k < count; ++k) sum += expected[size_t(k)] = float(k + 1);
      CHECK(read(replay.tensor(0)) == expected);
      CHECK(read(replay.tensor(1)) == Floats{sum});
    }
  });
}

TEST_CASE("symbolic_outputs") {
  // A result of symbolic size lies in a buffer of the greatest: what is behind its end is old.
  // tensor() keeps the size symbolic, realize() gives that of its bindings, and neither shows it.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3, 4});
    UOp i = variable("i", 1, 4);
    Replay replay({x.narrow(0, 0, i) * 2}, d);
    replay.run({{"i", 4}});
    replay.run({{"i", 2}});
    CHECK(to_string(replay.tensor(0).shape()) == "(i)");
    CHECK_THROWS_WITH(read(replay.tensor(0)), "to_vector: the shape (i) is symbolic");
    CHECK(read(realize(replay.tensor(0).sum(), {{"i", 2}}, d)) == Floats{6});
    CHECK(read(realize(replay.tensor(0).mean(), {{"i", 2}}, d)) == Floats{3});
    CHECK(read(realize(x.narrow(0, 0, i) * 2, {{"i", 2}}, d)) == Floats{2, 4});
    CHECK(read(realize(x.narrow(0, 0, i) * 2, {{"i", 2}}, d).mean()) == Floats{3});
  });
}

TEST_CASE("non_tensor_outputs_error") {
  // There: a number that is returned is an error. Here a number is a tensor, a constant one; what
  // is no tensor does not compile.
  on_devices([](Device& d) {
    Replay replay({Tensor(3), Tensor(2.5), row({1}) + 1}, d);
    replay.run();
    CHECK(item<int64_t>(replay.tensor(0)) == 3);
    CHECK(item<double>(replay.tensor(1)) == 2.5);
  });
}

TEST_CASE("duplicate_inputs_fail") {
  // There: the same tensor given twice is an error. Here it is one node.
  on_devices([](Device& d) {
    auto f = [](const Tensor& a, const Tensor& b) { return a * b + a; };
    Tensor x = row({1, 2});
    Replay replay({f(x, x), f(x, x.flip({0}))}, d);
    write(x, {3, 4});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{12, 20});
    CHECK(read(replay.tensor(1)) == Floats{15, 16});
  });
}

TEST_CASE("tensors_in_containers") {
  // There: tensors inside of lists are frozen. Here inputs are found in the graph.
  on_devices([](Device& d) {
    std::vector<Tensor> parts = {row({1, 2}), row({3, 4}), row({5, 6})};
    Replay replay({cat(parts, 0)}, d);
    write(parts[1], {30, 40});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{1, 2, 30, 40, 5, 6});
    // The container is only read once: other tensors in it are other inputs.
    parts[0] = row({7, 7});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{1, 2, 30, 40, 5, 6});
  });
}

TEST_CASE("nested_jit_fails_on_second_call") {
  // There: an error. Here a Replay may read what another wrote; each launches its own kernels only.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Replay inner({x + 1}, d);
    Replay outer({inner.tensor(0) * 2}, d);
    for (float start : {1.0f, 4.0f, 9.0f}) {
      write(x, {start, start});
      inner.run();
      outer.run();
      CHECK(read(outer.tensor(0)) == Floats{2 * start + 2, 2 * start + 2});
    }
    write(x, {100, 100});
    outer.run();
    CHECK(read(outer.tensor(0)) == Floats{20, 20});
  });
}

TEST_CASE("implicit_inputs_need_realize") {
  // There: a lazy tensor of the surroundings is frozen unless realized. Here it is part of the
  // graph, and computed at every launch.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Tensor lazy = x * 10;
    auto f = [&](const Tensor& y) { return y + lazy; };
    Tensor y = row({1, 1});
    Replay replay({f(y)}, d);
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{11, 21});
    write(x, {3, 4});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{31, 41});
  });
}

TEST_CASE("views_with_different_offsets_fail") {
  // There: a view at another offset of the same buffer is refused or read at the old one. Here an
  // offset is a number of the graph, or a variable.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3, 4});
    Replay low({x.narrow(0, 0, 2) * 2}, d);
    Replay high({x.narrow(0, 2, 2) * 2}, d);
    Replay any({x.narrow(0, variable("at", 0, 2), 2) * 2}, d);
    low.run();
    high.run();
    CHECK(read(low.tensor(0)) == Floats{2, 4});
    CHECK(read(high.tensor(0)) == Floats{6, 8});
    for (int64_t at : {2, 0, 1}) {
      any.run({{"at", at}});
      CHECK(read(any.tensor(0)) == Floats{float(2 * at + 2), float(2 * at + 4)});
    }
  });
}

TEST_CASE("shape_change_after_capture_fails") {
  // There: an error at the call. Here a buffer never changes its shape, an assign of another is an
  // error when it is built, and a size beyond its variable's when it is launched.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3});
    CHECK_THROWS_WITH_AS(x.assign(row({1, 2})), doctest::Contains("expand: (2) to (3)"), Error);
    Replay replay({x.narrow(0, 0, variable("i", 1, 3)).sum()}, d);
    CHECK_THROWS_WITH_AS(replay.run({{"i", 4}}), "replay: i = 4 is not in [1, 3]", Error);
  });
}

TEST_CASE("python_constants_frozen") {
  // There: a number given to the function keeps the value of the capture. Here a number of C++ is a
  // constant of the graph, as documented; what shall change is a variable or a buffer.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    float factor = 3;
    Replay frozen({x * factor}, d);
    Tensor given(variable("factor", -100, 100));
    Replay bound({x * given}, d);
    Tensor stored = Tensor::from<float>({3}, {});
    Replay written({x * stored}, d);
    factor = 7;
    data(stored)[0] = factor;
    frozen.run();
    bound.run({{"factor", -7}});
    written.run();
    CHECK(read(frozen.tensor(0)) == Floats{3, 6});
    CHECK(read(bound.tensor(0)) == Floats{-7, -14});
    CHECK(read(written.tensor(0)) == Floats{7, 14});
  });
}

TEST_CASE("unrealized_const_input_error") {
  // There: an error. Here a constant tensor is an input like any other, that cannot change.
  on_devices([](Device& d) {
    auto f = [](const Tensor& a) { return a.sum() + a.max(); };
    Replay replay({f(Tensor::ones({3})), f(Tensor::zeros({3}))}, d);
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{4});
    CHECK(read(replay.tensor(1)) == Floats{0});
    // And it is no target.
    CHECK_THROWS_WITH(Tensor::ones({3}).assign(row({1, 2, 3})), "assign: the target is no buffer");
  });
}

TEST_CASE("conditional_branches_frozen") {
  // There and here: an if of the host language is decided when the graph is built. where() is
  // decided by the values.
  on_devices([](Device& d) {
    Tensor x = row({1, -2});
    bool doubles = item<float>(x.sum()) < 0;
    Replay frozen({doubles ? x * 2 : x * 3}, d);
    Replay chosen({where(x.sum() < 0, x * 2, x * 3)}, d);
    write(x, {5, 6});
    frozen.run();
    chosen.run();
    CHECK(read(frozen.tensor(0)) == Floats{10, 12});
    CHECK(read(chosen.tensor(0)) == Floats{15, 18});
  });
}

TEST_CASE("positional_kwargs_cannot_mix") {
  // There: an input by place or by name, but always the same way. Here variables have names only,
  // and the bindings must be those of the graph, each once.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3});
    Tensor sum = x.narrow(0, 0, variable("i", 1, 3)).sum() + Tensor(variable("j", 0, 9));
    Replay replay({sum}, d);
    Replay fixed({x.sum()}, d);
    CHECK_THROWS_WITH_AS(replay.run({{"i", 2}}),
                         "replay: the variable j in [0, 9] was given no value", Error);
    CHECK_THROWS_WITH_AS(replay.run({{"i", 2}, {"j", 1}, {"k", 1}}),
                         "replay: no variable k: the graph has i, j", Error);
    CHECK_THROWS_WITH_AS(replay.run({{"i", 2}, {"j", 1}, {"i", 2}}),
                         "replay: the variable i was given two values", Error);
    CHECK_THROWS_WITH_AS(fixed.run({{"i", 2}}), "replay: no variable i: the graph has none", Error);
    CHECK_THROWS_WITH_AS(realize(x.sum(), {{"pos", 1}}, d),
                         "replay: no variable pos: the graph has none", Error);
    // Two variables of one name are given one value, which must suit both.
    Tensor two = Tensor(variable("n", 0, 5)) + Tensor(variable("n", 3, 9));
    CHECK(item<int64_t>(realize(two, {{"n", 4}}, d)) == 8);
    CHECK_THROWS_WITH_AS(realize(two, {{"n", 2}}, d), "replay: n = 2 is not in [3, 9]", Error);
    CHECK_THROWS_WITH_AS(realize(two, {{"n", 6}}, d), "replay: n = 6 is not in [0, 5]", Error);
    // What simplification leaves out is still of the graph that was written.
    Tensor n(variable("n", 0, 5));
    CHECK(item<int64_t>(realize(n - n + 1, {{"n", 4}}, d)) == 1);
    CHECK_THROWS_WITH_AS(realize(n - n + 1, {}, d),
                         "replay: the variable n in [0, 5] was given no value", Error);
  });
}

TEST_CASE("class_method_shared_across_instances") {
  // There: two objects of a class share one capture, and the first one's weights. Here each graph
  // has its own; the programs are shared, since they are equal.
  on_devices([](Device& d) {
    struct Layer {
      Tensor weight;
      Tensor operator()(const Tensor& x) const { return x * weight; }
    };
    Layer a{row({1, 2})};
    Layer b{row({10, 20})};
    Tensor x = row({3, 4});
    Replay first({a(x)}, d);
    Replay second({b(x)}, d);
    first.run();
    second.run();
    CHECK(read(first.tensor(0)) == Floats{3, 8});
    CHECK(read(second.tensor(0)) == Floats{30, 80});
    CHECK(first.programs() == second.programs());
  });
}

TEST_CASE("side_effects_only_during_capture") {
  // There and here: code of the host language runs when the graph is built. The assigns in the
  // graph are effects, and happen at every launch.
  on_devices([](Device& d) {
    int built = 0;
    Tensor count = Tensor::zeros({}, i64).contiguous();
    count = realize(count, {}, d);
    auto step = [&] {
      ++built;
      return count.assign(count + 1);
    };
    Replay replay({step()}, d);
    for (int64_t launch = 1; launch <= 3; ++launch) {
      replay.run();
      CHECK(item<int64_t>(count) == launch);
    }
    CHECK(built == 1);
  });
}

TEST_CASE("nothing_realized_fails") {
  // There: a function that computes nothing is an error. Here nothing is launched.
  on_devices([](Device& d) {
    Replay none(std::vector<Tensor>{}, d);
    none.run();
    CHECK(none.n_kernels() == 0);
    Tensor x = row({1, 2});
    Replay same({x}, d);
    same.run();
    CHECK(same.n_kernels() == 0);
    CHECK(same.tensor(0).uop() == x.uop());
  });
}

TEST_CASE("item_creates_unrealized_return") {
  // There: what item() gave inside of the function makes the result a constant. Here it is a number
  // of C++ in a graph, of which the rest is computed at every launch.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Tensor y = row({5, 5});
    Replay replay({y * item<float>(x.sum(), d)}, d);
    write(y, {6, 7});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{18, 21});
  });
}

TEST_CASE("item_bakes_in_values") {
  // There and here: item() computes at once, and its number is a constant. The tensor itself is
  // not.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Replay baked({x / item<float>(x.sum(), d)}, d);
    Replay live({x / x.sum()}, d);
    write(x, {6, 6});
    baked.run();
    live.run();
    CHECK(read(baked.tensor(0)) == Floats{2, 2});
    CHECK(read(live.tensor(0)) == Floats{0.5, 0.5});
  });
}

namespace {

// The positions where a mask is true, `size` of them, the rest -1: a size that depends on values is
// none that a graph has.
Tensor nonzero(const Tensor& mask, int64_t size) {
  Tensor at = Tensor::arange(mask.dim(0));
  Tensor rank =
      where(at.unsqueeze(0) <= at.unsqueeze(-1), mask, Tensor(constant(boolean, 0))).sum({1});
  Tensor taken = mask & (rank - 1 == Tensor::arange(size).unsqueeze(-1));  // size n
  return where(taken, at + 1, 0).sum({1}) - 1;
}

}  // namespace

TEST_CASE("nonzero_static_size_jittable") {
  on_devices([](Device& d) {
    Tensor x = row({0, 3, 0, 5, 7});
    Replay replay({nonzero(x != 0, 4)}, d);
    using Positions = std::vector<int64_t>;
    replay.run();
    CHECK(to_vector<int64_t>(replay.tensor(0)) == Positions{1, 3, 4, -1});
    write(x, {1, 1, 0, 1, 1});
    replay.run();
    CHECK(to_vector<int64_t>(replay.tensor(0)) == Positions{0, 1, 3, 4});
  });
}

TEST_CASE("masked_select_static_size_jittable") {
  on_devices([](Device& d) {
    Tensor x = row({4, 3, 9, 5, 7});
    Tensor chosen = x.unsqueeze(-1).embedding(nonzero(x < 6, 3)).squeeze(-1);
    Replay replay({chosen}, d);
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{4, 3, 5});
    write(x, {9, 9, 1, 9, 2});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{1, 2, 0});
  });
}

TEST_CASE("tolist_bakes_in_values") {
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Floats values = to_vector<float>(x, d);
    Replay baked({row(values) * 2}, d);
    Replay live({x * 2}, d);
    write(x, {6, 7});
    baked.run();
    live.run();
    CHECK(read(baked.tensor(0)) == Floats{2, 4});
    CHECK(read(live.tensor(0)) == Floats{12, 14});
  });
}

TEST_CASE("random_regenerates") {
  // There: numbers differ from call to call, by a counter behind the user's back. Here a graph is
  // what it says: a Replay repeats its numbers, unless the key is written or the step is a
  // variable.
  on_devices([](Device& d) {
    Random fixed(7);
    Replay same({fixed.uniform({8})}, d);
    Replay other({fixed.uniform({8})}, d);
    Tensor key = Tensor::from(std::vector<uint32_t>{1, 2}, {2});
    Replay keyed({Random(key).uniform({8})}, d);
    Replay stepped({Random(7).fold(Tensor(variable("step", 0, 100))).uniform({8})}, d);
    std::set<Floats> from_key;
    std::set<Floats> from_step;
    Floats first;
    for (int64_t launch = 0; launch < 4; ++launch) {
      data<uint32_t>(key)[0] = uint32_t(launch);
      same.run();
      keyed.run();
      stepped.run({{"step", launch}});
      if (launch == 0) first = read(same.tensor(0));
      CHECK(read(same.tensor(0)) == first);
      from_key.insert(read(keyed.tensor(0)));
      from_step.insert(read(stepped.tensor(0)));
    }
    CHECK(from_key.size() == 4);
    CHECK(from_step.size() == 4);
    other.run();
    CHECK(read(other.tensor(0)) != first);
  });
}

TEST_CASE("unrealized_return_auto_realized") {
  // Every output is stored, views and constants too.
  on_devices([](Device& d) {
    Tensor x = row({1, 2, 3, 4});
    Replay replay({x.reshape({2, 2}).transpose(), Tensor::full({2}, 7), x.narrow(0, 1, 2)}, d);
    write(x, {5, 6, 7, 8});
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{5, 7, 6, 8});
    CHECK(read(replay.tensor(1)) == Floats{7, 7});
    CHECK(read(replay.tensor(2)) == Floats{6, 7});
    // Not views of x: they stay what they were.
    write(x, {0, 0, 0, 0});
    CHECK(read(replay.tensor(2)) == Floats{6, 7});
  });
}

TEST_CASE("kwargs_order_doesnt_matter") {
  on_devices([](Device& d) {
    Tensor difference = Tensor(variable("a", 0, 9)) - Tensor(variable("b", 0, 9));
    Replay replay({difference}, d);
    replay.run({{"a", 7}, {"b", 2}});
    CHECK(item<int64_t>(replay.tensor(0)) == 5);
    replay.run({{"b", 2}, {"a", 7}});
    CHECK(item<int64_t>(replay.tensor(0)) == 5);
  });
}

TEST_CASE("input_mutation_consistent") {
  // There: a write to an input inside of the function happens or not, by the number of the call.
  // Here at every launch; and what is written between launches is seen by the next.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Replay replay({x.assign(x + 10) * 2}, d);
    replay.run();
    CHECK(read(x) == Floats{11, 12});
    CHECK(read(replay.tensor(0)) == Floats{22, 24});
    write(x, {0, 1});
    replay.run();
    CHECK(read(x) == Floats{10, 11});
    CHECK(read(replay.tensor(0)) == Floats{20, 22});
    // A tensor that was lazy while x changed is computed from what x is then.
    Tensor lazy = x * 1;
    realize(x.assign(row({5, 5})), {}, d);
    CHECK(read(lazy) == Floats{5, 5});
  });
}

TEST_CASE("two replays alive") {
  // Temporaries of two captures do not meet, however their launches alternate.
  on_devices([](Device& d) {
    Tensor x = input({16}, 1);
    Tensor y = input({16}, 2);
    auto f = [](const Tensor& t) {
      return ((t * 3).contiguous().flip({0}).contiguous() + t).sum();
    };
    Replay a({f(x)}, d);
    Replay b({f(y)}, d);
    a.run();
    b.run();
    float of_x = item<float>(a.tensor(0));
    float of_y = item<float>(b.tensor(0));
    CHECK(of_x == item<float>(x.sum()) * 4);
    CHECK(of_y == item<float>(y.sum()) * 4);
    // Moved, it is what it was.
    Replay moved = std::move(a);
    write(x, Floats(16, 1.0f));
    moved.run();
    CHECK(item<float>(moved.tensor(0)) == 64);
    CHECK(item<float>(b.tensor(0)) == of_y);
  });
}

TEST_CASE("memory that was replaced or lost") {
  // A launch asks its buffers where their memory is.
  on_devices([](Device& d) {
    Tensor x = row({1, 2});
    Replay replay({x * 2}, d);
    const BufferRef& b = x.uop()->get<BufferRef>();
    std::shared_ptr<void> other = allocate(b->bytes());
    static_cast<float*>(other.get())[0] = 8;
    static_cast<float*>(other.get())[1] = 9;
    b->data = other.get();
    b->owner = other;
    replay.run();
    CHECK(read(replay.tensor(0)) == Floats{16, 18});
    b->data = nullptr;
    b->owner = nullptr;
    CHECK_THROWS_WITH_AS(replay.run(), "replay: a buffer of f32 (2) has no memory", Error);
    // Memory that is written belongs to one buffer.
    Tensor y = row({1, 2});
    Tensor z = row({3, 4});
    Replay sum({y.assign(y + z)}, d);
    sum.run();
    BufferRef of_z = z.uop()->get<BufferRef>();
    Buffer before = *of_z;
    of_z->data = data(y) + 1;
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_WITH_AS(
          sum.run(),
          "replay: a buffer of f32 (2) is written and shares memory with a buffer of f32 (2)",
          Error);
    }
    *of_z = before;
    sum.run();
    CHECK(read(y) == Floats{7, 10});
    // A Replay keeps its inputs alive.
    auto made = [&] { return Replay({row({4, 5}) + 1}, d); };
    Replay kept = made();
    kept.run();
    CHECK(read(kept.tensor(0)) == Floats{5, 6});
  });
}

}  // namespace niwaki::test
