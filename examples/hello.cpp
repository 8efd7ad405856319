// Three lines of niwaki: tensors, an expression, its values. Nothing is computed before
// to_vector().
#include <fmt/ranges.h>

#include "runtimes/realize.h"

using namespace niwaki;

int main() {
  Tensor a = Tensor::arange(6).reshape({2, 3}).cast(f32);
  Tensor b = (a.matmul(a.transpose()) + 1.0).softmax(-1);
  fmt::print("{}\n", to_vector<float>(b));
}
