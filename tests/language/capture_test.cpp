// capture(): a function recorded once and launched with other arguments. The traps are those of
// replay_footguns_test.cpp, by the same names, as far as a function has others than a graph; behind
// them what the guards of capture.h say, each where it alone stands between a call and old values.
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

#include "cases/cases.h"
#include "core/error.h"
#include "ops/gradient.h"
#include "ops/optim.h"
#include "ops/random.h"
#include "runtimes/capture.h"
#include "runtimes/dynamic.h"

namespace niwaki::test {
namespace {

using Floats = std::vector<float>;
using Tensors = std::vector<Tensor>;

Tensor row(const Floats& values) { return Tensor::from(values, {int64_t(values.size())}); }

template <class T = float>
T* data(const Tensor& t) {
  return static_cast<T*>(t.uop()->get<BufferRef>()->data);
}

Floats read(const Tensor& t) { return to_vector<float>(t); }

template <class F>
void on_devices(F body) {
  for (std::string name : {"INTERP", "CPU"}) {
    CAPTURE(name);
    body(device(name));
  }
}

// Whether calls are verified, whatever the environment says.
class Verifying {
 public:
  explicit Verifying(bool on) : before_(std::getenv("NIWAKI_VERIFY")) {
    if (before_) kept_ = before_;
    ::setenv("NIWAKI_VERIFY", on ? "1" : "0", 1);
  }
  ~Verifying() {
    if (before_) ::setenv("NIWAKI_VERIFY", kept_.c_str(), 1);
    else ::unsetenv("NIWAKI_VERIFY");
  }

 private:
  const char* before_;
  std::string kept_;
};

const char* const asked_inside =
    "replay: values are asked for inside of a function that is being recorded: they would be "
    "constants of every launch";

const char* const another_graph =
    "capture: the function gives another graph when it is called again: ";

}  // namespace

TEST_SUITE("capture") {
  TEST_CASE("output_buffer_reuse") {
    on_devices([](Device& d) {
      Captured twice = capture([](const Tensors& x) { return Tensors{x[0] * 2}; }, d);
      Tensor first = twice({row({1, 2})})[0];
      Tensor second = twice({row({5, 6})})[0];
      CHECK(read(first) == Floats{2, 4});
      CHECK(read(second) == Floats{10, 12});
      // A graph over a result keeps it too.
      Tensor later = twice({row({7, 8})})[0] + 1;
      CHECK(read(twice({row({0, 0})})[0]) == Floats{0, 0});
      CHECK(read(later) == Floats{15, 17});
      // Memory that nobody holds any more is used again.
      float* memory = data(twice({row({1, 1})})[0]);
      CHECK(data(twice({row({2, 2})})[0]) == memory);
      // Results outlive what made them.
      Tensor kept = capture([](const Tensors& x) { return Tensors{x[0] + 1}; }, d)({row({1})})[0];
      CHECK(read(kept) == Floats{2});
    });
  }

  TEST_CASE("graph_input_output_aliasing") {
    on_devices([](Device& d) {
      auto rotate = [](const Tensors& x) { return Tensors{x[0] - x[1].flip({0}), x[0] + x[1]}; };
      Captured step = capture(rotate, d);
      Tensors state = {row({1, 2}), row({3, 4})};
      Tensors expected = state;
      for (int i = 0; i < 5; ++i) {
        state = step(state);
        expected = realize(rotate(expected), {}, d);
        for (size_t k = 0; k < 2; ++k) CHECK(read(state[k]) == read(expected[k]));
      }
    });
  }

  TEST_CASE("multiple_outputs_same_intermediate") {
    on_devices([](Device& d) {
      Captured f = capture(
          [](const Tensors& x) {
            Tensor shared = (x[0] + 1).contiguous();
            return Tensors{shared * 2, shared, shared, x[0]};
          },
          d);
      for (float start : {1.0f, 5.0f}) {
        Tensor x = row({start});
        Tensors y = f({x});
        CHECK(read(y[0]) == Floats{2 * start + 2});
        CHECK(read(y[1]) == Floats{start + 1});
        // One value is one buffer, and an argument that comes out is the argument.
        CHECK(y[1].uop() == y[2].uop());
        CHECK(y[3].uop() == x.uop());
      }
    });
  }

  TEST_CASE("intra_kernel_output_input_aliasing") {
    on_devices([](Device& d) {
      Tensor known = row({7, 8});
      Captured reversed =
          capture([](const Tensors& x) { return Tensors{x[0].assign(x[0] + x[1].flip({0}))}; }, d);
      Captured add = capture(
          [&](const Tensors& x) { return Tensors{x[0].assign(x[0] + known.flip({0}))}; }, d);
      Captured keep = capture(
          [&](const Tensors& x) { return Tensors{known.assign(known + x[0].flip({0}))}; }, d);
      Tensor a = row({1, 2});
      Tensor b = row({10, 20});
      for (int i = 0; i < 2; ++i) {
        // Memory that is written is no other argument's, not even in part,
        const char* first = "replay: argument 0 is written and shares memory with argument 1";
        CHECK_THROWS_WITH_AS(reversed({a, a}), first, Error);
        CHECK_THROWS_WITH_AS(reversed({a, a}), first, Error);
        auto part = [&](int64_t from) {
          const BufferRef& whole = a.uop()->get<BufferRef>();
          return Tensor(buffer(
              std::make_shared<Buffer>(Buffer{f32, {2}, data(a) + from, whole->owner, false})));
        };
        CHECK_THROWS_WITH_AS(reversed({a, part(1)}), first, Error);
        CHECK_THROWS_WITH_AS(reversed({part(1), a}), first, Error);
        CHECK(read(a) == Floats{1, 2});
        // nor what the function knows from elsewhere.
        CHECK_THROWS_WITH_AS(
            add({known}),
            "replay: argument 0 is written and shares memory with a buffer of f32 (2)", Error);
        CHECK_THROWS_WITH_AS(
            keep({known}),
            "replay: a buffer of f32 (2) is written and shares memory with argument 0", Error);
        CHECK(read(known) == Floats{7, 8});
        // What is refused leaves the function as it was.
        CHECK(reversed({a, b})[0].uop() == a.uop());
        CHECK(read(a) == Floats{21, 12});
        data(a)[0] = 1;
        data(a)[1] = 2;
      }
      CHECK(read(add({b})[0]) == Floats{18, 27});
      CHECK(read(keep({b})[0]) == Floats{34, 26});
      CHECK(read(known) == Floats{34, 26});
    });
  }

  TEST_CASE("slice_assign_works_without_realize") {
    on_devices([](Device& d) {
      UOp pos = variable("pos", 0, 3);
      Captured store = capture(
          [&](const Tensors& x) {
            Tensor after = x[0].narrow(0, pos, 1).assign(x[1]);
            return Tensors{after.narrow(0, 0, dim_add(pos, index(1))).sum()};
          },
          d);
      Tensor caches[2] = {Tensor::empty({4}), Tensor::empty({4})};
      float sums[2] = {0, 0};
      for (int64_t p = 0; p < 4; ++p) {
        for (int c : {0, 1}) {
          float value = float(10 * c + p + 1);
          sums[c] += value;
          CHECK(read(store({caches[c], row({value})}, {{"pos", p}})[0]) == Floats{sums[c]});
        }
      }
      CHECK(read(caches[0]) == Floats{1, 2, 3, 4});
      CHECK(read(caches[1]) == Floats{11, 12, 13, 14});
    });
  }

  TEST_CASE("symbolic_pad_view_frozen") {
    on_devices([](Device& d) {
      UOp n = variable("n", 1, 4);
      Captured f = capture(
          [&](const Tensors& x) {
            Tensor some = x[0].narrow(0, 0, n);
            return Tensors{some.pad({{0, dim_sub(index(4), n)}}), some * 2};
          },
          d);
      for (int64_t count : {2, 4, 1, 3}) {
        Floats values = {1, 2, 3, float(count)};
        Tensors y = f({row(values)}, {{"n", count}});
        for (int64_t i = count; i < 4; ++i) values[size_t(i)] = 0;
        CHECK(read(y[0]) == values);
        // A result has the size of its call.
        CHECK(y[1].shape() == shape_of({count}));
        values.resize(size_t(count));
        for (float& v : values) v *= 2;
        CHECK(read(y[1]) == values);
      }
    });
  }

  TEST_CASE("non_tensor_outputs_error") {
    on_devices([](Device& d) {
      Captured f = capture([](const Tensors&) { return Tensors{Tensor(3), Tensor(2.5)}; }, d);
      CHECK(item<int64_t>(f({})[0]) == 3);
      CHECK(item<double>(f({})[1]) == 2.5);
    });
  }

  TEST_CASE("duplicate_inputs_fail") {
    on_devices([](Device& d) {
      Captured f = capture([](const Tensors& x) { return Tensors{x[0] * x[1] + x[0]}; }, d);
      Tensor a = row({1, 2});
      Tensor b = row({3, 4});
      // Recorded as one, they may be two, and the other way round.
      CHECK(read(f({a, a})[0]) == Floats{2, 6});
      CHECK(read(f({a, b})[0]) == Floats{4, 10});
      CHECK(read(f({b, b})[0]) == Floats{12, 20});
    });
  }

  TEST_CASE("nested_jit_fails_on_second_call") {
    on_devices([](Device& d) {
      Tensor w = row({1, 2});
      Captured inner = capture([&](const Tensors& x) { return Tensors{x[0] * w}; }, d);
      Captured outer = capture(
          [&](const Tensors& x) { return Tensors{inner({x[0] + 1})[0] + inner({w})[0]}; }, d);
      CHECK(read(inner({row({5, 5})})[0]) == Floats{5, 10});
      for (float start : {1.0f, 4.0f}) {
        data(w)[1] = start + 1;
        CHECK(read(outer({row({start, start})})[0]) ==
              Floats{start + 2, (start + 1) * (start + 1) * 2});
      }
      // Part of another graph, it takes values from there.
      Captured bound = capture([&](const Tensors& x) { return inner(x, {{"n", 1}}); }, d);
      CHECK_THROWS_WITH_AS(bound({w}),
                           "capture: values of variables inside of a function that is being "
                           "recorded: give them where that is called",
                           Error);
    });
  }

  TEST_CASE("implicit_inputs_need_realize") {
    on_devices([](Device& d) {
      Tensor x = row({1, 2});
      Tensor lazy = x * 10;
      Captured f = capture([&](const Tensors& y) { return Tensors{y[0] + lazy}; }, d);
      CHECK(read(f({row({1, 1})})[0]) == Floats{11, 21});
      data(x)[0] = 3;
      CHECK(read(f({row({2, 2})})[0]) == Floats{32, 22});
      // What the function knows is not the argument, though it may be the same tensor.
      Captured both = capture([&](const Tensors& y) { return Tensors{y[0] * 100 + x}; }, d);
      CHECK(read(both({x})[0]) == Floats{303, 202});
      CHECK(read(both({row({1, 1})})[0]) == Floats{103, 102});
    });
  }

  TEST_CASE("views_with_different_offsets_fail") {
    on_devices([](Device& d) {
      Captured f = capture([](const Tensors& x) { return Tensors{x[0] * 2, x[1].sum()}; }, d);
      Tensor x = row({1, 2, 3, 4});
      for (int64_t at : {0, 2, 1}) {
        Tensor view = x.narrow(0, at, 2);
        Tensors y = f({view, view.flip({0})});
        CHECK(read(y[0]) == Floats{float(2 * at + 2), float(2 * at + 4)});
        CHECK(read(y[1]) == Floats{float(2 * at + 3)});
      }
    });
  }

  TEST_CASE("shape_change_after_capture_fails") {
    on_devices([](Device& d) {
      Captured f = capture([](const Tensors& x) { return Tensors{x[0].sum() + x[1].sum()}; }, d);
      Tensor x = row({1, 2});
      Tensor whole = Tensor::from<int32_t>({1, 2}, {2});
      f({x, x});
      auto says = [&](const Tensors& arguments, const char* text) {
        CHECK_THROWS_WITH_AS(f(arguments), text, Error);
      };
      says({x, row({1, 2, 3})}, "capture: argument 1 is (3), and was recorded as (2)");
      says({x.reshape({2, 1}), x}, "capture: argument 0 is (2, 1), and was recorded as (2)");
      says({x, whole}, "capture: argument 1 is of i32, and was recorded of f32");
      says({x}, "capture: 1 arguments, and it was recorded with 2");
      says({x, x, x}, "capture: 3 arguments, and it was recorded with 2");
      CHECK(read(f({x, x})[0]) == Floats{6});
      Captured any = capture([](const Tensors& y) { return Tensors{y[0].sum()}; }, d);
      CHECK_THROWS_WITH_AS(any({x.narrow(0, 0, variable("n", 1, 2))}),
                           "capture: argument 0 has the symbolic shape (n): pass the whole, and "
                           "narrow it inside",
                           Error);
    });
  }

  TEST_CASE("python_constants_frozen") {
    on_devices([](Device& d) {
      Tensor x = row({1, 2});
      Tensor y = row({3, 4});
      for (bool verifying : {false, true}) {
        Verifying environment(verifying);
        float factor = 3;
        Tensors parts = {x};
        Captured scaled = capture([&](const Tensors& a) { return Tensors{a[0] * factor}; }, d);
        Captured listed = capture([&](const Tensors& a) { return Tensors{a[0] + parts[0]}; }, d);
        for (int i = 0; i < 2; ++i) {
          CHECK(read(scaled({y})[0]) == Floats{9, 12});
          CHECK(read(listed({y})[0]) == Floats{4, 6});
        }
        factor = 7;
        parts[0] = y;
        if (!verifying) {
          // What capture.h says: the function is not called again.
          CHECK(read(scaled({y})[0]) == Floats{9, 12});
          CHECK(read(listed({y})[0]) == Floats{4, 6});
          continue;
        }
        std::string became = another_graph;
        CHECK_THROWS_WITH_AS(scaled({y}), doctest::Contains((became + "3f32 became 7f32").c_str()),
                             Error);
        CHECK_THROWS_WITH_AS(
            listed({y}),
            doctest::Contains((became + "buffer of f32[2] became buffer of f32[2]").c_str()),
            Error);
        factor = 3;
        CHECK(read(scaled({x})[0]) == Floats{3, 6});
      }
      // What shall change is an argument, a variable or in a buffer.
      Tensor given(variable("factor", -100, 100));
      Captured f = capture([&](const Tensors& a) { return Tensors{a[0] * a[1] * given}; }, d);
      CHECK(read(f({x, row({3})}, {{"factor", 2}})[0]) == Floats{6, 12});
      CHECK(read(f({x, row({5})}, {{"factor", -1}})[0]) == Floats{-5, -10});
    });
  }

  TEST_CASE("unrealized_const_input_error") {
    on_devices([](Device& d) {
      auto sum = [](const Tensors& x) { return Tensors{x[0].sum() + x[1]}; };
      Captured f = capture(sum, d);
      CHECK(read(f({Tensor::ones({3}), Tensor::full({}, 2)})[0]) == Floats{5});
      CHECK(read(f({Tensor::zeros({3}), Tensor::full({}, 4)})[0]) == Floats{4});
      for (const Tensor& number : {Tensor(4), Tensor(4.0)}) {
        CHECK_THROWS_WITH_AS(capture(sum, d)({Tensor::zeros({3}), number}),
                             "capture: argument 1 is a number, which has no dtype of its own: "
                             "cast() and realize() it",
                             Error);
      }
      // It has no memory that could be written, and a constant's must not be.
      static const float values[] = {1, 2};
      Tensor fixed = Tensor::view(values, f32, {2}, {});
      auto increment = [](const Tensors& x) { return Tensors{x[0].assign(x[0] + 1)}; };
      Captured fresh = capture(increment, d);
      Captured used = capture(increment, d);
      Tensor x = row({1, 2});
      CHECK(read(used({x})[0]) == Floats{2, 3});
      for (Captured* g : {&fresh, &used}) {
        CHECK_THROWS_WITH_AS((*g)({fixed}), "capture: argument 0 is written and is constant",
                             Error);
        CHECK_THROWS_WITH_AS((*g)({x * 1}),
                             "capture: argument 0 is written and is no buffer: realize() it first",
                             Error);
      }
      CHECK(read(fresh({x})[0]) == Floats{3, 4});
    });
  }

  TEST_CASE("item_bakes_in_values") {
    // And so do branches on values, lists of them, and sizes that depend on them.
    on_devices([](Device& d) {
      Tensor known = row({1, -2});
      std::vector<TensorFunction> functions = {
          [&](const Tensors& x) { return Tensors{x[0] / item<float>(x[0].sum(), d)}; },
          [&](const Tensors& x) { return Tensors{x[0] / item<float>(known.sum(), d)}; },
          [&](const Tensors& x) { return Tensors{item<float>(known.sum()) < 0 ? x[0] : known}; },
          [&](const Tensors& x) { return Tensors{row(to_vector<float>(x[0], d))}; },
          [&](const Tensors& x) { return Tensors{nonzero(x[0], d)}; },
          [&](const Tensors& x) { return Tensors{masked_select(x[0], x[0] > 0, d)}; },
          [&](const Tensors& x) {
            return realize(Tensors{x[0], known + 1}, {}, d);
          },
      };
      for (const TensorFunction& f : functions) {
        CHECK_THROWS_WITH_AS(capture(f, d)({row({1, 2})}), asked_inside, Error);
      }
      // Nor launches another Replay inside, of which the result would be a constant.
      Replay other({known + 1}, d);
      auto launching = [&](const Tensors& x) {
        other.run();
        return Tensors{x[0] + other.tensor(0)};
      };
      CHECK_THROWS_WITH_AS(capture(launching, d)({row({1, 2})}), asked_inside, Error);
      // Outside again, values can be asked for.
      CHECK(item<float>(known.sum(), d) == -1);
      Captured live = capture(
          [&](const Tensors& x) {
            return Tensors{x[0] / x[0].sum(), where(known.sum() < 0, x[0], known),
                           x[0].masked_select(x[0] > 0, 2)};
          },
          d);
      for (float scale : {1.0f, 3.0f}) {
        Tensors y = live({row({scale, 3 * scale})});
        CHECK(read(y[0]) == Floats{0.25, 0.75});
        CHECK(read(y[1]) == Floats{scale, 3 * scale});
        CHECK(read(y[2]) == Floats{scale, 3 * scale});
      }
    });
  }

  TEST_CASE("positional_kwargs_cannot_mix") {
    on_devices([](Device& d) {
      Tensor difference = Tensor(variable("a", 0, 9)) - Tensor(variable("b", 0, 9));
      Captured f = capture([&](const Tensors& x) { return Tensors{x[0] + difference}; }, d);
      Tensor zero = row({0});
      CHECK_THROWS_WITH_AS(f({zero}), "replay: the variable a in [0, 9] was given no value", Error);
      CHECK(read(f({zero}, {{"a", 7}, {"b", 2}})[0]) == Floats{5});
      CHECK(read(f({zero}, {{"b", 2}, {"a", 7}})[0]) == Floats{5});
      CHECK_THROWS_WITH_AS(f({zero}, {{"a", 7}, {"b", 2}, {"c", 1}}),
                           "replay: no variable c: the graph has a, b", Error);
      CHECK_THROWS_WITH_AS(f({zero}, {{"a", 10}, {"b", 2}}), "replay: a = 10 is not in [0, 9]",
                           Error);
    });
  }

  TEST_CASE("class_method_shared_across_instances") {
    on_devices([](Device& d) {
      struct Layer {
        Tensor weight;
        Captured captured(Device& d) const {
          return capture([this](const Tensors& x) { return Tensors{x[0] * weight}; }, d);
        }
      };
      Layer a{row({1, 2})};
      Layer b{row({10, 20})};
      Captured first = a.captured(d);
      Captured second = b.captured(d);
      Tensor x = row({3, 4});
      CHECK(read(first({x})[0]) == Floats{3, 8});
      CHECK(read(second({x})[0]) == Floats{30, 80});
      CHECK(read(first({x})[0]) == Floats{3, 8});
    });
  }

  TEST_CASE("side_effects_only_during_capture") {
    on_devices([](Device& d) {
      Verifying environment(false);
      int calls = 0;
      Tensor count = realize(Tensor::zeros({}, i64).contiguous(), {}, d);
      Captured step = capture(
          [&](const Tensors&) {
            ++calls;
            return Tensors{count.assign(count + 1)};
          },
          d);
      CHECK_THROWS_WITH_AS(step.replay(), "capture: nothing is recorded before the first call",
                           Error);
      for (int64_t launch = 1; launch <= 3; ++launch) {
        step({});
        CHECK(item<int64_t>(count) == launch);
      }
      CHECK(calls == 2);
      CHECK(step.replay().n_kernels() == 1);
      // Effects that the graph would show are an error.
      Captured counting = capture([&](const Tensors& x) { return Tensors{x[0] * ++calls}; }, d);
      CHECK_THROWS_WITH_AS(
          counting({row({1})}),
          doctest::Contains((std::string(another_graph) + "3f32 became 4f32").c_str()), Error);
      Captured growing =
          capture([&](const Tensors& x) { return Tensors(size_t(++calls), x[0]); }, d);
      CHECK_THROWS_WITH_AS(
          growing({row({1})}),
          doctest::Contains((std::string(another_graph) + "5 tensors became 6 tensors").c_str()),
          Error);
      Captured turning =
          capture([&](const Tensors& x) { return Tensors{++calls % 2 ? x[0] + 1 : x[0] * 1}; }, d);
      CHECK_THROWS_WITH_AS(turning({row({1})}), doctest::Contains(another_graph), Error);
      // What a tensor depends on inside cannot be had outside.
      Tensor leaked(0);
      Captured leaking = capture(
          [&](const Tensors& x) {
            leaked = x[0] * 2;
            return Tensors{leaked + 1};
          },
          d);
      CHECK(read(leaking({row({1, 2})})[0]) == Floats{3, 5});
      CHECK_THROWS_WITH_AS(realize(leaked, {}, d), "replay: a buffer of f32 (2) has no memory",
                           Error);
      CHECK_THROWS_WITH_AS(leaking({leaked}), "replay: a buffer of f32 (2) has no memory", Error);
    });
  }

  TEST_CASE("buffers that a function makes") {
    on_devices([](Device& d) {
      // Literals are the same at every call. What is written would keep what the last call wrote.
      Captured table = capture([](const Tensors& x) { return Tensors{x[0] * row({1, 10})}; }, d);
      CHECK(read(table({row({1, 2})})[0]) == Floats{1, 20});
      CHECK(read(table({row({3, 4})})[0]) == Floats{3, 40});
      Captured state = capture(
          [](const Tensors& x) {
            Tensor sum = Tensor::empty({2});
            return Tensors{sum.assign(sum + x[0])};
          },
          d);
      CHECK_THROWS_WITH_AS(state({row({1, 2})}),
                           doctest::Contains("capture: the function assigns to a buffer that it "
                                             "makes, which would be one for all calls: make it "
                                             "outside of the function"),
                           Error);
    });
  }

  TEST_CASE("nothing_realized_fails") {
    on_devices([](Device& d) {
      Captured none = capture([](const Tensors&) { return Tensors{}; }, d);
      Captured same = capture([](const Tensors& x) { return x; }, d);
      Tensor x = row({1, 2});
      Tensor y = row({3, 4});
      CHECK(none({x}).empty());
      CHECK(same({x, y})[0].uop() == x.uop());
      CHECK(same({y, x})[0].uop() == y.uop());
      CHECK(same.replay().n_kernels() == 0);
    });
  }

  TEST_CASE("random_regenerates") {
    on_devices([](Device& d) {
      Random stream(7);
      Captured drawing = capture([&](const Tensors&) { return Tensors{stream.uniform({8})}; }, d);
      CHECK_THROWS_WITH_AS(drawing({}), doctest::Contains(another_graph), Error);
      UOp step = variable("step", 0, 100);
      Captured stepped = capture(
          [&](const Tensors&) { return Tensors{Random(7).fold(Tensor(step)).uniform({8})}; }, d);
      Captured keyed =
          capture([&](const Tensors& x) { return Tensors{Random(x[0]).uniform({8})}; }, d);
      std::set<Floats> seen;
      for (int64_t i = 0; i < 3; ++i) {
        seen.insert(read(stepped({}, {{"step", i}})[0]));
        seen.insert(read(keyed({Tensor::from<uint32_t>({uint32_t(i), 1}, {2})})[0]));
      }
      CHECK(seen.size() == 6);
    });
  }

  TEST_CASE("unrealized_return_auto_realized") {
    on_devices([](Device& d) {
      Captured f = capture(
          [](const Tensors& x) {
            return Tensors{x[0].transpose(), Tensor::full({2}, 7), x[0].narrow(0, 1, 1)};
          },
          d);
      Tensor x = Tensor::from<float>({1, 2, 3, 4}, {2, 2});
      Tensors y = f({x});
      for (int i = 0; i < 4; ++i) data(x)[i] = 0;
      CHECK(read(y[0]) == Floats{1, 3, 2, 4});
      CHECK(read(y[1]) == Floats{7, 7});
      CHECK(read(y[2]) == Floats{3, 4});
      // Written over by their user, constants are what they were.
      data(y[1])[0] = 8;
      CHECK(read(f({x})[1]) == Floats{7, 7});
    });
  }

  TEST_CASE("input_mutation_consistent") {
    on_devices([](Device& d) {
      Captured f = capture([](const Tensors& x) { return Tensors{x[0].assign(x[0] + 10) * 2}; }, d);
      Tensor x = row({1, 2});
      Tensor y = row({5, 6});
      CHECK(read(f({x})[0]) == Floats{22, 24});
      CHECK(read(f({y})[0]) == Floats{30, 32});
      CHECK(read(f({x})[0]) == Floats{42, 44});
      CHECK(read(x) == Floats{21, 22});
      CHECK(read(y) == Floats{15, 16});
    });
  }

  TEST_CASE("two captures alive, and moved") {
    on_devices([](Device& d) {
      auto f = [](const Tensors& x) {
        return Tensors{((x[0] * 3).contiguous().flip({0}).contiguous() + x[0]).sum()};
      };
      Captured a = capture(f, d);
      Captured b = capture(f, d);
      Tensor x = row({1, 2, 3});
      Tensor y = row({4, 5, 6});
      Tensor of_x = a({x})[0];
      Tensor of_y = b({y})[0];
      CHECK(a.replay().programs() == b.replay().programs());
      Captured moved = std::move(a);
      CHECK(read(moved({y})[0]) == Floats{60});
      CHECK(read(of_x) == Floats{24});
      CHECK(read(of_y) == Floats{60});
    });
  }

  TEST_CASE("a training step is a function of its batch") {
    on_devices([](Device& d) {
      Tensor w = row({0, 0});
      Optimizer optimizer = sgd({w}, {.rate = 0.1});
      Captured step = capture(
          [&](const Tensors& x) {
            Tensor loss = ((x[0] * w).sum() - x[1]).square().sum();
            Tensors outputs = optimizer.step(gradient(loss, {w}));
            outputs.insert(outputs.begin(), loss);
            return outputs;
          },
          d);
      Tensors losses;
      for (int i = 0; i < 30; ++i) {
        bool odd = i % 2;
        losses.push_back(step({row({odd ? 1.0f : 0.0f, 1}), row({odd ? 3.0f : 1.0f})})[0]);
      }
      CHECK(read(losses[0]) == Floats{1});
      CHECK(read(losses[29])[0] < 0.05f);
      CHECK(read(w)[0] == doctest::Approx(2).epsilon(0.1));
      CHECK(read(w)[1] == doctest::Approx(1).epsilon(0.1));
    });
  }
}

}  // namespace niwaki::test
