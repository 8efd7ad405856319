// Devices agree on the shared cases: INTERP on its own code, INTERP on the vector code that is made
// for the CPU, and the CPU.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "cases/cases.h"
#include "runtimes/bindings.h"
#include "runtimes/borrowed_code.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

const Bindings bindings = {{"pos", 5}, {"t", 3}};

std::vector<float> values(const Buffer& b) {
  std::vector<float> all;
  for (int64_t i = 0; i < b.size(); ++i) {
    Value v = load_value(b.dtype, static_cast<char*>(b.data) + i * byte_size(b.dtype));
    all.push_back(is_float(b.dtype) ? float(v.f) : float(v.i));
  }
  return all;
}

std::vector<std::vector<float>> run(const Case& c, Device& device) {
  std::vector<Tensor> outputs = c.make();
  Replay replay(outputs, device);
  replay.run(needed(outputs, bindings));
  std::vector<std::vector<float>> results;
  for (size_t i = 0; i < outputs.size(); ++i) results.push_back(values(replay.output(i)));
  return results;
}

void check_close(const std::vector<std::vector<float>>& a,
                 const std::vector<std::vector<float>>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].size() == b[i].size());
    for (size_t j = 0; j < a[i].size(); ++j) {
      float x = a[i][j];
      float y = b[i][j];
      bool same =
          x == y || (x != x && y != y) || std::abs(x - y) <= 2e-6f * std::max(1.0f, std::abs(x));
      if (!same) FAIL_CHECK("output ", i, " element ", j, ": ", x, " and ", y);
    }
  }
}

}  // namespace

TEST_CASE("CPU agrees with INTERP on every case") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    check_close(run(c, device("INTERP")), run(c, device("CPU")));
  }
}

TEST_CASE("vector code means on INTERP what scalar code means") {
  BorrowedCode vectors("llvm");
  BorrowedCode grid("cuda");
  BorrowedCode scalars("c");
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    check_close(run(c, device("INTERP")), run(c, vectors));
    check_close(run(c, device("INTERP")), run(c, grid));
    check_close(run(c, device("INTERP")), run(c, scalars));
  }
}

TEST_CASE("results do not depend on the number of threads") {
  Device& cpu = device("CPU");
  int64_t before = cpu.threads();
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    cpu.set_threads(1);
    std::vector<std::vector<float>> one = run(c, cpu);
    cpu.set_threads(3);
    std::vector<std::vector<float>> three = run(c, cpu);
    for (size_t i = 0; i < one.size(); ++i) {
      REQUIRE(one[i].size() == three[i].size());
      CHECK(std::memcmp(one[i].data(), three[i].data(), one[i].size() * sizeof(float)) == 0);
    }
  }
  cpu.set_threads(before);
}

TEST_CASE("devices by name") {
  CHECK(device("CPU").name() == "CPU");
  CHECK_THROWS_WITH(device("TPU"),
                    "device: unknown name 'TPU': known are CPU, INTERP and NULL[:TARGET]");
  CHECK_THROWS_WITH(device("NULL:vax"),
                    "target: unknown name 'vax': known are interp, llvm, c, cuda, metal, opencl");
  CHECK_THROWS_WITH(device("CPU").set_threads(-1),
                    "cpu: -1 threads: give 1 to 1024, or 0 for one a core");
  CHECK_THROWS_WITH(realize(input({4}, 1) + 1.0, {}, device("NULL:cuda")),
                    "null: this device computes nothing: choose CPU or INTERP");
}

TEST_CASE("a reduce that another one's loop has computed is not computed again") {
  // The maximum is found before the loop of the first sum, and takes the second sum along.
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor sums = (x - x.max({1}, true)).sum({1}) + (x * x).sum({1});
  for (const char* name : {"INTERP", "CPU"}) {
    CHECK(to_vector<float>(sums, device(name)) == std::vector<float>{11, 74});
  }
}

TEST_CASE("a gather by a position that is counted in a loop of the same number") {
  Tensor x = Tensor::from(std::vector<float>{2, 7, 1, 5}, {4});
  Tensor t = Tensor::from(std::vector<float>{10, 11, 12, 13}, {4});
  Tensor rank = (x < x.unsqueeze(-1)).cast(i64).sum({-1}, true);
  Tensor found = where(Tensor::arange(4) == rank, t, 0).sum({-1});
  for (const char* name : {"INTERP", "CPU"}) {
    CHECK(to_vector<float>(found, device(name)) == std::vector<float>{11, 13, 10, 12});
  }
}

}  // namespace niwaki::test
