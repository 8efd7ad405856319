// What `niwaki explain` says of graphs is what the schedule has: each kernel, each buffer that
// lives between kernels, and the peak; and of a model, its two steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "cases/cases.h"
#include "process.h"
#include "schedule/memory.h"
#include "support/golden.h"

using namespace niwaki;
using namespace niwaki_test;

namespace {

std::string explained(const std::string& what, const std::string& device = "NULL:llvm") {
  const Outcome outcome = run_program({"explain", what, "--text", "--device", device});
  CAPTURE(outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
  return outcome.out;
}

// The lines that match, as their groups.
std::vector<std::smatch> matches(const std::vector<std::string>& lines, const std::string& form) {
  const std::regex pattern(form);
  std::vector<std::smatch> found;
  for (const std::string& line : lines) {
    std::smatch match;
    if (std::regex_match(line, match, pattern)) found.push_back(match);
  }
  return found;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Letters for names, so that rows can be compared.
constexpr const char* life_row = R"(  (t\d+) +\S.*\] +\S+ \w+ +(\d+)  (\d+)\.\.(\d+) +([#.]+))";

}  // namespace

TEST_CASE("cli: explain shows each kernel of each case, and the life of each buffer between them") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    std::vector<UOp> uops;
    for (const Tensor& t : c.make()) uops.push_back(t.uop());
    const Schedule schedule = niwaki::schedule(uops);
    const std::string text = explained(c.name);
    const std::vector<std::string> lines = lines_of(text);
    CHECK(text.starts_with(c.name + "\n"));
    for (const std::string& line : lines) CHECK(line.size() <= 100);

    const std::vector<std::smatch> kernels = matches(lines, R"(kernel (\d+), 1 launch)");
    REQUIRE(kernels.size() == schedule.kernels.size());
    CHECK(matches(lines, "  because .+").size() == kernels.size());
    CHECK(matches(lines, "  cost .* operations, .* read, .* written: .*").size() == kernels.size());
    for (size_t k = 0; k < kernels.size(); k++) {
      CHECK(kernels[k][1] == std::to_string(k));
      CHECK(text.find("  because " + schedule.kernels[k].reason + "\n") != std::string::npos);
    }

    const std::vector<std::smatch> rows = matches(lines, life_row);
    REQUIRE(rows.size() == schedule.temporaries.size());
    std::vector<BufferRef> buffers;
    for (const Temporary& t : schedule.temporaries) buffers.push_back(t.buffer);
    std::vector<Life> expected = lives(schedule.kernels, buffers);
    std::ranges::stable_sort(expected, {}, &Life::first);
    for (size_t i = 0; i < rows.size(); i++) {
      CHECK(rows[i][3] == std::to_string(expected[i].first));
      CHECK(rows[i][4] == std::to_string(expected[i].last));
      const std::string cells = rows[i][5];
      REQUIRE(cells.size() == kernels.size());
      for (int64_t k = 0; k < std::ssize(cells); k++) {
        const bool alive = expected[i].first <= k && k <= expected[i].last;
        CHECK(cells[static_cast<size_t>(k)] == (alive ? '#' : '.'));
      }
    }
    const std::string peak_text = fmt::format("in kernel {}\n", peak(schedule).kernel);
    CHECK((rows.empty() || text.find(peak_text) != std::string::npos));
  }
}

TEST_CASE("cli: explain, as it is read") {
  for (const char* name : {"softmax", "attention_decode"}) {
    niwaki::test::check_golden("explain", name, explained(name));
  }
}

TEST_CASE("cli: explain names the lines and the ops of a program") {
  const std::string text = explained("q1_0_matvec");
  const std::vector<std::string> lines = lines_of(text);
  CHECK(matches(lines, R"((  fused  |         ) cases/cases.cpp:\d+  \S.*)").size() == 4);
  CHECK(matches(lines, R"(.*  bitcast, mul, reduce add, \d views)").size() == 1);
  CHECK(matches(lines, R"(.*  iota, cast u8, shr, and, \d views)").size() == 1);
  CHECK(explained("softmax", "NULL:cuda").find("local r") != std::string::npos);
}

TEST_CASE("cli: explain shows a model's two steps, equal blocks once") {
  const std::string text = explained(tiny_model);
  const std::vector<std::string> lines = lines_of(text);
  CHECK(text.find("decode: one token\n") != std::string::npos);
  CHECK(text.find("prefill: a chunk of t tokens\n") != std::string::npos);
  CHECK(text.find("pos in [0, 2048], t in [1, 64]: ") != std::string::npos);
  CHECK(text.find("blk.0.attn_q.weight") != std::string::npos);
  CHECK(text.find("models/qwen3.cpp:") != std::string::npos);
  for (const std::string& line : lines) CHECK(line.size() <= 100);
  const std::vector<std::smatch> steps = matches(lines, R"((\d+) kernels on NULL, .*)");
  REQUIRE(steps.size() == 2);
  const std::vector<std::smatch> folds =
      matches(lines, R"(--- kernels (\d+) to (\d+): 2 times the same (\d+) programs ---)");
  REQUIRE(folds.size() >= 1);
  const int64_t first = std::stoll(folds[0][1]);
  const int64_t last = std::stoll(folds[0][2]);
  const int64_t period = std::stoll(folds[0][3]);
  CHECK(last - first + 1 == 2 * period);
  CHECK(text.find(fmt::format("kernel {}, 2 launches\n", first)) != std::string::npos);
  CHECK(std::ranges::count(text.substr(0, text.find("prefill")), ':') > 0);
}

TEST_CASE("cli: what explain cannot explain") {
  const auto refused = [](const Words& words, int status, const std::string& message) {
    const Outcome outcome = run_program(words);
    CHECK(outcome.status == status);
    CHECK(outcome.out.empty());
    CHECK(outcome.err == "error: " + message + "\n");
  };
  std::string names;
  for (const Case& c : cases()) names += (names.empty() ? "" : ", ") + c.name;
  refused({"explain", "sotfmax", "--text"}, 1,
          "explain: 'sotfmax' is no file and none of the graphs " + names);
  refused({"explain", "none/at.all", "--text"}, 1, "open: none/at.all: No such file or directory");
  refused({"explain", "softmax"}, 2,
          "explain: there is one form so far: give --text for the kernels as text");
  refused({"explain", "--text"}, 2, "explain: CASE|FILE is missing: see niwaki explain --help");
  refused({"explain", "softmax", "--text", "--device", "TPU"}, 1,
          "device: unknown name 'TPU': known are CPU, INTERP and NULL[:TARGET]");
}
