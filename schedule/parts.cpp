// A long sum is computed in parts.
//
// Threads share the outputs of a kernel, and a sum of everything has one: other threads would
// look on. So what such a reduce gathers is cut into parts along its first axis that allows it, as
// many as serve any number of threads, and a second kernel gathers the parts. The cut is the same
// for any number of threads, and so is the result; a sum in parts is also nearer to the true one.
//
// Rejected: an atomic addition of every thread's part. The order of additions, and so the last
// bits, would change from run to run.
#include "core/rewrite.h"
#include "schedule/outcomes.h"
#include "schedule/schedule.h"
#include "schedule/uses.h"

namespace niwaki {
namespace {

// A kernel that costs a few microseconds more pays from here on: some tenths of a millisecond.
constexpr double least_terms = 1 << 20;
constexpr double most_outputs = 1;
constexpr int64_t least_parts = 8;
constexpr int64_t most_parts = 64;

UOp reshape(const UOp& u, const Shape& shape) {
  std::vector<UOp> src = {u};
  src.insert(src.end(), shape.begin(), shape.end());
  return make(Op::Reshape, std::move(src));
}

int64_t greatest_divisor(int64_t n) {
  for (int64_t parts = most_parts; parts >= least_parts; --parts) {
    if (n % parts == 0) return parts;
  }
  return 1;
}

UOp in_parts(const UOp& u) {
  if (u->op != Op::Reduce || size_of(u->shape) > most_outputs || terms(u) < least_terms) return {};
  const Reduction& reduction = u->get<Reduction>();
  for (int64_t axis : reduction.axes) {
    const int64_t* n = const_int(u[0]->shape[size_t(axis)]);
    int64_t parts = n ? greatest_divisor(*n) : 1;
    if (parts == 1) continue;
    Shape cut = u[0]->shape;
    cut[size_t(axis)] = index(*n / parts);
    cut.insert(cut.begin() + axis, index(parts));
    Axes inside;
    for (int64_t a : reduction.axes) inside.push_back(a < axis ? a : a + 1);
    UOp part = make(Op::Reduce, {reshape(u[0], cut)}, Reduction{reduction.op, inside});
    part = make(Op::Contiguous, {part}, parts_of_sum);
    UOp all = make(Op::Reduce, {part}, Reduction{reduction.op, {axis}});
    return reshape(all, u->shape);
  }
  return {};
}

}  // namespace

UOp share_sums(const UOp& sink) { return graph_rewrite(sink, in_parts); }

}  // namespace niwaki
