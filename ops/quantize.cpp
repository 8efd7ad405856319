// Fixed point: numbers that are whole multiples of one step for each group.
//
// A model whose weights have one or two bits spends its time on activations of 24, and most of
// those bits are below what the weights' rounding left. What is kept of them is the model's word,
// never the compiler's; so it is said here, in ops that every device runs alike. The integers and
// the steps are stored, because all products that read them then share them, and because the
// product of both is no integer that a compiler could still see. What memory holds is not known
// when a program is compiled, so the bound of the integers is said behind it: everything that
// follows of it, how wide their sums are, is proved from there.
//
// Rejected: one step for a whole row. A single large activation would take the bits of all others.
#include <cmath>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {

Tensor Tensor::quantize(int64_t group, int64_t bits, Here) const {
  check(rank() > 0, "quantize: a scalar has no groups");
  const int64_t* n = const_int(dim(-1));
  check(group > 0 && n && *n % group == 0,
        "quantize: groups of {} do not divide the last dim of {}", group, to_string(shape()));
  check(bits >= 2 && bits <= 24, "quantize: to {} bits: 2 to 24 are possible", bits);
  const double most = std::exp2(double(bits)) - 1;
  Tensor groups = cast(f32).unflatten(-1, {*n / group, group});        // ... n/group group
  Tensor peak = groups.abs().max({-1}, true);                          // ... n/group 1
  Tensor step = (peak / most).contiguous();                            // ... n/group 1
  Tensor scale = niwaki::where(peak > 0, most / peak, 0);              // ... n/group 1
  const DType t = bits < 16 ? i16 : i32;
  Tensor scaled = groups * scale;                                      // ... n/group group
  // Below 2^22, behind this number a float has no fraction left: what is added is rounded.
  constexpr double no_fraction = 0x1.8p23;
  scaled = bits <= 22 ? (scaled + no_fraction) - no_fraction : scaled.round();
  Tensor whole = scaled.cast(t).contiguous();                          // ... n/group group
  Tensor codes = whole.clamp(Tensor(-most).cast(t), Tensor(most).cast(t));
  return (codes.cast(f32) * step).reshape(dims_of(shape()));
}

}  // namespace niwaki
