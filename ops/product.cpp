// Products of matrices and what generalises them. A product is a broadcast multiplication and a
// sum; that it is run as a tiled kernel is the scheduler's and the generators' work.
#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {

Tensor Tensor::matmul(const Tensor& other) const {
  Tensor a = numbers();
  Tensor b = other.numbers();
  check(a.rank() >= 2 && b.rank() >= 2, "matmul: needs two dims each: {} @ {}",
        to_string(a.shape()), to_string(b.shape()));
  check(a.dim(-1) == b.dim(-2), "matmul: inner dimensions differ: {} @ {}", to_string(a.shape()),
        to_string(b.shape()));
  return (a.unsqueeze(-2) * b.transpose().unsqueeze(-3)).sum({-1});
}

Tensor Tensor::linear(const Tensor& weight) const {
  check(weight.rank() == 2 && rank() >= 1 && dim(-1) == weight.dim(1),
        "linear: the last dim of {} is not the second of the weight {}", to_string(shape()),
        to_string(weight.shape()));
  return (unsqueeze(-2) * weight).sum({-1});
}

}  // namespace niwaki
