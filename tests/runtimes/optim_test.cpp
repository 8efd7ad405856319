// Optimisers against their formulas written as loops over doubles, several steps of each captured
// in one Replay; and state by name.
#include "ops/optim.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/error.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

using Numbers = std::vector<double>;
constexpr int64_t rows = 3;
constexpr int64_t columns = 2;
constexpr size_t n = size_t(rows * columns);
const Numbers start = {0.5, -1.0, 2.0, 0.25, -0.75, 1.5};
const Numbers slope = {1.0, 0.5, 0.25, 2.0, 1.5, 0.75};

Tensor tensor(const Numbers& values) {
  return Tensor::from(std::vector<float>(values.begin(), values.end()), {rows, columns});
}

// Its gradient is slope * w.
Tensor loss_of(const Tensor& w) { return (tensor(slope) * w * w).sum() * 0.5; }

float* data_of(const Tensor& t) { return static_cast<float*>(t.uop()->get<BufferRef>()->data); }

using Make = std::function<Optimizer(std::vector<Tensor>)>;
// Moves w along g; `kept` holds two numbers for each parameter, zeros at first.
using Formula = std::function<double(double w, double g, double* kept, int64_t step)>;

void compare(const Make& make, const Formula& formula) {
  for (const char* name : {"INTERP", "CPU"}) {
    INFO("on ", name);
    Tensor w = tensor(start);
    Optimizer optimizer = make({w});
    Replay replay(optimizer.step(gradient(loss_of(w), {w})), device(name));
    Numbers wanted = start;
    Numbers kept(2 * n, 0.0);
    for (int64_t step = 1; step <= 5; ++step) {
      replay.run();
      for (size_t i = 0; i < n; ++i) {
        INFO("step ", step, " element ", i);
        wanted[i] = formula(wanted[i], slope[i] * wanted[i], &kept[2 * i], step);
        CHECK(std::abs(double(data_of(w)[i]) - wanted[i]) <= 2e-6);
      }
    }
  }
}

}  // namespace

TEST_CASE("sgd") {
  for (double momentum : {0.0, 0.9}) {
    for (double decay : {0.0, 0.1}) {
      for (bool nesterov : {false, true}) {
        CAPTURE(momentum);
        CAPTURE(decay);
        CAPTURE(nesterov);
        SgdOptions o{0.1, momentum, decay, nesterov};
        compare([&](std::vector<Tensor> w) { return sgd(std::move(w), o); },
                [&](double w, double g, double* kept, int64_t) {
                  g += decay * w;
                  kept[0] = momentum * kept[0] + g;
                  if (momentum == 0) return w - 0.1 * g;
                  return w - 0.1 * (nesterov ? g + momentum * kept[0] : kept[0]);
                });
      }
    }
  }
}

TEST_CASE("adam and adamw") {
  for (double decay : {0.0, 0.1}) {
    for (bool decoupled : {false, true}) {
      CAPTURE(decay);
      CAPTURE(decoupled);
      AdamOptions o{.rate = 0.1, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = decay};
      compare(
          [&](std::vector<Tensor> w) {
            return decoupled ? adamw(std::move(w), o) : adam(std::move(w), o);
          },
          [&](double w, double g, double* kept, int64_t step) {
            if (decoupled) w -= 0.1 * decay * w;
            else g += decay * w;
            kept[0] = 0.8 * kept[0] + 0.2 * g;
            kept[1] = 0.95 * kept[1] + 0.05 * g * g;
            double mean = kept[0] / (1 - std::pow(0.8, double(step)));
            double square = kept[1] / (1 - std::pow(0.95, double(step)));
            return w - 0.1 * mean / (std::sqrt(square) + 1e-8);
          });
    }
  }
}

TEST_CASE("an orthogonalised matrix has singular values near 1") {
  for (bool tall : {false, true}) {
    CAPTURE(tall);
    Numbers values = {3, 1, -2, 0.5, 0.25, 4};
    Tensor m = tensor(values);
    Tensor x = orthogonalize(tall ? m : m.transpose());
    Tensor gram = tall ? x.transpose().matmul(x) : x.matmul(x.transpose());
    std::vector<float> g = to_vector<float>(gram);
    // The eigenvalues of a symmetric 2x2 matrix are those of its trace and determinant.
    double half = (double(g[0]) + double(g[3])) / 2;
    double root = std::sqrt(half * half - double(g[0] * g[3] - g[1] * g[2]));
    CHECK(half - root > 0.45);
    CHECK(half + root < 1.5);
    CHECK(g[1] == doctest::Approx(g[2]));
  }
  CHECK_THROWS_WITH(orthogonalize(Tensor::empty({2, 3, 4})),
                    "orthogonalize: (2, 3, 4) is no matrix");
}

TEST_CASE("muon moves along the orthogonalised momentum") {
  Tensor w = tensor(start);
  MuonOptions o{.rate = 0.1, .momentum = 0.9, .weight_decay = 0.5, .nesterov = true};
  Tensor g = tensor(slope);
  std::vector<float> direction = to_vector<float>(orthogonalize(g * 1.9));
  Optimizer optimizer = muon({w}, o);
  realize(optimizer.step({g}));
  double scale = std::sqrt(double(rows) / double(columns));
  for (size_t i = 0; i < n; ++i) {
    double wanted = start[i] * (1 - 0.1 * 0.5) - 0.1 * scale * double(direction[i]);
    CHECK(double(data_of(w)[i]) == doctest::Approx(wanted).epsilon(1e-5));
  }
  CHECK_THROWS_WITH(muon({Tensor::empty({3})}),
                    "muon: (3) is no matrix: give it to another optimizer");
}

TEST_CASE("the rate may change between launches of a captured step") {
  Tensor w = tensor(start);
  Optimizer optimizer = sgd({w}, {.rate = 0.5});
  Replay step(optimizer.step({tensor(slope)}), default_device());
  step.run();
  CHECK(data_of(w)[0] == 0.0f);
  optimizer.set_rate(2.0);
  CHECK(optimizer.rate() == 2.0);
  step.run();
  CHECK(data_of(w)[0] == -2.0f);
}

TEST_CASE("clipping by the norm of all gradients") {
  Tensor a = Tensor::from<float>({3, 0}, {2});
  Tensor b = Tensor::from<float>({4}, {1});
  std::vector<Tensor> clipped = clip_norm({a, b}, 1.0);
  CHECK(to_vector<float>(clipped[0])[0] == doctest::Approx(0.6).epsilon(1e-5));
  CHECK(to_vector<float>(clipped[1])[0] == doctest::Approx(0.8).epsilon(1e-5));
  CHECK(to_vector<float>(clip_norm({a, b}, 10.0)[0])[0] == 3.0f);
}

TEST_CASE("training resumes exactly from a saved state") {
  auto steps = [](Tensor w, Optimizer& optimizer, int64_t count) {
    Replay step(optimizer.step(gradient(loss_of(w), {w})), default_device());
    for (int64_t i = 0; i < count; ++i) step.run();
  };
  Tensor straight = tensor(start);
  Optimizer optimizer = adamw({straight});
  steps(straight, optimizer, 6);

  Tensor first = tensor(start);
  Optimizer before = adamw({first});
  steps(first, before, 3);
  Tensor second = Tensor::empty({rows, columns});
  Optimizer after = adamw({second}, {.rate = 7});
  load_state(after, state_of(before));
  for (size_t i = 0; i < n; ++i) data_of(second)[i] = data_of(first)[i];
  CHECK(after.rate() == before.rate());
  steps(second, after, 3);
  for (size_t i = 0; i < n; ++i) CHECK(data_of(second)[i] == data_of(straight)[i]);
}

TEST_CASE("what an optimizer refuses") {
  Tensor w = Tensor::empty({3});
  CHECK_THROWS_WITH(sgd({w + 1.0}),
                    "optimizer: a parameter of f32 (3) is no buffer of floats that can be written: "
                    "realize() it first");
  CHECK_THROWS_WITH(sgd({Tensor::empty({2}, i32)}),
                    "optimizer: a parameter of i32 (2) is no buffer of floats that can be written: "
                    "realize() it first");
  CHECK_THROWS_WITH(sgd({w}).step({}), "optimizer: 0 gradients for 1 parameters");
  CHECK_THROWS_WITH(sgd({w}).step({Tensor::empty({4})}),
                    "optimizer: gradient 0 is (4), its parameter (3)");
  CHECK_THROWS_WITH(adam({w}, {.beta1 = 1.0}), "adam: the betas 1 and 0.999 are not in [0, 1)");
}

namespace {

struct Pair {
  Tensor a = Tensor::empty({2});
  Tensor b = Tensor::empty({1});
  std::string second = "b";
  void visit(const Visitor& v) const {
    v("a", a, Part::Parameter);
    v(second, b, Part::Kept);
  }
};

struct Nested {
  Pair first;
  Pair last;
  void visit(const Visitor& v) const {
    first.visit(within("first", v));
    last.visit(within("last", v));
  }
};

}  // namespace

TEST_CASE("state by name") {
  Nested model;
  State state = state_of(model);
  CHECK(state.size() == 4);
  CHECK(state.at("last.a").uop() == model.last.a.uop());
  CHECK(parameters_of(model).size() == 2);

  state.at("first.a") = Tensor::from<float>({5, 6}, {2});
  load_state(model, state);
  CHECK(data_of(model.first.a)[1] == 6.0f);

  State wrong = state;
  wrong.at("first.a") = Tensor::empty({3});
  CHECK_THROWS_WITH(load_state(model, wrong), "state: first.a is f32 (3), in the model f32 (2)");
  wrong.at("first.a") = Tensor::empty({2}, f64);
  CHECK_THROWS_WITH(load_state(model, wrong), "state: first.a is f64 (2), in the model f32 (2)");
  wrong.at("first.a") = state.at("first.a") + 1.0;
  CHECK_THROWS_WITH(load_state(model, wrong), "state: first.a has no memory: realize() it first");
  wrong = state;
  wrong.erase("last.b");
  CHECK_THROWS_WITH(load_state(model, wrong), "state: last.b is missing");
  wrong = state;
  wrong.emplace("more", Tensor::empty({1}));
  CHECK_THROWS_WITH(load_state(model, wrong),
                    "state: more is no part of the model, which has first.a, ...");
  model.last.second = "a";
  CHECK_THROWS_WITH(state_of(model), "state: two parts are called last.a");
}

}  // namespace niwaki::test
