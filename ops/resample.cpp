// Images stretched and shrunk: an output position lies somewhere between two input positions.
//
// Positions are fractions of integers, so that no rounding decides which elements are read and the
// compiler sees an index rather than a gather. torch computes them in f32; where a position is
// exactly an integer it may therefore choose the element before.
#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

// `axis` of n elements as m; align_corners puts the first and last elements onto one another,
// otherwise the borders of the first and last are.
Tensor stretched(const Tensor& x, int64_t axis, int64_t n, int64_t m, Resample mode,
                 bool align_corners) {
  Tensor o = Tensor::arange(m);
  if (mode == Resample::Nearest) return x.index_select(axis, (o * n).floor_divide(m));
  if (mode == Resample::NearestExact)
    return x.index_select(axis, ((o * 2 + 1) * n).floor_divide(2 * m));
  // The position in steps of 1 / parts of an element.
  int64_t parts = align_corners ? std::max<int64_t>(m - 1, 1) : 2 * m;
  Tensor at = align_corners ? o * (n - 1) : ((o * 2 + 1) * n - m).maximum(0);
  if (align_corners && m == 1) at = o;
  Tensor low = at.floor_divide(parts).minimum(n - 1);
  Tensor a = x.index_select(axis, low);
  Tensor b = x.index_select(axis, (low + 1).minimum(n - 1));
  Dims column(size_t(x.rank() - axis), Dim(1));
  column[0] = Dim(m);
  Tensor step = (at % parts).reshape(column);
  if (is_float(x.dtype())) return a + (b - a) * (step.cast(x.dtype()) * (1.0 / double(parts)));
  Tensor sum = a.cast(i64) * (Tensor(parts) - step) + b.cast(i64) * step;
  return (sum + parts / 2).floor_divide(parts).cast(x.dtype());
}

}  // namespace

Tensor Tensor::interpolate(const std::vector<int64_t>& size, Resample mode, bool align_corners,
                           Here) const {
  check(!size.empty() && int64_t(size.size()) <= rank(),
        "interpolate: a size ({}) for the shape {}", fmt::join(size, ", "), to_string(shape()));
  check(!align_corners || mode == Resample::Linear,
        "interpolate: align_corners is for linear interpolation");
  constexpr int64_t most = int64_t(1) << 30;
  Tensor x = numbers();
  // The innermost axis first: of integers, each axis is rounded.
  for (size_t i = size.size(); i-- > 0;) {
    int64_t axis = rank() - int64_t(size.size() - i);
    const int64_t* n = const_int(dim(axis));
    check(n && *n > 0 && *n < most && size[i] > 0 && size[i] < most,
          "interpolate: axis {} of {} cannot become ({})", axis, to_string(shape()),
          fmt::join(size, ", "));
    x = stretched(x, axis, *n, size[i], mode, align_corners);
  }
  return x;
}

}  // namespace niwaki
