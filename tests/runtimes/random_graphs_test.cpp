// Random graphs, run by the compiled CPU kernels and by the interpreter; and by the interpreter on
// code that was lowered for a target which has no vectors, halves or bools in memory.
// NIWAKI_FUZZ_FROM and NIWAKI_FUZZ_COUNT choose other seeds; a failure prints the one that failed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/text.h"
#include "runtimes/bindings.h"
#include "runtimes/borrowed_code.h"
#include "runtimes/realize.h"
#include "support/random_graph.h"

namespace niwaki::test {
namespace {

int64_t setting(const char* name, int64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : fallback;
}

bool close(double a, double b, double tolerance) {
  if (a == b || (a != a && b != b)) return true;
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a));
}

// The first element in which the two results differ by more than allowed; -1 if none does.
int64_t first_difference(const Buffer& a, const Buffer& b, double tolerance) {
  for (int64_t i = 0; i < a.size(); ++i) {
    size_t offset = size_t(i * byte_size(a.dtype));
    Value x = load_value(a.dtype, static_cast<char*>(a.data) + offset);
    Value y = load_value(b.dtype, static_cast<char*>(b.data) + offset);
    bool same = is_float(a.dtype) ? close(x.f, y.f, tolerance) : x.i == y.i;
    if (!same) return i;
  }
  return -1;
}

// Whether the graph of a seed has one result wherever it runs; says so where it has not.
bool agrees(uint64_t seed) {
  static BorrowedCode scalar_code("c");
  CAPTURE(seed);
  RandomGraph graph = random_graph(seed);
  bool same = true;
  try {
    Bindings bindings = needed({graph.result}, {{"n", graph.n}});
    Replay oracle({graph.result}, device("INTERP"));
    oracle.run(bindings);
    for (Device* other : {&device("CPU"), static_cast<Device*>(&scalar_code)}) {
      Replay replay({graph.result}, *other);
      replay.run(bindings);
      int64_t at = first_difference(oracle.output(0), replay.output(0), graph.tolerance);
      if (at < 0) continue;
      same = false;
      FAIL_CHECK("element ", at, other == &scalar_code ? " in scalar code" : " on CPU",
                 " differs in\n", print(graph.result.uop()));
    }
  } catch (const std::exception& e) {
    same = false;
    FAIL_CHECK(std::string(e.what()), "\nin\n", print(graph.result.uop()));
  }
  return same;
}

}  // namespace

TEST_CASE("random graphs: CPU agrees with INTERP") {
  uint64_t from = uint64_t(setting("NIWAKI_FUZZ_FROM", 1));
  uint64_t count = uint64_t(setting("NIWAKI_FUZZ_COUNT", 2000));
  MESSAGE("seeds ", from, " to ", from + count - 1);
  int64_t failures = 0;
  for (uint64_t seed = from; seed < from + count && failures < 5; ++seed) failures += !agrees(seed);
}

// Gates that say more than intervals do, symbolic indices, integers that are data.
TEST_CASE("random graphs: seeds that once failed") {
  for (uint64_t seed : {311, 361, 1472, 1975, 2862, 8390, 20492, 40856, 171083})
    CHECK(agrees(seed));
}

}  // namespace niwaki::test
