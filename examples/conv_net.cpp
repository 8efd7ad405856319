// A convolutional network learns to read digits, which the program draws itself: seven segments, as
// on a calculator, somewhere in a noisy picture, new ones at every step. The drawing is a graph
// like the network, and captured in the training step with it.
#include <fmt/core.h>

#include "models/layers.h"
#include "ops/gradient.h"
#include "ops/optim.h"
#include "runtimes/realize.h"

using namespace niwaki;
// Digits on a grid of 5 x 3: each row three bits, from the top.
const std::vector<int64_t> glyphs = {
    7, 5, 5, 5, 7, 2, 2, 2, 2, 2, 7, 1, 7, 4, 7, 7, 1, 7, 1, 7, 5, 5, 7, 1, 1,
    7, 4, 7, 1, 7, 7, 4, 7, 5, 7, 7, 1, 1, 1, 1, 7, 5, 7, 5, 7, 7, 5, 7, 1, 7,
};
constexpr int64_t size = 12;

// Pictures [n, 1, size, size] of the digits [n], each at a place of its own.
Tensor draw(const Tensor& digits, Random& random) {
  const int64_t n = *const_int(digits.dim(0));
  Tensor bit = Tensor(2) - Tensor::arange(3);
  Tensor font = (Tensor::from(glyphs, {10, 5, 1}) >> bit) & 1;                  // 10 5 3
  Tensor flat = font.reshape({10, 15}).cast(f32).embedding(digits);             // n 15
  Tensor top = random.integers({n, 1, 1}, 3, 6);                                // n 1 1
  Tensor left = random.integers({n, 1, 1}, 3, 7);                               // n 1 1
  Tensor row = Tensor::arange(size).reshape({1, size, 1}) - top;                // n size 1
  Tensor column = Tensor::arange(size).reshape({1, 1, size}) - left;            // n 1 size
  Tensor inside = (row >= 0) & (row < 5) & (column >= 0) & (column < 3);        // n size size
  Tensor place = where(inside, row * 3 + column, 0).reshape({n, size * size});  // n size*size
  Tensor ink = flat.gather(1, place).reshape({n, size, size});                  // n size size
  Tensor noise = random.normal({n, size, size}, 0, 0.2);
  return (where(inside, ink, 0.0) + noise).unsqueeze(1);
}

struct ConvNet {
  Conv2d first, second;
  Linear last;
  explicit ConvNet(Random& random)
      : first(1, 8, {3, 3}, random, {.padding = {1}}),
        second(8, 16, {3, 3}, random, {.padding = {1}}),
        last(16 * 9, 10, random) {}
  Tensor operator()(const Tensor& x) const {          // n 1 12 12
    Tensor y = first(x).relu().max_pool2d();          // n 8 6 6
    y = second(y).relu().max_pool2d();                // n 16 3 3
    return last(y.reshape({Dim(x.dim(0)), 16 * 9}));  // n 10
  }
  void visit(const Visitor& v) const {
    first.visit(within("first", v));
    second.visit(within("second", v));
    last.visit(within("last", v));
  }
};

int main() {
  Random weights(1);
  ConvNet model(weights);
  // The variable `step` makes the pictures of every launch new ones.
  Random random = Random(2).fold(Tensor(variable("step", 0, 1 << 20)));
  const int64_t n = 64;
  Tensor digits = random.integers({n}, 0, 10).contiguous();
  Tensor scores = model(draw(digits, random).contiguous());  // n 10
  Tensor loss = scores.cross_entropy(digits);
  Tensor right = (scores.argmax(1) == digits).mean();
  Optimizer optimizer = adam(parameters_of(model), {.rate = 0.01});
  std::vector<Tensor> outputs = optimizer.step(gradient(loss, parameters_of(model)));
  outputs.insert(outputs.begin(), {loss, right});
  Replay step(outputs, default_device());
  float recent = 0.1f;
  for (int64_t i = 0; i <= 400; ++i) {
    step.run({{"step", i}});
    recent = 0.9f * recent + 0.1f * item<float>(step.tensor(1));
    if (i % 100 == 0) {
      fmt::print("step {:3}: loss {:.4f}, {:.0f} % of the last pictures right\n", i,
                 item<float>(step.tensor(0)), 100 * double(recent));
    }
  }
  return recent > 0.9f ? 0 : 1;
}
