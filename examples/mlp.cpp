// A multilayer perceptron learns to tell two moons apart, drawn by the program itself. A model is a
// struct of layers; a training step is captured once and launched as often as asked.
#include <fmt/core.h>

#include <numbers>

#include "models/layers.h"
#include "ops/gradient.h"
#include "ops/optim.h"
#include "runtimes/realize.h"

using namespace niwaki;

struct Mlp {
  Linear first, second, last;

  explicit Mlp(Random& random)
      : first(2, 32, random), second(32, 32, random), last(32, 2, random) {}
  Tensor operator()(const Tensor& x) const {         // n 2
    Tensor hidden = second(first(x).relu()).relu();  // n 32
    return last(hidden);                             // n 2
  }
  void visit(const Visitor& v) const {
    first.visit(within("first", v));
    second.visit(within("second", v));
    last.visit(within("last", v));
  }
};

int main() {
  Random random(1);
  const int64_t n = 512;
  // Half a circle each, the second one upside down and shifted, both blurred.
  Tensor moon = Tensor::arange(n) % 2;
  Tensor angle = random.uniform({n}, 0, std::numbers::pi);
  Tensor across = where(moon == 0, angle.cos(), Tensor(1.0) - angle.cos());
  Tensor up = where(moon == 0, angle.sin(), Tensor(0.5) - angle.sin());
  Tensor points = realize(stack({across, up}, 1) + random.normal({n, 2}, 0, 0.1));  // n 2

  Mlp model(random);
  Tensor scores = model(points);  // n 2
  Tensor loss = scores.cross_entropy(moon);
  Tensor right = (scores.argmax(1) == moon).mean();
  Optimizer optimizer = adam(parameters_of(model), {.rate = 0.01});
  std::vector<Tensor> outputs = optimizer.step(gradient(loss, parameters_of(model)));
  outputs.insert(outputs.begin(), {loss, right});
  Replay step(outputs, default_device());
  float accuracy = 0;
  for (int64_t i = 0; i <= 200; ++i) {
    step.run();
    accuracy = item<float>(step.tensor(1));
    if (i % 40 == 0) {
      fmt::print("step {:3}: loss {:.4f}, {:.1f} % right\n", i, item<float>(step.tensor(0)),
                 100 * double(accuracy));
    }
  }
  return accuracy > 0.98f ? 0 : 1;
}
