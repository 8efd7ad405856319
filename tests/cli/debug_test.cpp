// What NIWAKI_DEBUG shows at each level, on stderr, and only there.
#include <doctest/doctest.h>

#include <regex>

#include "process.h"

using namespace niwaki_test;

namespace {

const Words greedy = {"run", "-m", tiny_model, "-p", "the world", "-n", "2", "--temp", "0"};

Outcome debugged(int level, Words environment = {}) {
  environment.push_back(fmt::format("NIWAKI_DEBUG={}", level));
  const Outcome outcome = run_program(greedy, environment);
  CHECK(outcome.status == 0);
  return outcome;
}

bool has(const std::string& text, const std::string& form) {
  return std::regex_search(text, std::regex(form));
}

}  // namespace

TEST_CASE("cli: each level of NIWAKI_DEBUG shows what those before it do, and something more") {
  // Each seen from its level on.
  const std::vector<std::vector<std::string>> forms = {
      {R"(CPU: \d+ kernels, \d+ threads, \d+ lanes; \d+ temporaries of \S+ KiB in an arena of)",
       R"(at most \S+ KiB at once, in kernel \d+)"},
      {R"(kernel    0 +\S+ us +\S+ GFLOP/s +\S+ GB/s +\d+ % of (memory|peak) )",
       R"(\| f32\[1, 300\] <- f16\[640\], .*u8\[10240\] \| output)",
       R"(all +\d+ +\S+ us .* % of both .*\| memory \S+ GB/s, peak \d+ GFLOP/s)"},
      {R"(=== f32\[1, 300\] <- )", R"(\nloops: r\d < )", R"(\nmoves: vector )"},
      {R"(--- linear\n)", R"(--- source\n)"},
      {R"(--- rules of the schedule\n +\d+ x +\S+ us  \w+\.cpp:\d+: )", R"(--- rules of select\n)"},
      {R"(--- tensor graph\n)", R"(--- coalesce\n)", R"(--- \w+\nunchanged\n)"},
      {R"(--- assembly\n)"},
  };
  const std::string spoken = run_program(greedy).out;
  for (int level = 0; level <= 7; level++) {
    CAPTURE(level);
    const Outcome outcome = debugged(level);
    CHECK(outcome.out == spoken);
    for (int from = 1; from <= 7; from++) {
      for (const std::string& form : forms[static_cast<size_t>(from - 1)]) {
        CAPTURE(form);
        CHECK(has(outcome.err, form) == (level >= from));
      }
    }
  }
}

TEST_CASE("cli: the limits of the machine are kept between programs") {
  const std::string directory = scratch / "cache";
  const Words environment = {"NIWAKI_CACHE=" + directory};
  const std::regex limits(R"(memory \S+ GB/s, peak \d+ GFLOP/s)");
  std::smatch first;
  std::smatch second;
  const std::string measured = debugged(2, environment).err;
  const std::string read = debugged(2, environment).err;
  REQUIRE(std::regex_search(measured, first, limits));
  REQUIRE(std::regex_search(read, second, limits));
  CHECK(first[0] == second[0]);
}

TEST_CASE("cli: the oracle has no share of a limit") {
  const std::string shown = debugged(2, {"NIWAKI_DEVICE=INTERP"}).err;
  CHECK(has(shown, R"(kernel    0 +\S+ us +\S+ GFLOP/s +\S+ GB/s \| f32)"));
  CHECK(shown.find('%') == std::string::npos);
}
