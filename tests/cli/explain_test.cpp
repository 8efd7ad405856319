// What `niwaki explain` says of graphs is what the schedule has: each kernel, each buffer that
// lives between kernels, and the peak; and of a model, its two steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "cases/cases.h"
#include "cli/explanation.h"
#include "process.h"
#include "runtimes/describe.h"
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

// A row of the chart: name, offset, first and last kernel, a character a kernel.
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
      const std::string& reason = schedule.kernels[k].reason;  // of several values with ; between
      CHECK(text.find("  because " + reason.substr(0, reason.find(';')) + "\n") != text.npos);
    }

    size_t stages = 0;
    for (const Kernel& kernel : schedule.kernels) {
      for (const UOp& u : toposort(kernel.ast)) stages += u->op == Op::Stage;
    }
    CHECK(matches(lines, "  (keeps  |        ).* +\\S+ \\w+  cases/cases.cpp:.*").size() == stages);
    CHECK(matches(lines, life_row).size() == schedule.temporaries.size());
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
  for (const std::string& line : lines) CHECK(line.size() <= 100);
  for (const char* part :
       {"decode: one token\n", "prefill: a chunk of t tokens\n",
        "pos in [0, 2048], t in [1, 64]: ", "blk.0.attn_q.weight", "models/qwen3.cpp:"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("cli: what repeats is explained once, and its lives are those of the plan of memory") {
  constexpr int64_t n_layers = 12;
  Tensor x = Tensor::empty({4, 32});
  x = (x * x.mean().sqrt()).contiguous();
  for (int64_t i = 0; i < n_layers; i++) {
    const Tensor hidden = x.matmul(Tensor::empty({32, 64})).relu().contiguous();
    x = (hidden.matmul(Tensor::empty({64, 32})) + x).contiguous();
  }
  const std::vector<Tensor> outputs = {x.sum({1}).flip({0})};
  const Schedule schedule = niwaki::schedule({outputs[0].uop()});
  const int64_t n = std::ssize(schedule.kernels);
  const std::string text = explanation("layers", outputs, device("NULL:llvm"));
  const std::vector<std::string> lines = lines_of(text);

  // What stands for the rest.
  const std::vector<std::smatch> folds =
      matches(lines, R"(--- kernels (\d+) to (\d+): (\d+) times the same 2 programs ---)");
  REQUIRE(folds.size() == 1);
  const int64_t first = std::stoll(folds[0][1]);
  const int64_t last = std::stoll(folds[0][2]);
  const int64_t times = std::stoll(folds[0][3]);
  CHECK(times >= n_layers - 1);
  CHECK(last - first + 1 == 2 * times);
  for (int64_t k = first; k + 2 <= last; k++) {
    CHECK(schedule.kernels[k].ast == schedule.kernels[k + 2].ast);
  }
  CHECK(std::ssize(matches(lines, R"(kernel \d+, \d+ launch(es)?)")) == n - 2 * (times - 1));
  CHECK(matches(lines, fmt::format(R"(kernel \d+, {} launches)", times)).size() == 2);

  // Each buffer that is alive at a kernel that is shown, with a column for those that are not.
  const auto shown = [&](int64_t k) { return k < first + 2 || k > last; };
  std::vector<BufferRef> buffers;
  for (const Temporary& t : schedule.temporaries) buffers.push_back(t.buffer);
  const std::vector<Life> expected = lives(schedule.kernels, buffers);
  std::multiset<std::string> rows;
  for (size_t i = 0; i < buffers.size(); i++) {
    std::string cells;
    bool seen = false;
    bool meanwhile = false;
    for (int64_t k = 0; k < n; k++) {
      const bool alive = expected[i].first <= k && k <= expected[i].last;
      if (shown(k)) seen |= alive;
      else meanwhile |= alive;
      if (shown(k)) cells += alive ? '#' : '.';
      if (k == last) cells += meanwhile ? '#' : '.';
    }
    if (!seen) continue;
    rows.insert(fmt::format("{} {}..{} {}", schedule.temporaries[i].offset, expected[i].first,
                            expected[i].last, cells));
  }
  std::multiset<std::string> found;
  for (const std::smatch& row : matches(lines, life_row)) {
    found.insert(
        fmt::format("{} {}..{} {}", row[2].str(), row[3].str(), row[4].str(), row[5].str()));
  }
  CHECK(rows.size() >= 4);
  CHECK(found == rows);
  CHECK(text.find(fmt::format("at most {} at once, in kernel {}\n",
                              bytes_text(double(peak(schedule).bytes)), peak(schedule).kernel)) !=
        std::string::npos);
}

TEST_CASE("cli: many kernels share the columns of a chart") {
  Tensor x = Tensor::empty({4, 32});
  const Tensor kept = (x + 1.0).contiguous();
  x = kept;
  // No two are the same program.
  for (int64_t i = 0; i < 100; i++) x = (x.flip({0}) * double(i + 2)).contiguous();
  const std::string text = explanation("many", {x + kept}, device("NULL:llvm"));
  const std::vector<std::string> lines = lines_of(text);
  const std::vector<std::smatch> rows = matches(lines, life_row);
  REQUIRE(rows.size() == 101);
  for (const std::smatch& row : rows) CHECK(row[5].length() == 34);  // of 3 kernels each
  CHECK(std::ranges::count(rows[0][5].str(), '#') == 34);
  for (const std::string& line : lines) CHECK(line.size() <= 100);
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
