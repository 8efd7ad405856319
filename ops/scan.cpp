// Where things are along an axis: the position of an extreme, order, running totals.
#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {

Tensor Tensor::argmax(int64_t axis) const {
  Tensor x = numbers();
  int64_t at = x.axis_of(axis);
  Dims shape(size_t(x.rank()), Dim(1));
  shape[size_t(at)] = Dim(x.dim(at));
  Tensor position = arange(x.dim(at)).reshape(shape);
  Tensor last(dim_add(x.dim(at), index(-1)));
  Tensor from_end = niwaki::where(x == x.max({at}, true), last - position, Tensor(index(-1)));
  return last - from_end.max({at});
}

}  // namespace niwaki
