#include "runtimes/dynamic.h"

#include "core/error.h"
#include "runtimes/realize.h"

namespace niwaki {

Tensor nonzero(const Tensor& x, Device& device) {
  return x.nonzero(item<int64_t>((x != 0).sum(), device));
}

Tensor masked_select(const Tensor& x, const Tensor& mask, Device& device) {
  Tensor wide = mask.expand(Dims(x.shape().begin(), x.shape().end()));
  return x.masked_select(wide, item<int64_t>(wide.cast(i64).sum(), device));
}

}  // namespace niwaki
