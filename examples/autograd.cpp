// Gradients: of a function of one number, and of the loss of a line that is fitted to points by
// plain gradient descent. A gradient is a tensor like any other.
#include <fmt/ranges.h>

#include "ops/gradient.h"
#include "runtimes/realize.h"

using namespace niwaki;

int main() {
  Tensor x = Tensor::from(std::vector<float>{-1, 0, 0.5, 2}, {4});
  Tensor slope = gradient((x * x * x).sum(), {x})[0];
  fmt::print("x^3 at {} has the slope {}\n", to_vector<float>(x), to_vector<float>(slope));

  Tensor at = Tensor::arange(32).cast(f32).reshape({32, 1}) / 16.0 - 1.0;  // 32 1
  Tensor points = at * 3.0 - 0.5 + (at * 50.0).sin() * 0.1;                // 32 1
  Tensor weight = Tensor::empty({1, 1});
  Tensor bias = Tensor::empty({1});
  for (int step = 0; step <= 40; ++step) {
    Tensor error = at.matmul(weight) + bias - points;
    Tensor loss = (error * error).mean();
    std::vector<Tensor> g = gradient(loss, {weight, bias});
    std::vector<Tensor> next = realize({loss, weight - g[0] * 0.2, bias - g[1] * 0.2});
    if (step % 10 == 0) fmt::print("step {:2}: loss {:.5f}\n", step, item<float>(next[0]));
    weight = next[1];
    bias = next[2];
  }
  fmt::print("y = {:.3f} x + {:.3f}\n", item<float>(weight), item<float>(bias));
}
