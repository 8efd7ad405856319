// Accesses outside of a buffer: what is proved inside, what is kept inside by a clamp, and that a
// kernel which leaves its buffer is not compiled, whichever pass broke it.
#include <doctest/doctest.h>

#include "codegen/lower.h"
#include "core/error.h"

namespace niwaki::test {
namespace {

UOp param(int64_t number, int64_t size, DType t = f32) {
  return make(Op::Param, {}, ParamInfo{number, t, size, false});
}

UOp loop(int64_t n, int64_t id = 0) { return range(index(n), id, AxisKind::Loop); }

// out[0] = x[at], where `gate`, of a buffer of 8.
UOp read(const UOp& at, const UOp& gate = {}) {
  std::vector<UOp> src = {param(1, 8), at};
  if (gate) src.push_back(gate);
  std::vector<UOp> store = {param(0, 1), index(0), make(Op::Load, src)};
  for (const UOp& u : toposort(make(Op::Sink, src))) {
    if (u->op == Op::Range) store.push_back(u);
  }
  return make(Op::Sink, {make(Op::Store, store)});
}

UOp write(const UOp& at, std::vector<UOp> loops) {
  std::vector<UOp> src = {param(0, 8), at, constant(f32, 1)};
  src.insert(src.end(), loops.begin(), loops.end());
  return make(Op::Sink, {make(Op::Store, src)});
}

UOp not_less(const UOp& a, const UOp& b) { return negate(a < b); }

const Target interp = target_of("interp");

}  // namespace

TEST_CASE("what stays inside is proved, and left as it is") {
  UOp r = loop(8);
  UOp s = loop(4, 1);
  UOp n = variable("n", 1, 8);
  UOp m = variable("m", 0, 5);
  UOp data = make(Op::Load, {param(2, 1, i64), index(0)});
  const UOp kernels[] = {
      read(index(0)),
      read(index(7)),
      read(r),
      read(r * -1.0 + 7.0),
      read(r / 2.0 + s),
      read((r * 3.0 + s) % 8.0),
      read(r % 4.0 * 2.0 + s / 2.0),
      read(n + -1.0),
      read(m + range(index(3), 2, AxisKind::Loop)),
      read(n + range(n, 2, AxisKind::Loop) * -1.0 + -1.0),
      read(r + 3.0, r < index(5)),
      read(r + -3.0, not_less(r, index(3))),
      read(r * 2.0, r < index(4)),
      read(r + s, r + s < index(8)),
      read(r + m, r + m < index(8)),
      read(data, not_less(data, index(0)) & (data < index(8))),
      read(data + 2.0, not_less(data, index(-2)) & (data < index(6))),
      read(r * r, r * r < index(8)),
      read(r + 100.0, r < index(0)),
      read(r + 100.0, constant(boolean, 0)),
      read(where(r < index(5), r + 3.0, index(2))),
      read(where(r < index(5), r, r + -5.0)),
      read(where(data < index(0), data + 8.0, data), not_less(data, index(-8)) & (data < index(8))),
      write(r, {r}),
      write(s * 2.0 + 1.0, {s}),
      write(s + m % 2.0 * 4.0, {s}),
  };
  for (const UOp& kernel : kernels) CHECK(prove_bounds(kernel, interp) == kernel);
}

TEST_CASE("a gate that says more than intervals can: the index is clamped, then proved") {
  UOp r = loop(8);
  UOp data = make(Op::Load, {param(2, 1, i64), index(0)});
  UOp other = make(Op::Load, {param(2, 2, i64), index(1)});
  const UOp kernels[] = {
      read(data, data < index(8)),
      read(data * data, data * data < index(8)),
      read(data, make(Op::Ne, {data, other})),
      read(r + data, r < index(8)),
  };
  for (const UOp& kernel : kernels) {
    CHECK_THROWS_AS(verify_bounds(kernel, "before"), InternalError);
    UOp kept = prove_bounds(kernel, interp);
    CHECK(kept != kernel);
    verify_bounds(kept, "after");
    for (const UOp& u : toposort(kept)) {
      if (u->op == Op::Load && u->src.size() > 2) CHECK((u[1]->lo >= 0 && u[1]->hi < 8));
    }
  }
}

TEST_CASE("what may leave its buffer is refused") {
  UOp r = loop(8);
  UOp data = make(Op::Load, {param(2, 1, i64), index(0)});
  struct Row {
    UOp kernel;
    const char* why;
  };
  const Row rows[] = {
      {read(index(8)), "a load at 8 may leave [0, 8)"},
      {read(index(-1)), "a load at -1 may leave [0, 8)"},
      {read(r + 1.0), "a load at (r0 + 1) may leave [0, 8)"},
      {read(r + -1.0), "a load at (r0 + -1) may leave [0, 8)"},
      {read(r * 2.0), "a load at (r0 * 2) may leave [0, 8)"},
      {read(loop(9)), "a load at r0 may leave [0, 8)"},
      {read(r + loop(2, 1)), "a load at (r0 + r1) may leave [0, 8)"},
      {read(variable("n", 1, 9) + -1.0), "a load at (n + -1) may leave [0, 8)"},
      {read(data % 9.0), "a load at (load(param(), 0) % 9) may leave [0, 8)"},
      {write(r + 1.0, {r}), "a store at (r0 + 1) may leave [0, 8)"},
      {write(r * r, {r}), "a store at (r0 * r0) may leave [0, 8)"},
      {write(data, {}), "a store at load(param(), 0) may leave [0, 8)"},
  };
  for (const Row& row : rows) {
    CHECK_THROWS_WITH_AS(prove_bounds(row.kernel, interp), doctest::Contains(row.why),
                         InternalError);
    CHECK_THROWS_WITH_AS(lower(row.kernel, interp), doctest::Contains(row.why), InternalError);
    CHECK_THROWS_WITH_AS(verify_bounds(row.kernel, "axes"),
                         doctest::Contains((std::string("axes: ") + row.why).c_str()),
                         InternalError);
  }
}

}  // namespace niwaki::test
